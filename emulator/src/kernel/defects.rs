//! The catalogue of defects that can be put into the model, each a set of patched words in the image.
//!
//! What a defect changes is decided in the model's sources (`DEFECT_*` macros); this list says what it means.

/// Who can notice a defect at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Found as `live`.
    Live,
    /// Found as `abi` at most.
    Abi,
    /// A change that nobody can see: a negative control.
    Harmless,
}

/// One catalogued defect.
#[derive(Clone, Copy, Debug)]
pub struct Defect {
    /// Its name after `fixed+`, also the name of its sites in the image.
    pub id: &'static str,
    /// What it is, in a line.
    pub title: &'static str,
    /// Where it comes from: an upstream commit, or that it is synthetic.
    pub origin: &'static str,
    /// What it leads to at worst.
    pub severity: Severity,
}

const SEED: &str = "Linux before 5e1d824f9a28";
const SYNTHETIC: &str = "synthetic mutation";

/// The defects whose combination is the kernel `clobbering`.
pub const CLOBBERING: [&str; 4] = [
    "save-fpu-clobbers-f0",
    "save-altivec-clobbers-v0",
    "store-fp-state-clobbers-f0",
    "store-vr-state-clobbers-v0",
];

/// Every defect of this version.
pub const DEFECTS: &[Defect] = &[
    Defect {
        id: "save-fpu-clobbers-f0",
        title: "save_fpu returns with f0 = FPSCR and vs0's other half zero",
        origin: SEED,
        severity: Severity::Live,
    },
    Defect {
        id: "save-altivec-clobbers-v0",
        title: "save_altivec returns with v0 = VSCR",
        origin: SEED,
        severity: Severity::Live,
    },
    Defect {
        id: "store-fp-state-clobbers-f0",
        title: "store_fp_state returns with f0 = FPSCR; only KVM calls it, which the model does not have",
        origin: SEED,
        severity: Severity::Harmless,
    },
    Defect {
        id: "store-vr-state-clobbers-v0",
        title: "store_vr_state returns with v0 = VSCR; only KVM calls it, which the model does not have",
        origin: SEED,
        severity: Severity::Harmless,
    },
    Defect {
        id: "half-fix-fpr0-only",
        title: "save_fpu reloads f0 but not the other half of vs0",
        origin: SYNTHETIC,
        severity: Severity::Live,
    },
    Defect {
        id: "giveup-keeps-fp-bit",
        title: "__giveup_fpu leaves MSR_FP set, so another task's registers stay",
        origin: SYNTHETIC,
        severity: Severity::Live,
    },
    Defect {
        id: "fork-child-inherits-live-bits",
        title: "copy_thread leaves FP, VEC and VSX set in the child",
        origin: "Linux before d272f6670a0b",
        severity: Severity::Live,
    },
    Defect {
        id: "fpscr-low-word-only",
        title: "FPSCR is loaded without L: the decimal rounding mode is lost",
        origin: SYNTHETIC,
        severity: Severity::Live,
    },
    Defect {
        id: "vscr-not-restored",
        title: "load_vr_state does not load VSCR",
        origin: SYNTHETIC,
        severity: Severity::Live,
    },
    Defect {
        id: "vrsave-not-saved",
        title: "save_sprs does not save VRSAVE",
        origin: "Linux before 01d7c2a2 on some CPUs",
        severity: Severity::Live,
    },
    Defect {
        id: "le-missing-swap-back",
        title: "little endian save_fpu leaves the halves of VSR 0-31 swapped",
        origin: SYNTHETIC,
        severity: Severity::Live,
    },
    Defect {
        id: "kernel-vmx-without-giveup",
        title: "enable_kernel_altivec only sets the MSR bit",
        origin: SYNTHETIC,
        severity: Severity::Live,
    },
    Defect {
        id: "sigframe-fpscr-not-zeroed",
        title: "a signal handler starts with the interrupted FPSCR",
        origin: SYNTHETIC,
        severity: Severity::Live,
    },
    Defect {
        id: "restore-math-declines",
        title: "restore_math never loads: everything is loaded on demand",
        origin: "negative control",
        severity: Severity::Harmless,
    },
    Defect {
        id: "load-up-fpu-zero-load-fp",
        title: "load_up_fpu leaves load_fp at 0: more faults, nothing else",
        origin: "negative control",
        severity: Severity::Harmless,
    },
    Defect {
        id: "giveup-zeroes-registers",
        title: "giving up FP or VMX also zeroes the hardware registers: an amplifier",
        origin: "negative control",
        severity: Severity::Harmless,
    },
];

/// The defect of that name.
pub fn find(id: &str) -> Option<&'static Defect> {
    DEFECTS.iter().find(|d| d.id == id)
}
