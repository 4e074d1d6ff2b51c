//! Root causes on the real model: which function is named, where damage and discovery are, and that
//! names are stable.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Defect};
use ctxfuzz_emulator::kernel::name::{Build, KernelName};
use ctxfuzz_emulator::trace::{Tracer, record};
use ctxfuzz_generators::{any_scenario, random_scenario};
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use ctxfuzz_triage::cause::{Cause, Explanation, explain};
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::pair::Pair;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn corpus(name: &str) -> Result<Scenario> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../corpus")
        .join(format!("{name}.json"));
    Ok(Scenario::load(&path)?)
}

fn explained(a: &str, b: &str, endian: Endian, scenario: &Scenario) -> Result<Explanation> {
    Ok(explain(
        &Kernels::pair(&a.parse()?, &b.parse()?),
        endian,
        scenario,
    )?)
}

fn cause<'a>(explanation: &'a Explanation, signature: &str) -> Result<&'a Cause> {
    let found = explanation.causes.iter().find(|c| c.signature == signature);
    Ok(found.ok_or_else(|| format!("no {signature} among {:?}", explanation.signatures()))?)
}

/// Functions of a trace, outermost first.
fn chain(cause: &Cause) -> Vec<String> {
    let places = cause.writer_a.iter().flat_map(|w| w.trace.iter().rev());
    places
        .map(|(_, place)| place.split('+').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_headline_bug_is_explained_as_the_thread_did_in_the_end() -> Result {
    let scenario = corpus("io-worker-on-interrupt-return")?;
    for endian in Endian::BOTH {
        let explanation = explained("clobbering", "fixed", endian, &scenario)?;
        assert_eq!(
            explanation.signatures(),
            ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"]
        );
        let f0 = cause(&explanation, "save_fpu.f0-is-fpscr")?;
        assert_eq!(
            chain(f0),
            [
                "interrupt_return_srr_user",
                "interrupt_exit_user_prepare",
                "interrupt_exit_user_prepare_main",
                "do_notify_resume",
                "do_signal",
                "get_signal",
                "task_work_run",
                "create_worker_cb",
                "create_io_worker",
                "create_io_thread",
                "copy_process",
                "dup_task_struct",
                "arch_dup_task_struct",
                "flush_all_to_thread",
                "save_all",
                "save_fpu",
            ]
        );
        let writer = f0.writer_a.as_ref().ok_or("no writer")?;
        assert_eq!(writer.instruction, "mffs f0");
        assert!(
            writer
                .source
                .as_deref()
                .is_some_and(|s| s.starts_with("kernel/fpu.S:")),
            "{:?}",
            writer.source
        );
        assert_eq!(f0.verdict, Verdict::Live);
        assert!(
            f0.damage
                .as_ref()
                .is_some_and(|d| d.at_cause && d.task == Some(0))
        );
        assert_eq!(f0.user_return, Some((Some(0), Some(0))));
    }
    Ok(())
}

/// The three traces of the seed thread: discovered in giveup_all, done earlier in copy_process.
#[test]
fn damage_and_discovery_are_told_apart() -> Result {
    for (name, discovery_event, below) in [
        ("clone-then-pipe-read", 1, "pipe_read"),
        ("clone-then-futex-wait", 1, "futex_wait_queue"),
        (
            "io-worker-then-preempt",
            1,
            "interrupt_exit_user_prepare_main",
        ),
    ] {
        let explanation = explained("clobbering", "fixed", Endian::Little, &corpus(name)?)?;
        let f0 = cause(&explanation, "save_fpu.f0-is-fpscr")?;
        assert_eq!(f0.event, Some(0), "{name}: done at the first event");
        assert!(chain(f0).iter().any(|f| f == "copy_process"), "{name}");
        let first = f0.copies.iter().find(|c| c.in_memory).ok_or(name)?;
        assert_eq!(
            first.event,
            Some(discovery_event),
            "{name}: discovered later"
        );
        let trace: Vec<&str> = first
            .writer
            .iter()
            .flat_map(|w| &w.trace)
            .map(|(_, p)| p.split('+').next().unwrap_or_default())
            .collect();
        assert_eq!(trace.first(), Some(&"save_fpu"), "{name}");
        for function in [
            "__giveup_fpu",
            "giveup_all",
            "__switch_to",
            "schedule",
            below,
        ] {
            assert!(trace.contains(&function), "{name}: {function} in {trace:?}");
        }
        assert!(
            first.thread_conditions,
            "{name}: the thread's three conditions hold at the discovery"
        );
    }
    Ok(())
}

#[test]
fn a_control_has_no_cause() -> Result {
    for name in [
        "getppid",
        "signal-handler",
        "context-switch-poison",
        "spin-under-ticks",
        "io-worker-without-fp",
        "vmx-usercopy",
    ] {
        let explanation = explained("clobbering", "fixed", Endian::Little, &corpus(name)?)?;
        assert!(
            explanation.causes.is_empty(),
            "{name}: {:?}",
            explanation.signatures()
        );
    }
    Ok(())
}

#[test]
fn the_order_of_kernels_and_the_value_of_fpscr_do_not_change_a_signature() -> Result {
    let mut scenario = corpus("io-worker-on-interrupt-return")?;
    let swapped = explained("fixed", "clobbering", Endian::Little, &scenario)?;
    assert_eq!(
        swapped.signatures(),
        ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"]
    );
    for task in &mut scenario.stage.tasks {
        task.registers
            .remove(&ctxfuzz_scenario::register::Register::Fpscr);
        task.registers
            .remove(&ctxfuzz_scenario::register::Register::Vscr);
    }
    let zero = explained("clobbering", "fixed", Endian::Little, &scenario)?;
    assert_eq!(
        zero.signatures(),
        ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"]
    );
    Ok(())
}

/// The same within one visit to the kernel: the task sleeps and comes back, which is harmless, and
/// then a worker is made on its way out.
#[test]
fn a_harmless_clobber_just_before_is_not_blamed() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x11", "registers": {"fpscr": "0x82004000"}}], "io_uring": [0]},
        "events": [{"syscall": {"call": "read", "bytes": 16, "pending": {"io_worker": true, "after": 1000}}}]}"#;
    let scenario = Scenario::from_json(text, "inline")?;
    let explanation = explained("clobbering", "fixed", Endian::Little, &scenario)?;
    let f0 = cause(&explanation, "save_fpu.f0-is-fpscr")?;
    assert!(
        chain(f0).iter().any(|f| f == "copy_process"),
        "{:?}",
        chain(f0)
    );
    Ok(())
}

/// The kernel borrows vs0 for loads and stores that it does for user code. What it puts back is not
/// its fault.
#[test]
fn what_the_kernel_puts_back_goes_back_to_who_broke_it() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["fp", "vsx"], "pattern": "0x11", "registers": {"fpscr": "0x82004000"}}], "io_uring": [0]},
        "events": [
            {"interrupt": {"vector": "doorbell", "pending": {"io_worker": true}}},
            {"access": {"op": "stxvd2x", "register": 5}},
            {"access": {"op": "lxvd2x", "register": 6}}]}"#;
    // Here one kernel puts back what is there anyway: nothing is seen of that.
    let unseen = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["vsx"], "pattern": "0x0"}], "io_uring": [0]},
        "events": [
            {"interrupt": {"vector": "decrementer", "pending": {"io_worker": true}}},
            {"access": {"op": "lxsdx", "register": 23}}]}"#;
    for text in [text, unseen] {
        let scenario = Scenario::from_json(text, "inline")?;
        let explanation = explained(
            "fixed+save-fpu-clobbers-f0",
            "fixed",
            Endian::Little,
            &scenario,
        )?;
        assert_eq!(explanation.signatures(), ["save_fpu.f0-is-fpscr"]);
    }
    Ok(())
}

/// A wrong f0 makes an FP exception come, or not come: that is f0's doing, and not that of the code
/// which delivers it.
#[test]
fn an_exception_that_only_one_kernel_delivers_goes_back_to_its_operand() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{}], "io_uring": [0]},
        "events": [
            {"set": {"f0": "0x7fefffffffffffff", "f1": "0x1", "fpscr": "0xf8"}},
            {"syscall": {"call": "prctl", "fpexc": "async", "pending": {"io_worker": true}}},
            {"compute": {"op": "fadd", "register": 0}}]}"#;
    let scenario = Scenario::from_json(text, "inline")?;
    let explanation = explained("clobbering", "fixed", Endian::Little, &scenario)?;
    assert_eq!(explanation.signatures(), ["save_fpu.f0-is-fpscr"]);
    assert_eq!(explanation.causes[0].verdict, Verdict::Abi);
    Ok(())
}

/// A harmless loss of f0 on a context switch comes first and must not take the blame for the later
/// one.
#[test]
fn an_earlier_harmless_clobber_is_not_blamed() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x11", "registers": {"fpscr": "0x82004000"}}, {"uses": ["fp"], "pattern": "0x22"}], "io_uring": [0]},
        "events": [
            {"interrupt": {"vector": "decrementer", "pending": {"switch": 1}}},
            {"interrupt": {"vector": "decrementer", "pending": {"switch": 0}}},
            {"interrupt": {"vector": "doorbell", "pending": {"io_worker": true}}}]}"#;
    let scenario = Scenario::from_json(text, "inline")?;
    let explanation = explained("clobbering", "fixed", Endian::Little, &scenario)?;
    let f0 = cause(&explanation, "save_fpu.f0-is-fpscr")?;
    assert_eq!(f0.event, Some(2));
    assert!(chain(f0).iter().any(|f| f == "copy_process"));
    Ok(())
}

fn names_the_fault(defect: &Defect, signature: &str) -> bool {
    defect.is_named_by(signature.split('.').next().unwrap_or_default())
}

/// On its witness each defect is explained by the function that the catalogue says is at fault, and
/// as the kind of fault it is.
#[test]
fn each_defect_is_explained_on_its_witness() -> Result {
    let mut wrong: Vec<String> = Vec::new();
    for defect in defects::all() {
        let Some(witness) = defect.witness else {
            continue;
        };
        let [a, b] = defect.pair();
        for endian in Endian::BOTH {
            if !defect.applies(endian) {
                continue;
            }
            let explanation = explained(&a, &b, endian, &corpus(witness)?)?;
            let found = explanation.signatures();
            let all_right = found.iter().all(|f| names_the_fault(defect, f));
            if found.is_empty() || !all_right {
                wrong.push(format!(
                    "{} ({endian:?}): {found:?}, and the catalogue says {}",
                    defect.id, defect.function
                ));
            }
            for cause in &explanation.causes {
                if defect.class != Some(cause.class) {
                    wrong.push(format!(
                        "{} ({endian:?}): {} is a {:?}, and the catalogue says {:?}",
                        defect.id, cause.signature, cause.class, defect.class
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// Neither does it matter how the kernels were built: the causes are the same where they share no
/// address, whichever side was built which way.
#[test]
fn kernels_that_were_built_apart_have_the_same_causes() -> Result {
    let seen = |a: &KernelName, b: &KernelName, scenario: &Scenario| -> Result<Vec<_>> {
        let causes = explain(&Kernels::pair(a, b), Endian::Little, scenario)?.causes;
        let seen = causes
            .into_iter()
            .map(|c| (c.signature, c.class, c.verdict, c.event));
        Ok(seen.collect())
    };
    let mut wrong: Vec<String> = Vec::new();
    for (index, defect) in defects::all().enumerate() {
        let Some(witness) = defect.witness else {
            continue;
        };
        let [a, b] = defect.pair();
        let (a, b): (KernelName, KernelName) = (a.parse()?, b.parse()?);
        let other = |name: &KernelName| name.in_build(Build::Shuffled);
        let apart = match index % 2 {
            0 => [a.clone(), other(&b)],
            _ => [other(&a), b.clone()],
        };
        let scenario = corpus(witness)?;
        let usual = seen(&a, &b, &scenario)?;
        let found = seen(&apart[0], &apart[1], &scenario)?;
        if usual != found {
            wrong.push(format!("{}: {found:?}, not {usual:?}", defect.id));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// The confusion table: over random scenarios, each of these defects leads to signatures that name
/// the function at fault, and to no other defect's.
#[test]
fn defects_have_signatures_of_their_own() -> Result {
    let expected: &[(&str, &[&str])] = &[
        ("save-fpu-clobbers-f0", &["save_fpu.f0-is-fpscr"]),
        ("save-altivec-clobbers-v0", &["save_altivec.v0-is-vscr"]),
        // Where f0 and FPSCR are both zero, the reload of f0 changes nothing and is not seen: the
        // same instruction does it, and gets the other name.
        (
            "half-fix-fpr0-only",
            &["save_fpu.vsrs-lost-low-half", "save_fpu.f0-is-fpscr"],
        ),
        ("le-missing-swap-back", &["save_fpu.vsrs-swapped"]),
        // Also where a tracer that stops such a task runs into a BUG_ON.
        ("giveup-keeps-fp-bit", &["__giveup_fpu.msr-facility"]),
        (
            "fork-child-inherits-live-bits",
            &["copy_thread.msr-facility"],
        ),
        (
            "restore-math-partial-vsx",
            &["restore_math.msr-vsx", "restore_math.used-vsr"],
        ),
        ("fpscr-restored-after-fprs", &["load_fp_state.vsrs-changed"]),
        (
            "fpscr-low-word-only",
            &[
                "load_fp_state.fpscr-lost-high-half",
                "load_up_fpu.fpscr-lost-high-half",
            ],
        ),
        ("vscr-not-restored", &["load_vr_state.vscr-changed"]),
        ("vrsave-not-saved", &["save_sprs.vrsave-changed"]),
        (
            "vrsave-stale-in-signal",
            &["prepare_setup_sigcontext.vrsave-changed"],
        ),
        (
            "kernel-vmx-without-giveup",
            &["enable_kernel_altivec.msr-facility"],
        ),
        (
            "sigframe-fpscr-not-zeroed",
            &["handle_rt_signal64.fpscr-changed"],
        ),
    ];
    for (defect, signatures) in expected {
        let (a, b) = (format!("fixed+{defect}").parse()?, "fixed".parse()?);
        let mut pair = Pair::new(&a, &b, Endian::Little)?;
        let mut explained = 0;
        for seed in 0..2_000 {
            let scenario = random_scenario(seed);
            if explained == 5 || pair.run(&scenario).comparison.verdict != Verdict::Live {
                continue;
            }
            explained += 1;
            let found = explain(&Kernels::pair(&a, &b), Endian::Little, &scenario)?.signatures();
            assert!(
                !found.is_empty() && found.iter().all(|f| signatures.contains(&f.as_str())),
                "{defect}, seed {seed}: {found:?}"
            );
        }
        assert_eq!(explained, 5, "{defect} shows in 2,000 random scenarios");
    }
    Ok(())
}

/// What user code computes from a wrong f0 goes back to f0's cause, though v0 was lost later.
#[test]
fn a_computed_difference_goes_back_to_its_operand() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["fp", "vmx"], "pattern": "0x77",
            "registers": {"f31": "0x4008000000000000", "f0": "0x3ff8000000000000", "fpscr": "0x82004000"}}], "io_uring": [0]},
        "events": [
            {"interrupt": {"vector": "doorbell", "pending": {"io_worker": true}}},
            {"compute": {"op": "fadd", "register": 31}}]}"#;
    let scenario = Scenario::from_json(text, "inline")?;
    let explanation = explained("clobbering", "fixed", Endian::Little, &scenario)?;
    let registers = |signature| -> Result<Vec<String>> {
        Ok(cause(&explanation, signature)?
            .differences
            .iter()
            .map(|d| d.what.to_string())
            .collect())
    };
    assert_eq!(registers("save_altivec.v0-is-vscr")?, ["v0"]);
    let of_f0 = registers("save_fpu.f0-is-fpscr")?;
    assert!(
        of_f0.iter().any(|r| r == "f31") && of_f0.iter().any(|r| r == "f0"),
        "{of_f0:?}"
    );
    Ok(())
}

/// Equal values in registers of different facilities are a coincidence: two bugs stay two.
#[test]
fn equal_values_do_not_merge_two_causes() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["vsx", "vmx", "fp"], "registers": {"f0": "0x1", "v0": "0x1"}}], "io_uring": [0]},
        "events": [{"interrupt": {"vector": "doorbell", "pending": {"io_worker": true}}}]}"#;
    let scenario = Scenario::from_json(text, "inline")?;
    for endian in Endian::BOTH {
        let explanation = explained("clobbering", "fixed", endian, &scenario)?;
        assert_eq!(
            explanation.signatures(),
            ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"]
        );
    }
    Ok(())
}

#[test]
fn a_recording_does_not_depend_on_those_before() -> Result {
    let kernel: KernelName = "fixed".parse()?;
    let mut kept = Tracer::new(&kernel, Endian::Big)?;
    for seed in 0..60 {
        let scenario = any_scenario(seed);
        let again = kept.record(&scenario);
        let first = record(&kernel, Endian::Big, &scenario)?;
        assert!(
            format!("{again:?}") == format!("{first:?}"),
            "scenario {seed}"
        );
    }
    Ok(())
}
