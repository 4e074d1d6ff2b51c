// SPDX-License-Identifier: GPL-2.0-only
// io_uring rings whose owner can be made to create workers from an interrupt's exit.  The first
// time: worker 1 is blocked on request A, and B and C wait behind it, since the ring was allowed
// one worker only when they were submitted. A write lets A complete; worker 1 takes B and blocks,
// finds C waiting, and asks its owner for another worker (create_worker_cb). Each further time: a
// poll request completes, which queues task work for the owner, which passes the linked request on
// to a new worker.
#include "agent.h"
#include "syscalls.h"

#define ENTRIES 32

/* The file that a task keeps beside the two ends of the pipe. */
#define RING_FD 2

/*
 * Files of a ring's own table. Since Linux 6.5 a request that goes to a worker looks its file up
 * when it starts (before, when it was submitted), and the task has closed all its files by then.
 */
#define FIXED_OUT 0
#define FIXED_DEAD 1
#define FIXED_FIRST 2
#define FIXED_FILES 3

#define IORING_OFF_SQ_RING 0ul
#define IORING_OFF_SQES 0x10000000ul
#define IORING_OP_POLL_ADD 6
#define IORING_OP_SPLICE 30
#define IOSQE_FIXED_FILE (1 << 0)
#define IOSQE_IO_LINK (1 << 2)
#define IOSQE_ASYNC (1 << 4)
#define SPLICE_F_FD_IN_FIXED (1u << 31)
#define IORING_REGISTER_FILES 2
#define IORING_REGISTER_IOWQ_MAX_WORKERS 19

#define POLLIN 1

/* struct io_uring_sqe, as far as it is used. */
struct sqe {
	u8 opcode;
	u8 flags;
	unsigned short ioprio;
	int fd;
	u64 off;
	u64 splice_off_in;
	u32 len;
	u32 op_flags; /* poll32_events, splice_flags */
	u64 user_data;
	unsigned short buf_index;
	unsigned short personality;
	int splice_fd_in;
	u64 pad[2];
};

/* struct io_uring_params. */
struct params {
	u32 sq_entries;
	u32 cq_entries;
	u32 flags;
	u32 unused[7];
	u32 sq_head;
	u32 sq_tail;
	u32 sq_mask;
	u32 sq_ring_entries;
	u32 sq_flags;
	u32 sq_dropped;
	u32 sq_array;
	u32 sq_reserved[3];
	u32 cq[10];
};

/*
 * One pipe that a splice waits for, its write end last; what is spliced goes to `out`. `dead` never
 * has anything to read.
 */
static int first[STAGED_TASKS][2];
static int polled[STAGED_TASKS][WORKER_TRIGGERS];
static int dead[2];
static int out[2];

static void pipe_or_give_up(int ends[2])
{
	long error = syscall(NR_PIPE2, ends, 0, 0, 0, 0);

	if (error < 0)
		give_up("make a pipe", error);
}

/// Files that are used to set rings going. Made before the tasks, which inherit them.
void make_triggers(void)
{
	pipe_or_give_up(dead);
	pipe_or_give_up(out);
	for (u64 i = 0; i < STAGED_TASKS; i++) {
		pipe_or_give_up(first[i]);
		agent->triggers[i][0] = (u64)first[i][1];
		for (u64 n = 1; n < WORKER_TRIGGERS; n++) {
			long fd = syscall(NR_EVENTFD2, 0, 0, 0, 0, 0);

			if (fd < 0)
				give_up("make an eventfd", fd);
			polled[i][n] = (int)fd;
			agent->triggers[i][n] = (u64)fd;
		}
	}
}

struct ring {
	long fd;
	u8 *queue;
	struct sqe *sqes;
	struct params params;
	u32 tail;
};

static struct sqe *next_sqe(struct ring *ring)
{
	struct sqe *sqe = &ring->sqes[ring->tail];

	((u32 *)(ring->queue + ring->params.sq_array))[ring->tail] = ring->tail;
	ring->tail++;
	return sqe;
}

/// `from` is FIXED_DEAD or FIXED_FIRST.
static void add_splice(struct ring *ring, int from)
{
	struct sqe *sqe = next_sqe(ring);

	sqe->opcode = IORING_OP_SPLICE;
	sqe->flags = IOSQE_ASYNC | IOSQE_FIXED_FILE;
	sqe->fd = FIXED_OUT;
	sqe->splice_fd_in = from;
	sqe->op_flags = SPLICE_F_FD_IN_FIXED;
	sqe->off = (u64)-1;
	sqe->splice_off_in = (u64)-1;
	sqe->len = 1;
}

static void add_poll(struct ring *ring, int fd)
{
	struct sqe *sqe = next_sqe(ring);

	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->flags = IOSQE_IO_LINK;
	sqe->fd = fd;
	/* The kernel reads two 16-bit halves, swapped on big endian. */
#ifdef __LITTLE_ENDIAN__
	sqe->op_flags = POLLIN;
#else
	sqe->op_flags = POLLIN << 16;
#endif
}

static long submit(struct ring *ring, u32 count)
{
	*(volatile u32 *)(ring->queue + ring->params.sq_tail) = ring->tail;
	return syscall(NR_IO_URING_ENTER, ring->fd, count, 0, 0, 0);
}

static bool register_files(struct ring *ring, u64 index)
{
	int files[FIXED_FILES] = { out[1], dead[0], first[index][0] };

	return syscall(NR_IO_URING_REGISTER, ring->fd, IORING_REGISTER_FILES, files, FIXED_FILES, 0) >= 0;
}

static bool limit_workers(struct ring *ring, u32 workers)
{
	u32 limits[2] = { workers, workers };

	return syscall(NR_IO_URING_REGISTER, ring->fd, IORING_REGISTER_IOWQ_MAX_WORKERS, limits, 2, 0) >= 0;
}

static bool map_ring(struct ring *ring)
{
	long queue = syscall6(0, ring->params.sq_array + 4 * ENTRIES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, (u64)ring->fd, IORING_OFF_SQ_RING, NR_MMAP);
	long sqes = syscall6(0, ENTRIES * sizeof(struct sqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, (u64)ring->fd, IORING_OFF_SQES, NR_MMAP);

	ring->queue = (u8 *)queue;
	ring->sqes = (struct sqe *)sqes;
	return queue >= 0 && sqes >= 0;
}

static bool fill_ring(struct ring *ring, u64 index)
{
	u64 nap[2] = { 0, 5000000 };

	if (!register_files(ring, index))
		return false;
	add_splice(ring, FIXED_FIRST);
	if (submit(ring, 1) != 1)
		return false;
	/* Until the worker exists and is blocked. */
	syscall(NR_NANOSLEEP, nap, 0, 0, 0, 0);
	if (!limit_workers(ring, 1))
		return false;
	add_splice(ring, FIXED_DEAD);
	add_splice(ring, FIXED_DEAD);
	if (submit(ring, 2) != 2 || !limit_workers(ring, 4 * WORKER_TRIGGERS))
		return false;
	for (u64 n = 1; n < WORKER_TRIGGERS; n++) {
		add_poll(ring, polled[index][n]);
		add_splice(ring, FIXED_DEAD);
	}
	return submit(ring, 2 * (WORKER_TRIGGERS - 1)) == 2 * (WORKER_TRIGGERS - 1);
}

/// The ring of the calling task. A kernel without io_uring has none: scenarios that need it do not
/// apply to it. Afterwards the task has few files, so that a fork copies few.
bool make_ring(u64 index)
{
	struct ring ring = { .fd = -1 };
	bool ready;

	ring.fd = syscall(NR_IO_URING_SETUP, ENTRIES, &ring.params, 0, 0, 0);
	ready = ring.fd >= 0 && map_ring(&ring) && fill_ring(&ring, index);
	if (ring.fd < 0)
		agent->no_io_uring = (u64)-ring.fd;
	if (ring.fd >= 0) {
		syscall(NR_MUNMAP, ring.queue, ring.params.sq_array + 4 * ENTRIES, 0, 0, 0);
		syscall(NR_MUNMAP, ring.sqes, ENTRIES * sizeof(struct sqe), 0, 0, 0);
		syscall(NR_DUP2, ring.fd, RING_FD, 0, 0, 0);
	}
	syscall(NR_CLOSE_RANGE, ring.fd >= 0 ? RING_FD + 1 : RING_FD, ~0u, 0, 0, 0);
	return ready;
}
