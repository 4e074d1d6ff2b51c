// SPDX-License-Identifier: GPL-2.0-only
// A tracer that stops a task, looks at its FP, VMX and VSX registers and lets it go, as Linux's
// kernel/ptrace.c, the stops of kernel/signal.c, and arch/powerpc/kernel/ptrace/ptrace-fpu.c,
// -altivec.c and -vsx.c. There is one tracer and one tracee at a time.
#include "defect.h"
#include "hostcall.h"
#include "ptrace-area.h"
#include "sched.h"

static struct task_struct *tracer;
static struct task_struct *tracee;

/// Linux's fpr_get.
static void fpr_get(struct task_struct *target, u64 *to)
{
	int word = ts_fproffset();

	flush_fp_to_thread(target);
	for (int i = 0; i < 32; i++)
		to[i] = target->thread.fp_state.fpr[i][word];
	to[32] = target->thread.fp_state.fpscr;
}

/// Linux's fpr_set. What is not written keeps its value, because the whole is read first.
static void fpr_set(struct task_struct *target, const void *from, u64 count)
{
	u64 buf[33];
	int word = ts_fproffset();

	if (defect("ptrace-short-write"))
		memset(buf, 0, sizeof(buf));
	else
		fpr_get(target, buf);
	memcpy(buf, from, count);
	for (int i = 0; i < 32; i++)
		target->thread.fp_state.fpr[i][word] = buf[i];
	target->thread.fp_state.fpscr = buf[32];
	// The task's registers are nobody's: they are loaded from here before it uses them.
	if (defect("ptrace-write-lost"))
		target->thread.regs->msr |= MSR_FP;
}

/// Linux's vr_get.
static void vr_get(struct task_struct *target, vector128 *to)
{
	if (!defect("ptrace-read-without-flush"))
		flush_altivec_to_thread(target);
	if (target == current && defect("repair-vrsave-in-core"))
		target->thread.vrsave = mfspr(256);
	memcpy(to, &target->thread.vr_state, sizeof(target->thread.vr_state));
	memset(&to[33], 0, sizeof(to[33]));
	to[33].u[0] = (u32)target->thread.vrsave;
}

/// Linux's vr_set. Of the last quadword only VRSAVE counts.
static void vr_set(struct task_struct *target, const u8 *from, u64 count)
{
	u64 registers = sizeof(target->thread.vr_state);

	flush_altivec_to_thread(target);
	memcpy(&target->thread.vr_state, from, count < registers ? count : registers);
	if (count > registers)
		target->thread.vrsave = *(const u32 *)(from + registers);
}

/// Linux's vsr_get: the halves of VSR 0-31 that are not FPRs.
static void vsr_get(struct task_struct *target, u64 *to)
{
	int word = !ts_fproffset();

	flush_fp_to_thread(target);
	flush_altivec_to_thread(target);
	flush_vsx_to_thread(target);
	for (int i = 0; i < 32; i++)
		to[i] = target->thread.fp_state.fpr[i][word];
}

/// Linux's vsr_set.
static void vsr_set(struct task_struct *target, const void *from, u64 count)
{
	u64 buf[32];
	int word = !ts_fproffset();

	vsr_get(target, buf);
	memcpy(buf, from, count);
	for (int i = 0; i < 32; i++)
		target->thread.fp_state.fpr[i][word] = buf[i];
}

/// No counterpart in Linux: all register sets, one after the other, as debuggers and core dumps
/// want them.
void regsets_get(struct task_struct *target, struct regsets *to)
{
	fpr_get(target, to->fp);
	irq_point();
	vr_get(target, (vector128 *)to->vmx);
	irq_point();
	vsr_get(target, to->vsx);
}

/// No counterpart in Linux: makes a host call about the current task's register sets. The tracer
/// may have been interrupted while it read others.
void regsets_tell(unsigned long number, const struct regsets *what)
{
	static struct regsets others;

	others = ptrace_area->read;
	ptrace_area->read = *what;
	host_call(number, (const void *)current->user_index);
	ptrace_area->read = others;
}

/// No counterpart in Linux: what a debugger asks for by PTRACE_GETREGSET and PTRACE_SETREGSET, and
/// PTRACE_DETACH. The host is told what was read.
static void trace(struct task_struct *target)
{
	regsets_get(target, &ptrace_area->read);
	host_call(HOST_TRACED, NULL);
	switch (ptrace_area->set) {
	case REGSET_FP:
		fpr_set(target, ptrace_area->data, ptrace_area->bytes);
		break;
	case REGSET_VMX:
		vr_set(target, (const u8 *)ptrace_area->data, ptrace_area->bytes);
		break;
	case REGSET_VSX:
		vsr_set(target, ptrace_area->data, ptrace_area->bytes);
		break;
	}
	wake_up_state(target, TASK_TRACED);
}

/// Linux's PTRACE_SEIZE and PTRACE_INTERRUPT.
void ptrace_interrupt(struct task_struct *tsk)
{
	tracee = tsk;
	tsk->jobctl = JOBCTL_TRAP_STOP;
	set_tsk_thread_flag(tsk, TIF_SIGPENDING);
	wake_up_state(tsk, TASK_INTERRUPTIBLE);
}

/// Linux's ptrace_stop, called from do_jobctl_trap. The tracer has been waiting for it, and goes
/// first.
void ptrace_stop(void)
{
	current->jobctl = 0;
	current->state = TASK_TRACED;
	wake_up_state(tracer, TASK_UNINTERRUPTIBLE);
	requeue_task_rt(tracer, true);
	schedule();
}

/// Waits until the task that `ptrace_interrupt` was about has stopped, and traces it. `self` is who
/// calls.
void ptrace_wait(struct task_struct *self)
{
	tracer = self;
	while (!tracee || tracee->state != TASK_TRACED) {
		prepare_to_wait(NULL, TASK_UNINTERRUPTIBLE);
		schedule();
		finish_wait();
	}
	trace(tracee);
	tracee = NULL;
}

static int trace_for_ever(void *data)
{
	(void)data;
	for (;;)
		ptrace_wait(current);
	return 0;
}

/// A tracer for where there is no director to be it.
void ptrace_init(void)
{
	tracer = create_io_thread(trace_for_ever, NULL);
	if (IS_ERR(tracer))
		panic("there is no room for the tracer");
	wake_up_new_task(tracer);
}
