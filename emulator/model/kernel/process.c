// SPDX-License-Identifier: GPL-2.0-only
// Who owns the FP, VMX and VSX registers, as the FP half of Linux's arch/powerpc/kernel/process.c.
// A set bit FP, VEC or VSX in thread.regs->msr says that the registers of the CPU are the task's; a
// clear one that thread_struct is. No transactional memory, so no check_if_tm_restore_required; no
// preemption in the kernel, so no preempt_disable.
#include "defect.h"
#include "sched.h"

#define MSR_ALL_AVAILABLE (MSR_FP | MSR_VEC | MSR_VSX)

/// Linux's mtmsr_isync_irqsafe: writes a value of MSR that was read before, when EE may have been
/// on still.
static unsigned long mtmsr_isync_irqsafe(unsigned long msr)
{
	if (irqs_disabled() && !defect("msr-ee-race")) {
		msr &= ~MSR_EE;
		mtmsr_isync(msr);
		local_paca->irq_happened |= PACA_IRQ_HARD_DIS;
	} else {
		mtmsr_isync(msr);
	}
	return msr;
}

/// Linux's msr_check_and_set: turn facilities on in the kernel's own MSR. FP brings VSX along.
unsigned long msr_check_and_set(unsigned long bits)
{
	unsigned long oldmsr;
	unsigned long newmsr;

	oldmsr = mfmsr();
	masked_irq_window();
	newmsr = oldmsr | bits;
	if ((bits & MSR_FP) && !defect("vs-low-half-lost"))
		newmsr |= MSR_VSX;
	if (newmsr != oldmsr)
		newmsr = mtmsr_isync_irqsafe(newmsr);
	return newmsr;
}

/// Linux's __msr_check_and_clear, which ppc_strict_facility_enable asks for.
static void __msr_check_and_clear(unsigned long bits)
{
	unsigned long oldmsr;
	unsigned long newmsr;

	oldmsr = mfmsr();
	newmsr = oldmsr & ~bits;
	if (bits & MSR_FP)
		newmsr &= ~MSR_VSX;
	if (newmsr != oldmsr)
		mtmsr_isync_irqsafe(newmsr);
}

/// Linux's msr_check_and_clear without the boot option ppc_strict_facility_enable: the facilities
/// stay on until the next rfid.
void msr_check_and_clear(unsigned long bits)
{
	if (defect("strict-facility-enable"))
		__msr_check_and_clear(bits);
}

/// Linux's __giveup_fpu: registers to thread_struct, and they are nobody's afterwards.
void __giveup_fpu(struct task_struct *tsk)
{
	unsigned long msr;

	save_fpu(tsk);
	if (defect("giveup-zeroes-registers"))
		zero_fp_registers();
	msr = tsk->thread.regs->msr & ~MSR_VSX;
	if (!defect("giveup-keeps-fe-bits"))
		msr &= ~(MSR_FE0 | MSR_FE1);
	if (!defect("giveup-keeps-fp-bit"))
		msr &= ~MSR_FP;
	regs_set_return_msr(tsk->thread.regs, msr);
}

/// Linux's giveup_fpu.
void giveup_fpu(struct task_struct *tsk)
{
	msr_check_and_set(MSR_FP);
	__giveup_fpu(tsk);
	msr_check_and_clear(MSR_FP);
}

/// Linux's __giveup_altivec.
void __giveup_altivec(struct task_struct *tsk)
{
	unsigned long msr = tsk->thread.regs->msr & ~MSR_VEC;

	softirq_point();
	save_altivec(tsk);
	if (defect("giveup-zeroes-registers"))
		zero_vr_registers();
	if (!defect("giveup-keeps-vsx-bit"))
		msr &= ~MSR_VSX;
	if (defect("srr-valid-not-invalidated"))
		tsk->thread.regs->msr = msr;
	else
		regs_set_return_msr(tsk->thread.regs, msr);
}

/// Linux's giveup_altivec.
void giveup_altivec(struct task_struct *tsk)
{
	msr_check_and_set(MSR_VEC);
	__giveup_altivec(tsk);
	msr_check_and_clear(MSR_VEC);
}

/// Linux's __giveup_vsx: VSX has no registers of its own.
static void __giveup_vsx(struct task_struct *tsk)
{
	unsigned long msr = tsk->thread.regs->msr;

	if (msr & MSR_FP)
		__giveup_fpu(tsk);
	if (msr & MSR_VEC)
		__giveup_altivec(tsk);
}

/// Linux's giveup_vsx.
void giveup_vsx(struct task_struct *tsk)
{
	msr_check_and_set(MSR_ALL_AVAILABLE);
	__giveup_vsx(tsk);
	msr_check_and_clear(MSR_ALL_AVAILABLE);
}

/// Linux's giveup_all: what a context switch does with the outgoing task.
void giveup_all(struct task_struct *tsk)
{
	unsigned long usermsr;

	if (!tsk->thread.regs)
		return;
	usermsr = tsk->thread.regs->msr;
	if (!(usermsr & MSR_ALL_AVAILABLE))
		return;

	msr_check_and_set(MSR_ALL_AVAILABLE);
	if (usermsr & MSR_FP)
		__giveup_fpu(tsk);
	if (usermsr & MSR_VEC)
		__giveup_altivec(tsk);
	msr_check_and_clear(MSR_ALL_AVAILABLE);
}

/// Linux's save_all: bring thread_struct up to date and leave the registers live. The one saver
/// after which they are used again.
void save_all(struct task_struct *tsk)
{
	unsigned long usermsr;

	if (!tsk->thread.regs)
		return;
	usermsr = tsk->thread.regs->msr;
	if (!(usermsr & MSR_ALL_AVAILABLE))
		return;

	msr_check_and_set(MSR_ALL_AVAILABLE);
	if (usermsr & MSR_FP)
		save_fpu(tsk);
	if (usermsr & MSR_VEC)
		save_altivec(tsk);
	msr_check_and_clear(MSR_ALL_AVAILABLE);
}

/*
 * Linux's BUG_ON(tsk != current) in the functions that follow: registers can only be given up by
 * the task that has them.
 */
#define MUST_BE_CURRENT(tsk)                                                           \
	do {                                                                           \
		if ((tsk) != current)                                                  \
			panic("the registers of a task that does not run are given up"); \
	} while (0)

/// Linux's flush_fp_to_thread.
void flush_fp_to_thread(struct task_struct *tsk)
{
	if (tsk->thread.regs && (tsk->thread.regs->msr & MSR_FP)) {
		MUST_BE_CURRENT(tsk);
		giveup_fpu(tsk);
	}
}

/// Linux's flush_altivec_to_thread.
void flush_altivec_to_thread(struct task_struct *tsk)
{
	if (tsk->thread.regs && (tsk->thread.regs->msr & MSR_VEC)) {
		MUST_BE_CURRENT(tsk);
		giveup_altivec(tsk);
	}
}

/// No function of its own in Linux: whether a VSX give-up has something to do. Any of the three
/// bits will do, because VSX can be clear while one half is live.
static bool vsx_is_live(const struct task_struct *tsk)
{
	unsigned long bits = MSR_ALL_AVAILABLE;

	if (defect("vsx-flush-needs-vsx-bit"))
		bits = MSR_VSX;
	return tsk->thread.regs && (tsk->thread.regs->msr & bits);
}

/// Linux's flush_vsx_to_thread.
void flush_vsx_to_thread(struct task_struct *tsk)
{
	if (vsx_is_live(tsk)) {
		MUST_BE_CURRENT(tsk);
		giveup_vsx(tsk);
	}
}

/// Linux's flush_all_to_thread: called when a task is copied.
void flush_all_to_thread(struct task_struct *tsk)
{
	if (tsk->thread.regs)
		save_all(tsk);
}

/// Linux's enable_kernel_fp: the kernel is about to use FP itself.
void enable_kernel_fp(void)
{
	msr_check_and_set(MSR_FP);
	if (current->thread.regs && (current->thread.regs->msr & MSR_FP))
		__giveup_fpu(current);
}

/// Linux's enable_kernel_altivec.
void enable_kernel_altivec(void)
{
	msr_check_and_set(MSR_VEC);
	if (defect("kernel-vmx-without-giveup"))
		return;
	if (current->thread.regs && (current->thread.regs->msr & MSR_VEC))
		__giveup_altivec(current);
}

/// Linux's enable_kernel_vsx.
void enable_kernel_vsx(void)
{
	msr_check_and_set(MSR_ALL_AVAILABLE);
	if (vsx_is_live(current))
		__giveup_vsx(current);
}

/// Linux's should_restore_fp: the count wraps, so that a task that has stopped using FP is asked
/// again after 255 reloads.
static bool should_restore_fp(void)
{
	if (current->thread.load_fp) {
		if (!defect("restore-math-ignores-wrap"))
			current->thread.load_fp++;
		return true;
	}
	return false;
}

/// Linux's should_restore_altivec.
static bool should_restore_altivec(void)
{
	if (current->thread.load_vec) {
		if (!defect("restore-math-ignores-wrap"))
			current->thread.load_vec++;
		return true;
	}
	return false;
}

/// Linux's do_restore_fp.
static void do_restore_fp(void)
{
	if (defect("restore-math-skips-load") && !current->thread.load_fp)
		return;
	load_fp_state(&current->thread.fp_state);
}

/// Linux's do_restore_altivec.
static void do_restore_altivec(void)
{
	load_vr_state(&current->thread.vr_state);
	if (!defect("restore-math-leaves-used-vr"))
		current->thread.used_vr = 1;
}

/// No function of its own in Linux: both halves of the VSRs are there.
static bool vsx_is_complete(unsigned long msr)
{
	if (defect("restore-math-partial-vsx"))
		return msr & (MSR_FP | MSR_VEC);
	return (msr & (MSR_FP | MSR_VEC)) == (MSR_FP | MSR_VEC);
}

/// Linux's restore_math: load what the user will probably use, before going back to it.
void restore_math(struct pt_regs *regs)
{
	unsigned long msr = regs->msr;
	unsigned long new_msr = 0;
	unsigned long fpexc_mode = 0;

	if (defect("restore-math-declines"))
		return;

	if (!(msr & MSR_FP) && should_restore_fp())
		new_msr |= MSR_FP;
	if (!(msr & MSR_VEC) && should_restore_altivec())
		new_msr |= MSR_VEC;
	if (!(msr & MSR_VSX) && vsx_is_complete(msr | new_msr))
		new_msr |= MSR_VSX;
	if (!new_msr)
		return;

	if (new_msr & MSR_FP)
		fpexc_mode = current->thread.fpexc_mode;
	// The exception mode is the user's alone: FPSCR may have an enabled exception set, and
	// would raise it here.
	if (defect("restore-math-fpexc-into-kernel-msr"))
		new_msr |= fpexc_mode;
	msr_check_and_set(new_msr);
	if (new_msr & MSR_FP)
		do_restore_fp();
	if (new_msr & MSR_VEC)
		do_restore_altivec();
	if ((new_msr & MSR_VSX) && !defect("used-vsr-not-set"))
		current->thread.used_vsr = 1;
	msr_check_and_clear(new_msr);
	if (defect("fpexc-not-applied-by-restore"))
		fpexc_mode = 0;
	regs_set_return_msr(regs, regs->msr | new_msr | fpexc_mode);
}
