//! The kernel's own use of FP, VMX and VSX.

use super::{Defect, Origin, Severity};

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "kernel-vmx-without-giveup",
        title: "enable_kernel_altivec only sets the MSR bit",
        mechanism: "The kernel's copy loops overwrite the user's VRs, and user code finds the kernel's data there.",
        function: "enable_kernel_altivec",
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("io-worker-vmx"),
    },
    Defect {
        id: "vsx-flush-needs-vsx-bit",
        title: "enable_kernel_vsx gives the registers up only if MSR_VSX is set",
        mechanism: "VSX is off while FP is live when VMX was given up and not restored. The kernel then overwrites FPRs that nobody has saved.",
        function: "enable_kernel_vsx",
        origin: Origin::Titled(
            "powerpc: Fix VSX enabling/flushing to also test MSR_FP and MSR_VEC",
        ),
        severity: Severity::Live,
        endian: None,
        witness: Some("kernel-vsx-after-wrap"),
    },
];
