// SPDX-License-Identifier: GPL-2.0-only
// io_uring's worker threads, as Linux's io_uring/io-wq.c: one blocked worker a ring that asks its
// submitter to create another. The first worker is there from the start, on another CPU, and is no
// task of this model.
#include "sched.h"

struct io_worker {
	struct callback_head create_work;
	u64 create_state; /* bit 0: create_work is queued */
	struct task_struct *wq_task; /* the submitter */
	u64 retry;	     /* a creation that failed waits for the workqueue */
	u64 init_retries;
	u64 queued;	     /* requests that wait for a worker that has not run yet */
};

#define WORKER_INIT_LIMIT 3

static struct io_worker blocked_workers[MAX_USER_TASKS];

/*
 * As Linux 6.12 and newer. A creation that failed is tried again after 5 ms, and not as soon as
 * nobody can run: no run lasts so long. And a worker that has not run yet counts as free: who asks
 * for one more gets that one, and it asks for another one when it blocks.
 */
bool io_wq_is_newer;

/// Linux's io_wq_create, with the ring's first worker already at work.
void io_wq_create(struct task_struct *owner)
{
	struct io_worker *worker = &blocked_workers[owner->user_index];

	owner->owns_ring = true;
	worker->create_state = 0;
	worker->retry = false;
	worker->queued = 0;
	worker->wq_task = owner;
}

static void io_wqe_dec_running(struct io_worker *worker);

/// Linux's io_wqe_worker. What work there is for it blocks: it sleeps for ever. Uninterruptible, so
/// that no inherited flag can wake it.
static int io_wqe_worker(void *data)
{
	struct io_worker *worker = data;

	if (worker->queued) {
		worker->queued--;
		io_wqe_dec_running(worker);
	}
	for (;;) {
		prepare_to_wait(NULL, TASK_UNINTERRUPTIBLE);
		schedule();
	}
	return 0;
}

/// Linux's create_io_worker. It fails while a signal is pending, and is tried again.
static bool create_io_worker(struct io_worker *worker)
{
	struct task_struct *tsk = create_io_thread(io_wqe_worker, worker);

	if (IS_ERR(tsk)) {
		worker->retry = !io_wq_is_newer && worker->init_retries++ < WORKER_INIT_LIMIT;
		worker->queued = 0;
		return false;
	}
	wake_up_new_task(tsk);
	return true;
}

/// Linux's create_worker_cb: runs in the submitter.
static void create_worker_cb(struct callback_head *cb)
{
	struct io_worker *worker = container_of(cb, struct io_worker, create_work);

	worker->init_retries = 0;
	create_io_worker(worker);
	worker->create_state = 0;
}

/// Linux's create_worker_cont: the same, once more.
static void create_worker_cont(struct callback_head *cb)
{
	struct io_worker *worker = container_of(cb, struct io_worker, create_work);

	create_io_worker(worker);
	worker->create_state = 0;
}

/// Linux's io_queue_worker_create.
static bool io_queue_worker_create(struct io_worker *worker, void (*func)(struct callback_head *))
{
	if (worker->create_state) {
		worker->queued += io_wq_is_newer;
		return false;
	}
	worker->create_state = 1;
	worker->create_work.func = func;
	task_work_add(worker->wq_task, &worker->create_work);
	return true;
}

/// Linux's io_wqe_dec_running: the last running worker is about to block and there is work queued.
static void io_wqe_dec_running(struct io_worker *worker)
{
	io_queue_worker_create(worker, create_worker_cb);
}

/// Linux's io_wq_worker_sleeping, called when a worker is about to block.
static void io_wq_worker_sleeping(struct io_worker *worker)
{
	io_wqe_dec_running(worker);
}

/// Linux's io_uring_task_cancel: the ring of a task that execs is gone, and what its workers had
/// asked for with it.
void io_uring_task_cancel(struct task_struct *tsk)
{
	if (!tsk->owns_ring)
		return;
	tsk->owns_ring = false;
	tsk->task_works = NULL;
	blocked_workers[tsk->user_index].create_state = 0;
	blocked_workers[tsk->user_index].retry = false;
	blocked_workers[tsk->user_index].queued = 0;
}

/// No counterpart in Linux: whether the task is the submitter of a ring and lives.
static bool can_be_asked(const struct task_struct *tsk)
{
	return tsk->owns_ring && tsk->state != TASK_DEAD && tsk->state != TASK_UNUSED;
}

/// Linux's io_workqueue_create, for all rings. A workqueue's thread has no real-time priority: it
/// runs when no task can. True if one can now.
bool io_workqueue_create(void)
{
	bool woken = false;

	for (struct io_worker *worker = blocked_workers; worker < blocked_workers + MAX_USER_TASKS; worker++) {
		if (!worker->retry)
			continue;
		worker->retry = false;
		if (can_be_asked(worker->wq_task)) {
			io_queue_worker_create(worker, create_worker_cont);
			woken |= worker->wq_task->on_rq;
		}
	}
	return woken;
}

/// No counterpart in Linux: whose ring has a worker that can block. The task's own, or else that of
/// the first task that has one and lives.
struct task_struct *io_ring_owner(struct task_struct *tsk)
{
	if (can_be_asked(tsk))
		return tsk;
	for (tsk = task_pool; tsk < task_pool + MAX_USER_TASKS; tsk++) {
		if (can_be_asked(tsk))
			return tsk;
	}
	return NULL;
}

/// No counterpart in Linux: what schedule does on the worker's CPU. A worker of that ring blocks.
void io_remote_worker_blocks(struct task_struct *running)
{
	struct task_struct *tsk = io_ring_owner(running);

	if (tsk)
		io_wq_worker_sleeping(&blocked_workers[tsk->user_index]);
}
