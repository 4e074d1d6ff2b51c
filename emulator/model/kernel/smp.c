// SPDX-License-Identifier: GPL-2.0-only
// What other CPUs and devices do meanwhile, as Linux's smp.c. There is one CPU; the host writes
// into remote_work what the others did.
#include "sched.h"

#define WORK_RESCHED (1UL << 0)
#define WORK_SIGNAL (1UL << 1)
#define WORK_IO_WORKER (1UL << 2)
#define WORK_BY_DIRECTOR (1UL << 3)
#define WORK_PTRACE (1UL << 4)
#define WORK_SOFTIRQ (1UL << 5)

/* Layout: docs/internals.md section 4. */
struct remote_work {
	u64 flags;
	u64 next;
	u64 signal;
	u64 after;
	u64 missed; /* set if the work came when no place was left, and not where it was to come */
};

volatile struct remote_work remote_work;

/* Whose system call or exception it is that the work comes in the middle of. */
static struct task_struct *late_for;

/*
 * Places that the softirq of the work has to pass. It has more of them than the rest of the work.
 */
static u64 softirq_after;

/* The interrupt comes in the context switch that has begun. */
static bool masked_irq_due;

/// Whether a tracer is to stop the task.
bool remote_work_traces(void)
{
	return remote_work.flags & WORK_PTRACE;
}

/// What the other CPU would have done itself (send a signal, block a worker), to or for the task
/// that was running.
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
	if (flags & WORK_PTRACE)
		ptrace_interrupt(tsk);
}

/// No counterpart in Linux: the interrupt comes that has the work for `tsk`. It is done here and
/// now, in the other CPU's name, or by the director.
static void ipi_demux_for(struct task_struct *tsk)
{
	if ((remote_work.flags & WORK_IO_WORKER) && !io_ring_owner(tsk))
		remote_work.flags &= ~WORK_IO_WORKER;
	if (remote_work.flags & WORK_SOFTIRQ) {
		remote_work.flags &= ~WORK_SOFTIRQ;
		net_rx_action();
	}
	if (!(remote_work.flags & ~WORK_BY_DIRECTOR))
		return;
	if (remote_work.flags & WORK_BY_DIRECTOR)
		wake_up_director(tsk);
	else
		do_remote_work(tsk);
}

/// Linux's smp_ipi_demux: find out what is wanted and do it. Linux is told by IPI messages; here
/// remote_work is read and cleared. What is to come later comes at an irq_point.
void smp_ipi_demux(void)
{
	late_for = current;
	softirq_after = remote_work.after;
	if (!remote_work.after)
		ipi_demux_for(current);
}

/// As smp_ipi_demux, of an interrupt that was masked when it came.
void late_smp_ipi_demux(void)
{
	ipi_demux_for(late_for);
}

/// No counterpart in Linux: the first place of a system call or of an exception of user code at
/// which an interrupt can come. Later ones are irq_point's.
void first_irq_point(void)
{
	late_for = current;
	softirq_after = remote_work.after;
	if (remote_work.after)
		return;
	ipi_demux_for(current);
	preempt_schedule_irq();
}

/* A place at which a softirq can run. */
static void count_softirq(void)
{
	if (!(remote_work.flags & WORK_SOFTIRQ) || !softirq_after || --softirq_after)
		return;
	remote_work.flags &= ~WORK_SOFTIRQ;
	net_rx_action();
}

/// No counterpart in Linux, whose kernel can be interrupted and preempted at any instruction: here,
/// and where else this is called, it can be. The places are those between two steps of a path that
/// moves registers. How many there are does not hang on who owns the registers: work comes at the
/// same time in kernels that differ in that.
void irq_point(void)
{
	count_softirq();
	if (!remote_work.after || --remote_work.after)
		return;
	ipi_demux_for(late_for);
	preempt_schedule_irq();
}

/* Whether the next irq_point is the one at which work comes that is more than a softirq. */
static bool next_irq_point_is_it(void)
{
	return remote_work.after == 1 && (remote_work.flags & ~(WORK_SOFTIRQ | WORK_BY_DIRECTOR));
}

/// As irq_point, where a task must not sleep: false if work is to come here that is more than a
/// softirq. It comes at the next place then. The host may write `after` while a softirq is counted:
/// count_softirq can be the function that a scenario names.
bool pass_irq_point(void)
{
	if (next_irq_point_is_it())
		return false;
	count_softirq();
	if (next_irq_point_is_it())
		return false;
	if (remote_work.after && !--remote_work.after)
		ipi_demux_for(late_for);
	return true;
}

/// As irq_point, where Linux has interrupts on and preemption off: softirqs run, and nobody else.
/// Such places count for softirqs only.
void softirq_point(void)
{
	if (!irqs_disabled())
		count_softirq();
}

/// As irq_point, at the begin of a context switch: interrupts are soft-masked, so one that comes in
/// it is only noted. Where in it is up to masked_irq_window: it makes no difference to when the
/// work is done.
void masked_irq_point(void)
{
	if (!remote_work.after || !(mfmsr() & MSR_EE) || current->state >= TASK_DEAD)
		return;
	if (!--remote_work.after)
		masked_irq_due = true;
}

/// No counterpart in Linux: an interrupt that is to come in this context switch comes now, if
/// interrupts are soft-masked.
void masked_irq_window(void)
{
	if (!masked_irq_due || !irqs_disabled())
		return;
	masked_irq_due = false;
	masked_interrupt();
}

/// No counterpart in Linux: what has not come yet comes at the latest before a task goes back to
/// user mode. Whether it has come now.
bool last_irq_point(void)
{
	if (!remote_work.after)
		return false;
	remote_work.after = 0;
	remote_work.missed = true;
	ipi_demux_for(late_for);
	return true;
}
