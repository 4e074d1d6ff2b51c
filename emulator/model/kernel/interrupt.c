// SPDX-License-Identifier: GPL-2.0-only
// What the kernel does last before user mode, as Linux's arch/powerpc/kernel/interrupt.c. Not here:
// transactional memory, tracing, interrupts that are soft-masked so late that the loop has to start
// over.
#include "defect.h"
#include "sched.h"

/* Where debug_log_live_registers leaves them. */
static struct thread_fp_state debug_fp;
static struct thread_vr_state debug_vr;

/// No counterpart in Linux, but in many a debugging patch: looks at the registers of a task that
/// goes on with them. Called only by the defect debug-store-on-live.
static void debug_log_live_registers(const struct pt_regs *regs)
{
	msr_check_and_set(MSR_FP | MSR_VEC);
	if (regs->msr & MSR_FP)
		store_fp_state(&debug_fp);
	if (regs->msr & MSR_VEC)
		store_vr_state(&debug_vr);
}

/// Linux's interrupt_exit_user_prepare_main: pending work until there is none, then make the
/// registers live.
static unsigned long interrupt_exit_user_prepare_main(unsigned long ret, struct pt_regs *regs)
{
	unsigned long mathflags = MSR_FP | MSR_VEC | MSR_VSX;
	unsigned long msr_at_entry = regs->msr & mathflags;
	unsigned long ti_flags = current->flags;

	while ((ti_flags & _TIF_USER_WORK_MASK) || last_irq_point()) {
		local_irq_enable();
		ti_flags = current->flags;
		if (ti_flags & _TIF_NEED_RESCHED) {
			schedule();
		} else {
			// A signal changes argument registers and r1, so all must come from the
			// frame. Task work alone does not count, though a signal may arrive while
			// it runs and is then delivered at once.
			if (ti_flags & _TIF_SIGPENDING)
				ret |= _TIF_RESTOREALL;
			if ((ti_flags & _TIF_NOTIFY_SIGNAL) && defect("repair-task-work-signal"))
				ret |= _TIF_RESTOREALL;
			do_notify_resume(regs, ti_flags);
		}
		local_irq_disable();
		ti_flags = current->flags;
	}

	if (defect("exit-sets-cached-bits"))
		regs_set_return_msr(regs, regs->msr | msr_at_entry);
	if (defect("exit-check-only-fp"))
		mathflags = MSR_FP;
	// All three live: trusted as they are.
	if ((regs->msr & mathflags) != mathflags)
		restore_math(regs);
	if (defect("debug-store-on-live"))
		debug_log_live_registers(regs);
	prep_irq_for_enabled_exit();
	return ret;
}

/// Linux's syscall_exit_prepare. Non-zero: every register comes from the frame.
unsigned long syscall_exit_prepare(unsigned long r3, struct pt_regs *regs, long scv)
{
	unsigned long ti_flags = current->flags;
	unsigned long ret = 0;

	regs->result = r3;
	if (IS_ERR_VALUE(r3) && !scv && !(ti_flags & _TIF_RESTOREALL)) {
		r3 = -r3;
		regs->ccr |= 0x10000000;
	}
	if (ti_flags & _TIF_RESTOREALL) {
		ret = _TIF_RESTOREALL;
		clear_tsk_thread_flag(current, TIF_RESTOREALL);
	} else {
		regs->gpr[3] = r3;
	}
	local_irq_disable();
	ret = interrupt_exit_user_prepare_main(ret, regs);
	regs->exit_result = ret;
	return ret;
}

/// Linux's interrupt_exit_user_prepare. Non-zero: r14-r31 come from the frame too.
unsigned long interrupt_exit_user_prepare(struct pt_regs *regs)
{
	unsigned long ret;

	local_irq_disable();
	ret = interrupt_exit_user_prepare_main(0, regs);
	regs->exit_result = ret;
	return ret;
}
