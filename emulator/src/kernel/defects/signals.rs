//! Signal frames, and the way back from a handler.

use super::{Defect, Origin, Severity};

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "sigframe-fpscr-not-zeroed",
        title: "a signal handler starts with the interrupted FPSCR",
        mechanism: "Rounding mode and enables of the interrupted code apply to the handler.",
        function: "handle_rt_signal64",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("signal-in-handler"),
    },
    Defect {
        id: "vrsave-stale-in-signal",
        title: "signal frames have the image of VRSAVE, not the register",
        mechanism: "The image is as old as the last switch; sigreturn makes it the register's value.",
        function: "prepare_setup_sigcontext",
        origin: Origin::Upstream {
            commit: "408a7e08b211",
            title: "powerpc: Fix VRSAVE handling",
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("vrsave-in-signal"),
    },
    Defect {
        id: "used-vr-not-set",
        title: "load_up_altivec does not set used_vr",
        mechanism: "The frame has no VMX area, and sigreturn has nothing to put back after the handler used VMX.",
        function: "load_up_altivec",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("signal-after-first-vmx"),
    },
    Defect {
        id: "used-vsr-not-set",
        title: "restore_math turns VSX on and does not set used_vsr",
        mechanism: "A task that uses FP and VMX gets VSX without a fault. Its frames then lack the other halves of VSR 0-31, and sigreturn zeroes them.",
        function: "restore_math",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("vsx-by-restore-then-signal"),
    },
    Defect {
        id: "sigreturn-no-zero-else-vmx",
        title: "rt_sigreturn leaves the handler's VRs if the frame has none",
        mechanism: "The interrupted code had not used VMX; at its first VMX instruction it gets what the handler left.",
        function: "restore_sigcontext",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("handler-first-to-use-vsx"),
    },
    Defect {
        id: "sigreturn-no-zero-else-vsx",
        title: "rt_sigreturn leaves the handler's halves of VSR 0-31 if the frame has none",
        mechanism: "As sigreturn-no-zero-else-vmx, for what is not an FPR.",
        function: "restore_sigcontext",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("handler-first-to-use-vsx"),
    },
];
