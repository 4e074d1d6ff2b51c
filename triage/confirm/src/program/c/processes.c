static long nap(long nanoseconds)
{
	struct timespec time = { nanoseconds / 1000000000, nanoseconds % 1000000000 };

	return syscall(SYS_nanosleep, &time, NULL);
}

/* Tasks of equal priority take turns; the one that disturbs them outranks them. */
#define PRIORITY 10
#define PRIORITY_OF_THE_DIRECTOR 50

static int set_priority(pid_t pid, int policy, int priority)
{
	struct sched_param parameter = { .sched_priority = priority };

	return sched_setscheduler(pid, policy, &parameter);
}

/* Nothing more can be said: without a process or a pipe that was there before. */
static __attribute__((noreturn)) void bail_out(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(KSFT_FAIL);
}

static void copy(volatile uint64_t *to, const volatile uint64_t *from, int count)
{
	while (count--)
		*to++ = *from++;
}

/*
 * A task whose priority rises goes to the tail of its queue, one whose priority falls to the head.
 */
static void switch_tasks(int running, int next)
{
	if (next >= 0 && AREA->pid[next]) {
		set_priority((pid_t)AREA->pid[next], SCHED_RR, PRIORITY + 1);
		set_priority((pid_t)AREA->pid[next], SCHED_RR, PRIORITY);
	}
	if (running != next) {
		set_priority((pid_t)AREA->pid[running], SCHED_RR, PRIORITY - 1);
		set_priority((pid_t)AREA->pid[running], SCHED_RR, PRIORITY);
	}
}
