// SPDX-License-Identifier: GPL-2.0-only
// What other CPUs and devices do meanwhile, as Linux's smp.c. There is one CPU; the host writes into remote_work what the others did.
#include "sched.h"

#define WORK_RESCHED (1UL << 0)
#define WORK_SIGNAL (1UL << 1)
#define WORK_IO_WORKER (1UL << 2)

/* Layout: docs/internals.md section 4. */
struct remote_work {
	u64 flags;
	u64 next;
	u64 signal;
};

volatile struct remote_work remote_work;

/// Linux's smp_ipi_demux: find out what is wanted and do it. Linux is told by IPI messages; here remote_work is read and cleared, and
/// what the other CPU would have done itself (send a signal, block a worker) is done on this one, in its name.
void smp_ipi_demux(void)
{
	u64 flags = remote_work.flags;
	u64 next = remote_work.next;
	u64 signal = remote_work.signal;

	if (!flags)
		return;
	remote_work.flags = 0;
	if (flags & WORK_IO_WORKER)
		io_remote_worker_blocks();
	if (flags & WORK_SIGNAL)
		send_signal((int)signal, current);
	if (flags & WORK_RESCHED)
		sched_setscheduler_for_switch(next);
}
