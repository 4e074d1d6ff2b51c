//! What is said of one kernel, from one recorded run: the names that a second kernel leads to, and
//! nothing of a kernel that is right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Class, Defect};
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use ctxfuzz_triage::cause::{Cause, Explainer, Explanation, explain};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::machines::Machines;
use ctxfuzz_triage::transparency::expected_outcome;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Seeded bugs whose witness violates nothing that one kernel owes its tasks: that takes a second
/// kernel, which does not do it.
const NOT_SEEN: [&str; 4] = [
    "repair-vrsave-in-fork",
    "repair-vrsave-in-exec",
    "repair-vrsave-in-core",
    "le-repair-vscr-word",
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

fn scenario(name: &str) -> Result<Scenario> {
    Ok(Scenario::load(&corpus().join(format!("{name}.json")))?)
}

fn one(kernel: &str, endian: Endian, scenario: &Scenario) -> Result<Explanation> {
    Ok(explain(&Kernels::One(kernel.parse()?), endian, scenario)?)
}

fn only_cause<'a>(explanation: &'a Explanation, signature: &str) -> Result<&'a Cause> {
    match &explanation.causes[..] {
        [cause] if cause.signature == signature => Ok(cause),
        _ => Err(format!("{:?} instead of {signature}", explanation.signatures()).into()),
    }
}

fn names(defect: &Defect, endian: Endian) -> Result<Option<[Vec<String>; 2]>> {
    let Some(witness) = defect.witness.filter(|_| defect.applies(endian)) else {
        return Ok(None);
    };
    let witness = scenario(witness)?;
    let [a, b] = defect.pair();
    let abi = Abi::that_shows(defect);
    let two = Kernels::pair(&a.parse()?, &b.parse()?);
    let two = explain(&two, endian, &witness)?.reported(abi);
    let one = one(&a, endian, &witness)?.reported(abi);
    Ok(Some([two, one]))
}

#[test]
fn a_seeded_bug_has_one_name_with_a_second_kernel_and_without() -> Result {
    for endian in Endian::BOTH {
        let mut silent = BTreeSet::new();
        for defect in defects::all() {
            let Some([two, one]) = names(defect, endian)? else {
                continue;
            };
            if one.is_empty() {
                silent.insert(defect.id);
                continue;
            }
            assert_eq!(one, two, "{}, {endian:?}", defect.id);
        }
        let is_here = |id: &&str| defects::find(id).is_some_and(|d| d.applies(endian));
        let expected = |ids: &[&'static str]| -> BTreeSet<&str> {
            ids.iter().copied().filter(is_here).collect()
        };
        assert_eq!(silent, expected(&NOT_SEEN), "{endian:?}");
    }
    Ok(())
}

/// What campaigns met otherwise than the witnesses do: the seeded bug, what shows it, its name.
const MET: [(&str, &str, &str); 8] = [
    // A tracer asks for registers of a task that does not run, and that owns them.
    (
        "giveup-keeps-fp-bit",
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [{"set": {"vs30": "0x0"}},
            {"interrupt": {"vector": "decrementer", "pending": {"ptrace": {}}}}]}"#,
        "__giveup_fpu.msr-facility",
    ),
    // Who fills the image for a handler is not at fault: FP was to be given up before.
    (
        "giveup-keeps-fp-bit",
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "registers": {"fpscr": "0x1"}}]},
            "events": [{"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}}]}"#,
        "__giveup_fpu.msr-facility",
    ),
    // The reason for a SIGFPE is wrong, as FE0 and FE1 are on.
    (
        "giveup-keeps-fe-bits",
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "load_fp": 0}, {"uses": ["fp"]}]},
            "events": [{"syscall": {"call": "prctl", "fpexc": "precise"}},
            {"interrupt": {"vector": "decrementer", "pending": {"switch": 1}}},
            {"interrupt": {"vector": "decrementer", "pending": {"switch": 0}}},
            {"syscall": {"call": "prctl", "fpexc": "disabled"}},
            {"set": {"f1": "0x3ff0000000000000", "f2": "0x0", "fpscr": "0x10"}},
            {"access": {"op": "lxvd2x", "register": 15}},
            {"compute": {"op": "fdiv", "register": 1}}]}"#,
        "__giveup_fpu.msr-fe",
    ),
    // A child has FE0 and FE1 of its parent before it has FP, and has FP when it wants them off:
    // the copy of its parent is not at fault.
    (
        "repair-fork-fe-bits",
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {"uses": ["fp"], "load_fp": 0}]}, "events": [
            {"syscall": {"call": "getppid", "pending": {"switch": "any"}}},
            {"syscall": {"call": "prctl", "fpexc": "nonrecoverable"}},
            {"syscall": {"call": "fork"}}, {"syscall": {"call": "sched_yield"}},
            {"syscall": {"call": "sched_yield"}},
            {"syscall": {"call": "prctl", "fpexc": "disabled"}},
            {"set": {"fpscr": "0x84000010"}}]}"#,
        "copy_thread.msr-fe",
    ),
    // VEC and VSX come on with nothing loaded; VSX alone is what is not whole.
    (
        "sigreturn-trusts-msr",
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["vsx"], "load_fp": 254}]}, "events": [
            {"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}},
            {"syscall": {"call": "fork", "pending": {"switch": "any", "after": 5}}}]}"#,
        "restore_sigcontext.msr-facility",
    ),
    // A handler comes between the store that the kernel does and the load of it.
    (
        "emul-vsx-pair-size",
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["vsx"], "pattern": "0x1"}, {}]}, "events": [
            {"access": {"op": "stxsdx", "register": 26,
                "pending": {"switch": "any", "signal": 10}}}]}"#,
        "do_vsx_store.user-stack-changed",
    ),
    // The kernel writes nothing at all.
    (
        "emul-vsx-pair-size",
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
            {"access": {"op": "lxsdx", "register": 0}}]}"#,
        "do_vsx_load.vsrs-changed",
    ),
    // A signal's frame is held to the registers that the task had got wrong before.
    (
        "restore-math-partial-vsx",
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {"uses": ["fp", "vmx"], "load_vec": 0},
            {"uses": ["fp"]}]}, "events": [
            {"interrupt": {"vector": "decrementer", "pending": {"switch": 2}}},
            {"interrupt": {"vector": "data_storage"}}, {"syscall": {"call": "read", "bytes": 8192}},
            {"interrupt": {"vector": "data_storage"}},
            {"interrupt": {"vector": "external", "pending": {"signal": 10}}}]}"#,
        "restore_math.msr-vsx",
    ),
];

#[test]
fn what_campaigns_met_has_the_name_of_its_bug_and_a_right_kernel_has_none() -> Result {
    for (number, (id, text, signature)) in MET.into_iter().enumerate() {
        let defect = defects::find(id).ok_or(id)?;
        let scenario = Scenario::from_json(text, id)?;
        for endian in Endian::BOTH {
            let found = one(&defect.kernel(), endian, &scenario)?.signatures();
            assert_eq!(found, [signature], "case {number}, {endian:?}");
            let right = one("repaired", endian, &scenario)?.signatures();
            assert_eq!(right, [""; 0], "case {number}, {endian:?}");
        }
    }
    Ok(())
}

/// `mffs` has FPSCR in f0 for a moment, which is what f0 had to be: that loses nothing.
#[test]
fn a_special_register_on_its_way_to_memory_is_no_copy_of_what_was_lost() -> Result {
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}], "io_uring": [0]}, "events": [
        {"set": {"f0": "0x1"}}, {"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}},
        {"set": {"f0": "0x0", "fpscr": "0x1"}}, {"syscall": {"call": "fork"}},
        {"syscall": {"call": "rt_sigreturn", "pending": {"switch": "any",
            "at": {"function": "__unsafe_restore_sigcontext", "into": "46%"}}}},
        {"interrupt": {"vector": "decrementer", "pending": {"io_worker": true}}}]}"#;
    let scenario = Scenario::from_json(text, "mffs")?;
    for endian in Endian::BOTH {
        let found = one("fixed", endian, &scenario)?.signatures();
        assert_eq!(found, ["restore_math.msr-facility"], "{endian:?}");
    }
    Ok(())
}

#[test]
fn a_kernel_that_is_right_has_no_cause() -> Result {
    for endian in Endian::BOTH {
        let repaired = Kernels::One("repaired".parse()?);
        let mut explainer = Explainer::new(&repaired, endian)?;
        for file in std::fs::read_dir(corpus())? {
            let path = file?.path();
            if path.extension().is_some_and(|e| e == "json") {
                let explanation = explainer.explain(&Scenario::load(&path)?);
                assert_eq!(explanation.signatures(), [""; 0], "{}", path.display());
            }
        }
    }
    Ok(())
}

#[test]
fn the_sigreturn_bug_is_told_with_what_was_loaded_and_what_was_filled_too_late() -> Result {
    let scenario = scenario("preempted-in-sigreturn")?;
    for endian in Endian::BOTH {
        let explanation = one("fixed", endian, &scenario)?;
        let cause = only_cause(&explanation, "restore_math.msr-facility")?;
        assert_eq!(cause.class, Class::WrongOwner);
        let loss = cause.loss.as_ref().ok_or("nothing is said of the value")?;
        let held = loss.held.as_ref().ok_or("the right value was nowhere")?;
        let got = loss.got.as_ref().ok_or("nobody wrote the wrong one")?;
        assert_eq!(held.value, loss.right);
        assert_ne!(got.value, loss.right);
        let calls = |place: &[(u64, String)], name: &str| {
            place.iter().any(|(_, place)| place.starts_with(name))
        };
        assert!(calls(&held.writer.trace, "restore_sigcontext+"), "{held:?}");
        assert!(calls(&got.writer.trace, "restore_math+"), "{got:?}");
        let text = explanation.text();
        for line in [
            "In short: an image was filled after it had been loaded",
            "How f0 was lost:",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let json = explanation.json();
        assert_eq!(
            (&json["a"], &json["b"]),
            (&"fixed".into(), &"expected".into())
        );
        assert!(json["causes"][0]["cause"]["last_writer"]["a"].is_object());
        assert!(json["causes"][0]["loss"]["held"]["writer"]["trace"].is_array());
    }
    Ok(())
}

#[test]
fn the_bug_of_the_thread_is_found_where_it_was_done() -> Result {
    let scenario = scenario("io-worker-on-interrupt-return")?;
    for endian in Endian::BOTH {
        let explanation = one("clobbering", endian, &scenario)?;
        let f0 = explanation.causes.iter();
        let mut f0 = f0.filter(|c| c.signature == "save_fpu.f0-is-fpscr");
        let f0 = f0.next().ok_or("no cause")?;
        let writer = f0.writer_a.as_ref().ok_or("no writer")?;
        assert_eq!(writer.instruction, "mffs f0");
        let in_copy_process = writer
            .trace
            .iter()
            .any(|(_, p)| p.starts_with("copy_process+"));
        assert!(in_copy_process, "{:?}", writer.trace);
        assert_eq!(f0.class, Class::ClobberedRegister);
    }
    Ok(())
}

/// The traces of the thread: done in save_fpu under copy_process, first copied by giveup_all, found
/// in a system call that sleeps, or later.
#[test]
fn the_bug_of_the_thread_is_found_where_it_was_copied() -> Result {
    let cases = [
        ("clone-then-pipe-read", "pipe_read+"),
        ("clone-then-futex-wait", "futex_wait+"),
        ("io-worker-on-interrupt-return", "schedule+"),
    ];
    for endian in Endian::BOTH {
        for (file, found_in) in cases {
            let explanation = one("clobbering", endian, &scenario(file)?)?;
            let mut causes = explanation.causes.iter();
            let cause = causes.find(|c| c.signature == "save_fpu.f0-is-fpscr");
            let cause = cause.ok_or(file)?;
            let done = cause.writer_a.as_ref().ok_or("no writer")?;
            let copied = cause.copies.iter().find(|copy| copy.in_memory);
            let copied = copied.and_then(|copy| copy.writer.as_ref()).ok_or(file)?;
            let is_in = |trace: &[(u64, String)], name| trace.iter().any(|p| p.1.starts_with(name));
            assert!(is_in(&done.trace, "copy_process+"), "{file}: {done:?}");
            for name in ["giveup_all+", found_in] {
                assert!(is_in(&copied.trace, name), "{file}, {endian:?}: {copied:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_a_child_has_was_lost_by_its_parent() -> Result {
    let scenario = scenario("fork-twice")?;
    for endian in Endian::BOTH {
        let found = one("clobbering", endian, &scenario)?.signatures();
        assert_eq!(found, ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"]);
    }
    Ok(())
}

#[test]
fn the_run_as_it_had_to_be_differs_where_a_violation_was_seen() -> Result {
    let scenario = scenario("io-worker-on-interrupt-return")?;
    for (kernel, least) in [("clobbering", Verdict::Live), ("repaired", Verdict::None)] {
        let mut machines = Machines::new(&Kernels::One(kernel.parse()?), Endian::Little)?;
        let ran = machines.run(&scenario);
        assert_eq!(ran.comparison.verdict, least);
        let outcome = ran.outcomes.first().ok_or("no run")?;
        let expected = expected_outcome(&scenario, outcome);
        assert_eq!(expected == *outcome, least == Verdict::None);
        assert_eq!(expected.observations.len(), outcome.observations.len());
    }
    Ok(())
}
