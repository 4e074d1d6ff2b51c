// SPDX-License-Identifier: GPL-2.0-only
// Context switch, the new thread and the new program, as the other half of Linux's
// arch/powerpc/kernel/process.c.
#include "defect.h"
#include "sched.h"

/// Linux's save_sprs. VRSAVE is the only special register of the user that the model has.
static void save_sprs(struct thread_struct *t)
{
	if (!defect("vrsave-not-saved"))
		t->vrsave = mfspr(256);
}

/// Linux's restore_sprs: written only where the two tasks differ.
static void restore_sprs(struct thread_struct *old_thread, struct thread_struct *new_thread)
{
	if (old_thread->vrsave != new_thread->vrsave)
		mtspr(256, new_thread->vrsave);
}

/// Linux's __switch_to. It returns in `new`, whose registers it has made live again if the counters
/// ask for it.
struct task_struct *__switch_to(struct task_struct *prev, struct task_struct *new)
{
	struct thread_struct *old_thread = &current->thread;
	struct thread_struct *new_thread = &new->thread;
	struct task_struct *last;

	masked_irq_point();
	save_sprs(&prev->thread);
	if (!(new == &init_task && defect("switch-to-idle-lazy")))
		giveup_all(prev);
	masked_irq_window();
	restore_sprs(old_thread, new_thread);
	srr_regs_clobbered();

	last = _switch(old_thread, new_thread);

	// A task that is new does not come by here: it starts at ret_from_fork.
	if (current->thread.regs)
		restore_math(current->thread.regs);
	return last;
}

/* What memcpy copies without VMX. */
#define SMALL_COPY 4096

/* Kernels with few options have a task_struct that memcpy copies without VMX. */
bool tasks_are_small;

/// Linux's arch_dup_task_struct. The copy is larger than 4096 bytes, so memcpy uses VMX, which
/// gives up the parent's; or it is made in two parts that are not.
void arch_dup_task_struct(struct task_struct *dst, struct task_struct *src)
{
	flush_all_to_thread(src);
	irq_point();
	if (src->thread.regs && defect("repair-vrsave-in-fork"))
		src->thread.vrsave = mfspr(256);
	if (tasks_are_small) {
		memcpy(dst, src, SMALL_COPY);
		memcpy((u8 *)dst + SMALL_COPY, (const u8 *)src + SMALL_COPY, sizeof(*dst) - SMALL_COPY);
	} else {
		memcpy(dst, src, sizeof(*dst));
	}
}

/// Linux's copy_thread: the kernel stack of a new task, so that its first _switch goes to the right
/// ret_from_*. A user child keeps the parent's r1 unless it is given a stack; TLS (r13) is always
/// the parent's.
void copy_thread(struct task_struct *p, const struct kernel_clone_args *args)
{
	struct pt_regs *childregs = task_pt_regs(p);
	unsigned long sp = (unsigned long)childregs - STACK_FRAME_OVERHEAD;
	struct pt_regs *kregs;
	void (*f)(void);

	if (args->fn) {
		memset(childregs, 0, sizeof(*childregs));
		childregs->gpr[14] = (unsigned long)args->fn;
		childregs->gpr[15] = (unsigned long)args->fn_arg;
		p->thread.regs = NULL;
		set_tsk_thread_flag(p, TIF_RESTOREALL);
		f = ret_from_kernel_thread;
	} else {
		*childregs = *task_pt_regs(current);
		if (args->stack)
			childregs->gpr[1] = args->stack;
		p->thread.regs = childregs;
		childregs->gpr[3] = 0;
		f = trap_is_scv(childregs) ? ret_from_fork_scv : ret_from_fork;
		if (!defect("fork-child-inherits-live-bits"))
			childregs->msr &= ~(MSR_FP | MSR_VEC | MSR_VSX);
		if (defect("repair-fork-fe-bits"))
			childregs->msr &= ~(MSR_FE0 | MSR_FE1);
	}
	*(u64 *)sp = 0;

	sp -= SWITCH_FRAME_SIZE;
	kregs = (struct pt_regs *)(sp + STACK_FRAME_OVERHEAD);
	memset(kregs, 0, sizeof(*kregs));
	kregs->nip = (unsigned long)f;
	*(u64 *)sp = sp + SWITCH_FRAME_SIZE;
	p->thread.ksp = sp;
	p->thread.fp_save_area = NULL;
	p->thread.vr_save_area = NULL;
}

/// No counterpart in Linux, which uses word 3 always: where VSCR is in its quadword.
static u64 vscr_word(void)
{
#ifdef __LITTLE_ENDIAN__
	if (defect("le-repair-vscr-word"))
		return 0;
#endif
	return 3;
}

/// Linux's start_thread: the current task becomes a new program, or a kernel thread its first.
/// Register contents and the VRSAVE register are not touched, only the images. VSCR[NJ] goes to
/// word 3 of the image in both byte orders, as in 6.1, which is VSCR only on big endian.
void start_thread(struct pt_regs *regs, unsigned long start, unsigned long sp)
{
	struct thread_struct *thread = &current->thread;

	thread->regs = regs;
	memset(regs->gpr, 0, sizeof(regs->gpr));
	regs->ctr = 0;
	regs->link = 0;
	regs->xer = 0;
	regs->ccr = 0;
	regs->gpr[1] = sp;
	regs->gpr[12] = start;
	if (defect("repair-exec-preempt"))
		thread->load_fp = thread->load_vec = 0;
	regs_set_return_ip(regs, start);
	regs_set_return_msr(regs, MSR_USER64);
	irq_point();

	thread->used_vsr = 0;
	thread->load_fp = 0;
	irq_point();
	if (!defect("exec-keeps-fp-image"))
		memset(thread->fp_state.fpr, 0, sizeof(thread->fp_state.fpr));
	if (!defect("exec-keeps-fpscr"))
		thread->fp_state.fpscr = 0;
	thread->fp_save_area = NULL;
	if (!defect("exec-keeps-vr-image"))
		memset(&thread->vr_state, 0, sizeof(thread->vr_state));
	thread->vr_state.vscr.u[vscr_word()] = 0x00010000;
	thread->vr_save_area = NULL;
	thread->vrsave = 0;
	if (defect("repair-vrsave-in-exec"))
		mtspr(256, 0);
	thread->used_vr = 0;
	thread->load_vec = 0;
	irq_point();
	// ELFv2 passes the entry point in r12.
	set_tsk_thread_flag(current, TIF_RESTOREALL);
}

/// Linux's __pack_fe01: PR_FP_EXC_DISABLED, _NONRECOV, _ASYNC and _PRECISE as FE0 and FE1.
static u32 __pack_fe01(u64 fpmode)
{
	return ((fpmode << 10) & MSR_FE0) | ((fpmode << 8) & MSR_FE1);
}

/// Linux's set_fpexc_mode. Reading and writing regs->msr is not one step: a task that is preempted
/// in between, and comes back without FP because the counter has wrapped, is given back the bit
/// without the registers.
long set_fpexc_mode(struct task_struct *tsk, u64 val)
{
	struct pt_regs *regs = tsk->thread.regs;
	u64 msr;

	if (val > 3)
		return -EINVAL;
	tsk->thread.fpexc_mode = __pack_fe01(val);
	msr = regs->msr;
	if (!defect("repair-fpexc-rmw"))
		irq_point();
	if ((msr & MSR_FP) && !defect("fpexc-not-applied-by-prctl"))
		regs_set_return_msr(regs, (msr & ~(MSR_FE0 | MSR_FE1)) | tsk->thread.fpexc_mode);
	return 0;
}
