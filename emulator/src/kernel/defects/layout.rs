//! What is saved and loaded: halves, byte order, control registers, special registers.

use super::{Defect, Origin, Severity};
use crate::run::outcome::Endian;

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "fpscr-restored-after-fprs",
        title: "load_fp_state loads FPSCR last, through f0",
        mechanism: "f0 is FPSCR after every reload. It looks like the seed bug, but happens on the way in.",
        function: "load_fp_state",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("context-switch-poison"),
    },
    Defect {
        id: "fpscr-low-word-only",
        title: "FPSCR is loaded without L: the decimal rounding mode is lost",
        mechanism: "mtfsf without L writes 32 bits. The other half is what the last task left.",
        function: "load_fp_state",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("control-registers-switch"),
    },
    Defect {
        id: "fpscr-not-restored",
        title: "load_fp_state does not load FPSCR",
        mechanism: "The task goes on with the rounding mode and enables of whoever ran before it.",
        function: "load_fp_state",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("control-registers-switch"),
    },
    Defect {
        id: "vscr-not-restored",
        title: "load_vr_state does not load VSCR",
        mechanism: "The task goes on with NJ and SAT of whoever ran before it.",
        function: "load_vr_state",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("control-registers-switch"),
    },
    Defect {
        id: "vrsave-not-saved",
        title: "save_sprs does not save VRSAVE",
        mechanism: "A task gets back the VRSAVE that its image had before.",
        function: "save_sprs",
        origin: Origin::Upstream {
            commit: "01d7c2a2",
            title: "powerpc/process: Fix altivec SPR not being saved",
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("control-registers-switch"),
    },
    Defect {
        id: "le-fpr-offset",
        title: "little endian signal frames have the wrong half of VSR 0-31 as the FPR",
        mechanism: "TS_FPROFFSET is the big endian one. Save and load agree, so only who reads FPRs in C sees it: signal frames, ptrace.",
        function: "copy_fpr_to_user",
        origin: Origin::Upstream {
            commit: "e156bd8ad769",
            title: "powerpc: Fix offset of FPRs in VSX registers in little endian builds",
        },
        severity: Severity::Live,
        endian: Some(Endian::Little),
        witness: Some("signal-handler"),
    },
    Defect {
        id: "le-swap-missing-on-load",
        title: "little endian load_up_fpu leaves the halves of VSR 0-31 swapped",
        mechanism: "Only this loader: what restore_math loads is right, so the facility has to be loaded on demand.",
        function: "load_up_fpu",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: Some(Endian::Little),
        witness: Some("first-use-after-wrap"),
    },
    Defect {
        id: "vs-low-half-lost",
        title: "msr_check_and_set does not turn VSX on with FP",
        mechanism: "save_fpu stores whole VSRs: a VSX instruction in the kernel with VSX off, which kills it. Where all three are turned on at once, as \
            in a context switch, it does not show.",
        function: "msr_check_and_set",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("signal-handler"),
    },
];
