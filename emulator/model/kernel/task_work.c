// SPDX-License-Identifier: GPL-2.0-only
// Work that a task does for others on its way to user mode, as Linux's kernel/task_work.c.
#include "sched.h"

/// Linux's task_work_add with TWA_SIGNAL, the only kind io_uring uses here.
void task_work_add(struct task_struct *tsk, struct callback_head *work)
{
	work->next = tsk->task_works;
	tsk->task_works = work;
	set_notify_signal(tsk);
}

/// Linux's task_work_run. Work that is added meanwhile runs too.
void task_work_run(void)
{
	struct callback_head *work;

	while ((work = current->task_works)) {
		current->task_works = NULL;
		while (work) {
			struct callback_head *next = work->next;

			work->func(work);
			work = next;
		}
	}
}
