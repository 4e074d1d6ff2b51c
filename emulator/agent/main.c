// SPDX-License-Identifier: GPL-2.0-only
// Sets the stage: memory, the pipe, signal handlers, eight tasks that wait to be started, a ring
// for each.
#include "agent.h"
#include "syscalls.h"

/* What sigaction(2) takes on ppc64. */
struct kernel_sigaction {
	u64 handler;
	u64 flags;
	u64 restorer;
	u64 mask;
};

/* Below the console, which is opened last and moved out of the way. */
#define CONSOLE_FD 900
#define UNPRIVILEGED 1000

static u8 reaper_stack[8192] __aligned(16);
/*
 * Not the stacks of user data, on which a run may find anything: tasks that are not in the scenario
 * stay on these.
 */
static u8 stage_stacks[STAGED_TASKS][8192] __aligned(16);

void user_signal_handler(void);

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static void say(const char *text)
{
	syscall(NR_WRITE, CONSOLE_FD, text, length(text), 0, 0);
}

void give_up(const char *what, long error)
{
	char number[8];
	u64 at = sizeof(number) - 1;
	u64 rest = (u64)(error < 0 ? -error : error);

	number[at] = 0;
	do {
		number[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest && at);
	say("ctxfuzz-agent: cannot ");
	say(what);
	say(": error ");
	say(number + at);
	say("\n");
	syscall(NR_EXIT_GROUP, 1, 0, 0, 0, 0);
	for (;;)
		;
}

static long must(long result, const char *what)
{
	if (result < 0)
		give_up(what, result);
	return result;
}

void must_set_priority(u64 pid, u64 policy, u64 priority)
{
	must(set_priority(pid, policy, priority), "set a scheduling policy");
}

static void open_console(void)
{
	long fd = syscall(NR_OPENAT, AT_FDCWD, "/dev/console", O_RDWR, 0, 0);

	if (fd < 0)
		syscall(NR_EXIT_GROUP, 2, 0, 0, 0, 0);
	syscall(NR_DUP2, fd, CONSOLE_FD, 0, 0, 0);
	syscall(NR_CLOSE_RANGE, 0, CONSOLE_FD - 1, 0, 0, 0);
}

/// Real-time tasks may use all of the CPU. Kernels without the limit have no such file.
static void lift_rt_limit(void)
{
	long fd;

	must(syscall(NR_MOUNT, "proc", "/proc", "proc", 0, 0), "mount /proc");
	fd = syscall(NR_OPENAT, AT_FDCWD, "/proc/sys/kernel/sched_rt_runtime_us", O_WRONLY, 0, 0);
	if (fd >= 0) {
		must(syscall(NR_WRITE, fd, "-1", 2, 0, 0), "lift the limit of real-time tasks");
		syscall(NR_CLOSE, fd, 0, 0, 0, 0);
	}
}

static void map_user_data(void)
{
	must(syscall6(USER_DATA, USER_DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS | MAP_POPULATE, (u64)-1, 0, NR_MMAP),
	     "map its memory");
	agent->magic = AGENT_MAGIC;
}

/// What a task stores to first is copied by the kernel then, and not before: after mlockall, which
/// would touch everything. One mapping, as every fork copies mappings. Its pages are in the page
/// cache, as a fault that has to wait for one is given up when a signal is pending.
static void map_lazily(void)
{
	const u64 size = LAZY_PAGES * LAZY_STRIDE;
	long fd = must(syscall(NR_OPENAT, AT_FDCWD, "/lazy", O_RDWR | O_CREAT, 0600, 0), "make a file");

	must(syscall(NR_FTRUNCATE, fd, size, 0, 0, 0), "make a file longer");
	for (u64 at = 0; at < size; at += LAZY_STRIDE)
		must(syscall(NR_PWRITE64, fd, "", 1, at, 0), "write to a file");
	must(syscall6(LAZY_AREA, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, (u64)fd, 0, NR_MMAP), "map a file");
	syscall(NR_CLOSE, fd, 0, 0, 0, 0);
	agent->lazy_pages = LAZY_PAGES;
}

/// File descriptors 0 and 1 are the two ends of one pipe, of four pages as in the model where pages
/// are small enough.
static void make_pipe(void)
{
	int ends[2];

	must(syscall(NR_PIPE2, ends, 0, 0, 0, 0), "make a pipe");
	syscall(NR_FCNTL, 1, F_SETPIPE_SZ, 4 * 4096, 0, 0);
	if (ends[0] != 0 || ends[1] != 1)
		give_up("have the pipe as file descriptors 0 and 1", ends[0]);
}

static void handle_signals(void)
{
	struct kernel_sigaction action = { .handler = (u64)USER_SIGNAL_HANDLER, .flags = SA_SIGINFO };

	must(syscall(NR_RT_SIGACTION, SIGUSR1, &action, 0, 8, 0), "set a signal handler");
	must(syscall(NR_RT_SIGACTION, SIGUSR2, &action, 0, 8, 0), "set a signal handler");
	/*
	 * Another signal may be delivered on top of a SIGFPE whose handler has not begun. What that
	 * handler computes may raise one again, and a blocked one would kill the task.
	 */
	action.flags |= SA_NODEFER;
	must(syscall(NR_RT_SIGACTION, SIGFPE, &action, 0, 8, 0), "set a signal handler");
}

static u64 stack_of(u64 index)
{
	return USER_STACKS + ((index + 1) << USER_STACK_SHIFT) - USER_STACK_GAP;
}

/// A task of the stage: readies its ring, gives up its privileges, and waits. A task that the
/// scenario does not have waits for ever.
static void staged_task(u64 index)
{
	/*
	 * Its worker inherits the priority, so that nothing else comes first and it is blocked when
	 * the ring is ready.
	 */
	must_set_priority(0, SCHED_FIFO, PRIO_TASK);
	if (make_ring(index))
		agent->rings |= 1ul << index;
	must_set_priority(0, SCHED_OTHER, 0);
	must(syscall(NR_SETPGID, 0, 0, 0, 0, 0), "make a process group");
	must(syscall(NR_SETRESUID, UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED, 0, 0), "give up privileges");
	agent->start[index] = 1;
	while (agent->start[index] != 2)
		syscall(NR_FUTEX, &agent->start[index], FUTEX_WAIT, 1, 0, 0);
	while (index && index >= agent->tasks)
		syscall(NR_FUTEX, &agent->park, FUTEX_WAIT, 0, 0, 0);
	become_task(index, stack_of(index));
}

void pause_for(u64 nanoseconds)
{
	u64 time[2] = { 0, nanoseconds };

	syscall(NR_NANOSLEEP, time, 0, 0, 0, 0);
}

static void make_tasks(void)
{
	for (u64 i = 0; i < STAGED_TASKS; i++) {
		agent->pids[i] = (u64)must(spawn(CLONE_VM, (u64)stage_stacks[i + 1], staged_task, i), "make a task");
		while (!agent->start[i])
			pause_for(1000000);
	}
	/* Everything that was set going has come to rest after this. */
	pause_for(20000000);
}

/// Makes the tasks runnable, in order; none of them runs before this process sleeps.
static void release_tasks(void)
{
	must_set_priority(0, SCHED_FIFO, PRIO_DIRECTOR);
	hurry_io_workers();
	for (u64 i = 0; i < STAGED_TASKS; i++) {
		must_set_priority(agent->pids[i], SCHED_RR, PRIO_TASK);
		agent->start[i] = 2;
		syscall(NR_FUTEX, &agent->start[i], FUTEX_WAKE, 1, 0, 0);
	}
	agent->reaper = 1;
	syscall(NR_FUTEX, &agent->reaper, FUTEX_WAKE, 1, 0, 0);
}

/// The page size, from the auxiliary vector, which lies behind the arguments and the environment.
static u64 page_size_of(const u64 *stack)
{
	const u64 *at = stack + 1 + *stack + 1;

	while (*at++)
		;
	for (; *at; at += 2)
		if (*at == AT_PAGESZ)
			return at[1];
	return 4096;
}

/// `stack`: what the kernel has left there for a new program.
__noreturn void agent_main(const u64 *stack)
{
	long reaper;

	open_console();
	lift_rt_limit();
	map_user_data();
	agent->page_size = page_size_of(stack);
	wait_until_quiet();
	make_pipe();
	handle_signals();
	make_triggers();
	must(syscall(NR_MLOCKALL, MCL_CURRENT, 0, 0, 0, 0), "keep its memory");
	map_lazily();
	map_device_memory();
	make_tasks();
	reaper = must(spawn(CLONE_VM, (u64)reaper_stack + sizeof(reaper_stack), reap, 0), "make the reaper");
	must_set_priority((u64)reaper, SCHED_IDLE, 0);
	pause_for(1000000);
	agent->probed_pid = agent->pids[0];
	release_tasks();
	agent_mark();
	direct();
}
