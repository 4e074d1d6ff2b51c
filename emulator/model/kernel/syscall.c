// SPDX-License-Identifier: GPL-2.0-only
// System call dispatch, as Linux's arch/powerpc/kernel/syscall.c, and the calls that are too small
// for a file of their own.
#include "sched.h"

/// Linux's sys_restart_syscall with nothing to restart. Reached by `sc` alone: a restart that only
/// task work caused leaves r0 zero.
static long sys_restart_syscall(void)
{
	return -EINTR;
}

/// Linux's sys_getppid. The parent of a staged task is init (1).
static long sys_getppid(void)
{
	return current->parent ? (long)current->parent->pid : 1;
}

#define PR_SET_FPEXC 12

/// Linux's sys_prctl, as far as it goes.
static long sys_prctl(int option, u64 arg2)
{
	if (option != PR_SET_FPEXC)
		return -EINVAL;
	return set_fpexc_mode(current, arg2);
}

typedef long (*syscall_fn)(u64, u64, u64, u64, u64, u64);

#define NR_SYSCALLS 256
#define ENTRY(function) ((syscall_fn)(void *)(function))

/*
 * ksys_read and ksys_write stand here themselves: in Linux sys_read is a tail call to ksys_read and
 * no frame.
 */
static const syscall_fn sys_call_table[NR_SYSCALLS] = {
	[0] = ENTRY(sys_restart_syscall),
	[1] = ENTRY(sys_exit),
	[2] = ENTRY(sys_fork),
	[3] = ENTRY(ksys_read),
	[4] = ENTRY(ksys_write),
	[11] = ENTRY(sys_execve),
	[37] = ENTRY(sys_kill),
	[54] = ENTRY(sys_ioctl),
	[64] = ENTRY(sys_getppid),
	[120] = ENTRY(sys_clone),
	[158] = ENTRY(sys_sched_yield),
	[171] = ENTRY(sys_prctl),
	[172] = ENTRY(sys_rt_sigreturn),
	[189] = ENTRY(sys_vfork),
	[221] = ENTRY(sys_futex),
	[225] = ENTRY(sys_enable_kernel),
	[226] = ENTRY(sys_hibernate),
	[234] = ENTRY(sys_exit),
	[249] = ENTRY(sys_swapcontext),
};

/* System calls so far. */
static u64 call_clock;

/// Linux's system_call_exception. Other CPUs' doings become visible first, by an interrupt that
/// comes as soon as it can. It preempts the task before the call has begun, as this is a
/// preemptible kernel.
long system_call_exception(struct pt_regs *regs, unsigned long r0)
{
	syscall_fn f;
	long ret;

	local_irq_enable();
	if (!current->restarts)
		current->call_since = ++call_clock;
	current->restarts = false;
	first_irq_point();
	if (r0 >= NR_SYSCALLS || !sys_call_table[r0])
		return -ENOSYS;
	f = sys_call_table[r0];
	irq_point();
	ret = f(regs->gpr[3], regs->gpr[4], regs->gpr[5], regs->gpr[6], regs->gpr[7], regs->gpr[8]);
	irq_point();
	return ret;
}
