// SPDX-License-Identifier: GPL-2.0-only
// Fast user space locks, as Linux's kernel/futex. The key of a futex is its address: there is one address space.
#include "sched.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_CMD_MASK 0x7f

/// Linux's futex_wait_queue.
static bool futex_wait_queue(const u32 *uaddr)
{
	bool timed_out;

	prepare_to_wait(uaddr, TASK_INTERRUPTIBLE);
	schedule();
	timed_out = finish_wait();
	return timed_out;
}

/// Linux's __futex_wait. Woken, timed out (the idle rule) or interrupted, in that order of precedence.
static long __futex_wait(const u32 *uaddr, u32 val)
{
	if (*(const volatile u32 *)uaddr != val)
		return -EAGAIN;
	if (signal_pending(current))
		return -ERESTARTSYS;
	if (futex_wait_queue(uaddr))
		return -ETIMEDOUT;
	return signal_pending(current) ? -ERESTARTSYS : 0;
}

/// Linux's futex_wait, without a time-out of its own.
static long futex_wait(const u32 *uaddr, u32 val)
{
	long ret = __futex_wait(uaddr, val);

	return ret;
}

/// Linux's futex_wake. `nr` as given, at least one.
static long futex_wake(const u32 *uaddr, u32 nr)
{
	long woken = 0;

	do {
		if (!wake_up(uaddr))
			break;
		woken++;
	} while (woken < (long)nr);
	return woken;
}

/// Linux's do_futex.
static long do_futex(u32 *uaddr, int op, u32 val)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
		return futex_wait(uaddr, val);
	case FUTEX_WAKE:
		return futex_wake(uaddr, val);
	}
	return -ENOSYS;
}

/// Linux's sys_futex.
long sys_futex(u32 *uaddr, int op, u32 val)
{
	if (!access_ok(uaddr, sizeof(*uaddr)))
		return -EFAULT;
	return do_futex(uaddr, op, val);
}
