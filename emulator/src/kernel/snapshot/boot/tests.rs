//! Emulators that are not what they should be. What a real one does with a real kernel is in
//! `emulator/tests/snapshot.rs`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::*;
use crate::kernel::snapshot::vmlinux;

#[test]
fn clocks_are_read() {
    let printed = "NIP 00\nTB 00000001 24315250 DECR 4294967295\nGPR00 0\n";
    let upper = 1 << 32;
    assert_eq!(
        parse_clocks(printed),
        Some((1, 24_315_250, 0xffff_ffff)),
        "in decimal"
    );
    assert_eq!(time_base(1, 24_315_250), upper + 24_315_250);
    assert_eq!(time_base(1, upper + 24_315_250), upper + 24_315_250);
    assert_eq!(parse_clocks("TB 1 2"), None);
}

/// Boots something that passes for a kernel, in an emulator that is this shell script.
fn boot(script: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("qemu");
    // A file that this process writes may be open in a child of another test, and then it cannot be
    // run.
    let written = Command::new("sh")
        .args([
            "-c",
            "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod +x \"$0\"",
        ])
        .arg(&program)
        .arg(script)
        .status();
    assert!(written.is_ok_and(|status| status.success()));
    boot_in(program)
}

fn boot_in(program: PathBuf) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kernel = folder.path().join("vmlinux");
    std::fs::write(&kernel, vmlinux::tests::passable()).expect("it is written");
    let options = BootOptions {
        limit: Duration::from_secs(2),
        silence: Duration::from_secs(1),
        qemu: program.into(),
        ..BootOptions::default()
    };
    let error = Snapshot::boot(&kernel, &options).expect_err("it does not boot");
    error.to_string()
}

#[test]
fn a_missing_emulator_can_be_installed() {
    let told = boot_in("no-such-emulator".into());
    assert!(told.starts_with("no-such-emulator is not installed: run `.ci/setup qemu`"));
}

#[test]
fn an_emulator_that_cannot_be_run_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = boot_in(folder.path().to_owned());
    assert!(told.contains("cannot start "), "{told}");
    assert!(told.contains("ermission denied"), "{told}");
}

#[test]
fn an_old_emulator_is_told_from_one_that_fails() {
    let old = boot(
        "echo \"qemu: warning: x\nqemu: Property 'pseries-5.2-machine.x-vof' not found\" >&2; exit 1",
    );
    assert!(old.contains("/qemu is too old: version "), "{old}");
    assert!(
        old.contains("'pseries-5.2-machine.x-vof' not found"),
        "{old}"
    );
    let fails = boot("echo no firmware >&2; exit 3");
    assert!(
        fails.ends_with("/qemu does not start: exit status: 3: no firmware"),
        "{fails}"
    );
}

#[test]
fn an_emulator_that_says_nothing_is_not_waited_for() {
    let started = Instant::now();
    let told = boot("exec sleep 100");
    assert!(told.contains("QEMU does not answer within 1 s"), "{told}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_emulator_that_says_something_else_is_refused() {
    let checksum = boot("printf '$OK#00'; exec sleep 100");
    assert!(checksum.contains("a checksum is wrong"), "{checksum}");
    // Enough to be taken for one that has started, and an end.
    let ends = boot("printf '+$T05#b9'; exec sleep 0.2");
    assert!(ends.contains("the kernel ended the machine"), "{ends}");
    assert!(ends.ends_with("it printed nothing"), "{ends}");
    let dies = boot("printf '+$T05#b9'; sleep 0.2; echo out of luck >&2; exit 4");
    assert!(
        dies.contains("QEMU died (exit status: 4): out of luck"),
        "{dies}"
    );
    let other = boot("printf '+$T05#b9+$#00+$E01#a6'; exec sleep 100");
    assert!(
        other.contains("QEMU does not describe target.xml"),
        "{other}"
    );
}
