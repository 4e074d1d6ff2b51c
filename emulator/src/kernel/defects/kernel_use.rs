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
        // The calls that are missing.
        named_instead: &["__giveup_fpu", "__giveup_altivec"],
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
        id: "usercopy-faults-enabled",
        title: "copies from and to user memory take page faults while their data is in the VRs",
        mechanism: "enter_vmx_usercopy does not turn page faults off, so one in the middle of the copy is handled, and sleeps, instead of having the copy start over without VMX. The VRs are \
            nobody's then, and whoever runs meanwhile overwrites them: what is read or written is not the data. Shows where preemption is not counted: else the fault is refused all the same.",
        function: "enter_vmx_usercopy",
        // The first decides that the fault is to be handled, the second goes on with registers that
        // are the task's again: restore_math has loaded them on the way back.
        named_instead: &["___do_page_fault", "__copy_tofrom_user"],
        class: Some(Class::ClobberedRegister),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("page-fault-in-copy"),
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
    Defect {
        id: "nmi-nests-vmx",
        title: "memcpy in an NMI uses VMX",
        mechanism: "enter_vmx_ops does not ask whether it is in an interrupt. The registers are given up in the frame of the last system call or interrupt, and the NMI goes back to its own, \
            with VEC set: the task goes on with what was copied.",
        function: "enter_vmx_ops",
        // The call that should not have been made.
        named_instead: &["enable_kernel_altivec"],
        class: Some(Class::WrongOwner),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("nmi"),
    },
    Defect {
        id: "kvm-pr-lost-ext",
        title: "a guest of KVM PR goes on with the registers that the kernel's own use of VMX has left",
        mechanism: "The guest's registers are given up like a task's when the kernel copies with VMX. Nobody loads them again, and what is there is saved as the guest's in the end.",
        function: "kvmppc_handle_lost_ext",
        named_instead: &[],
        class: Some(Class::WrongOwner),
        origin: Origin::Upstream {
            commit: "9d1ffdd8f34b",
            title: "KVM: PPC: Book3S PR: Don't corrupt guest state when kernel uses VMX",
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("kvm-pr-run"),
    },
    Defect {
        id: "save-area-pointer-leak",
        title: "a task's registers are saved in the vcpu after its guest was left",
        mechanism: "fp_save_area and vr_save_area still point there. What is loaded for the task is its old image.",
        function: "kvmppc_giveup_ext",
        named_instead: &["save_fpu", "save_altivec"],
        class: Some(Class::LostUpdate),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("kvm-pr-then-switch"),
    },
];
