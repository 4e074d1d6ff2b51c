// SPDX-License-Identifier: GPL-2.0-only
// Sleeping on something, as Linux's kernel/sched/wait.c. A queue is an address; sleepers are found in the task pool.
#include "sched.h"

/// Linux's prepare_to_wait. To be followed by a look at the condition, schedule and finish_wait.
void prepare_to_wait(const void *channel, u64 state)
{
	current->wait_channel = channel;
	current->timed_out = false;
	current->state = state;
}

/// Linux's finish_wait. True if it was the idle rule that ended the sleep, as a time-out would have; Linux keeps that in a timer.
bool finish_wait(void)
{
	current->wait_channel = NULL;
	current->state = TASK_RUNNING;
	return current->timed_out;
}

/// Linux's wake_up of exclusive waiters: one task, the one that has waited longest.
bool wake_up(const void *channel)
{
	struct task_struct *first = NULL;

	for (struct task_struct *tsk = task_pool; tsk < task_pool + MAX_TASKS; tsk++) {
		if (!(tsk->state & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)) || tsk->wait_channel != channel)
			continue;
		if (!first || tsk->sleep_since < first->sleep_since)
			first = tsk;
	}
	return first && wake_up_state(first, TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE);
}
