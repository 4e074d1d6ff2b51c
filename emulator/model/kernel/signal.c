// SPDX-License-Identifier: GPL-2.0-only
// Signals, as Linux's kernel/signal.c and the generic half of arch/powerpc/kernel/signal.c. SIGUSR1
// and SIGUSR2 have the same handler in every task, with SA_SIGINFO and without SA_RESTART.
#include "sched.h"

/// No counterpart in Linux: whether the stage has a handler for it (Linux: k_sigaction).
static bool is_handled(int sig)
{
	return sig == SIGUSR1 || sig == SIGUSR2 || sig == SIGFPE;
}

/// Linux's sig_kernel_coredump, of the signals that occur here and have no handler.
static bool sig_kernel_coredump(int sig)
{
	return sig == SIGABRT;
}

/// Linux's recalc_sigpending.
static void recalc_sigpending(void)
{
	if (current->jobctl || current->pending_signals & ~current->blocked_signals)
		set_tsk_thread_flag(current, TIF_SIGPENDING);
	else
		clear_tsk_thread_flag(current, TIF_SIGPENDING);
}

/// Linux's set_current_blocked.
void set_current_blocked(u64 mask)
{
	current->blocked_signals = mask;
	recalc_sigpending();
}

/// Linux's send_signal_locked with signal_wake_up. Signals without a handler are lost: their
/// default would end the scenario.
void send_signal(int sig, struct task_struct *tsk)
{
	if (!is_handled(sig) && !sig_kernel_coredump(sig))
		return;
	tsk->pending_signals |= sigmask(sig);
	if (tsk->blocked_signals & sigmask(sig))
		return;
	set_tsk_thread_flag(tsk, TIF_SIGPENDING);
	wake_up_state(tsk, TASK_INTERRUPTIBLE);
}

/// Linux's force_sig_fault. Not here: what happens to a task that blocks the signal, because nobody
/// blocks SIGFPE but its handler, which does no arithmetic.
void force_sig_fault(int sig, int code)
{
	current->si_code = (u64)code;
	send_signal(sig, current);
}

/// Linux's set_notify_signal. No kick_process: the interrupt that makes a running task look is an
/// event of the scenario.
void set_notify_signal(struct task_struct *tsk)
{
	set_tsk_thread_flag(tsk, TIF_NOTIFY_SIGNAL);
	wake_up_state(tsk, TASK_INTERRUPTIBLE);
}

/// Linux's sys_kill. Every task is its own process group, so pid 0 is the caller.
long sys_kill(long pid, int sig)
{
	if (!is_handled(sig) && !sig_kernel_coredump(sig))
		return -EINVAL;
	if (pid == 0) {
		send_signal(sig, current);
		return 0;
	}
	for (struct task_struct *tsk = task_pool; tsk < task_pool + MAX_USER_TASKS; tsk++) {
		if ((long)tsk->pid == pid && tsk->state < TASK_DEAD) {
			send_signal(sig, tsk);
			return 0;
		}
	}
	return -ESRCH;
}

/// Linux's dequeue_signal: the lowest number first, 0 when none may be delivered.
static int dequeue_signal(void)
{
	u64 deliverable = current->pending_signals & ~current->blocked_signals;
	int sig = deliverable ? __builtin_ctzl(deliverable) + 1 : 0;

	if (sig)
		current->pending_signals &= ~sigmask(sig);
	recalc_sigpending();
	return sig;
}

/// Linux's do_jobctl_trap.
static void do_jobctl_trap(void)
{
	ptrace_stop();
}

/// Linux's get_signal. Task work comes before the look for a signal, and so does a tracer.
static int get_signal(void)
{
	int sig;

	clear_tsk_thread_flag(current, TIF_NOTIFY_SIGNAL);
	if (current->task_works)
		task_work_run();
	if (!task_sigpending(current))
		return 0;
	while (current->jobctl)
		do_jobctl_trap();
	/* The new program has not set its handlers yet. Linux would end it. */
	if (current->thread.regs->nip == USER_ENTRY)
		current->pending_signals = 0;
	sig = dequeue_signal();
	if (sig && sig_kernel_coredump(sig)) {
		do_coredump();
		do_exit(sig);
	}
	return sig;
}

/// Linux's check_syscall_restart.
static void check_syscall_restart(struct task_struct *tsk, struct pt_regs *regs, bool has_handler)
{
	long ret = (long)regs->gpr[3];
	bool restart = true;

	if (!trap_is_syscall(regs) || (regs->trap & TRAP_NORESTART))
		return;
	if (trap_is_scv(regs)) {
		if (!IS_ERR_VALUE(ret))
			return;
		ret = -ret;
	} else if (!(regs->ccr & 0x10000000)) {
		return;
	}

	switch (ret) {
	case ERESTARTSYS:
		restart = !has_handler;
		break;
	case ERESTARTNOINTR:
		break;
	default:
		return;
	}

	if (restart) {
		regs->gpr[3] = regs->orig_gpr3;
		regs_set_return_ip(regs, regs->nip - 4);
		regs->result = 0;
		tsk->restarts = !has_handler;
	} else if (trap_is_scv(regs)) {
		regs->result = (u64)-EINTR;
		regs->gpr[3] = (u64)-EINTR;
	} else {
		regs->result = (u64)-EINTR;
		regs->gpr[3] = EINTR;
		regs->ccr |= 0x10000000;
	}
}

/// Linux's do_signal. A delivered signal is blocked while its handler runs.
static void do_signal(struct task_struct *tsk)
{
	struct pt_regs *regs = tsk->thread.regs;
	int sig = get_signal();

	check_syscall_restart(tsk, regs, sig != 0);
	if (sig) {
		handle_rt_signal64(sig, tsk);
		set_current_blocked(tsk->blocked_signals | sigmask(sig));
	}
	set_trap_norestart(regs);
}

/// Linux's do_notify_resume without uprobes, live patching and TIF_NOTIFY_RESUME.
void do_notify_resume(struct pt_regs *regs, unsigned long flags)
{
	(void)regs;
	if (flags & (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL))
		do_signal(current);
}
