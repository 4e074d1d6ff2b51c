//! `report --mail`: what it says of a known bug on a real kernel, and where it says nothing.

mod common;

use std::fs;
use std::process::Command;

use common::{bootable, call, in_corpus as corpus, kernels, project};

#[test]
fn a_known_bug_comes_with_its_page_its_program_and_its_repair() {
    let mut parts = common::Parts::of("a mail");
    let Some(vmlinux) = parts.next(bootable("debian-7.2")) else {
        return;
    };
    let file = corpus("fp-exceptions-off-in-child");
    let mut arguments = vec!["report", "--mail", &file, "--vmlinux", &vmlinux];
    let repaired = parts.next(bootable("repaired-le"));
    if let Some(repaired) = &repaired {
        arguments.extend(["--repaired", repaired]);
    }
    let called = call(&arguments);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let mail = called.stdout;
    let subject = "Subject: powerpc: a child cannot turn floating-point exceptions off\n\n";
    assert!(mail.starts_with(subject), "{mail}");
    for part in [
        "at the end of this mail, shows it on",
        "(PREEMPT)\n    not disturbed: 0 of 20 attempts differ\n    disturbed: 10 of ",
        "    in ctxfuzz's emulator: live\n",
        "copy_thread.msr-fe",
        "+\t\tchildregs->msr &= ~(MSR_FP|MSR_FE0|MSR_FE1|MSR_VEC|MSR_VSX);\n",
        "---8<--- fp-exceptions-off-in-child.c\n// SPDX-License-Identifier: GPL-2.0-only\n",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    if repaired.is_some() {
        assert!(mail.contains("has this and the repairs"), "{mail}");
    }
    let (prose, _) = mail.split_once("---8<---").expect("a program follows");
    let (text, _) = prose.split_once("Possible fix").expect("it is there");
    for line in text.lines().filter(|line| !line.contains("+0x")) {
        assert!(line.chars().count() <= 72, "{line}");
    }
}

#[test]
fn what_is_not_seen_is_not_reported() {
    let mut parts = common::Parts::of("no mail");
    let Some(vmlinux) = parts.next(bootable("debian-7.2")) else {
        return;
    };
    let silent = call(&[
        "report",
        "--mail",
        &corpus("vmx_preempt"),
        "--vmlinux",
        &vmlinux,
    ]);
    assert_eq!(silent.status, Some(0), "{}", silent.stderr);
    assert_eq!(silent.stdout, "");
    assert!(
        silent.stderr.contains("nothing to report"),
        "{}",
        silent.stderr
    );
    // It cannot be tried there, so silence is none.
    let lacks = call(&["report", "--mail", &corpus("exec"), "--vmlinux", &vmlinux]);
    assert_eq!(lacks.status, Some(2), "{}", lacks.stderr);
    assert_eq!(lacks.stdout, "");
    assert!(
        lacks
            .stderr
            .contains("cannot be tried on this kernel: exec"),
        "{}",
        lacks.stderr
    );
}

#[test]
fn bad_input_is_named() {
    let file = corpus("fp-exceptions-off-in-child");
    for (arguments, said) in [
        (vec!["report", &file, "--vmlinux", "no-vmlinux"], "--mail"),
        (vec!["report", "--mail", &file], "--vmlinux"),
        (
            vec!["report", "--mail", &file, "--vmlinux", "no-vmlinux"],
            "no-vmlinux",
        ),
        (
            vec!["report", "--mail", "no-file.json", "--vmlinux", "x"],
            "no-file.json",
        ),
    ] {
        let called = call(&arguments);
        assert_eq!(called.status, Some(2), "{arguments:?}: {}", called.stderr);
        assert!(
            called.stderr.contains(said),
            "{arguments:?}: {}",
            called.stderr
        );
        assert_eq!(called.stdout, "");
    }
}

/// The diffs of docs/findings/repairs are what `make kernels` puts into `repaired-*`, but for line
/// breaks.
#[test]
fn diffs_are_the_repairs_that_were_built() {
    let mut parts = common::Parts::of("diffs of repairs");
    for (version, diffs) in [
        ("6.1", &["signal-during-task-work"][..]),
        (
            "7.2",
            &[
                "preempted-in-sigreturn",
                "handler-starts-with-fpscr",
                "child-keeps-fe-bits",
                "preempted-in-pr-set-fpexc",
            ],
        ),
    ] {
        let source = kernels().join("build").join(format!("linux-{version}"));
        let there = match source.exists() {
            true => Ok(()),
            false => Err(format!(
                "there is no {}; see `make kernels`",
                source.display()
            )),
        };
        if parts.next(there).is_none() {
            continue;
        }
        let scratch = tempfile::tempdir().expect("a directory");
        let folder = "arch/powerpc/kernel";
        let files = [
            "fpu.S",
            "vector.S",
            "signal_64.c",
            "process.c",
            "interrupt.c",
        ];
        let trees = ["variant", "diff"].map(|tree| scratch.path().join(tree));
        for tree in &trees {
            fs::create_dir_all(tree.join(folder)).expect("a directory");
            for file in files {
                let fixed = source.join(folder).join(format!("{file}.fixed"));
                fs::copy(fixed, tree.join(folder).join(file)).expect("a source");
            }
        }
        let variant = project().join("emulator/linux/variant");
        let mut made = Command::new(variant);
        let made = made.arg(&trees[0]).args([version, "repaired"]).status();
        assert!(made.expect("it runs").success());
        for diff in diffs {
            let diff = project().join(format!("docs/findings/repairs/{diff}.diff"));
            let mut applied = Command::new("git");
            applied.args(["apply", "-p1"]).arg(diff);
            let applied = applied.current_dir(&trees[1]).status();
            assert!(applied.expect("it runs").success());
        }
        let changed = match version {
            "6.1" => &files[4..],
            _ => &files[2..4],
        };
        for file in changed {
            let [variant, diff] = trees.clone().map(|tree| {
                let text = fs::read_to_string(tree.join(folder).join(file)).expect("a source");
                text.split_whitespace().collect::<String>()
            });
            assert!(variant == diff, "{version}: {file}");
        }
    }
}
