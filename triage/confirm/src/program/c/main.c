/* What an attempt came to. */
struct result {
	int came;	/* how the disturbance on the way came */
	int differ;	/* registers that are not as they must be */
	int killed;	/* the signal that killed a task, or 0 */
	int stuck;	/* not all tasks came to their end */
};

static char first[400];

static void differs(const char *where, const char *what, int n, unsigned __int128 found,
		    unsigned __int128 expected)
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
			count += compare_one(check, "f", n, found->vsr[n][0], good->vsr[n][0],
					     ALL_BITS);
		if (check->vs >> n & 1)
			count += compare_one(check, "doubleword 1 of vs", n, found->vsr[n][1],
					     good->vsr[n][1], ALL_BITS);
		if (check->v >> n & 1)
			count += compare_one(check, "v", n, found->vr[n], good->vr[n], ALL_BITS);
	}
	count += compare_one(check, "fpscr", -1, found->fpscr, good->fpscr, check->fpscr);
	count += compare_one(check, "vscr", -1, found->vscr, good->vscr, check->vscr);
	count += compare_one(check, "vrsave", -1, found->vrsave & 0xffffffff, good->vrsave,
			     check->vrsave);
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
		const char *code = mode == CONTROL ? control_start[task] : start[task];
		pid_t pid = start_task(code, task, number);

		group = group ? group : pid;
		AREA->pid[task] = (uint64_t)pid;
		if (setpgid(pid, group) || set_priority(pid, SCHED_RR, PRIORITY))
			bail_out("setpgid or sched_setscheduler");
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
			differs("SIGFPE", "count of task ", task, AREA->fpe[task],
				exceptions[task]);
		}
	return result;
}

struct sum {
	long attempts, too_late, stuck, differ, killed;
};

/* Makes attempts until so many differ. */
static struct sum run(int mode, long attempts, long enough)
{
	struct sum sum = { 0 };

	first[0] = 0;
	while (sum.attempts < attempts && sum.differ + sum.killed < enough) {
		struct result result = attempt(mode, (uint64_t)++sum.attempts);

		sum.too_late += result.came == TOO_LATE;
		sum.killed += result.killed != 0;
		sum.stuck += result.stuck && !result.killed;
		sum.differ += result.differ != 0;
		if (result.killed && !first[0])
			snprintf(first, sizeof(first), "a task was killed by signal %d",
				 result.killed);
	}
	return sum;
}

static int report(int number, const char *what, const struct sum *sum)
{
	long wrong = sum->differ + sum->killed;
	long good = sum->attempts - wrong - sum->stuck - sum->too_late;

	printf("# %s: %ld attempts, %ld differ", what, sum->attempts, wrong);
	if (sum->too_late)
		printf(", %ld disturbed too late", sum->too_late);
	if (sum->stuck)
		printf(", %ld did not end", sum->stuck);
	printf("\n");
	if (first[0])
		printf("# %s\n", first);
	/* Silence says something only if the events were disturbed, and came to their end. */
	if (!wrong && good * 10 <= sum->attempts) {
		printf("ok %d # SKIP %s: %ld attempts say something\n", number, what,
		       good);
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

/* What /proc/sys/kernel/sched_rt_runtime_us had. */
static char old_throttling[32];
static ssize_t restored;

static void restore_throttling(void)
{
	restored = pwrite(throttling, old_throttling, strlen(old_throttling), 0);
}

static void ended(int signal)
{
	restore_throttling();
	_exit(128 + signal);
}

/* Tasks wait in user mode: they must not be stopped for a while in each second. */
static int stop_throttling(void)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM, SIGALRM };

	throttling = open("/proc/sys/kernel/sched_rt_runtime_us", O_RDWR | O_CLOEXEC);
	if (throttling < 0)
		return errno != ENOENT;
	if (read(throttling, old_throttling, sizeof(old_throttling) - 1) <= 0 ||
	    atexit(restore_throttling))
		return 1;
	for (size_t n = 0; n < sizeof(ends) / sizeof(ends[0]); n++)
		signal(ends[n], ended);
	return pwrite(throttling, "-1", 2, 0) != 2;
}

/* The first processor that this may run on. */
static int keep_to_one_processor(void)
{
	cpu_set_t all, one;
	int number = 0;

	if (sched_getaffinity(0, sizeof(all), &all))
		return 1;
	while (number < CPU_SETSIZE && !CPU_ISSET(number, &all))
		number++;
	CPU_ZERO(&one);
	CPU_SET(number, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

static int prepare(void)
{
	unsigned long needed_features = PPC_FEATURE_HAS_ALTIVEC | PPC_FEATURE_HAS_VSX;
	int ends[2];

	if ((getauxval(AT_HWCAP) & needed_features) != needed_features) {
		printf("1..0 # SKIP the processor or the kernel has no VSX\n");
		return KSFT_SKIP;
	}
	ticks = __ppc_get_timebase_freq() / 1000;
	if (keep_to_one_processor())
		return skip("sched_setaffinity");
	if (set_priority(0, SCHED_FIFO, PRIORITY_OF_THE_DIRECTOR))
		return skip("SCHED_FIFO (are you root?)");
	if (stop_throttling())
		return skip("sched_rt_runtime_us");
	if (mmap(AREA, sizeof(struct area), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0) != AREA)
		return skip("mmap");
	if (!rings_are_possible())
		return skip("io_uring");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
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
	if (handle(SIGUSR1, handler, SA_ONSTACK) || handle(SIGUSR2, handler, SA_ONSTACK) ||
	    handle(SIGFPE, exception, SA_NODEFER))
		return skip("sigaction");
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
	if (result) {
		for (int n = 2; n <= 2 + HAS_LATE_RETURN; n++)
			printf("ok %d # SKIP the control shows nothing\n", n);
		return result;
	}
	fflush(stdout);
	run(MEASURED, 5, 5);
	disturbed = run(DISTURBED, attempts, 10);
	result = report(2, TITLE, &disturbed);
	if (!HAS_LATE_RETURN)
		return result;
	fflush(stdout);
	if (!late_page_is_possible()) {
		printf("ok 3 # SKIP " TITLE ", by a page that comes late: %s\n", strerror(errno));
		return result;
	}
	/* The first one finds out how long a frame is. */
	run(DISTURBED, 1, 1);
	disturbed = run(DISTURBED, attempts, 10);
	by_page = report(3, TITLE ", by a page that comes late", &disturbed);
	return result == KSFT_FAIL ? result : by_page == KSFT_SKIP ? result : by_page;
}
