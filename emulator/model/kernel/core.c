// SPDX-License-Identifier: GPL-2.0-only
// The scheduler, as Linux's kernel/sched/core.c. One CPU, no time slices: who runs next is what the host asks for, or the next in turn.
#include "hostcall.h"
#include "sched.h"

#define HINT_ANY (~0UL)

static u64 next_hint = HINT_ANY;
static u64 sleep_clock;

/// Linux's resched_curr: the current task is to be preempted on its way to user mode. `hint` is a user index, or HINT_ANY.
void resched_curr(u64 hint)
{
	next_hint = hint;
	set_tsk_thread_flag(current, TIF_NEED_RESCHED);
}

/// Linux's try_to_wake_up, for a task in one of `states`. It does not preempt the current task: only remote_work does.
bool wake_up_state(struct task_struct *tsk, u64 states)
{
	if (!(tsk->state & states))
		return false;
	tsk->state = TASK_RUNNING;
	return true;
}

/// Linux's wake_up_new_task.
void wake_up_new_task(struct task_struct *tsk)
{
	tsk->state = TASK_RUNNING;
}

/// No counterpart in Linux: whom the idle rule may wake. Kernel threads may sleep for ever.
static bool is_sleeping_user_task(const struct task_struct *tsk)
{
	return (tsk->state == TASK_INTERRUPTIBLE || tsk->state == TASK_UNINTERRUPTIBLE) && tsk->user_index != USER_INDEX_NONE;
}

/// Nothing can run: wake the user task that has slept longest, as its time-out would, or tell the host that all is done.
/// Linux would run the idle task until an interrupt comes.
static struct task_struct *wake_by_timeout(void)
{
	struct task_struct *oldest = NULL;

	for (struct task_struct *tsk = task_pool; tsk < task_pool + MAX_TASKS; tsk++) {
		if (is_sleeping_user_task(tsk) && (!oldest || tsk->sleep_since < oldest->sleep_since))
			oldest = tsk;
	}
	if (!oldest) {
		host_call(HOST_ALL_DONE, NULL);
		panic("the run went on after its end");
	}
	oldest->timed_out = true;
	oldest->state = TASK_RUNNING;
	return oldest;
}

/// Linux's pick_next_task. In order: the user task the host named, the next runnable one in the pool, the task itself.
static struct task_struct *pick_next_task(struct task_struct *prev)
{
	u64 hint = next_hint;
	u64 first = prev == &init_task ? 0 : (u64)(prev - task_pool) + 1;

	next_hint = HINT_ANY;
	for (u64 i = 0; i < MAX_USER_TASKS; i++) {
		struct task_struct *tsk = &task_pool[i];

		if (tsk != prev && tsk->state == TASK_RUNNING && tsk->user_index == hint)
			return tsk;
	}
	for (u64 i = 0; i < MAX_TASKS; i++) {
		struct task_struct *tsk = &task_pool[(first + i) % MAX_TASKS];

		if (tsk != prev && tsk->state == TASK_RUNNING)
			return tsk;
	}
	return prev->state == TASK_RUNNING ? prev : wake_by_timeout();
}

/// Linux's __schedule.
static void __schedule(void)
{
	struct task_struct *prev = current;
	struct task_struct *next;

	clear_tsk_thread_flag(prev, TIF_NEED_RESCHED);
	if (prev->state == TASK_INTERRUPTIBLE && signal_pending(prev))
		prev->state = TASK_RUNNING;
	if (prev->state != TASK_RUNNING)
		prev->sleep_since = ++sleep_clock;

	next = pick_next_task(prev);
	if (next != prev)
		__switch_to(prev, next);
}

/// Linux's schedule.
void schedule(void)
{
	local_irq_disable();
	__schedule();
	local_irq_enable();
}

/// Linux's schedule_tail: the first thing a new task does. Linux drops the last reference to a dead `prev` here.
void schedule_tail(struct task_struct *prev)
{
	(void)prev;
	local_irq_enable();
}

/// Linux's sys_sched_yield.
long sys_sched_yield(void)
{
	schedule();
	return 0;
}
