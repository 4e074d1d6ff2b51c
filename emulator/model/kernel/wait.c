// SPDX-License-Identifier: GPL-2.0-only
// Sleeping on something, as Linux's kernel/sched/wait.c. A queue is an address; sleepers are found
// in the task pool.
#include "sched.h"

static u64 queue_clock;

/// Linux's prepare_to_wait_exclusive: to the end of the queue. To be followed by a look at the
/// condition, schedule and finish_wait.
void prepare_to_wait(const void *channel, u64 state)
{
	current->wait_channel = channel;
	current->queued_since = ++queue_clock;
	current->state = state;
}

/// Linux's finish_wait. False if somebody has taken the task out of the queue, that is, has woken
/// it.
bool finish_wait(void)
{
	bool queued = current->wait_channel != NULL;

	current->wait_channel = NULL;
	current->state = TASK_RUNNING;
	return queued;
}

/// No counterpart in Linux, where a queue is a list: who has been in it longest, of all or of those
/// that sleep. NULL if it is empty.
struct task_struct *first_in_queue(const void *channel, bool asleep)
{
	struct task_struct *first = NULL;

	for (struct task_struct *tsk = task_pool; tsk < task_pool + MAX_TASKS; tsk++) {
		if (tsk->wait_channel != channel || tsk->state >= TASK_DEAD)
			continue;
		if (asleep && tsk->state == TASK_RUNNING)
			continue;
		if (!first || tsk->queued_since < first->queued_since)
			first = tsk;
	}
	return first;
}

/// Linux's __wake_up of exclusive waiters with autoremove_wake_function: one task. Those that
/// something else has woken stay in the queue.
bool wake_up(const void *channel)
{
	struct task_struct *first = first_in_queue(channel, true);

	if (!first)
		return false;
	first->wait_channel = NULL;
	return wake_up_state(first, TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE);
}
