//! `confirm`: what a plain C program shows on booted, unmodified kernels, and what it does not.

mod common;

use common::shown::{self, Page, Shown};
use common::{bootable, call, in_corpus as corpus, json_lines, project};
use serde_json::Value;

/// The exit status and what was said, in JSON.
fn confirmed(arguments: &[&str]) -> (i32, Value) {
    let called = call(&[&["confirm", "--json"], arguments].concat());
    let status = called.status.expect("it ends");
    let said = json_lines(&called.stdout).into_iter().next();
    (status, said.unwrap_or_else(|| panic!("{}", called.stderr)))
}

/// The thread's own bug: reproduced where the reloads are missing, and not where they are there.
#[test]
fn the_bug_of_the_thread_is_reproduced_where_it_is() {
    let mut parts = common::Parts::of("a program for the thread's bug");
    let file = corpus("io-worker-on-interrupt-return");
    for (kernel, status, answer) in [
        ("debian-clobbering", 1, "reproduced"),
        ("clobbering-be", 1, "reproduced"),
        ("debian", 0, "not_reproduced"),
    ] {
        let Some(vmlinux) = parts.next(bootable(kernel)) else {
            continue;
        };
        let (ended, said) = confirmed(&[&file, "--vmlinux", &vmlinux]);
        assert_eq!(ended, status, "{kernel}: {said}");
        assert_eq!(said["answer"], answer, "{kernel}: {said}");
    }
}

/// The kernels of the tables of docs/findings: as they were released, and one with the repairs.
const KERNELS: [&str; 6] = [
    "debian-7.2",
    "fixed-le",
    "repaired-le",
    "debian",
    "debian-6.12",
    "fixed-7.2-le",
];

fn of_page(page: &Page, kernel: &str, vmlinux: &str) -> Shown {
    let file = project().join(&page.scenario).display().to_string();
    let mut arguments = vec![file.as_str(), "--vmlinux", vmlinux];
    arguments.extend(page.options.iter().map(String::as_str));
    let (_, said) = confirmed(&arguments);
    let tap = said["tap"].to_string();
    assert!(
        tap.contains("\"ok 1 control"),
        "{kernel}: {}: {said}",
        page.page
    );
    let late_page = tap.contains("not ok 3") && !tap.contains("not ok 2");
    let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
    Shown {
        page: page.page.clone(),
        kernel: kernel.to_owned(),
        release: text("kernel").trim_start_matches("Linux ").to_owned(),
        answer: text("answer"),
        differ: said["differ"].as_u64().unwrap_or(0),
        of: said["of"].as_u64().unwrap_or(0),
        late_page,
    }
}

/// What the tables of docs/findings say that programs show, by programs that nobody has written by
/// hand. What takes minutes is left out.
#[test]
fn what_the_pages_say_is_what_programs_show() {
    if std::env::var_os("CTXFUZZ_BLESS").is_some() {
        return bless();
    }
    let mut parts = common::Parts::of("what the pages say of a kernel");
    for (kernel, of_kernel) in [
        (
            "debian-7.2",
            &["sigreturn", "handler-starts", "child-keeps"][..],
        ),
        ("debian", &["sigreturn"]),
    ] {
        let Some(vmlinux) = parts.next(bootable(kernel)) else {
            continue;
        };
        for part in of_kernel {
            let pages = shown::pages();
            let page = pages.iter().find(|page| page.page.contains(part));
            let page = page.expect("there is one");
            let rows = shown::all();
            let is_row = |row: &&Shown| (&*row.page, &*row.kernel) == (&*page.page, kernel);
            let row = rows.iter().find(is_row).expect("it has a row");
            let seen = of_page(page, kernel, &vmlinux);
            assert_eq!(seen.answer, row.answer, "{kernel}: {seen:?}");
            assert_eq!(seen.late_page, row.late_page, "{kernel}: {seen:?}");
        }
    }
}

/// Makes the rows that are missing, of the kernels that are there; each is kept when it is made.
/// All of them take an hour. To make one anew, take it out of docs/findings/confirmed.json.
fn bless() {
    let mut parts = common::Parts::of("rows of what programs show");
    for page in shown::pages() {
        for kernel in KERNELS {
            let Some(vmlinux) = parts.next(bootable(kernel)) else {
                continue;
            };
            let mut all = shown::all();
            let known = |row: &Shown| (&*row.page, &*row.kernel) == (&*page.page, kernel);
            if !all.iter().any(known) {
                all.push(of_page(&page, kernel, &vmlinux));
                let place = |row: &Shown| KERNELS.iter().position(|kernel| *kernel == row.kernel);
                all.sort_by_key(|row| (row.page.clone(), place(row)));
                shown::write(&all);
            }
        }
    }
}

#[test]
fn what_is_not_preserved_is_named() {
    let mut parts = common::Parts::of("programs that name registers");
    let Some(vmlinux) = parts.next(bootable("debian-7.2")) else {
        return;
    };
    let swapcontext = project().join("docs/findings/programs/swapcontext-preempted.json");
    let swapcontext = swapcontext.display().to_string();
    let [delivery, child] =
        ["preempted-in-signal-delivery", "fp-exceptions-off-in-child"].map(corpus);
    for (file, abi, wrong) in [
        (&delivery, "elf", "at the start of handler 0: fpscr"),
        (&child, "elf", "at its end: fpscr"),
        (&swapcontext, "linux", "at its end: doubleword 1 of vs"),
    ] {
        let (ended, said) = confirmed(&[file, "--abi", abi, "--vmlinux", &vmlinux]);
        assert_eq!(ended, 1, "{file}: {said}");
        let tap = said["tap"].to_string();
        assert!(tap.contains(wrong), "{file}: {tap}");
        assert!(tap.contains("ok 1 control"), "{file}: {tap}");
    }
    // Nothing is wrong there, whoever is switched to.
    let (ended, said) = confirmed(&[&corpus("vmx_preempt"), "--vmlinux", &vmlinux]);
    assert_eq!(ended, 0, "{said}");
    assert_eq!(said["of"], 200, "{said}");
}

#[test]
fn three_boots_print_the_same() {
    let mut parts = common::Parts::of("three boots");
    let Some(vmlinux) = parts.next(bootable("debian-clobbering")) else {
        return;
    };
    let file = corpus("io-worker-on-interrupt-return");
    let boot = || confirmed(&[&file, "--vmlinux", &vmlinux]);
    let first = boot();
    assert_eq!(first, boot());
    assert_eq!(first, boot());
}

/// Time is up, there is too little memory, or the same is reproduced on the repaired kernel.
#[test]
fn what_shows_nothing_is_inconclusive() {
    let mut parts = common::Parts::of("boots that show nothing");
    let Some(vmlinux) = parts.next(bootable("debian-clobbering")) else {
        return;
    };
    let file = corpus("io-worker-on-interrupt-return");
    let (ended, said) = confirmed(&[&file, "--limit", "1", "--vmlinux", &vmlinux]);
    assert_eq!((ended, &said["answer"]), (2, &"inconclusive".into()));
    assert_eq!(said["why"], "the kernel hangs: it took more than 1 s");
    let (ended, said) = confirmed(&[&file, "--vmlinux", &vmlinux, "--repaired", &vmlinux]);
    assert_eq!(ended, 2, "{said}");
    assert_eq!(said["repaired"]["answer"], "reproduced", "{said}");
}

/// A program for each file of the corpus that can have one, without a warning in either byte order.
#[test]
fn emitted_programs_compile_without_warnings() {
    let mut parts = common::Parts::of("emitted programs");
    let folder = tempfile::tempdir().expect("a directory");
    let source = folder.path().join("test.c");
    let mut programs = 0;
    for file in common::corpus() {
        let emitted = call(&["confirm", &file, "--emit-c", &source.display().to_string()]);
        if emitted.status == Some(2) {
            assert!(
                emitted.stderr.contains("a program cannot do that"),
                "{}",
                emitted.stderr
            );
            continue;
        }
        assert_eq!(emitted.status, Some(0), "{file}: {}", emitted.stderr);
        let text = std::fs::read_to_string(&source).expect("it was written");
        assert!(text.starts_with("// SPDX-License-Identifier: GPL-2.0-only\n/*\n"));
        programs += 1;
        // What the pages tell of is compiled for both byte orders, the rest for one in turn.
        let told = shown::pages().iter().any(|page| page.scenario == file);
        let compilers = match told {
            true => &common::COMPILERS[..],
            false => &common::COMPILERS[programs % 2..][..1],
        };
        for compiler in compilers {
            if parts.next(common::compiles(compiler)).is_none() {
                continue;
            }
            let mut compile = std::process::Command::new(compiler);
            let said = compile
                .args([
                    "-O1", "-static", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-o",
                ])
                .args([folder.path().join("test"), source.clone()])
                .output()
                .expect("it starts");
            let complaints = String::from_utf8_lossy(&said.stderr);
            assert!(said.status.success(), "{file}: {complaints}");
        }
    }
    assert!(programs >= 55, "{programs}");
}

#[test]
fn bad_input_is_refused_with_the_reason() {
    let refused = |arguments: &[&str], why: &str| {
        let called = call(arguments);
        assert_eq!(called.status, Some(2), "{arguments:?}");
        assert!(called.stderr.contains(why), "{}", called.stderr);
        assert_eq!(called.stdout, "");
    };
    let (good, nmi) = (corpus("getppid"), corpus("nmi"));
    refused(&["confirm", &good], "--vmlinux <FILE>");
    refused(&["confirm", &good, "--vmlinux", "/none"], "/none");
    refused(&["confirm", &good, "--vmlinux", &good], "getppid.json");
    refused(
        &["confirm", &nmi, "--emit-c", "/none/test.c"],
        "/none/test.c",
    );
    let why = "event 0: a program cannot do that under QEMU: a system reset interrupt";
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("test.c").display().to_string();
    refused(&["confirm", &nmi, "--emit-c", &file], why);
    let folder = folder.path().display().to_string();
    refused(&["confirm", &folder, "--emit-c", &file], "no finding");
    assert!(!std::path::Path::new(&file).exists());
}
