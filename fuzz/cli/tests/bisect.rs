//! The `git bisect run` lines of the pages, taken from there and run in a repository whose
//! revisions "build" kernels that are there already.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::pages::block_run_by;

const TEST: &str = "fuzz/cli/tests/bisect.rs";

/// Stands for a build of Linux: what a revision has is the name of a kernel. One that is called
/// `broken` does not build.
const MAKE: &str = "#!/bin/sh\n[ \"$*\" = '-j8 vmlinux' ] || exit 3\nkernel=$(cat kernel)\n[ \"$kernel\" != broken ] || exit 2\ncp \"$KERNELS/$kernel/vmlinux\" vmlinux\n";

/// Runs a shell script in the repository, as its reader would; what it prints.
fn shell(folder: &Path, script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_ctxfuzz")).parent();
    let path = std::env::var("PATH").expect("there is a path");
    let program = program.expect("it is in a folder").display();
    let output = Command::new("sh")
        .args(["-euc", script])
        .current_dir(folder.join("linux"))
        .env(
            "PATH",
            format!("{}:{program}:{path}", folder.join("bin").display()),
        )
        .env(
            "KERNELS",
            common::kernels().canonicalize().expect("they are there"),
        )
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("the shell starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {printed}");
    printed
}

/// A repository with a revision for each kernel.
fn repository(kernels: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["bin", "linux", "linux/corpus"] {
        fs::create_dir(folder.path().join(name)).expect("a folder is made");
    }
    let make = folder.path().join("bin/make");
    fs::write(&make, MAKE).expect("it is written");
    fs::set_permissions(&make, fs::Permissions::from_mode(0o755)).expect("it may run");
    for file in common::corpus() {
        let from = common::project().join(&file);
        fs::copy(from, folder.path().join("linux").join(&file)).expect("a file is copied");
    }
    shell(
        folder.path(),
        "git init -q; git config user.name t; git config user.email t@localhost; printf '/vmlinux\\n/corpus\\n' >.gitignore; git add .gitignore",
    );
    for (number, kernel) in kernels.iter().enumerate() {
        let commit = format!(
            "echo {kernel} >kernel; echo {number} >number; git add .; git commit -qm 'revision {number}'; git tag r{number}"
        );
        shell(folder.path(), &commit);
    }
    folder
}

#[test]
fn the_commit_that_broke_it_is_found() {
    let kernels = ["fixed-le", "clobbering-le"];
    if common::real_kernels("bisect", kernels).is_none() {
        return;
    }
    let [fixed, bug] = kernels;
    let folder = repository(&[fixed, fixed, "broken", fixed, bug, bug]);
    shell(folder.path(), "git bisect start r5 r0");
    let told = shell(folder.path(), &block_run_by("docs/ci.md", TEST).text());
    assert!(told.contains("is the first bad commit"), "{told}");
    assert_eq!(
        shell(folder.path(), "git log -1 --format=%s refs/bisect/bad"),
        "revision 4\n"
    );
}

#[test]
fn the_commit_that_repaired_it_is_found() {
    let kernels = ["fixed-le", "clobbering-le"];
    if common::real_kernels("bisect", kernels).is_none() {
        return;
    }
    let [fixed, bug] = kernels;
    let folder = repository(&[bug, bug, fixed, "broken", fixed]);
    let block = block_run_by("docs/real-kernels.md", TEST);
    let (start, run) = block.lines.split_first().expect("two commands");
    shell(folder.path(), start);
    shell(folder.path(), "git bisect broken r0; git bisect fixed r4");
    let corpus = common::project()
        .join("corpus")
        .canonicalize()
        .expect("it is there");
    let run = run
        .join("\n")
        .replace("/path/to/corpus", &corpus.display().to_string());
    let told = shell(folder.path(), &run);
    assert!(told.contains("is the first fixed commit"), "{told}");
    assert_eq!(
        shell(folder.path(), "git log -1 --format=%s refs/bisect/fixed"),
        "revision 2\n"
    );
}
