//! What kind of fault control registers are told to be, on the real model.

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::cause::explain;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A load that leaves out FPSCR is the fault that it is also where the task finds what itself had left there; and the same registers, wrong for another reason, are not that.
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

/// A tracer writes all FPRs, and FPSCR is to keep what it has: what one kernel writes back and the other loses is an update, though it is of control bits.
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

/// A tracer reads the registers of a task that are in memory only, as a guest has run since: the wrong halves of them are a matter of layout; older ones are not.
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
        let (defect, signature) = ("ptrace-read-without-flush", "vr_get.msr-vec");
        has_class(defect, endian, text, signature, Class::WrongOwner)?;
    }
    Ok(())
}

/// The kernel makes `si_code` of an image of FPSCR. Where that is out of date, as the registers were saved somewhere else, the image is the cause (`sigfpe-stale-fpscr` is where the reading is).
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
        let causes = explain(&a, &"fixed".parse()?, endian, &scenario)?.causes;
        assert_eq!(causes.len(), 1, "the signal's code is no cause of its own");
    }
    Ok(())
}

fn has_class(defect: &str, endian: Endian, text: &str, signature: &str, class: Class) -> Result {
    let scenario = Scenario::from_json(text, "inline")?;
    let a = format!("fixed+{defect}").parse()?;
    let explanation = explain(&a, &"fixed".parse()?, endian, &scenario)?;
    let mut causes = explanation.causes.iter();
    let found = causes.find(|cause| cause.signature == signature);
    let found =
        found.ok_or_else(|| format!("no {signature} among {:?}", explanation.signatures()))?;
    assert_eq!(found.class, class, "{defect}, {endian:?}");
    Ok(())
}

/// A frame has VRSAVE in the lower word of a doubleword, or, big endian, in the upper one: it is the same value.
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
