// SPDX-License-Identifier: GPL-2.0-only
// A new program in an old task, as Linux's fs/exec.c and load_elf_binary. There is one program, the
// interpreter of scenarios, and its handlers of signals are there from its start: Linux resets
// them, and a program sets them again.
#include "sched.h"

/// Linux's sys_execve, with begin_new_exec and load_elf_binary. Mappings are not modelled; the ring
/// is closed, so nobody asks this task for workers any more.
long sys_execve(void)
{
	u64 index = current->user_index;
	struct pt_regs *regs = current->thread.regs;

	io_uring_task_cancel(current);
	exec_mm_release(current);
	irq_point();
	start_thread(regs, USER_ENTRY, USER_STACKS + ((index + 1) << USER_STACK_SHIFT) - USER_STACK_GAP);
	regs->gpr[3] = index;
	return 0;
}
