// SPDX-License-Identifier: GPL-2.0-only
// The 64-bit signal frame, as Linux's arch/powerpc/kernel/signal_64.c without transactional memory.
// User memory is there and writable, so no access can fail or sleep.
#include "signal.h"
#include "defect.h"
#include "sched.h"

#define SI_KERNEL 0x80
#define FP_SCR 32
#define GP(member) (offsetof(struct pt_regs, member) / 8)

/// Linux's sigcontext_vmx_regs.
static struct sigframe_vmx *sigcontext_vmx(struct sigcontext *sc)
{
	if (defect("sigctx-misaligned-vmx"))
		return (struct sigframe_vmx *)((u64)sc->vmx_reserve + 8);
	return (struct sigframe_vmx *)(((u64)sc->vmx_reserve + 15) & ~15UL);
}

/// Linux's get_sigframe.
static struct rt_sigframe *get_sigframe(const struct pt_regs *regs)
{
	u64 size = sizeof(struct rt_sigframe);

	if (defect("sig-stack-redzone"))
		size -= USER_ABI_GAP;
	return (struct rt_sigframe *)((regs->gpr[1] - size) & ~15UL);
}

/// Linux's TS_FPROFFSET: which doubleword of an image is the FPR. The other one is TS_VSRLOWOFFSET.
int ts_fproffset(void)
{
#ifdef __LITTLE_ENDIAN__
	if (defect("le-fpr-offset"))
		return TS_VSRLOWOFFSET;
#endif
	return TS_FPROFFSET;
}

/// Linux's unsafe_copy_fpr_to_user.
static void copy_fpr_to_user(u64 *to, const struct task_struct *tsk)
{
	int word = ts_fproffset();

	for (int i = 0; i < 32; i++)
		to[i] = tsk->thread.fp_state.fpr[i][word];
	to[FP_SCR] = tsk->thread.fp_state.fpscr;
}

/// Linux's unsafe_copy_fpr_from_user.
static void copy_fpr_from_user(struct task_struct *tsk, const u64 *from)
{
	int word = ts_fproffset();

	for (int i = 0; i < 32; i++)
		tsk->thread.fp_state.fpr[i][word] = from[i];
	tsk->thread.fp_state.fpscr = from[FP_SCR];
}

/// Linux's unsafe_copy_vsx_to_user: the halves of VSR 0-31 that are not FPRs.
static void copy_vsx_to_user(u64 *to, const struct task_struct *tsk)
{
	int word = !ts_fproffset();

	for (int i = 0; i < 32; i++)
		to[i] = tsk->thread.fp_state.fpr[i][word];
}

/// Linux's unsafe_copy_vsx_from_user; NULL zeroes them.
static void copy_vsx_from_user(struct task_struct *tsk, const u64 *from)
{
	int word = !ts_fproffset();

	for (int i = 0; i < 32; i++)
		tsk->thread.fp_state.fpr[i][word] = from ? from[i] : 0;
}

/// Linux's prepare_setup_sigcontext: everything that is live goes to thread_struct, before user
/// memory is written.
static void prepare_setup_sigcontext(struct task_struct *tsk)
{
	irq_point();
	if (tsk->thread.used_vr)
		flush_altivec_to_thread(tsk);
	irq_point();
	if (!defect("vrsave-stale-in-signal"))
		tsk->thread.vrsave = mfspr(256);
	irq_point();
	flush_fp_to_thread(tsk);
	irq_point();
	if (tsk->thread.used_vsr)
		flush_vsx_to_thread(tsk);
	irq_point();
}

/// Linux's __unsafe_setup_sigcontext.
static void setup_sigcontext(struct sigcontext *sc, struct task_struct *tsk, int sig, u64 handler, bool ctx_has_vsx_region)
{
	struct thread_struct *thread = &tsk->thread;
	struct pt_regs *regs = thread->regs;
	struct sigframe_vmx *vmx = sigcontext_vmx(sc);
	u64 msr = regs->msr;

	sc->v_regs = (u64 *)vmx;
	if (thread->used_vr) {
		memcpy(vmx, &thread->vr_state, sizeof(thread->vr_state));
		msr |= MSR_VEC;
	}
	vmx->vrsave = (u32)thread->vrsave;
	irq_point();

	copy_fpr_to_user(sc->fp_regs, tsk);
	irq_point();

	if (!defect("sigframe-vsx-flag-without-data") || ctx_has_vsx_region)
		msr &= ~MSR_VSX;
	else if (thread->used_vsr)
		msr |= MSR_VSX;
	if (thread->used_vsr && ctx_has_vsx_region) {
		copy_vsx_to_user(vmx->vsr_low, tsk);
		msr |= MSR_VSX;
	}
	irq_point();

	sc->regs = (struct pt_regs *)sc->gp_regs;
	memcpy(sc->gp_regs, regs, sizeof(sc->gp_regs));
	sc->gp_regs[GP(msr)] = msr;
	sc->gp_regs[GP(softe)] = 1;
	sc->signal = sig;
	sc->handler = handler;
}

/// Linux's handle_rt_signal64. The trampoline, in user text, stands for the vDSO's.
void handle_rt_signal64(int sig, struct task_struct *tsk)
{
	struct pt_regs *regs = tsk->thread.regs;
	struct rt_sigframe *frame = get_sigframe(regs);
	u64 newsp = (u64)frame - USER_FRAME_GAP;

	prepare_setup_sigcontext(tsk);

	memset(&frame->uc, 0, offsetof(struct ucontext, uc_mcontext));
	frame->uc.uc_sigmask = tsk->blocked_signals;
	setup_sigcontext(&frame->uc.uc_mcontext, tsk, sig, USER_SIGNAL_HANDLER, true);
	memset(&frame->info, 0, sizeof(frame->info));
	frame->info.si_signo = sig;
	frame->info.si_code = sig == SIGFPE ? (int)tsk->si_code : SI_KERNEL;
	frame->pinfo = &frame->info;
	frame->puc = &frame->uc;

	irq_point();

	// The handler starts with FPSCR 0, provided its registers are loaded from here. They are
	// not if the task was preempted since prepare_setup_sigcontext: restore_math has made them
	// live again.
	if (defect("repair-sigframe-fpscr"))
		flush_fp_to_thread(tsk);
	if (!defect("sigframe-fpscr-not-zeroed"))
		tsk->thread.fp_state.fpscr = 0;

	*(u64 *)newsp = regs->gpr[1];
	regs->gpr[1] = newsp;
	regs->gpr[3] = (u64)sig;
	regs->gpr[4] = (u64)&frame->info;
	regs->gpr[5] = (u64)&frame->uc;
	regs->gpr[6] = (u64)frame;
	regs->gpr[12] = USER_SIGNAL_HANDLER;
	regs->ctr = USER_SIGNAL_HANDLER;
	regs->result = 0;
	regs_set_return_ip(regs, USER_SIGTRAMP);
	regs_set_return_msr(regs, (regs->msr & ~1UL) | MSR_LE);
}

/// No function of its own in Linux: the registers are nobody's.
static void clear_math_bits(struct pt_regs *regs)
{
	regs_set_return_msr(regs, regs->msr & ~(MSR_FP | MSR_FE0 | MSR_FE1 | MSR_VEC | MSR_VSX));
}

/// Linux's __unsafe_restore_sigcontext. No MSR bit of the frame is believed but LE, and that of a
/// signal's only; VEC and VSX say what is in it. A context that is swapped in leaves r13 as it is.
static void restore_sigcontext(struct task_struct *tsk, bool sig, struct sigcontext *sc)
{
	struct thread_struct *thread = &tsk->thread;
	struct pt_regs *regs = thread->regs;
	struct sigframe_vmx *vmx = (struct sigframe_vmx *)sc->v_regs;
	u64 msr = sc->gp_regs[GP(msr)];

	u64 save_r13 = regs->gpr[13];

	memcpy(regs->gpr, sc->gp_regs, sizeof(regs->gpr));
	regs_set_return_ip(regs, sc->gp_regs[GP(nip)]);
	if (sig)
		regs_set_return_msr(regs, (regs->msr & ~1UL) | (msr & 1));
	else
		regs->gpr[13] = save_r13;
	regs->orig_gpr3 = sc->gp_regs[GP(orig_gpr3)];
	regs->ctr = sc->gp_regs[GP(ctr)];
	regs->link = sc->gp_regs[GP(link)];
	regs->xer = sc->gp_regs[GP(xer)];
	regs->ccr = sc->gp_regs[GP(ccr)];
	set_trap_norestart(regs);
	regs->dar = sc->gp_regs[GP(dar)];
	regs->dsisr = sc->gp_regs[GP(dsisr)];
	regs->result = sc->gp_regs[GP(result)];

	irq_point();
	// First the bits, then the images: a switch in between must not save the handler's
	// registers over them. But it can make half an image live, because __switch_to ends in
	// restore_math.
	if (defect("repair-sigreturn-reload"))
		thread->load_fp = thread->load_vec = 0;
	if (!defect("sigreturn-clears-bits-too-late"))
		clear_math_bits(regs);
	irq_point();

	if (vmx && (msr & MSR_VEC)) {
		memcpy(&thread->vr_state, vmx, sizeof(thread->vr_state));
		if (!defect("sigreturn-used-vr-not-set"))
			thread->used_vr = true;
	} else if (thread->used_vr && !defect("sigreturn-no-zero-else-vmx")) {
		memset(&thread->vr_state, 0, sizeof(thread->vr_state));
	}
	irq_point();
	thread->vrsave = vmx ? vmx->vrsave : 0;
	mtspr(256, thread->vrsave);
	irq_point();

	copy_fpr_from_user(tsk, sc->fp_regs);
	irq_point();
	if (vmx && (msr & MSR_VSX)) {
		copy_vsx_from_user(tsk, vmx->vsr_low);
		if (!defect("sigreturn-used-vsr-not-set"))
			thread->used_vsr = true;
	} else if (!defect("sigreturn-no-zero-else-vsx")) {
		copy_vsx_from_user(tsk, NULL);
	}
	irq_point();
	if (defect("sigreturn-clears-bits-too-late"))
		clear_math_bits(regs);
	if (defect("sigreturn-trusts-fe"))
		regs_set_return_msr(regs, regs->msr | (msr & (MSR_FE0 | MSR_FE1)));
	if (defect("sigreturn-trusts-msr"))
		regs_set_return_msr(regs, regs->msr | (msr & (MSR_FP | MSR_VEC | MSR_VSX)));
}

/// Linux's sys_rt_sigreturn.
long sys_rt_sigreturn(void)
{
	struct ucontext *uc = (struct ucontext *)current->thread.regs->gpr[1];

	if (!access_ok(uc, sizeof(*uc)))
		panic("rt_sigreturn without a frame");
	set_current_blocked(uc->uc_sigmask);
	restore_sigcontext(current, true, &uc->uc_mcontext);
	set_tsk_thread_flag(current, TIF_RESTOREALL);
	return 0;
}

/*
 * Up to here a context is old programs' ucontext, which ends before the doublewords 1 of VSR 0-31.
 */
#define UCONTEXTSIZEWITHOUTVSX (sizeof(struct ucontext) - 32 * sizeof(long))

/// Linux's sys_swapcontext. Both contexts are there, and the same one here.
long sys_swapcontext(void *old_ctx, void *new_ctx, long ctx_size)
{
	struct ucontext *old = old_ctx;
	struct ucontext *new = new_ctx;
	bool ctx_has_vsx_region = (u64)ctx_size >= sizeof(struct ucontext);

	if ((u64)ctx_size < UCONTEXTSIZEWITHOUTVSX || !access_ok(old, (u64)ctx_size) || !access_ok(new, (u64)ctx_size))
		return -EINVAL;
	if (!ctx_has_vsx_region && (new->uc_mcontext.gp_regs[GP(msr)] & MSR_VSX))
		return -EINVAL;

	prepare_setup_sigcontext(current);
	setup_sigcontext(&old->uc_mcontext, current, 0, 0, ctx_has_vsx_region);
	old->uc_sigmask = current->blocked_signals;
	irq_point();

	set_current_blocked(new->uc_sigmask);
	restore_sigcontext(current, false, &new->uc_mcontext);
	set_tsk_thread_flag(current, TIF_RESTOREALL);
	return 0;
}
