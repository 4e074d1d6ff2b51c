//! What kind of fault control registers are told to be, on the real model.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::cause::{Explanation, explain};
use ctxfuzz_triage::kernels::Kernels;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A load that leaves out FPSCR is the fault that it is also where the task finds what itself had
/// left there; and the same registers, wrong for another reason, are not that.
#[test]
fn a_register_that_a_load_left_out_is_of_one_kind_whoever_wrote_it_last() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x5", "registers": {"fpscr": "0x582004002"}}]},
        "events": [{"interrupt": {"vector": "doorbell", "pending": {"signal": 10}}}, {"syscall": {"call": "abort"}}]}"#;
    for endian in Endian::BOTH {
        for (defect, signature, class) in [
            (
                "fpscr-not-restored",
                "load_fp_state.fpscr-changed",
                Class::LeakedFromTask,
            ),
            (
                "sigframe-fpscr-not-zeroed",
                "handle_rt_signal64.fpscr-changed",
                Class::ControlBits,
            ),
            (
                "fpscr-low-word-only",
                "load_fp_state.fpscr-lost-high-half",
                Class::ControlBits,
            ),
        ] {
            has_class(defect, endian, text, signature, class)?;
        }
    }
    Ok(())
}

/// A tracer writes all FPRs, and FPSCR is to keep what it has: what one kernel writes back and the
/// other loses is an update, though it is of control bits.
#[test]
fn a_control_register_that_the_other_kernel_wrote_back_is_a_lost_update() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["vsx"], "registers": {"fpscr": "0x1"}}]},
        "events": [{"interrupt": {"vector": "decrementer",
            "pending": {"ptrace": {"set": {"regset": "fp", "pattern": "0x5b1c", "bytes": 256}}}}}]}"#;
    for endian in Endian::BOTH {
        let (defect, signature) = ("ptrace-short-write", "fpr_set.fpscr-changed");
        has_class(defect, endian, text, signature, Class::LostUpdate)?;
    }
    Ok(())
}

/// A tracer reads the registers of a task that are in memory only, as a guest has run since: the
/// wrong halves of them are a matter of layout; older ones are not.
#[test]
fn what_a_tracer_reads_is_looked_for_in_the_images_of_the_task_that_it_traces() -> Result {
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["vsx"], "pattern": "0x5eed"}]},
        "events": [{"syscall": {"call": "kvm_run", "pending": {"ptrace": {}}}}]}"#;
    let signature = "fpr_get.register-set-changed";
    has_class(
        "le-fpr-offset",
        Endian::Little,
        text,
        signature,
        Class::WrongLayout,
    )?;
    let text = r#"{"ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["vmx"], "pattern": "0x5eed"}]},
        "events": [{"syscall": {"call": "abort"}}]}"#;
    for endian in Endian::BOTH {
        let (defect, signature) = ("ptrace-read-without-flush", "vr_get.msr-facility");
        has_class(defect, endian, text, signature, Class::WrongOwner)?;
    }
    Ok(())
}

/// The kernel makes `si_code` of an image of FPSCR. Where that is out of date, as the registers
/// were saved somewhere else, the image is the cause (`sigfpe-stale-fpscr` is where the reading
/// is).
#[test]
fn what_a_signal_says_of_an_exception_follows_from_the_image_of_fpscr() -> Result {
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]},
        "events": [{"syscall": {"call": "prctl", "fpexc": "async"}}, {"set": {"fpscr": "0xf8"}},
            {"syscall": {"call": "kvm_run", "pr": true}}, {"compute": {"op": "fdiv", "register": 21}}]}"#;
    for endian in Endian::BOTH {
        let (defect, signature) = ("save-area-pointer-leak", "save_fpu.fpscr-changed");
        has_class(defect, endian, text, signature, Class::LostUpdate)?;
        let a: KernelName = format!("fixed+{defect}").parse()?;
        let scenario = Scenario::from_json(text, "inline")?;
        let causes = explain(&Kernels::pair(&a, &"fixed".parse()?), endian, &scenario)?.causes;
        assert_eq!(causes.len(), 1, "the signal's code is no cause of its own");
    }
    Ok(())
}

fn has_class(defect: &str, endian: Endian, text: &str, signature: &str, class: Class) -> Result {
    let explanation = explained(defect, endian, text)?;
    let mut causes = explanation.causes.iter();
    let found = causes.find(|cause| cause.signature == signature);
    let found =
        found.ok_or_else(|| format!("no {signature} among {:?}", explanation.signatures()))?;
    assert_eq!(found.class, class, "{defect}, {endian:?}");
    Ok(())
}

/// A frame has VRSAVE in the lower word of a doubleword, or, big endian, in the upper one: it is
/// the same value.
#[test]
fn vrsave_is_followed_through_a_signal_frame() -> Result {
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["vmx"], "registers": {"vrsave": "0x1"}}]},
        "events": [{"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}},
            {"interrupt": {"vector": "decrementer", "pending": {"ptrace": {}}}}]}"#;
    let (defect, signature) = (
        "vrsave-stale-in-signal",
        "prepare_setup_sigcontext.vrsave-changed",
    );
    let has = |endian| has_class(defect, endian, text, signature, Class::ControlBits);
    has(Endian::Little).and_then(|()| has(Endian::Big))
}

/// Everything in a frame that lies elsewhere is right, but for where it lies: also addresses in it,
/// what is written to it after the task was preempted, and what was in the way.
#[test]
fn a_frame_at_another_place_is_one_fault_of_whoever_chose_the_place() -> Result {
    let second = [
        r#"{"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}}"#,
        r#"{"access": {"op": "lfd", "register": 0, "pending": {"signal": 12}}}"#,
    ];
    for second in second {
        let text = format!(
            r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{}}]}},
                "events": [{{"interrupt": {{"vector": "decrementer", "pending": {{"signal": 12}}}}}}, {second}]}}"#
        );
        for endian in Endian::BOTH {
            let signature = "handle_rt_signal64.user-stack-changed";
            has_class(
                "sig-stack-redzone",
                endian,
                &text,
                signature,
                Class::WrongLayout,
            )?;
            has_only("sig-stack-redzone", endian, &text, &[signature])?;
        }
    }
    Ok(())
}

/// A task's registers go to the guest's, and the image that does not get them has the same ones:
/// nothing shows until the guest is given them.
#[test]
fn a_save_that_was_left_out_is_the_cause_of_what_is_loaded_from_where_it_went() -> Result {
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {}]},
        "events": [{"compute": {"op": "xxlor", "register": 0}},
            {"syscall": {"call": "kvm_run", "pr": true, "pending": {"switch": "any", "after": 2}}}]}"#;
    let signatures = ["save_altivec.vrs-changed", "save_fpu.vsrs-changed"];
    for endian in Endian::BOTH {
        for signature in signatures {
            has_class(
                "save-area-pointer-leak",
                endian,
                text,
                signature,
                Class::LostUpdate,
            )?;
        }
        has_only("save-area-pointer-leak", endian, text, &signatures)?;
    }
    let explanation = explained("save-area-pointer-leak", Endian::Little, text)?;
    let text = explanation.text();
    let remark = "written by fixed only, with what was there";
    assert!(text.contains(remark), "{text}");
    Ok(())
}

/// The handler of SIGFPE turns the enable bits of FPSCR in its frame off, and what is loaded has
/// its summary bits made anew.
#[test]
fn fpscr_is_followed_through_the_handler_of_an_exception() -> Result {
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x0", "registers": {"fpscr": "0x1"}}]},
        "events": [{"syscall": {"call": "kvm_run", "pr": true}}, {"set": {"fpscr": "0xf8"}},
            {"syscall": {"call": "prctl", "fpexc": "async"}}, {"compute": {"op": "fdiv", "register": 15}}]}"#;
    for endian in Endian::BOTH {
        has_only(
            "save-area-pointer-leak",
            endian,
            text,
            &["save_fpu.vsrs-changed"],
        )?;
    }
    Ok(())
}

/// A handler has zero in the register whose old image is not zeroed: that the processor has zero
/// too does not make the zero an update.
#[test]
fn zero_in_the_processor_is_no_news() -> Result {
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]},
        "events": [{"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}}, {"set": {"vs0": "0x1"}},
            {"syscall": {"call": "hibernate"}}, {"set": {"f0": "0x1"}}]}"#;
    let (defect, signature) = (
        "sigreturn-no-zero-else-vsx",
        "restore_sigcontext.vsrs-changed",
    );
    for endian in Endian::BOTH {
        has_class(defect, endian, text, signature, Class::StaleRestore)?;
    }
    Ok(())
}

/// Whose the registers are that a copy has, the two kernels see differently; that another task uses
/// them meanwhile is another thing.
#[test]
fn a_copy_whose_registers_an_interrupt_takes_is_a_matter_of_who_owns_them() -> Result {
    let scenario = |after: &str| {
        format!(
            r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{}}, {{}}]}}, "events": [{{"syscall": {{"call": "write", "bytes": 3329}}}},
            {{"syscall": {{"call": "read", "bytes": 3329, "pending": {{{after}}}}}}}, {{"fill": {{"facility": "vmx", "pattern": "0x1"}}}},
            {{"syscall": {{"call": "sched_yield"}}}}]}}"#
        )
    };
    for endian in Endian::BOTH {
        let (softirq, fault) = (
            scenario(r#""softirq": true, "after": 2"#),
            scenario(r#""switch": 1, "after": 2"#),
        );
        let (nests, sleeps) = ("softirq-nests-vmx", "usercopy-faults-enabled");
        has_class(
            nests,
            endian,
            &softirq,
            "net_rx_action.data",
            Class::WrongOwner,
        )?;
        has_class(
            sleeps,
            endian,
            &fault,
            "___do_page_fault.data",
            Class::ClobberedRegister,
        )?;
    }
    Ok(())
}

/// What a guest has lost is in its vcpu, which is not tracked, and comes back when it runs again.
#[test]
fn a_guest_that_goes_on_with_what_it_lost_is_no_second_cause() -> Result {
    let run = r#"{"syscall": {"call": "kvm_run", "pr": true}}"#;
    let text = format!(
        r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["vmx"]}}]}}, "events": [{run}, {{"touch": "vmx"}}, {run}]}}"#
    );
    for endian in Endian::BOTH {
        has_only(
            "kvm-pr-lost-ext",
            endian,
            &text,
            &["kvmppc_handle_lost_ext.vrs-changed"],
        )?;
    }
    Ok(())
}

/// A context without room for VSX: one side zeroes the one half of each VSR, the other side the
/// other.
#[test]
fn zeroing_the_other_half_of_a_vsr_is_a_wrong_layout() -> Result {
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["vsx"], "pattern": "0x84744a6bc4605965"}]},
        "events": [{"syscall": {"call": "swapcontext", "small": true}}]}"#;
    let found = explained("le-fpr-offset", Endian::Little, text)?;
    let kinds: Vec<_> = found
        .causes
        .iter()
        .map(|c| (c.signature.as_str(), c.class))
        .collect();
    let wrong_layout = Class::WrongLayout;
    assert_eq!(
        kinds,
        [
            ("copy_fpr_to_user.user-stack-changed", wrong_layout),
            ("copy_vsx_from_user.vsrs-changed", wrong_layout)
        ]
    );
    Ok(())
}

/// One side has an exception that the other one has not, and restores registers once more for its
/// handler: that is not what the lost exception mode was part of.
#[test]
fn an_exception_mode_is_no_dispute_about_what_is_restored_later() -> Result {
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"]}]},
        "events": [{"syscall": {"call": "prctl", "fpexc": "nonrecoverable"}}, {"syscall": {"call": "kvm_run"}},
            {"set": {"f6": "0x7fefffffffffffff", "f7": "0x1", "fpscr": "0x8", "vscr": "0x0"}}, {"compute": {"op": "fadd", "register": 6}}]}"#;
    let (defect, signature) = ("fpexc-not-applied-by-restore", "restore_math.msr-fe");
    for endian in Endian::BOTH {
        has_class(defect, endian, text, signature, Class::ControlBits)?;
    }
    Ok(())
}

fn explained(defect: &str, endian: Endian, text: &str) -> Result<Explanation> {
    let scenario = Scenario::from_json(text, "inline")?;
    let a = format!("fixed+{defect}").parse()?;
    Ok(explain(
        &Kernels::pair(&a, &"fixed".parse()?),
        endian,
        &scenario,
    )?)
}

fn has_only(defect: &str, endian: Endian, text: &str, signatures: &[&str]) -> Result {
    let found = explained(defect, endian, text)?.signatures();
    assert_eq!(found, signatures, "{defect}, {endian:?}");
    Ok(())
}
