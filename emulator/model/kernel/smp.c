// SPDX-License-Identifier: GPL-2.0-only
// What other CPUs and devices do meanwhile, as Linux's smp.c. There is one CPU; the host writes into remote_work what the others did.
#include "sched.h"

#define WORK_RESCHED (1UL << 0)
#define WORK_SIGNAL (1UL << 1)
#define WORK_IO_WORKER (1UL << 2)
#define WORK_BY_DIRECTOR (1UL << 3)

/* Layout: docs/internals.md section 4. */
struct remote_work {
	u64 flags;
	u64 next;
	u64 signal;
};

volatile struct remote_work remote_work;

/// What the other CPU would have done itself (send a signal, block a worker), to or for the task that was running.
void do_remote_work(struct task_struct *tsk)
{
	u64 flags = remote_work.flags;
	u64 next = remote_work.next;
	u64 signal = remote_work.signal;

	remote_work.flags = 0;
	if (flags & WORK_IO_WORKER)
		io_remote_worker_blocks(tsk);
	if (flags & WORK_SIGNAL)
		send_signal((int)signal, tsk);
	if (flags & WORK_RESCHED)
		sched_setscheduler_for_switch(tsk, next);
}

/// Linux's smp_ipi_demux: find out what is wanted and do it. Linux is told by IPI messages; here remote_work is read and cleared. It is done
/// here and now, in the other CPU's name, or by the director.
void smp_ipi_demux(void)
{
	if ((remote_work.flags & WORK_IO_WORKER) && !io_ring_owner(current))
		remote_work.flags &= ~WORK_IO_WORKER;
	if (!(remote_work.flags & ~WORK_BY_DIRECTOR))
		return;
	if (remote_work.flags & WORK_BY_DIRECTOR)
		wake_up_director();
	else
		do_remote_work(current);
}
