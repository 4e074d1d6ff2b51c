// SPDX-License-Identifier: GPL-2.0-only
// The end of a task, as Linux's kernel/exit.c. Nobody waits for children.
#include "sched.h"

/// Linux's complete_vfork_done, from mm_release.
static void complete_vfork_done(struct task_struct *tsk)
{
	if (!tsk->vfork_parent)
		return;
	tsk->vfork_parent = NULL;
	wake_up(tsk);
}

/// Linux's exec_mm_release: a new program has nothing of the old one's memory.
void exec_mm_release(struct task_struct *tsk)
{
	complete_vfork_done(tsk);
}

/// Linux's do_exit. Nothing here knows of FP: the last switch saves into a dying thread_struct.
void do_exit(long code)
{
	(void)code;
	complete_vfork_done(current);
	current->state = TASK_DEAD;
	schedule();
	panic("a dead task was scheduled");
}

/// Linux's sys_exit.
long sys_exit(long code)
{
	do_exit(code);
}
