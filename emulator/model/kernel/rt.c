// SPDX-License-Identifier: GPL-2.0-only
// The run queue, as Linux's kernel/sched/rt.c with all tasks SCHED_FIFO and of one priority: first
// in, first out. The running task stays in it, at the head unless somebody has been put before it.
#include "sched.h"

/* Linux's rt_prio_array, for the one priority there is. */
static struct list_head queue;

/// Linux's init_rt_rq.
void init_rt_rq(void)
{
	queue.prev = &queue;
	queue.next = &queue;
}

/// Linux's enqueue_task_rt. `head` is ENQUEUE_HEAD.
void enqueue_task_rt(struct task_struct *p, bool head)
{
	struct list_head *before = head ? &queue : queue.prev;
	struct list_head *entry = &p->run_list;

	entry->prev = before;
	entry->next = before->next;
	before->next->prev = entry;
	before->next = entry;
	p->on_rq = true;
}

/// Linux's dequeue_task_rt.
void dequeue_task_rt(struct task_struct *p)
{
	p->run_list.prev->next = p->run_list.next;
	p->run_list.next->prev = p->run_list.prev;
	p->on_rq = false;
}

/// Linux's requeue_task_rt.
void requeue_task_rt(struct task_struct *p, bool head)
{
	dequeue_task_rt(p);
	enqueue_task_rt(p, head);
}

/// Linux's yield_task_rt.
void yield_task_rt(void)
{
	requeue_task_rt(current, false);
}

/// Linux's pick_next_task_rt. NULL if nobody can run.
struct task_struct *pick_next_task_rt(void)
{
	if (queue.next == &queue)
		return NULL;
	return container_of(queue.next, struct task_struct, run_list);
}
