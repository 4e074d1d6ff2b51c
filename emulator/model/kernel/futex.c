// SPDX-License-Identifier: GPL-2.0-only
// Fast user space locks, as Linux's kernel/futex. The key of a futex is its address: there is one
// address space.
#include "sched.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_CMD_MASK 0x7f

/// Linux's futex_wait_queue and futex_unqueue. True if woken by futex_wake.
static bool futex_wait_queue(const u32 *uaddr)
{
	prepare_to_wait(uaddr, TASK_INTERRUPTIBLE);
	schedule();
	return !finish_wait();
}

/// Linux's __futex_wait. Being woken counts for more than being interrupted.
static long __futex_wait(const u32 *uaddr, u32 val)
{
	for (;;) {
		if (*(const volatile u32 *)uaddr != val)
			return -EAGAIN;
		if (futex_wait_queue(uaddr))
			return 0;
		if (signal_pending(current))
			return -ERESTARTSYS;
	}
}

/// Linux's futex_wait, without a time-out.
static long futex_wait(const u32 *uaddr, u32 val)
{
	long ret = __futex_wait(uaddr, val);

	return ret;
}

/// Linux's futex_wake. `nr` as given, at least one. A task that a signal has woken is in the queue
/// until it has run, and counts.
long futex_wake(const u32 *uaddr, u32 nr)
{
	long woken = 0;

	do {
		struct task_struct *first = first_in_queue(uaddr, false);

		if (!first)
			break;
		first->wait_channel = NULL;
		wake_up_state(first, TASK_INTERRUPTIBLE);
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
