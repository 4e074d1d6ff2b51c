//! Negative controls: the kernel does something else, and no task can tell.

use super::{Defect, Origin, Severity};

const fn control(
    id: &'static str,
    function: &'static str,
    title: &'static str,
    mechanism: &'static str,
) -> Defect {
    Defect {
        id,
        title,
        mechanism,
        function,
        named_instead: &[],
        class: None,
        origin: Origin::Control,
        severity: Severity::Harmless,
        endian: None,
        witness: None,
    }
}

pub(super) const LIST: &[Defect] = &[
    control(
        "restore-math-declines",
        "restore_math",
        "restore_math never loads: everything is loaded on demand",
        "A task has its registers back at its next instruction of the facility, by a fault.",
    ),
    control(
        "restore-math-ignores-wrap",
        "restore_math",
        "the reload counters do not wrap: nothing is loaded on demand again",
        "The counters only decide when registers are loaded.",
    ),
    control(
        "restore-math-leaves-used-vr",
        "restore_math",
        "restore_math does not set used_vr",
        "It loads VMX only for a task that has taken a VMX fault before, which has set it.",
    ),
    control(
        "exit-check-only-fp",
        "interrupt_exit_user_prepare_main",
        "the exit calls restore_math only if FP is off",
        "VMX and VSX that were given up meanwhile are loaded on demand.",
    ),
    control(
        "load-up-fpu-zero-load-fp",
        "load_up_fpu",
        "load_up_fpu leaves load_fp at 0: more faults, nothing else",
        "As Linux before b2b46304e936 (\"re-initialise lazy FPU/VEC counters on every fault\").",
    ),
    control(
        "giveup-zeroes-registers",
        "__giveup_fpu",
        "giving up FP or VMX also zeroes the hardware registers",
        "What was given up is nobody's. An amplifier: with it on both sides a use of stale registers shows at once.",
    ),
    control(
        "strict-facility-enable",
        "msr_check_and_clear",
        "msr_check_and_clear really clears, as with ppc_strict_facility_enable",
        "The kernel's own MSR: rfid takes the user's from the frame.",
    ),
    control(
        "debug-store-on-live",
        "interrupt_exit_user_prepare_main",
        "a debugging aid calls store_fp_state and store_vr_state on a task that goes on with its registers",
        "In `fixed` both put back what they borrow. With store-fp-state-clobbers-f0 or store-vr-state-clobbers-v0 it is live: such aids change what they look at.",
    ),
    control(
        "vrsave-zero-on-first-use",
        "load_up_altivec",
        "load_up_altivec leaves a VRSAVE of 0 as it is",
        "restore_math does so too, and a counter decides which of the two loads: no program can rely on either. 0 and all ones count as the same.",
    ),
];
