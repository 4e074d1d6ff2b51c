/* No task has an io_uring ring. */
static int rings_are_possible(void)
{
	return 1;
}

static void make_ring(int task)
{
	(void)task;
}

static void before_rings(void)
{
}

static void start_rings(void)
{
}

static void after_rings(void)
{
}

static void wake_io_worker(int task)
{
	(void)task;
}
