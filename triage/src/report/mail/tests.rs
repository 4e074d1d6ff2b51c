//! A mail of what the model shows, with and without what else may be known.

use ctxfuzz_emulator::arch::Endian;

use super::*;
use crate::cause;
use crate::kernels::Kernels;
use crate::transparency::judge;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

const PAGE: &str = "# T\n\n## What a program sees\n\nA task has `f0` of\nits handler.\n\n\
    ## Cause\n\nBits are set too early.\n\n## Repair tried\n\nThey are not.\n\nIn `make kernels`.\n";
const DIFF: &str = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n \n-one\n+two\n";
const PROGRAM: &str = "#include <stdio.h>\n\tint main(void)  \n";

/// The mail of the model's `fixed`, which is preempted in rt_sigreturn.
fn mail_of(
    candidates: &[Candidate],
    edit: impl FnOnce(&mut Mail<'_>),
) -> std::result::Result<String, Box<dyn std::error::Error>> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../corpus/preempted-in-sigreturn.json"
    );
    let scenario = Scenario::load(std::path::Path::new(file))?;
    let kernel = "fixed".parse()?;
    let mut runner = ctxfuzz_emulator::run::Runner::new(&kernel, Endian::Little)?;
    runner.observe();
    let judgement = judge(&scenario, &runner.run(&scenario));
    let explanation = cause::explain(&Kernels::One(kernel), Endian::Little, &scenario)?;
    let versions = [
        (
            "7.2.13+deb14-powerpc64le",
            "live",
            "disturbed: 10 of 26 attempts differ",
        ),
        ("6.1.0-50-powerpc64le", "silent*", ""),
    ];
    let versions = versions.map(|(release, seen, program)| Version {
        release: release.to_owned(),
        seen: seen.to_owned(),
        program: vec![program.to_owned()],
    });
    let mut mail = Mail {
        release: "7.2.13+deb14-powerpc64le",
        endian: Endian::Little,
        scenario: &scenario,
        violations: &judgement.violations,
        explained: explanation
            .causes
            .first()
            .map(|cause| (&explanation, cause)),
        explained_on: "7.2.13",
        known: None,
        ways: &["a signal from another process"],
        confirmed: true,
        machine: "QEMU 7.2.22 (pseries)",
        repaired: None,
        versions: &versions,
        candidates,
        program_name: "test.c",
        program: PROGRAM,
    };
    edit(&mut mail);
    Ok(text(&mail))
}

/// All but call traces and code, which stay as they are.
#[test]
fn prose_is_wrapped_at_72() -> Result {
    let mail = mail_of(&[], |_| {})?;
    let (prose, program) = mail.split_once("---8<--- test.c\n").ok_or("no program")?;
    for line in prose.lines().filter(|line| !line.contains("+0x")) {
        assert!(line.chars().count() <= 72, "{line}");
    }
    assert_eq!(program, format!("{PROGRAM}---8<---\n"));
    for line in [
        "Subject: powerpc: f0-f31, fpscr not preserved across rt_sigreturn",
        "  6.1.0-50-powerpc64le\n",
        "    disturbed: 10 of 26 attempts differ\n    in ctxfuzz's emulator: live\n",
        "is no answer where a *",
        "  f0       had 0x",
        "f14-f31 among them are not volatile",
        "restore_math+0x",
        "  then the last copy of that went to f0 in thread_struct of task 0",
        "  gcc -O1 -static -o test test.c && ./test",
    ] {
        assert!(prose.contains(line), "{line}: {prose}");
    }
    Ok(())
}

/// Nothing is said to be shown by a program that did not show it.
#[test]
fn what_no_program_shows_is_suspected() -> Result {
    let shown = "A program, which is at the end of this mail, shows it on";
    let mail = mail_of(&[], |_| {})?.replace('\n', " ");
    assert!(
        mail.contains(shown) && !mail.contains("suspected"),
        "{mail}"
    );
    let mail = mail_of(&[], |mail| mail.confirmed = false)?.replace('\n', " ");
    assert!(
        !mail.contains(shown) && mail.contains("This is suspected"),
        "{mail}"
    );
    Ok(())
}

#[test]
fn what_a_page_says_comes_with_its_diff_as_it_is() -> Result {
    let mail = mail_of(&[], |mail| {
        mail.known = Some(Known {
            subject: "powerpc: a subject",
            page: PAGE,
            repair: Some(DIFF),
        });
        mail.repaired = Some("6.1.176");
    })?;
    assert!(mail.starts_with("Subject: powerpc: a subject\n\nA task has f0 of its handler.\n\n"));
    for part in [
        "Cause\n\nBits are set too early.\n",
        "Possible fix, to show the cause\n\nThey are not.\n\n",
        "Linux 6.1.176, which has this and the repairs",
        DIFF,
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    assert!(!mail.contains("make kernels"), "{mail}");
    Ok(())
}

#[test]
fn candidates_are_called_that() -> Result {
    let candidates = [Candidate {
        place: "arch/powerpc/kernel/process.c:382".to_owned(),
        commit: "0123456789ab".to_owned(),
        subject: "powerpc: A change".to_owned(),
    }];
    let file = "arch/powerpc/kernel/process.c:382\n  Fixes: 0123456789ab (\"powerpc: A change\")\n";
    let mail = mail_of(&[], |_| {})?;
    assert!(!mail.contains("Fixes:"), "{mail}");
    let with = mail_of(&candidates, |_| {})?;
    assert!(with.contains("Candidates for Fixes:"), "{with}");
    assert!(with.contains(file), "{with}");
    Ok(())
}

#[test]
fn registers_that_follow_each_other_are_a_range() {
    let f = |n| What::Register(Register::F(n));
    let v = |n| What::Register(Register::V(n));
    let fpscr = What::Register(Register::Fpscr);
    assert_eq!(names(&[f(0), f(2), f(1), v(3), f(5)]), "f0-f2, f5, v3");
    assert_eq!(
        names(&[fpscr, f(31), v(0), v(1), f(31)]),
        "f31, v0-v1, fpscr"
    );
    assert_eq!(names(&[What::SiCode]), "si_code");
}
