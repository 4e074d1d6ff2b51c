/* What an attempt came to. */
struct result {
	int came;	/* how the disturbance on the way came */
	int differ;	/* registers that are not as they must be */
	int killed;	/* the signal that killed a task, or 0 */
	int stuck;	/* not all tasks came to their end */
};

static char first[400];

static void differs(const char *where, const char *what, int n, unsigned __int128 found, unsigned __int128 expected)
{
	if (first[0])
		return;
	snprintf(first, sizeof(first), "%s: %s", where, what);
	if (n >= 0)
		snprintf(first + strlen(first), sizeof(first) - strlen(first), "%d", n);
	snprintf(first + strlen(first), sizeof(first) - strlen(first),
		 " is 0x%llx:%016llx, must be 0x%llx:%016llx",
		 (unsigned long long)(found >> 64), (unsigned long long)found,
		 (unsigned long long)(expected >> 64), (unsigned long long)expected);
}

static int compare_one(const struct check *check, const char *what, int n, unsigned __int128 found,
		       unsigned __int128 expected, unsigned __int128 defined)
{
	if ((found & defined) == (expected & defined))
		return 0;
	differs(check->where, what, n, found & defined, expected & defined);
	return 1;
}

#define ALL_BITS (~(unsigned __int128)0)

static int compare(const struct check *check)
{
	const struct registers *found = &AREA->image[check->image];
	const struct registers *good = &right[check - checks];
	int count = 0;

	for (int n = 0; n < 32; n++) {
		if (check->f >> n & 1)
			count += compare_one(check, "f", n, found->vsr[n][0], good->vsr[n][0], ALL_BITS);
		if (check->vs >> n & 1)
			count += compare_one(check, "doubleword 1 of vs", n, found->vsr[n][1], good->vsr[n][1], ALL_BITS);
		if (check->v >> n & 1)
			count += compare_one(check, "v", n, found->vr[n], good->vr[n], ALL_BITS);
	}
	count += compare_one(check, "fpscr", -1, found->fpscr, good->fpscr, check->fpscr);
	count += compare_one(check, "vscr", -1, found->vscr, good->vscr, check->vscr);
	count += compare_one(check, "vrsave", -1, found->vrsave & 0xffffffff, good->vrsave, check->vrsave);
	return count;
}

/* Ends all processes of an attempt. */
static void reap(pid_t group, int mode, struct result *result)
{
	int status;

	result->stuck = !all_done(mode);
	kill(-group, SIGKILL);
	while (waitpid(-1, &status, 0) > 0)
		if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
			result->killed = WTERMSIG(status);
	/* What the kernel has put off until a processor is idle. */
	nap(50000);
}

static void forget_what_was_found(void)
{
	for (int n = 0; n < CHECKS; n++) {
		volatile uint64_t *image = (volatile uint64_t *)&AREA->image[checks[n].image];

		for (size_t i = 0; i < sizeof(struct registers) / 8; i++)
			image[i] = 0;
	}
}

/* A handler that did not run has not looked at anything. */
static int all_handled(void)
{
	for (int task = 0; task < ALL_TASKS; task++)
		if (AREA->handled[task] != handlers[task].count)
			return 0;
	return 1;
}

static struct result attempt(int mode, uint64_t number)
{
	struct result result = { 0 };
	pid_t group = 0;

	for (size_t n = 0; n < offsetof(struct area, unused) / 8; n++)
		((volatile uint64_t *)AREA)[n] = 0;
	for (int n = 0; n <= REQUESTS; n++)
		AREA->way[n] = AREA->came[n] = AREA->went[n] = 0;
	forget_what_was_found();
	before_rings();
	/* One whose priority falls goes to the head of its queue: task 0 runs first. */
	for (int task = TASKS - 1; task >= 0; task--) {
		pid_t pid = start_task(mode == CONTROL ? control_start[task] : start[task], task, number);

		group = group ? group : pid;
		setpgid(pid, group);
		AREA->pid[task] = (uint64_t)pid;
		set_priority(pid, SCHED_RR, PRIORITY);
	}
	start_rings();
	result.came = direct(mode, number);
	reap(group, mode, &result);
	after_rings();
	result.stuck |= mode != CONTROL && !result.killed && !all_handled();
	if (result.killed || result.stuck || result.came == TOO_LATE)
		return result;
	for (int n = 0; n < CHECKS; n++)
		if (checks[n].when != (mode == CONTROL ? DISTURBED_ONLY : CONTROL_ONLY))
			result.differ += compare(&checks[n]);
	for (int task = 0; task < ALL_TASKS; task++)
		if (mode != CONTROL && AREA->fpe[task] != exceptions[task]) {
			result.differ++;
			differs("SIGFPE", "count of task ", task, AREA->fpe[task], exceptions[task]);
		}
	return result;
}

struct sum {
	long attempts, in_time, too_late, stuck, differ, killed;
};

/* Makes attempts until so many differ. */
static struct sum run(int mode, long attempts, long enough)
{
	struct sum sum = { 0 };

	first[0] = 0;
	while (sum.attempts < attempts && sum.differ + sum.killed < enough) {
		struct result result = attempt(mode, (uint64_t)++sum.attempts);

		sum.in_time += result.came == IN_TIME;
		sum.too_late += result.came == TOO_LATE;
		sum.killed += result.killed != 0;
		sum.stuck += result.stuck && !result.killed;
		sum.differ += result.differ != 0;
		if (result.killed && !first[0])
			snprintf(first, sizeof(first), "a task was killed by signal %d", result.killed);
	}
	return sum;
}

static int report(int number, const char *what, const struct sum *sum)
{
	long wrong = sum->differ + sum->killed;
	long right = sum->attempts - wrong - sum->stuck - sum->too_late;

	printf("# %s: %ld attempts, %ld differ", what, sum->attempts, wrong);
	if (sum->too_late)
		printf(", %ld disturbed too late", sum->too_late);
	if (sum->stuck)
		printf(", %ld did not end", sum->stuck);
	printf("\n");
	if (first[0])
		printf("# %s\n", first);
	/* Silence says something only if the events were disturbed, and came to their end. */
	if (!wrong && right * 10 <= sum->attempts) {
		printf("ok %d # SKIP %s: %ld attempts say something\n", number, what, right);
		return KSFT_SKIP;
	}
	printf("%s %d %s\n", wrong ? "not ok" : "ok", number, what);
	return wrong ? KSFT_FAIL : KSFT_PASS;
}

static int skip(const char *what)
{
	printf("1..0 # SKIP %s: %s\n", what, strerror(errno));
	return KSFT_SKIP;
}

static int prepare(void)
{
	cpu_set_t one;
	int limit, ends[2];

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		return skip("sched_setaffinity");
	if (set_priority(0, SCHED_FIFO, PRIORITY_OF_THE_DIRECTOR))
		return skip("SCHED_FIFO (are you root?)");
	limit = open("/proc/sys/kernel/sched_rt_runtime_us", O_WRONLY);
	if (limit >= 0 && write(limit, "-1", 2) != 2)
		return skip("sched_rt_runtime_us");
	if (mmap(AREA, sizeof(struct area), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1, 0) != AREA)
		return skip("mmap");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0))
		return skip("prctl");
	if (NEW_PAGES) {
		char name[] = "new-pages-XXXXXX";

		new_pages = mkstemp(name);
		if (new_pages < 0 || unlink(name) || ftruncate(new_pages, (off_t)NEW_PAGES << 16))
			return skip("mkstemp");
		for (long n = 0; n < NEW_PAGES; n++)
			if (pwrite(new_pages, "", 1, n << 16) != 1)
				return skip("pwrite");
	}
	if (USES_PIPE && (pipe(ends) || dup2(ends[0], PIPE_OUT) < 0 || dup2(ends[1], PIPE_IN) < 0 ||
			  fcntl(PIPE_IN, F_SETPIPE_SZ, 16384) < 0))
		return skip("pipe");
	handle(SIGUSR1, handler, SA_ONSTACK);
	handle(SIGUSR2, handler, SA_ONSTACK);
	handle(SIGFPE, exception, SA_NODEFER);
	return KSFT_PASS;
}

int main(int argc, char **argv)
{
	long attempts = argc > 1 ? atol(argv[1]) : ATTEMPTS;
	struct sum control, disturbed;
	int result, by_page;

	printf("TAP version 13\n");
	result = prepare();
	if (result)
		return result;
	printf("1..%d\n", HAS_LATE_RETURN ? 3 : 2);
	fflush(stdout);
	fill_images();
	fill_right();
	control = run(CONTROL, 20, 20);
	result = report(1, "control: the same, not disturbed", &control);
	fflush(stdout);
	if (result)
		return result;
	run(MEASURED, 5, 5);
	disturbed = run(DISTURBED, attempts, 10);
	result = report(2, TITLE, &disturbed);
	if (!HAS_LATE_RETURN)
		return result;
	fflush(stdout);
	if (!late_page_is_possible()) {
		printf("ok 3 # SKIP " TITLE ", by a page that comes late: no userfaultfd\n");
		return result;
	}
	run(DISTURBED, 1, 1);
	disturbed = run(DISTURBED, attempts, 10);
	by_page = report(3, TITLE ", by a page that comes late", &disturbed);
	return result == KSFT_FAIL ? result : by_page == KSFT_SKIP ? result : by_page;
}
