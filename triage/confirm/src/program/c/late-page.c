/*
 * Another way to have the task leave the processor while the kernel reads its frame, on kernels
 * that are not preemptible too: the frame lies on two pages, and the second one has to be fetched
 * when rt_sigreturn comes to it (userfaultfd). A swapped-out page does the same.
 */
#define STACK 0x68000000ul

/* Set in the attempts that are made this way. */
static int late_page;
/* Bytes from the begin of the frame to the end of the stack; the first handler finds out. */
static long frame_size;

struct late {
	volatile uint64_t frame_at;	/* 0: no handler has run */
	volatile uint64_t fd;		/* of the userfaultfd, in the task */
	volatile uint64_t bytes[8192];	/* what was on the page */
};

static struct late *late;

static long page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Where in the frame the second page begins: behind the GPRs, at another place in each attempt. */
static long bytes_before_page(uint64_t attempt)
{
	long places = (frame_size - 512 - 1024) / 16;

	return 512 + 16 * (long)(attempt % (uint64_t)(places > 0 ? places : 1));
}

/* The task's signal stack, whose last page can be fetched. */
static void make_late_stack(uint64_t attempt)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register page = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	long size = page_size(), more = 1024;
	stack_t stack = { .ss_sp = (void *)STACK };
	int fd;

	if (!late_page)
		return;
	if (frame_size)
		more = frame_size - bytes_before_page(attempt);
	stack.ss_size = (size_t)(4 * size + more);
	if (mmap((void *)STACK, (size_t)(6 * size), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)STACK ||
	    sigaltstack(&stack, NULL))
		_exit(KSFT_SKIP);
	for (long n = 0; n < 6; n++)
		*(volatile char *)(STACK + (unsigned long)(n * size)) = 0;
	fd = (int)syscall(SYS_userfaultfd, O_NONBLOCK);
	page.range.start = STACK + (unsigned long)(4 * size);
	page.range.len = (unsigned long)size;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &page))
		_exit(KSFT_SKIP);
	late->fd = (uint64_t)fd;
}

/* In the handler: keeps what is on the second page, and gives the page back. */
static void take_page_away(void *frame)
{
	unsigned long page = STACK + 4 * (unsigned long)page_size();

	if (!late_page)
		return;
	late->frame_at = (uint64_t)frame;
	copy(late->bytes, (const volatile uint64_t *)page, (int)page_size() / 8);
	syscall(SYS_madvise, page, page_size(), MADV_DONTNEED);
}

/* Waits until the task sleeps for its page, lets others run, and brings it. */
static int bring_page(int number)
{
	const struct request *request = &requests[number - 1];
	int process = (int)syscall(SYS_pidfd_open, (pid_t)AREA->pid[request->task], 0);
	int fd = (int)syscall(SYS_pidfd_getfd, process, (int)late->fd, 0);
	struct uffdio_copy page = {
		.dst = STACK + 4 * (unsigned long)page_size(),
		.src = (unsigned long)late->bytes,
		.len = (unsigned long)page_size(),
	};
	struct uffd_msg message;
	int came = TOO_LATE;

	for (int tries = 0; came == TOO_LATE && tries < 100; tries++) {
		nap(20000);
		if (read(fd, &message, sizeof(message)) == sizeof(message))
			came = IN_TIME;
	}
	nap(100000);
	serve(request);
	ioctl(fd, UFFDIO_COPY, &page);
	close(fd);
	close(process);
	if (late->frame_at && !frame_size)
		frame_size = (long)(STACK + 4 * (unsigned long)page_size() + 1024 - late->frame_at);
	late->frame_at = 0;
	return came;
}

static int late_page_is_possible(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_NONBLOCK);
	int process = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int again = (int)syscall(SYS_pidfd_getfd, process, fd, 0);

	if (fd < 0 || process < 0 || again < 0)
		return 0;
	close(again);
	close(process);
	close(fd);
	late = mmap(NULL, sizeof(*late), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	late_page = late != MAP_FAILED;
	return late_page;
}
