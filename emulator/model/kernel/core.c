// SPDX-License-Identifier: GPL-2.0-only
// The scheduler, as Linux's kernel/sched/core.c on one CPU, with CONFIG_PREEMPT. All tasks are
// real-time tasks of one priority without time slices, so rt.c decides who is next; nobody preempts
// the running task unless the host asks for it.
#include "hostcall.h"
#include "sched.h"

/// Linux's resched_curr: the current task is to be preempted, on its way to user mode or when an
/// interrupt ends that came in the kernel.
void resched_curr(void)
{
	set_tsk_thread_flag(current, TIF_NEED_RESCHED);
}

/// Linux's __sched_setscheduler, called twice for each of two tasks by somebody of higher priority
/// who then leaves the CPU: `next` (a user index), if it can run, is raised above the others and
/// put back, which leaves it at the head of the queue; the running task, if it has not gone to
/// sleep since, is put below them and back, to the tail. Linux puts a task that loses priority at
/// the head of its new queue, one that gains some at the tail.
void sched_setscheduler_for_switch(struct task_struct *running, u64 next)
{
	for (struct task_struct *tsk = task_pool; tsk < task_pool + MAX_USER_TASKS; tsk++) {
		if (tsk->user_index == next && tsk->on_rq)
			requeue_task_rt(tsk, true);
	}
	if (running->user_index != next && running->on_rq)
		requeue_task_rt(running, false);
	resched_curr();
}

/// Linux's try_to_wake_up, for a task in one of `states`.
bool wake_up_state(struct task_struct *tsk, u64 states)
{
	if (!(tsk->state & states))
		return false;
	tsk->state = TASK_RUNNING;
	if (!tsk->on_rq)
		enqueue_task_rt(tsk, false);
	return true;
}

/// Linux's wake_up_new_task.
void wake_up_new_task(struct task_struct *tsk)
{
	tsk->state = TASK_RUNNING;
	enqueue_task_rt(tsk, false);
}

/// No counterpart in Linux: whose sleep the idle rule may end. Workers may sleep for ever, the
/// parent of a vfork sleeps until its child is gone.
static bool is_waiting_user_task(const struct task_struct *tsk)
{
	return tsk->state == TASK_INTERRUPTIBLE && tsk->user_index != USER_INDEX_NONE;
}

/// Nothing can run until somebody outside ends a sleep. That is what the agent of a real kernel
/// does, by the same rule: of the tasks that sleep, the one whose system call began first says what
/// is done. It need not be the one that wakes.
void end_a_sleep(void)
{
	struct task_struct *first = NULL;

	if (io_workqueue_create())
		return;
	for (struct task_struct *tsk = task_pool; tsk < task_pool + MAX_TASKS; tsk++) {
		if (is_waiting_user_task(tsk) && (!first || tsk->call_since < first->call_since))
			first = tsk;
	}
	if (!first) {
		host_call(HOST_ALL_DONE, NULL);
		panic("the run went on after its end");
	}
	if (!pipe_end_sleep(first->wait_channel))
		futex_wake(first->wait_channel, 1);
}

/// Linux's pick_next_task: the idle task if there is nobody else. As in Linux that is what has
/// become of the boot task.
static struct task_struct *pick_next_task(void)
{
	struct task_struct *next = pick_next_task_rt();

	return next ? next : &init_task;
}

/// Linux's __schedule.
static void __schedule(void)
{
	struct task_struct *prev = current;
	struct task_struct *next;

	clear_tsk_thread_flag(prev, TIF_NEED_RESCHED);
	if (prev->state == TASK_INTERRUPTIBLE && signal_pending(prev))
		prev->state = TASK_RUNNING;
	if (prev->state != TASK_RUNNING && prev->on_rq)
		dequeue_task_rt(prev);

	next = pick_next_task();
	if (next == prev)
		return;
	kvm_sched_out(prev);
	__switch_to(prev, next);
}

/// Linux's schedule. An interrupt that came while interrupts were masked may want it once more.
void schedule(void)
{
	do {
		local_irq_disable();
		__schedule();
		local_irq_enable();
	} while (test_tsk_thread_flag(current, TIF_NEED_RESCHED));
}

/// Linux's arch_cpu_idle, as platforms/powernv/idle.c has it for POWER10: the processor loses FPSCR
/// and VSCR in every kind of sleep. Whatever was in f0 and v0 goes too, here. No task's registers
/// are in the processor by now.
static void arch_cpu_idle(void)
{
	msr_check_and_set(MSR_FP | MSR_VEC);
	power10_idle_stop();
}

/// Linux's cpu_startup_entry with do_idle.
void cpu_startup_entry(void)
{
	for (;;) {
		schedule();
		arch_cpu_idle();
		if (!director_idles())
			end_a_sleep();
	}
}

/// Linux's preempt_schedule_irq: an interrupt of the kernel ends, and the current task is to be
/// preempted.
void preempt_schedule_irq(void)
{
	while (test_tsk_thread_flag(current, TIF_NEED_RESCHED))
		schedule();
}

/// Linux's schedule_tail: the first thing a new task does. Linux drops the last reference to a dead
/// `prev` here.
void schedule_tail(struct task_struct *prev)
{
	(void)prev;
	local_irq_enable();
}

/// Linux's sys_sched_yield.
long sys_sched_yield(void)
{
	yield_task_rt();
	schedule();
	return 0;
}
