// SPDX-License-Identifier: GPL-2.0-only
// The pipe, as Linux's fs/pipe.c: a ring of pages, a copy a page, sleepers on either side. A copy
// may sleep, in a page fault, with the mutex held.
#include "sched.h"

#define PIPE_BUFFERS 4 /* Linux: 16 */

struct pipe_buffer {
	u32 offset;
	u32 len;
};

struct pipe_inode_info {
	u64 head; /* where the next page goes */
	u64 tail; /* the oldest page */
	struct pipe_buffer bufs[PIPE_BUFFERS];
	struct wait_queue rd_wait;
	struct wait_queue wr_wait;
	struct wait_queue mutex;
	bool locked;
};

static struct pipe_inode_info the_pipe;
static u8 pages[PIPE_BUFFERS][PAGE_SIZE] __aligned(PAGE_SIZE);

__inline bool pipe_empty(const struct pipe_inode_info *pipe)
{
	return pipe->head == pipe->tail;
}

__inline bool pipe_full(const struct pipe_inode_info *pipe)
{
	return pipe->head - pipe->tail == PIPE_BUFFERS;
}

/// Linux's __pipe_lock. Who holds it can run, so nobody has to end this sleep.
static void __pipe_lock(struct pipe_inode_info *pipe)
{
	while (pipe->locked) {
		prepare_to_wait(&pipe->mutex, TASK_UNINTERRUPTIBLE);
		schedule();
		finish_wait();
	}
	pipe->locked = true;
}

/// Linux's __pipe_unlock.
static void __pipe_unlock(struct pipe_inode_info *pipe)
{
	pipe->locked = false;
	wake_up(&pipe->mutex);
}

/// Linux's wait_event_interruptible_exclusive on rd_wait with pipe_readable. False if a signal came
/// first.
static bool wait_until_readable(struct pipe_inode_info *pipe)
{
	while (pipe_empty(pipe)) {
		if (signal_pending(current))
			return false;
		prepare_to_wait(&pipe->rd_wait, TASK_INTERRUPTIBLE);
		schedule();
		finish_wait();
	}
	return true;
}

/// Linux's wait_event_interruptible_exclusive on wr_wait with pipe_writable.
static void wait_until_writable(struct pipe_inode_info *pipe)
{
	while (pipe_full(pipe) && !signal_pending(current)) {
		prepare_to_wait(&pipe->wr_wait, TASK_INTERRUPTIBLE);
		schedule();
		finish_wait();
	}
}

/// Linux's pipe_read: what is there, or sleep until something is.
ssize_t pipe_read(u8 *to, size_t count)
{
	struct pipe_inode_info *pipe = &the_pipe;
	bool was_full;
	bool wake_next_reader = false;
	ssize_t ret = 0;

	__pipe_lock(pipe);
	was_full = pipe_full(pipe);
	for (;;) {
		if (!pipe_empty(pipe)) {
			u64 slot = pipe->tail % PIPE_BUFFERS;
			struct pipe_buffer *buf = &pipe->bufs[slot];
			size_t chars = buf->len < count ? buf->len : count;

			copy_page_to_iter(pages[slot] + buf->offset, chars, to);
			buf->offset += chars;
			buf->len -= chars;
			if (!buf->len)
				pipe->tail++;
			to += chars;
			count -= chars;
			ret += chars;
			if (!count)
				break;
			continue;
		}
		if (ret)
			break;
		__pipe_unlock(pipe);
		if (was_full)
			wake_up(&pipe->wr_wait);
		if (!wait_until_readable(pipe))
			return -ERESTARTSYS;
		__pipe_lock(pipe);
		was_full = pipe_full(pipe);
		wake_next_reader = true;
	}

	if (pipe_empty(pipe))
		wake_next_reader = false;
	__pipe_unlock(pipe);
	if (was_full)
		wake_up(&pipe->wr_wait);
	if (wake_next_reader)
		wake_up(&pipe->rd_wait);
	return ret;
}

/// Linux's pipe_write: fill up the last page if all fits, then new pages; sleep while there is no
/// room.
ssize_t pipe_write(const u8 *from, size_t count)
{
	struct pipe_inode_info *pipe = &the_pipe;
	bool was_empty;
	bool wake_next_writer = false;
	size_t chars = count % PAGE_SIZE;
	ssize_t ret = 0;

	__pipe_lock(pipe);
	was_empty = pipe_empty(pipe);
	if (chars && !was_empty) {
		u64 slot = (pipe->head - 1) % PIPE_BUFFERS;
		struct pipe_buffer *buf = &pipe->bufs[slot];

		if (buf->offset + buf->len + chars <= PAGE_SIZE) {
			copy_page_from_iter(pages[slot] + buf->offset + buf->len, chars, from);
			buf->len += chars;
			from += chars;
			count -= chars;
			ret += chars;
		}
	}

	while (count) {
		if (!pipe_full(pipe)) {
			u64 slot = pipe->head % PIPE_BUFFERS;

			chars = count < PAGE_SIZE ? count : PAGE_SIZE;
			pipe->head++;
			copy_page_from_iter(pages[slot], chars, from);
			pipe->bufs[slot].offset = 0;
			pipe->bufs[slot].len = chars;
			from += chars;
			count -= chars;
			ret += chars;
			continue;
		}
		if (signal_pending(current)) {
			ret = ret ? ret : -ERESTARTSYS;
			break;
		}
		__pipe_unlock(pipe);
		if (was_empty)
			wake_up(&pipe->rd_wait);
		wait_until_writable(pipe);
		__pipe_lock(pipe);
		was_empty = pipe_empty(pipe);
		wake_next_writer = true;
	}

	if (pipe_full(pipe))
		wake_next_writer = false;
	__pipe_unlock(pipe);
	if (was_empty)
		wake_up(&pipe->rd_wait);
	if (wake_next_writer)
		wake_up(&pipe->wr_wait);
	return ret;
}

/// No counterpart in Linux: what the agent of a real kernel does to the pipe when a reader's or a
/// writer's sleep has to end. It writes one byte, or reads all there is. False if `channel` is none
/// of the pipe's queues.
bool pipe_end_sleep(const void *channel)
{
	struct pipe_inode_info *pipe = &the_pipe;

	if (channel == &pipe->rd_wait) {
		u64 slot = pipe->head++ % PIPE_BUFFERS;

		pages[slot][0] = 0;
		pipe->bufs[slot].offset = 0;
		pipe->bufs[slot].len = 1;
		return wake_up(&pipe->rd_wait);
	}
	if (channel == &pipe->wr_wait) {
		pipe->tail = pipe->head;
		return wake_up(&pipe->wr_wait);
	}
	return false;
}
