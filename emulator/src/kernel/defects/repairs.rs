//! What 6.1 itself is suspected of. `fixed` does as 6.1 does; each entry is the repair, and
//! `repaired` has all of them.

use super::{Class, Defect, Origin, Severity};
use crate::arch::Endian;

/// Where both bugs of a preempted signal were seen.
const SIGNAL: &str = "seen on an unmodified 6.1.192 kernel with CONFIG_PREEMPT, also under QEMU without ctxfuzz (docs/findings/preempted-in-sigreturn.md)";

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "repair-vrsave-in-fork",
        title: "a child starts with its parent's VRSAVE, not with an older one",
        mechanism: "arch_dup_task_struct copies thread.vrsave, which only switches and signals refresh; user code and load_up_altivec change the register \
            alone. The repair reads the register. ELFv2 code hardly uses VRSAVE.",
        function: "arch_dup_task_struct",
        named_instead: &[],
        class: Some(Class::ControlBits),
        origin: Origin::Suspected {
            seen: Some("ctxfuzz check saw it on an unmodified 6.1.192 kernel"),
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("vrsave-then-fork"),
    },
    Defect {
        id: "repair-sigreturn-reload",
        title: "a task that is preempted in rt_sigreturn still gets back what the frame has",
        mechanism: "restore_sigcontext clears FP, VEC and VSX and then reads the frame into thread_struct. If the task is preempted in between, or sleeps in a page fault, \
            __switch_to ends in restore_math, which makes the half-read images live and sets the bits again. The rest is read into memory only, and nothing loads it: the \
            interrupted code goes on with registers of the handler, or with FPSCR 0. The repair sets load_fp and load_vec to 0, so that the first use loads the images.",
        function: "restore_sigcontext",
        // It makes live again what restore_sigcontext is about to change.
        named_instead: &["restore_math"],
        class: Some(Class::WrongOwner),
        origin: Origin::Suspected { seen: Some(SIGNAL) },
        severity: Severity::Live,
        endian: None,
        witness: Some("preempted-in-sigreturn"),
    },
    Defect {
        id: "repair-sigframe-fpscr",
        title: "the handler of a task that is preempted while its frame is written starts with FPSCR 0",
        mechanism: "As repair-sigreturn-reload: restore_math makes FPSCR live again, and then handle_rt_signal64 zeroes the image of it. The handler runs with the rounding mode \
            and the enables of the code it interrupted. The repair flushes once more before the image is zeroed.",
        function: "handle_rt_signal64",
        named_instead: &[],
        class: Some(Class::WrongOwner),
        origin: Origin::Suspected { seen: Some(SIGNAL) },
        severity: Severity::Live,
        endian: None,
        witness: Some("preempted-in-signal-delivery"),
    },
    Defect {
        id: "le-repair-vscr-word",
        title: "a little endian program starts with VSCR[NJ] set, as a big endian one",
        mechanism: "start_thread writes word 3 of the VSCR image, which is VSCR on big endian only. Which of the two is wanted is for its maintainers to say.",
        function: "start_thread",
        named_instead: &[],
        class: Some(Class::ControlBits),
        origin: Origin::Suspected { seen: None },
        severity: Severity::Live,
        endian: Some(Endian::Little),
        witness: Some("first-vmx-use"),
    },
    Defect {
        id: "repair-scv-xer",
        title: "scv returns with XER = 0, not with the number of the call",
        mechanism: "XER is volatile across scv, and ctxfuzz does not compare it: nobody can see this one.",
        function: "system_call_vectored_common",
        named_instead: &[],
        class: None,
        origin: Origin::Suspected { seen: None },
        severity: Severity::Harmless,
        endian: None,
        witness: None,
    },
    Defect {
        id: "repair-exec-preempt",
        title: "a task that is preempted in execve starts its program with zeros",
        mechanism: "start_thread takes the MSR bits away before it zeroes load_fp, load_vec and the images. A preemption in between ends in restore_math, which makes the old images live again: what is zeroed \
            then is memory only. The repair zeroes the counters first.",
        function: "start_thread",
        // It makes live again what start_thread is about to change.
        named_instead: &["restore_math"],
        class: Some(Class::WrongOwner),
        origin: Origin::Suspected { seen: None },
        severity: Severity::Live,
        endian: None,
        witness: Some("exec-preempted"),
    },
    Defect {
        id: "repair-vrsave-in-exec",
        title: "a new program starts with VRSAVE 0, not with the old one's",
        mechanism: "start_thread zeroes the image of VRSAVE alone. The register keeps the old program's value, and the next switch saves that.",
        function: "start_thread",
        named_instead: &[],
        class: Some(Class::ControlBits),
        origin: Origin::Suspected { seen: None },
        severity: Severity::Live,
        endian: None,
        witness: Some("exec-vrsave"),
    },
    Defect {
        id: "repair-vrsave-in-core",
        title: "a core dump has the VRSAVE of the task, not an older one",
        mechanism: "As repair-vrsave-in-fork: flush_altivec_to_thread does not read the register.",
        function: "vr_get",
        named_instead: &[],
        class: Some(Class::ControlBits),
        origin: Origin::Suspected { seen: None },
        severity: Severity::Live,
        endian: None,
        witness: Some("core-dump-vrsave"),
    },
    Defect {
        id: "repair-fpexc-rmw",
        title: "a task that is preempted in PR_SET_FPEXC has its own registers afterwards",
        mechanism: "set_fpexc_mode reads regs->msr, changes FE0 and FE1, and writes it. If the task is switched out in between, and its counter has wrapped, restore_math does not give FP back. The write then \
            sets MSR_FP again: the task goes on with the registers of whoever had them last.",
        function: "set_fpexc_mode",
        named_instead: &[],
        class: Some(Class::WrongOwner),
        origin: Origin::Suspected {
            seen: Some(
                "seen on an unmodified 6.1.192 kernel with CONFIG_PREEMPT (docs/findings/preempted-in-pr-set-fpexc.md)",
            ),
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("fpexc-preempted"),
    },
    Defect {
        id: "repair-fork-fe-bits",
        title: "a child can turn FP exceptions off",
        mechanism: "copy_thread takes FP away from the child and leaves FE0 and FE1, as giveup-keeps-fe-bits does.",
        function: "copy_thread",
        named_instead: &[],
        class: Some(Class::ControlBits),
        origin: Origin::Suspected {
            seen: Some(
                "seen on unmodified 6.1.192 kernels, Debian's among them, also under QEMU without ctxfuzz (docs/findings/child-keeps-fe-bits.md)",
            ),
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("fp-exceptions-off-in-child"),
    },
    Defect {
        id: "repair-task-work-signal",
        title: "a signal that arrives while task work runs gets its handler's registers",
        mechanism: "interrupt_exit_user_prepare_main has all registers loaded from pt_regs if a signal is pending when it looks. get_signal runs task work first, and then delivers what has arrived \
            meanwhile: r1 and NIP are the handler's, CTR is not, through which the trampoline calls it. The repair counts task work too.",
        function: "interrupt_exit_user_prepare_main",
        // The way out; what looks too early is below it.
        named_instead: &["syscall_exit_prepare"],
        class: Some(Class::Dies),
        origin: Origin::Suspected {
            seen: Some(
                "seen on unmodified 6.1.192 kernels, preemptible and not (docs/findings/signal-during-task-work.md)",
            ),
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("signal-during-task-work"),
    },
    Defect {
        id: "repair-emul-lfd-dw1",
        title: "lfd makes doubleword 1 zero also when the kernel does it and the registers are in memory",
        mechanism: "do_fp_load writes doubleword 0 of the image alone. A processor writes both since ISA 3.1; before, doubleword 1 was undefined after lfd, so nobody may rely on it \
            (`misaligned-load-preempted` with --all shows it).",
        function: "do_fp_load",
        named_instead: &[],
        class: None,
        origin: Origin::Suspected {
            seen: Some("seen on an unmodified 6.1.192 kernel with CONFIG_PREEMPT"),
        },
        severity: Severity::Harmless,
        endian: None,
        witness: None,
    },
    Defect {
        id: "repair-hibernate",
        title: "a task that suspends the machine to disk has its registers afterwards",
        mechanism: "save_processor_state brings the image of the registers up to date and leaves them live. swsusp_arch_resume loads r12 to r31 and no FP or VMX register, so the task goes on with what \
            the kernel has left that read the image. The repair gives them up instead.",
        function: "save_processor_state",
        named_instead: &["__giveup_fpu", "__giveup_altivec", "save_fpu"],
        class: Some(Class::WrongOwner),
        origin: Origin::Suspected { seen: None },
        severity: Severity::Live,
        endian: None,
        witness: Some("hibernate"),
    },
];
