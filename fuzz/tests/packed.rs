//! Targets packed with kernels, run as a service runs them: from another folder, told nothing, with
//! nothing to boot a kernel in.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Packs the targets of this build, told so, and moves the folder.
fn packed(settings: &[(&str, &str)]) -> Result<TempDir, String> {
    let out = tempfile::tempdir().expect("a temporary folder");
    let built = Path::new(env!("CARGO_BIN_EXE_differential")).parent();
    let output = Command::new(project().join("fuzz/oss-fuzz/pack-targets"))
        .arg(built.expect("a folder"))
        .env("OUT", out.path())
        .envs(settings.iter().copied())
        .output()
        .expect("the script starts");
    if !output.status.success() {
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        return Err(stderr(&output));
    }
    let moved = tempfile::tempdir().expect("a temporary folder");
    fs::remove_dir(moved.path()).expect("it is empty");
    fs::rename(out.path(), moved.path()).expect("it moves");
    Ok(moved)
}

/// Runs a packed target on a file of the corpus, or with other arguments.
fn run(folder: &Path, target: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let nothing = folder.join("nothing");
    fs::create_dir_all(&nothing).expect("a folder is made");
    Command::new(folder.join(target))
        .env_clear()
        .env("PATH", &nothing)
        .env("HOME", &nothing)
        .envs(settings.iter().copied())
        .current_dir(&nothing)
        .args(arguments)
        .output()
        .expect("the target starts")
}

fn corpus(name: &str) -> String {
    let file = project().join("corpus").join(name);
    file.to_str().expect("it is text").to_owned()
}

#[test]
fn what_is_told_when_packing_counts_where_nothing_is_told() {
    let folder = packed(&[
        ("CTXFUZZ_A", "fixed+save-fpu-clobbers-f0"),
        ("CTXFUZZ_B", "fixed"),
        ("CTXFUZZ_KERNEL", "clobbering"),
        ("CTXFUZZ_ENDIAN", "be"),
    ])
    .expect("it is packed");
    let loud = corpus("io-worker-on-interrupt-return.json");
    let code = |target: &str, settings: &[(&str, &str)]| {
        let output = run(folder.path(), target, &[&loud], settings);
        (output.status.code(), stderr(&output))
    };
    let (status, text) = code("differential", &[]);
    assert_eq!(status, Some(77), "{text}");
    assert!(
        text.contains("ctxfuzz: save_fpu.f0-is-fpscr, in "),
        "{text}"
    );
    let (status, text) = code("transparency", &[]);
    assert_eq!(status, Some(77), "{text}");
    // What is set where it runs wins.
    assert_eq!(code("differential", &[("CTXFUZZ_A", "fixed")]).0, Some(0));
    let silent = [("CTXFUZZ_KERNEL", "repaired")];
    assert_eq!(code("transparency", &silent).0, Some(0));
    let (status, text) = code("differential", &[("CTXFUZZ_ENDIAN", "x")]);
    assert_eq!(status, Some(2), "{text}");

    // A folder that was packed with something else before keeps nothing of it.
    let again = packed(&[]).expect("it is packed");
    assert!(!again.path().join("differential.kernels").exists());
}

#[test]
fn what_cannot_be_packed_is_told_when_packing() {
    for (settings, expected) in [
        (("CTXFUZZ_A", "fixd"), "CTXFUZZ_A: unknown kernel `fixd`"),
        (
            ("CTXFUZZ_KERNEL", "vmlinux:nowhere"),
            "nowhere: cannot read it",
        ),
    ] {
        let text = packed(&[settings]).expect_err("it is refused");
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("cannot be packed"), "{text}");
    }
}

#[test]
fn a_pack_that_is_not_whole_is_told_before_anything_runs() {
    let folder = packed(&[("CTXFUZZ_A", "fixed")]).expect("it is packed");
    let file = folder.path().join("differential.kernels");
    let text = fs::read_to_string(&file).expect("it reads");
    for (text, expected) in [
        (
            text.replace("\"fixed\"", "\"vmlinux:0.vmlinux\""),
            "differential.kernels: settings.CTXFUZZ_A: ",
        ),
        (
            text.replace("\"fixed\"", "\"vmlinux:../x\""),
            "`../x`: expected a file beside the target",
        ),
        (text.replace('}', ""), "differential.kernels:"),
    ] {
        fs::write(&file, text).expect("it is written");
        let output = run(folder.path(), "differential", &["-runs=1"], &[]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(expected), "{told}");
    }
}

/// Debian's kernel, and the same with the bug, if both are there and can be booted.
fn real_kernels() -> Option<[String; 2]> {
    let folder =
        env::var_os("CTXFUZZ_KERNELS").map_or(project().join("target/kernels"), PathBuf::from);
    let qemu = env::var_os("CTXFUZZ_QEMU").unwrap_or_else(|| "qemu-system-ppc64".into());
    let boots = Command::new(qemu)
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success());
    let kernels = ["debian-clobbering", "debian"].map(|name| folder.join(name).join("vmlinux"));
    if !boots || !kernels.iter().all(|kernel| kernel.is_file()) {
        // On stderr itself: the harness keeps what a passing test prints.
        let line = format!(
            "skipped: a packed real kernel: needs QEMU, and debian and debian-clobbering in {}\n",
            folder.display()
        );
        let _ = std::io::stderr().write_all(line.as_bytes());
        return None;
    }
    let absolute = |path: PathBuf| path.canonicalize().expect("it is there");
    Some(kernels.map(|path| format!("vmlinux:{}", absolute(path).display())))
}

#[test]
fn a_real_kernel_is_never_booted_where_it_runs() {
    let Some([clobbering, sound]) = real_kernels() else {
        return;
    };
    let folder = packed(&[
        ("CTXFUZZ_A", &clobbering),
        ("CTXFUZZ_B", &sound),
        ("CTXFUZZ_KERNEL", &clobbering),
    ])
    .expect("it is packed");
    let loud = corpus("io-worker-on-interrupt-return.json");
    let quiet = corpus("getppid.json");
    for (target, expected) in [
        ("differential", "ctxfuzz: save_altivec.v0-is-vscr, in "),
        ("transparency", "ctxfuzz: save_altivec.v0-is-vscr, in "),
    ] {
        let found = run(folder.path(), target, &[&loud], &[]);
        assert_eq!(found.status.code(), Some(77), "{}", stderr(&found));
        assert!(stderr(&found).contains(expected), "{}", stderr(&found));
        let silent = run(folder.path(), target, &[&quiet], &[]);
        assert_eq!(silent.status.code(), Some(0), "{}", stderr(&silent));
    }
    assert!(!folder.path().join("nothing/.cache").exists());
    // A snapshot of another recipe has another name.
    for entry in fs::read_dir(folder.path()).expect("it lists") {
        let path = entry.expect("it lists").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "snapshot")
        {
            fs::rename(&path, path.with_file_name("other.snapshot")).expect("it is renamed");
        }
        let executable = |path: &Path| {
            use std::os::unix::fs::PermissionsExt;
            fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o111 != 0)
        };
        assert!(!executable(&path) || path.extension().is_none() || path.is_dir());
    }
    for target in ["differential", "transparency"] {
        let refused = run(folder.path(), target, &[&quiet], &[]);
        let told = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(
            told.contains("has no snapshot that this ctxfuzz can use"),
            "{told}"
        );
    }
}
