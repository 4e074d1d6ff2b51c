//! The kernel's own use of FP, VMX and VSX.

use super::{Class, Defect, Origin, Severity};

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "kernel-vmx-without-giveup",
        title: "enable_kernel_altivec only sets the MSR bit",
        mechanism: "The kernel's copy loops overwrite the user's VRs, and user code finds the kernel's data there.",
        function: "enable_kernel_altivec",
        named_instead: &[],
        class: Some(Class::WrongOwner),
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
        named_instead: &[],
        class: Some(Class::WrongOwner),
        origin: Origin::Titled(
            "powerpc: Fix VSX enabling/flushing to also test MSR_FP and MSR_VEC",
        ),
        severity: Severity::Live,
        endian: None,
        witness: Some("kernel-vsx-after-wrap"),
    },
    Defect {
        id: "kvm-run-saves-without-giveup",
        title: "KVM_RUN saves the user's registers and leaves them marked live",
        mechanism: "The guest's take their place, so the task goes on with those, f14-f31 and v20-v31 among them: damage, and a leak out of the guest.",
        function: "kvmppc_save_user_regs",
        // The call that is missing.
        named_instead: &["__giveup_fpu"],
        class: Some(Class::WrongOwner),
        origin: Origin::Upstream {
            commit: "dc158d23b33d",
            title: "KVM: PPC: Book3S HV: Fix KVM_RUN clobbering FP/VEC user registers",
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("kvm-run"),
    },
    Defect {
        id: "kvm-hv-host-sprs",
        title: "the guest's VRSAVE stays in the processor after KVM_RUN",
        mechanism: "VRSAVE is the one special register of the user that the model has; Linux lost several.",
        function: "restore_p9_host_os_sprs",
        named_instead: &[],
        class: Some(Class::ControlBits),
        origin: Origin::Titled(
            "KVM: PPC: Book3S HV: Restore critical SPRs to host values on guest exit",
        ),
        severity: Severity::Live,
        endian: None,
        witness: Some("kvm-run"),
    },
    Defect {
        id: "softirq-nests-vmx",
        title: "a softirq uses VMX in the middle of somebody else's use of it",
        mechanism: "The test whether it is in an interrupt is missing. While __giveup_altivec is at work the bit is still set, so the softirq gives the registers up too, and overwrites them; then \
            __giveup_altivec saves what is there.",
        function: "net_rx_action",
        named_instead: &[],
        class: Some(Class::WrongOwner),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("softirq-in-giveup"),
    },
];
