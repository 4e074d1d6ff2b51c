/*
 * Ways to make an attempt: without signals, without workers and with nothing in the middle of an
 * event; with all but the last, to see how long it takes; and with all of it.
 */
#define CONTROL 0
#define MEASURED 1
#define DISTURBED 2

/*
 * Nanoseconds from one request to the next, as the measured attempts take them: the director
 * sleeps a little longer, and what comes in the middle of an event is swept over all of it.
 */
static long needed[REQUESTS + 2];
/* Where that begins. */
static long earliest[REQUESTS + 1];
/* Time base when the director went to sleep before a request. */
static uint64_t since[REQUESTS + 1];

static uint64_t now(void)
{
	uint64_t time;

	asm volatile("mftb %0" : "=r"(time));
	return time;
}

/* Of the time base, a millisecond. */
static uint64_t ticks;

static long nanoseconds(uint64_t from, uint64_t to)
{
	return (long)((to - from) * 1000000 / ticks);
}

/* In the control no task makes another one if no events are done. */
static int all_done(int mode)
{
	int tasks = mode == CONTROL && control_start[0] != start[0] ? TASKS : ALL_TASKS;

	for (int task = 0; task < tasks; task++)
		if (!AREA->done[task])
			return 0;
	return 1;
}

/* The begin and the end of an event that nothing disturbed, and a little more on both sides. */
static void measure(int number, uint64_t slept)
{
	uint64_t came = AREA->came[number], went = AREA->went[number];
	long begin, end;

	if (AREA->way[number] != 2 || came < slept || went < came)
		return;
	begin = nanoseconds(slept, came) - 1000;
	end = nanoseconds(slept, went) + 500;
	earliest[number] = begin > 0 ? begin : 0;
	needed[number] = end - earliest[number];
}

/* Sleeps until the task is somewhere in the middle of the event, and disturbs it. */
static int disturb(int number, int mode, long delay)
{
	uint64_t slept = now();

	nap(delay);
	/* Too early. If it slept too shortly the task would never get on. */
	for (long more = 500; more < 10000000; more += more / 4) {
		if (AREA->way[number] || all_done(mode))
			break;
		nap(more);
	}
	if (AREA->way[number] != 1) {
		/* Shorter naps than the measured ones can take another time. */
		measure(number, slept);
		return TOO_LATE;
	}
	serve(&requests[number - 1]);
	return IN_TIME;
}

/* Sleeps until a task asks for the request, or all have ended. */
static void wait_for(int number, int mode)
{
	/* 0: the end of all tasks. */
	int asked = number > REQUESTS ? 0 : number;
	uint64_t slept = now();

	nap(mode == DISTURBED ? needed[number] + needed[number] / 4 + 2000 : 300000);
	for (int tries = 0; tries < 200; tries++) {
		if ((asked && AREA->way[asked]) || all_done(mode))
			break;
		nap(50000);
		if (tries > 20)
			end_a_sleep();
	}
	if (mode == MEASURED && AREA->came[asked] > slept)
		needed[number] = nanoseconds(slept, AREA->came[asked]);
	for (int n = 1; number <= REQUESTS && n < requests[number - 1].preemptions; n++)
		nap(2000);
}

/* Serves what the tasks ask for, in order. */
static int direct(int mode, uint64_t attempt)
{
	uint64_t slept = now();
	int how = NONE;

	if (mode == CONTROL && control_start[0] != start[0]) {
		nap(300000);
		AREA->served = REQUESTS + 1;
		wait_for(REQUESTS + 1, mode);
		return NONE;
	}
	for (int number = 1; number <= REQUESTS; number++) {
		const struct request *request = &requests[number - 1];

		if (!request->late) {
			wait_for(number, mode);
			if (mode != CONTROL || !(request->signal || request->io_worker))
				serve(request);
		} else if (mode == DISTURBED) {
			/* Other delays in each attempt, evenly spread. */
			uint64_t part = (uint32_t)(attempt * request->stride);
			long delay = (long)((uint64_t)needed[number] * part >> 32);
			int came;

			if (late_page && request->returns)
				came = bring_page(number);
			else
				came = disturb(number, mode, earliest[number] + delay);
			how = came > how ? came : how;
		}
		AREA->served = (uint64_t)number;
		if (!request->late)
			slept = now();
		since[number] = slept;
	}
	wait_for(REQUESTS + 1, mode);
	for (int number = 1; mode == MEASURED && number <= REQUESTS; number++)
		if (requests[number - 1].late)
			measure(number, since[number]);
	return how;
}
