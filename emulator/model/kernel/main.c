// SPDX-License-Identifier: GPL-2.0-only
// Boot, as Linux's init/main.c. start_kernel runs once a machine, rest_init once a run.
#include "sched.h"

/* What the host asks for. Layout: docs/internals.md section 4. */
struct stage {
	u64 tasks;
	u64 rings;
	u64 director;
	u64 small_tasks;
	u64 tracer;
	u64 newer_io_wq;
};

volatile struct stage stage;

struct paca_struct paca;
struct task_struct init_task;

/*
 * Stacks are found from an address in them, so each is aligned to its size. The host never resets
 * them.
 */
u8 init_stack[THREAD_SIZE] __attribute__((section(".stacks"), aligned(THREAD_SIZE)));
/* As Linux's emergency_stack_init: an NMI may come where the kernel stack is in use. */
static u8 nmi_emergency_stack[THREAD_SIZE] __attribute__((section(".stacks"), aligned(THREAD_SIZE)));

/// Linux's start_kernel: all state that does not depend on the run.
void start_kernel(void)
{
	paca.__current = &init_task;
	paca.kstack = (u64)init_stack + THREAD_SIZE - INT_FRAME_SIZE;
	paca.nmi_emergency_sp = (u64)nmi_emergency_stack + THREAD_SIZE - INT_FRAME_SIZE;
	paca.irq_soft_mask = 1;
	init_task.state = TASK_RUNNING;
	init_task.stack = init_stack;
	init_task.user_index = USER_INDEX_NONE;
	init_rt_rq();
	fork_init();
}

/// Linux's kernel_init: becomes the user program. Its user index is all the program is told.
static int kernel_init(void *arg)
{
	u64 index = (u64)arg;
	struct pt_regs *regs = task_pt_regs(current);

	start_thread(regs, USER_ENTRY, USER_STACKS + ((index + 1) << USER_STACK_SHIFT) - USER_STACK_GAP);
	regs->gpr[3] = index;
	return 0;
}

/// Linux's rest_init. Linux starts one init; here the host says how many tasks there are before the
/// first event.
void rest_init(void)
{
	u64 tasks = stage.tasks;
	u64 rings = stage.rings;

	tasks_are_small = stage.small_tasks;
	io_wq_is_newer = stage.newer_io_wq;
	if (stage.director)
		director_init();
	else if (stage.tracer)
		ptrace_init();

	for (u64 i = 0; i < tasks && i < MAX_USER_TASKS; i++) {
		struct task_struct *tsk = kernel_thread(kernel_init, (void *)i, i);

		if ((rings >> i) & 1)
			io_wq_create(tsk);
		wake_up_new_task(tsk);
	}
	if (stage.director && tasks < MAX_USER_TASKS)
		park_the_others();
	cpu_startup_entry();
}
