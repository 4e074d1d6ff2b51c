//! The bug that started it and its family: a save that leaves the registers live, and a scratch
//! register.

use super::{Class, Defect, Origin, Severity};
use crate::arch::Endian;

const SEED: Origin = Origin::Upstream {
    commit: "5e1d824f9a28",
    title: "powerpc: Don't clobber f0/vs0 during fp|altivec register save",
};

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "save-fpu-clobbers-f0",
        title: "save_fpu returns with f0 = FPSCR and vs0's other half zero",
        mechanism: "FPSCR goes to memory through f0. That is harmless where the registers are given up afterwards; save_all, when a task is \
            copied, leaves them live. Seen at once when the copy is made on an interrupt return (an io_uring worker).",
        function: "save_fpu",
        named_instead: &[],
        class: Some(Class::ClobberedRegister),
        origin: SEED,
        severity: Severity::Live,
        endian: None,
        witness: Some("io-worker-on-interrupt-return"),
    },
    Defect {
        id: "save-altivec-clobbers-v0",
        title: "save_altivec returns with v0 = VSCR",
        mechanism: "VSCR goes to memory through v0, as FPSCR through f0. The copy of the task gives VMX up again, so the wrong v0 becomes the \
            image too.",
        function: "save_altivec",
        named_instead: &[],
        class: Some(Class::ClobberedRegister),
        origin: SEED,
        severity: Severity::Live,
        endian: None,
        witness: Some("io-worker-vmx"),
    },
    Defect {
        id: "store-fp-state-clobbers-f0",
        title: "store_fp_state returns with f0 = FPSCR",
        mechanism: "Only KVM and debugging code call it, after the registers were given up. Together with debug-store-on-live it is live.",
        function: "store_fp_state",
        named_instead: &[],
        class: None,
        origin: SEED,
        severity: Severity::Harmless,
        endian: None,
        witness: None,
    },
    Defect {
        id: "store-vr-state-clobbers-v0",
        title: "store_vr_state returns with v0 = VSCR",
        mechanism: "As store-fp-state-clobbers-f0.",
        function: "store_vr_state",
        named_instead: &[],
        class: None,
        origin: SEED,
        severity: Severity::Harmless,
        endian: None,
        witness: None,
    },
    Defect {
        id: "half-fix-fpr0-only",
        title: "save_fpu reloads f0 but not the other half of vs0",
        mechanism: "A repair of the seed bug that thinks of FPRs only. The image is right, doubleword 1 of the live vs0 is not.",
        function: "save_fpu",
        named_instead: &[],
        class: Some(Class::ClobberedRegister),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("io-worker-on-interrupt-return"),
    },
    Defect {
        id: "le-missing-swap-back",
        title: "little endian save_fpu leaves the halves of VSR 0-31 swapped",
        mechanism: "The second xxswapd of the store is missing: memory is right, the registers are not. Seen where a save leaves them live.",
        function: "save_fpu",
        named_instead: &[],
        class: Some(Class::WrongLayout),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: Some(Endian::Little),
        witness: Some("io-worker-on-interrupt-return"),
    },
];
