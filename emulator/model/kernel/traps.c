// SPDX-License-Identifier: GPL-2.0-only
// Exceptions that mean the kernel is broken, as Linux's traps.c and panic.c.
#include "defect.h"
#include "hostcall.h"
#include "sched.h"

/// Linux's panic: the host ends the run.
void panic(const char *reason)
{
	host_call(HOST_PANIC, reason);
	for (;;)
		;
}

/// Linux's kernel_fp_unavailable_exception: an FP instruction in the kernel with MSR[FP] off.
void kernel_fp_unavailable_exception(struct pt_regs *regs)
{
	(void)regs;
	panic("Unrecoverable FP Unavailable Exception in the kernel");
}

/// Linux's altivec_unavailable_exception, which is a kernel bug where VMX exists.
void altivec_unavailable_exception(struct pt_regs *regs)
{
	(void)regs;
	panic("Unrecoverable VMX/Altivec Unavailable Exception in the kernel");
}

/// Linux's vsx_unavailable_exception, which is a kernel bug where VSX exists.
void vsx_unavailable_exception(struct pt_regs *regs)
{
	(void)regs;
	panic("Unrecoverable VSX Unavailable Exception in the kernel");
}

/* asm/reg.h: SRR1 of a program interrupt, and FPSCR. */
#define REASON_FP 0x100000UL
#define FPSCR_VX 0x20000000UL
#define FPSCR_OX 0x10000000UL
#define FPSCR_UX 0x08000000UL
#define FPSCR_ZX 0x04000000UL
#define FPSCR_XX 0x02000000UL
#define FPSCR_VE 0x80UL
#define FPSCR_OE 0x40UL
#define FPSCR_UE 0x20UL
#define FPSCR_ZE 0x10UL
#define FPSCR_XE 0x08UL
/* asm/siginfo.h */
#define FPE_FLTDIV 3
#define FPE_FLTOVF 4
#define FPE_FLTUND 5
#define FPE_FLTRES 6
#define FPE_FLTINV 7
#define FPE_FLTUNK 14

/// Linux's __parse_fpscr: the first exception that is set and enabled, as a code for siginfo.
static int __parse_fpscr(u64 fpscr)
{
	if ((fpscr & FPSCR_VE) && (fpscr & FPSCR_VX))
		return FPE_FLTINV;
	if ((fpscr & FPSCR_OE) && (fpscr & FPSCR_OX))
		return FPE_FLTOVF;
	if ((fpscr & FPSCR_UE) && (fpscr & FPSCR_UX))
		return FPE_FLTUND;
	if ((fpscr & FPSCR_ZE) && (fpscr & FPSCR_ZX))
		return FPE_FLTDIV;
	if ((fpscr & FPSCR_XE) && (fpscr & FPSCR_XX))
		return FPE_FLTRES;
	return FPE_FLTUNK;
}

/// Linux's parse_fpe. What FPSCR says is in the register, so it is flushed first.
static void parse_fpe(struct pt_regs *regs)
{
	(void)regs;
	if (!defect("sigfpe-stale-fpscr"))
		flush_fp_to_thread(current);
	force_sig_fault(SIGFPE, __parse_fpscr(current->thread.fp_state.fpscr));
}

/// Linux's program_check_exception. FP exceptions of user code are the only ones with a handler
/// here.
void program_check_exception(struct pt_regs *regs)
{
	if (!(regs->msr & MSR_PR))
		panic("Program check exception in the kernel");
	if (!(regs->msr & REASON_FP))
		panic("Unexpected program check exception");
	interrupt_enter_prepare();
	parse_fpe(regs);
}

/* What a debugger's NMI keeps of the task that it has found running. */
static struct task_struct nmi_note;

/// Linux's system_reset_exception, with what a debugger or a crash handler may hang into it: a copy
/// that is large enough for VMX, in a place where the registers belong to whoever was interrupted,
/// and where no exit work would bring them back.
void system_reset_exception(struct pt_regs *regs)
{
	u8 irq_happened = local_paca->irq_happened;

	(void)regs;
	nmi_enter();
	memcpy(&nmi_note, current, sizeof(nmi_note));
	nmi_exit();
	local_paca->irq_happened = irq_happened;
}

/// Linux's unknown_exception. Linux sends SIGTRAP; here no scenario asks for such an exception, so
/// it is the end of the run.
void unknown_exception(struct pt_regs *regs)
{
	(void)regs;
	panic("Unexpected exception");
}
