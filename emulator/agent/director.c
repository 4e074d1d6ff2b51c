// SPDX-License-Identifier: GPL-2.0-only
// What other CPUs and devices would do to the running task. The director sleeps until a timer
// interrupt, which the host brings about; it outranks the tasks, so it runs on the way out of that
// interrupt, and when it sleeps again the task finds its work pending.
#include "agent.h"
#include "syscalls.h"

#define NAP_NANOSECONDS 200000
/* Pids that need not be in use between two that are: tasks that are gone. */
#define GAP 8

/// In a run it does not matter if it fails: the task is gone then.
long set_priority(u64 pid, u64 policy, u64 priority)
{
	u32 parameter = (u32)priority;

	return syscall(NR_SCHED_SETSCHEDULER, pid, policy, &parameter, 0, 0);
}

/// Whether `tid` is a thread of one of the tasks, but not the task itself: an io_uring worker.
static bool is_io_worker(u64 tid)
{
	for (u64 i = 0; i < STAGED_TASKS; i++) {
		if (agent->pids[i] != tid && !syscall(NR_TGKILL, agent->pids[i], tid, 0, 0, 0))
			return true;
	}
	return false;
}

/// Lets workers run before tasks, as on a CPU of their own. A worker starts with its submitter's
/// priority; it is done with its work, and asleep, when this returns.
void hurry_io_workers(void)
{
	u64 pid = agent->probed_pid;

	for (u64 next = pid + 1; next <= pid + GAP; next++) {
		if (syscall(NR_SCHED_GETSCHEDULER, next, 0, 0, 0, 0) < 0)
			continue;
		pid = next;
		/* A worker whose task is gone ends once it has run. */
		if (is_io_worker(pid) && set_priority(pid, SCHED_FIFO, PRIO_DIRECTOR + 1) >= 0)
			set_priority(pid, SCHED_FIFO, PRIO_IO_WORKER);
	}
	agent->probed_pid = pid;
}

/// Takes the running task's turn away. A task whose priority rises goes to the tail of its queue,
/// one whose priority falls to the head.
static void switch_tasks(u64 running, u64 next)
{
	if (next) {
		set_priority(next, SCHED_RR, PRIO_RAISED);
		set_priority(next, SCHED_RR, PRIO_TASK);
	}
	if (running != next) {
		set_priority(running, SCHED_RR, PRIO_LOWERED);
		set_priority(running, SCHED_RR, PRIO_TASK);
	}
}

static void serve(u64 request)
{
	u64 one = 1;

	if (request & REQUEST_IO_WORKER) {
		hurry_io_workers();
		syscall(NR_WRITE, agent->trigger_fd, &one, sizeof(one), 0, 0);
		/* The worker asks its task before anything else happens to tasks. */
		set_priority(0, SCHED_FIFO, PRIO_IO_WORKER - 1);
		set_priority(0, SCHED_FIFO, PRIO_DIRECTOR);
	}
	if (request & REQUEST_SIGNAL)
		syscall(NR_KILL, agent->running_pid, agent->signal, 0, 0, 0);
	if (request & REQUEST_SWITCH)
		switch_tasks(agent->running_pid, agent->next_pid);
	if (request & REQUEST_PTRACE)
		trace(agent->running_pid);
}

void direct(void)
{
	const u64 nap[2] = { 0, NAP_NANOSECONDS };

	for (;;) {
		u64 request;

		syscall(NR_NANOSLEEP, nap, 0, 0, 0, 0);
		request = agent->request;
		agent->request = 0;
		serve(request);
	}
}

static u8 buffer[16384];

/// Runs only when no task can: asks the host whose sleep is to end, as by a time-out, and ends it.
/// `argument` is not used.
void reap(u64 argument)
{
	long drain = syscall(NR_OPENAT, AT_FDCWD, "/proc/self/fd/0", O_RDONLY | O_NONBLOCK, 0, 0);

	(void)argument;
	while (!agent->reaper)
		syscall(NR_FUTEX, &agent->reaper, FUTEX_WAIT, 0, 0, 0);
	for (;;) {
		host_idle();
		switch (agent->idle_action) {
		case IDLE_WAKE_FUTEX:
			syscall(NR_FUTEX, SHARED_PAGE + SHARED_FUTEX, FUTEX_WAKE, 1, 0, 0);
			break;
		case IDLE_FEED_PIPE:
			syscall(NR_WRITE, 1, buffer, 1, 0, 0);
			break;
		case IDLE_DRAIN_PIPE:
			syscall(NR_READ, drain, buffer, sizeof(buffer), 0, 0);
			break;
		}
	}
}
