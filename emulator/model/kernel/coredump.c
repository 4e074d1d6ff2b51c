// SPDX-License-Identifier: GPL-2.0-only
// What a core dump has of the registers, as Linux's fs/coredump.c and fs/binfmt_elf.c: the register
// sets of ptrace, of the task that is running.
#include "hostcall.h"
#include "ptrace-area.h"
#include "sched.h"

/* One a task: others may run, and dump core, while one is being written. */
static struct regsets files[MAX_USER_TASKS];

/// Linux's fill_thread_core_info.
static void fill_thread_core_info(struct task_struct *tsk)
{
	regsets_get(tsk, &files[tsk->user_index]);
}

/// Linux's do_coredump. The host is told what is in the file.
void do_coredump(void)
{
	irq_point();
	fill_thread_core_info(current);
	irq_point();
	regsets_tell(HOST_CORE, &files[current->user_index]);
}
