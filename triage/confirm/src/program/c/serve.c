/* Some task sleeps, and none can run: what it waits for comes from outside. */
static void end_a_sleep(void)
{
	static char bytes[8192];
	int count = 0;

	syscall(SYS_futex, &AREA->futex, FUTEX_WAKE, 1, NULL, NULL, 0);
	if (!USES_PIPE || ioctl(PIPE_OUT, FIONREAD, &count))
		return;
	if (count ? read(PIPE_OUT, bytes, sizeof(bytes)) < 0 : write(PIPE_IN, bytes, 1) < 0)
		perror("pipe");
}

static void serve(const struct request *request)
{
	if (request->io_worker)
		wake_io_worker(request->task);
	if (request->signal)
		kill((pid_t)AREA->pid[request->task], request->signal);
	if (request->next != THE_SAME)
		switch_tasks(request->task, request->next);
}
