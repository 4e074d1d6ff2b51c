//! What becomes of a real kernel. Needs qemu-system-ppc64, and the vmlinux that
//! CTXFUZZ_TEST_VMLINUX names; says so when it has nothing to do.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ctxfuzz_emulator::kernel::agent;
use ctxfuzz_emulator::kernel::snapshot::{
    BootOptions, Header, Snapshot, SnapshotError, SymbolKind,
};
use ctxfuzz_emulator::kernel::symbols::Symbols;

/// The kernel to try. Absence is told on stderr itself, as the test harness keeps what a passing
/// test prints.
fn kernel(test: &str) -> Option<PathBuf> {
    let skip = |why: &str| {
        let line = format!("skipped: {test}: {why}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        None
    };
    let Some(path) = std::env::var_os("CTXFUZZ_TEST_VMLINUX") else {
        return skip("CTXFUZZ_TEST_VMLINUX names no vmlinux; `make kernels` makes some");
    };
    let qemu = BootOptions::default().qemu;
    match Command::new(qemu).arg("--version").output() {
        Ok(_) => Some(path.into()),
        Err(_) => skip("there is no qemu-system-ppc64; `.ci/setup qemu` installs it"),
    }
}

#[test]
fn a_kernel_boots_to_the_mark_and_does_so_every_time() {
    let Some(vmlinux) = kernel("a_kernel_boots_to_the_mark_and_does_so_every_time") else {
        return;
    };
    let boot = || Snapshot::boot(&vmlinux, &BootOptions::default()).expect("it boots");
    let snapshot = boot();
    let registers = &snapshot.registers;
    let mark = agent::symbol(snapshot.endian, "agent_mark");
    assert_eq!(Some(registers.pc), mark);
    assert_ne!(registers.msr & 1 << 14, 0, "in user mode");
    assert!(
        registers.spr(48).is_some_and(|pid| pid != 0),
        "a user's address space"
    );
    assert!(registers.spr(268).is_some_and(|time| time > 0));
    assert!(snapshot.version.starts_with("Linux version "));
    assert!(snapshot.console.contains(&snapshot.version));
    assert!(snapshot.pages.len() > 1000);
    assert_eq!(boot().hash(), snapshot.hash());
    check_symbols(&snapshot);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("snapshot");
    snapshot.write(&file).expect("it is written");
    assert_eq!(Snapshot::read(&file).expect("it is read"), snapshot);
    let header = Header::read(&file).expect("it has a header");
    assert_eq!(header.kernel_hash, snapshot.kernel_hash);
}

fn check_symbols(snapshot: &Snapshot) {
    let in_text = |address| {
        snapshot
            .text
            .iter()
            .any(|&(s, n)| (s..s + n).contains(&address))
    };
    let mut last = None;
    let functions = snapshot
        .symbols
        .iter()
        .filter(|s| s.kind == SymbolKind::Function);
    for function in functions {
        assert!(in_text(function.address), "{function:?}");
        assert!(function.size > 0, "{function:?}");
        assert!(last < Some(function.address), "{function:?}");
        last = Some(function.address);
    }
    let symbols = Symbols::from_snapshot(snapshot);
    // The way out of the kernel: up to 6.12, and with generic entry (7.2).
    let way_out = ["interrupt_exit_user_prepare_main", "irqentry_exit"];
    let way_out = way_out
        .into_iter()
        .find(|name| symbols.address(name).is_some());
    let way_out = way_out.expect("there is a way out");
    for name in ["save_fpu", "copy_process", "schedule", way_out] {
        let address = symbols.address(name).unwrap_or_else(|| panic!("no {name}"));
        let function = symbols.function_at(address + 4).expect("it has code");
        assert_eq!(&*function.name, name);
    }
    let save_fpu = symbols.address("save_fpu").and_then(|a| symbols.source(a));
    let (file, line) = save_fpu.unwrap_or_else(|| ("kernel/fpu.S".to_owned(), 1));
    assert_eq!(file, "kernel/fpu.S", "or no debug information at all");
    assert!(line > 0);
}

/// The error that a boot ends with, and what is left of QEMU, which this shell command starts.
fn fails(vmlinux: &Path, start: &str, change: impl Fn(&mut BootOptions)) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (program, pid) = (folder.path().join("qemu"), folder.path().join("pid"));
    let script = format!("#!/bin/sh\necho $$ >{}\n{start}\n", pid.display());
    let written = Command::new("sh")
        .args(["-c", "printf '%s' \"$1\" >\"$0\" && chmod +x \"$0\""])
        .arg(&program)
        .arg(script)
        .status();
    assert!(written.is_ok_and(|status| status.success()));
    let mut options = BootOptions {
        qemu: program.into(),
        ..BootOptions::default()
    };
    change(&mut options);
    let error = Snapshot::boot(vmlinux, &options).expect_err("it does not boot");
    assert!(matches!(error, SnapshotError::Boot { .. }), "{error:?}");
    let pid = std::fs::read_to_string(pid).expect("it was started");
    let process = Path::new("/proc").join(pid.trim());
    assert!(!process.exists(), "QEMU is still there");
    error.to_string()
}

const QEMU: &str = "exec qemu-system-ppc64 \"$@\"";

#[test]
fn a_boot_that_fails_says_why_and_leaves_no_qemu() {
    let Some(vmlinux) = kernel("a_boot_that_fails_says_why_and_leaves_no_qemu") else {
        return;
    };
    let panic = fails(&vmlinux, QEMU, |options| {
        options.append = "rdinit=/none root=/dev/none".into()
    });
    assert!(
        panic.contains("the kernel panicked before it got to the mark: "),
        "{panic}"
    );
    assert!(panic.contains("Kernel panic - not syncing: "), "{panic}");

    let started = Instant::now();
    let slow = fails(&vmlinux, QEMU, |options| {
        options.limit = Duration::from_millis(300)
    });
    assert!(
        slow.contains("the kernel hangs: it took more than "),
        "{slow}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));

    // A kernel that waits for its root file system for ever.
    let hangs = fails(&vmlinux, QEMU, |options| {
        options.append = "rdinit=/none root=/dev/none rootwait".into();
        options.silence = Duration::from_secs(3);
    });
    assert!(
        hangs.contains("the kernel hangs: it printed nothing for 3 s"),
        "{hangs}"
    );
    assert!(hangs.contains("its console ended with: "), "{hangs}");

    // Our files lose their names when the machine is about to run.
    let killed =
        "(while [ -e memory ]; do sleep 0.1; done; kill -9 $$) & exec qemu-system-ppc64 \"$@\"";
    let dies = fails(&vmlinux, killed, |options| {
        options.append = "rdinit=/none root=/dev/none rootwait".into()
    });
    assert!(dies.contains("QEMU died (signal: 9"), "{dies}");
}
