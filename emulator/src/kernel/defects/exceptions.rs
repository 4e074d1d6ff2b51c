//! Floating-point exceptions: whether they are delivered (MSR\[FE0\], MSR\[FE1\]), and as what.

use super::{Defect, Origin, Severity};

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "fpexc-not-applied-by-prctl",
        title: "PR_SET_FPEXC leaves the MSR of a task with live FP as it is",
        mechanism: "thread.fpexc_mode counts from the next load of FP on. Until then an enabled exception is not delivered.",
        function: "set_fpexc_mode",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("fp-exception"),
    },
    Defect {
        id: "fpexc-not-applied-by-fault",
        title: "load_up_fpu forgets FE0 and FE1",
        mechanism: "A task that loads FP by a fault has its exceptions no longer delivered.",
        function: "load_up_fpu",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("fp-exception-after-fault"),
    },
    Defect {
        id: "fpexc-not-applied-by-restore",
        title: "restore_math forgets FE0 and FE1",
        mechanism: "A task that was switched out and back in has its exceptions no longer delivered.",
        function: "restore_math",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("fp-exception-after-switch"),
    },
    Defect {
        id: "giveup-keeps-fe-bits",
        title: "__giveup_fpu takes FP away and leaves FE0 and FE1",
        mechanism: "PR_SET_FPEXC changes the MSR of a task with live FP only. One that has been given up keeps the old bits, and the load that follows adds to them: exceptions \
            that the task has turned off are still delivered.",
        function: "__giveup_fpu",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("fp-exceptions-off"),
    },
    Defect {
        id: "restore-math-fpexc-into-kernel-msr",
        title: "restore_math sets FE0 and FE1 in the kernel's own MSR",
        mechanism: "The FPSCR that it loads then may have an enabled exception set, which is one of the kernel.",
        function: "restore_math",
        origin: Origin::Upstream {
            commit: "b91eb5182405",
            title: "powerpc/64s: Fix crash in load_fp_state() due to fpexc_mode",
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("fp-exception-pending-at-switch"),
    },
    Defect {
        id: "sigfpe-stale-fpscr",
        title: "the cause of a SIGFPE is taken from an image of FPSCR that is out of date",
        mechanism: "parse_fpe reads thread.fp_state without a flush. What the exception has set is in the register.",
        function: "parse_fpe",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("fp-exception"),
    },
];
