// SPDX-License-Identifier: GPL-2.0-only
// No counterpart in Linux, but in the agent of a real kernel (emulator/agent/director.c): a task of
// this CPU that acts for other CPUs and devices. It is there when the host wants runs to be as on a
// real kernel: pending work then comes with a switch to this task and back, and so does the end of
// a sleep that nobody else ends.
#include "sched.h"

static struct task_struct *director;
/* The task that was running when the work came. */
static struct task_struct *running;
/* Nobody can run, which is why it was woken. */
static bool idle;

/// Sleeps until there is work for the task that ran before it.
static int direct(void *data)
{
	(void)data;
	for (;;) {
		prepare_to_wait(NULL, TASK_UNINTERRUPTIBLE);
		schedule();
		finish_wait();
		if (idle) {
			end_a_sleep();
		} else {
			bool traces = remote_work_traces();

			do_remote_work(running);
			if (traces)
				ptrace_wait(current);
		}
		idle = false;
	}
	return 0;
}

/// Runs first of all, and sleeps at once. It has a worker's slot and, as workers, nothing in user
/// space.
void director_init(void)
{
	director = create_io_thread(direct, NULL);
	if (IS_ERR(director))
		panic("there is no room for the director");
	wake_up_new_task(director);
}

/// The agent makes eight tasks before it knows how many the scenario has. The others sleep for
/// ever, each when its first turn comes.
static int park(void *data)
{
	(void)data;
	for (;;) {
		prepare_to_wait(NULL, TASK_UNINTERRUPTIBLE);
		schedule();
	}
	return 0;
}

/// One for all, to be called when the scenario's tasks are in the run queue.
void park_the_others(void)
{
	struct task_struct *tsk = create_io_thread(park, NULL);

	if (IS_ERR(tsk))
		panic("there is no room for a parked task");
	wake_up_new_task(tsk);
}

/// Leaves it to the director to end a sleep. False if there is none.
bool director_idles(void)
{
	if (!director)
		return false;
	idle = true;
	wake_up_state(director, TASK_UNINTERRUPTIBLE);
	return true;
}

#define TRAP_EXTERNAL 0x500
#define TRAP_DOORBELL 0xa00

/// The director runs next: its priority is higher. On a real kernel a timer wakes it: right behind
/// an interrupt that is not the timer's own, which by then has ended with restore_math, or in a
/// system call on its way in.
void wake_up_director(struct task_struct *tsk)
{
	struct pt_regs *regs = current->thread.regs;

	if (regs->trap == TRAP_EXTERNAL || regs->trap == TRAP_DOORBELL)
		restore_math(regs);
	running = tsk;
	wake_up_state(director, TASK_UNINTERRUPTIBLE);
	requeue_task_rt(director, true);
	resched_curr();
}
