/*
 * io_uring rings whose owner is asked to make workers. Worker 1 is blocked on a splice from the
 * pipe `first`, and two more splices wait behind it, as only one worker was allowed when they were
 * submitted. Eight bytes in the pipe let worker 1 go on to the next one, where it blocks, finds one
 * more waiting, and has its owner create another worker (create_worker_cb). After the first time:
 * an eventfd completes a poll request, and the splice that is linked to it goes to a new worker.
 */
#define ENTRIES 32
#define TRIGGERS 8
#define PRIORITY_OF_WORKERS 40

/* Of each ring: what its worker is blocked on, what triggers it, and what never has anything. */
struct ends {
	int first[2], dead[2], out[2];
	int event[TRIGGERS];
	int used;	/* how many triggers */
};

static struct ends ends_of[TASKS];

struct ring {
	int fd;
	char *queue;
	struct io_uring_sqe *sqes;
	struct io_uring_params params;
	unsigned int tail;
};

static int rings_are_possible(void)
{
	struct io_uring_params params = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void open_ends(struct ends *ends)
{
	int bad = pipe(ends->first) || pipe(ends->dead) || pipe(ends->out);

	for (int n = 1; n < TRIGGERS; n++)
		bad |= (ends->event[n] = (int)syscall(SYS_eventfd2, 0, 0)) < 0;
	ends->used = 0;
	if (bad)
		bail_out("pipe");
}

static void close_ends(struct ends *ends)
{
	for (int n = 0; n < 2; n++) {
		close(ends->first[n]);
		close(ends->dead[n]);
		close(ends->out[n]);
	}
	for (int n = 1; n < TRIGGERS; n++)
		close(ends->event[n]);
}

static struct io_uring_sqe *add(struct ring *ring)
{
	((unsigned int *)(ring->queue + ring->params.sq_off.array))[ring->tail] = ring->tail;
	return &ring->sqes[ring->tail++];
}

/* `from` and the other end are numbers of registered files. */
static void add_splice(struct ring *ring, int from)
{
	struct io_uring_sqe *sqe = add(ring);

	sqe->opcode = IORING_OP_SPLICE;
	sqe->flags = IOSQE_ASYNC | IOSQE_FIXED_FILE;
	sqe->fd = 0;
	sqe->splice_fd_in = from;
	sqe->splice_flags = SPLICE_F_FD_IN_FIXED;
	sqe->off = (uint64_t)-1;
	sqe->splice_off_in = (uint64_t)-1;
	sqe->len = 1;
}

static void add_poll(struct ring *ring, int fd)
{
	struct io_uring_sqe *sqe = add(ring);

	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->flags = IOSQE_IO_LINK;
	sqe->fd = fd;
	/* Two 16-bit halves, swapped on big endian. */
	sqe->poll32_events = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? POLLIN << 16 : POLLIN;
}

static int submit(struct ring *ring, int count)
{
	*(volatile unsigned int *)(ring->queue + ring->params.sq_off.tail) = ring->tail;
	return syscall(SYS_io_uring_enter, ring->fd, count, 0, 0, NULL, 0) != count;
}

static int allow_workers(struct ring *ring, unsigned int count)
{
	unsigned int most[2] = { count, count };

	return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_IOWQ_MAX_WORKERS, most,
		       2) < 0;
}

static int map_ring(struct ring *ring)
{
	size_t size = ring->params.sq_off.array + ENTRIES * sizeof(unsigned int);

	ring->queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			   IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, ENTRIES * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	return ring->queue == MAP_FAILED || ring->sqes == MAP_FAILED;
}

static int fill_ring(struct ring *ring, const struct ends *ends)
{
	int files[3] = { ends->out[1], ends->dead[0], ends->first[0] };

	if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES, files, 3) < 0)
		return 1;
	add_splice(ring, 2);
	if (submit(ring, 1))
		return 1;
	/* Until the worker exists and is blocked. */
	nap(5000000);
	if (allow_workers(ring, 1))
		return 1;
	add_splice(ring, 1);
	add_splice(ring, 1);
	if (submit(ring, 2) || allow_workers(ring, 4 * TRIGGERS))
		return 1;
	for (int n = 1; n < TRIGGERS; n++) {
		add_poll(ring, ends->event[n]);
		add_splice(ring, 1);
	}
	return submit(ring, 2 * (TRIGGERS - 1));
}

static void make_ring(int task)
{
	struct ring ring = { 0 };

	if (RINGS >> task & 1) {
		ring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &ring.params);
		if (ring.fd < 0 || map_ring(&ring) || fill_ring(&ring, &ends_of[task]))
			_exit(KSFT_SKIP);
	}
	AREA->ready[task] = 1;
	while (!AREA->go)
		syscall(SYS_futex, &AREA->go, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* A worker runs before any task, as it would on a processor of its own. */
static void hurry_workers(int task)
{
	char path[64];
	struct dirent *entry;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)AREA->pid[task]);
	threads = opendir(path);
	while (threads && (entry = readdir(threads))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && pid != (pid_t)AREA->pid[task])
			set_priority(pid, SCHED_FIFO, PRIORITY_OF_WORKERS);
	}
	if (threads)
		closedir(threads);
}

static void before_rings(void)
{
	for (int task = 0; task < TASKS; task++)
		if (RINGS >> task & 1)
			open_ends(&ends_of[task]);
}

static void start_rings(void)
{
	for (int task = 0; task < TASKS; task++)
		for (int tries = 0; !AREA->ready[task] && tries < 1000; tries++)
			nap(200000);
	for (int task = 0; task < TASKS; task++)
		hurry_workers(task);
	AREA->go = 1;
	syscall(SYS_futex, &AREA->go, FUTEX_WAKE, TASKS, NULL, NULL, 0);
}

static void after_rings(void)
{
	for (int task = 0; task < TASKS; task++)
		if (RINGS >> task & 1)
			close_ends(&ends_of[task]);
}

static void wake_io_worker(int task)
{
	struct ends *ends = &ends_of[task];
	uint64_t one = 1;
	int fd = ends->used ? ends->event[ends->used] : ends->first[1];

	hurry_workers(task);
	if (++ends->used < TRIGGERS && write(fd, &one, sizeof(one)) < 0)
		perror("write");
}
