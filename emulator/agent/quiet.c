// SPDX-License-Identifier: GPL-2.0-only
// Waits until nothing of the boot is left to do: self-tests, asynchronous probes and deferred work
// take the processor from the tasks whenever these sleep, and a run on such a kernel ends in its
// budget.
//
// /proc/loadavg has the number of tasks that can run; the reader is one. Who keeps the kernel busy
// is read from /proc/PID/stat.
#include "agent.h"
#include "syscalls.h"

/*
 * The system is quiet once the samples at which nobody else could run are so many more than the
 * others. A busy one counts for several: the kernel's housekeeping, which comes now and then and is
 * gone at once, does not keep a kernel from being quiet, and a thread that takes a tenth of the
 * time does.
 */
#define QUIET_SAMPLES 200
#define BUSY_WEIGHT 10
#define SAMPLE_NANOSECONDS 1000000
/*
 * While it is busy a sample reads the state of every process, which takes longer than a short nap.
 */
#define BUSY_NANOSECONDS 20000000
/* Virtual time after which the snapshot is taken all the same, with a warning. */
#define LIMIT_NANOSECONDS 30000000000ul
/* Pid 1 is the agent, which reads. */
#define FIRST_PID 2

/* A line of /proc is shorter than this as far as it is read here. */
static char text[128];

/// What follows the n-th blank.
static const char *field(u64 n)
{
	const char *at = text;

	while (*at && n)
		n -= *at++ == ' ';
	return at;
}

static u64 now(void)
{
	u64 time[2] = { 0, 0 };

	syscall(NR_CLOCK_GETTIME, CLOCK_MONOTONIC, time, 0, 0, 0);
	return time[0] * 1000000000ul + time[1];
}

/// Counts a sample for the thread of this name. One that finds no room is counted with the last.
static void count(const char *name)
{
	volatile struct busy_thread *thread = agent->busy;

	for (u64 i = 0; i < BUSY_THREADS; i++, thread++) {
		u64 n = 0;

		while (n < COMM_SIZE - 1 && thread->comm[n] == name[n] && name[n])
			n++;
		if (!thread->comm[0])
			for (n = 0; n < COMM_SIZE - 1 && name[n]; n++)
				thread->comm[n] = name[n];
		else if (thread->comm[n] != name[n] && i + 1 < BUSY_THREADS)
			continue;
		thread->samples++;
		return;
	}
}

/// If the process can run, counts a sample for its name: "PID (comm) STATE ...", where a comm may
/// have blanks and parentheses.
static void count_if_runnable(u64 pid)
{
	char path[] = "/proc/0000000/stat";
	char *name = text, *end = text;
	u64 rest = pid;

	for (u64 at = 12; at > 5; at--, rest /= 10)
		path[at] = (char)('0' + rest % 10);
	/* A path with leading zeroes names no process. */
	rest = 6;
	while (path[rest] == '0')
		rest++;
	for (u64 at = 6; rest < sizeof(path); at++, rest++)
		path[at] = path[rest];
	if (!read_text(path, text, sizeof(text)))
		return;
	while (*name && *name != '(')
		name++;
	for (char *at = name; *at; at++)
		if (*at == ')')
			end = at;
	if (!*name || end <= name || end[1] != ' ' || end[2] != 'R')
		return;
	*end = 0;
	count(name + 1);
}

/// Whether nobody else can run. Otherwise counts who can.
static bool idle(void)
{
	const char *at;
	u64 last;

	if (!read_text("/proc/loadavg", text, sizeof(text)))
		give_up("read /proc/loadavg", 0);
	at = field(3);
	last = number_at(field(4));
	if (number_at(at) <= 1)
		return true;
	for (u64 pid = FIRST_PID; pid <= last; pid++)
		count_if_runnable(pid);
	return false;
}

void wait_until_quiet(void)
{
	u64 start = now(), quiet = 0, waited = 0;

	/* Whoever else can run still can while the agent reads who that is. */
	must_set_priority(0, SCHED_FIFO, PRIO_DIRECTOR);
	while (quiet < QUIET_SAMPLES && waited < LIMIT_NANOSECONDS) {
		bool was = idle();

		if (was)
			quiet++;
		else
			quiet -= quiet < BUSY_WEIGHT ? quiet : BUSY_WEIGHT;
		pause_for(was ? SAMPLE_NANOSECONDS : BUSY_NANOSECONDS);
		waited = now() - start;
	}
	must_set_priority(0, SCHED_OTHER, 0);
	agent->quiet = quiet >= QUIET_SAMPLES;
	agent->waited = waited;
}
