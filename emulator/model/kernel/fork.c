// SPDX-License-Identifier: GPL-2.0-only
// Making tasks, as Linux's kernel/fork.c. All tasks share one address space: a child differs from
// its parent in registers only.
#include "sched.h"

#define FIRST_PID 100

/*
 * Slots 0-7 are for user tasks, the others for io_uring workers. A task that has run keeps its
 * slot.
 */
struct task_struct task_pool[MAX_TASKS];
static u8 stacks[MAX_TASKS][THREAD_SIZE] __attribute__((section(".stacks"), aligned(THREAD_SIZE)));

static u64 next_pid = FIRST_PID;

/// Linux's fork_init.
void fork_init(void)
{
	for (u64 i = 0; i < MAX_TASKS; i++) {
		task_pool[i].state = TASK_UNUSED;
		task_pool[i].stack = stacks[i];
		task_pool[i].user_index = USER_INDEX_NONE;
	}
}

/// Linux's alloc_task_struct_node. NULL when all slots of the kind are taken.
static struct task_struct *alloc_task_struct_node(bool io_thread)
{
	u64 first = io_thread ? MAX_USER_TASKS : 0;
	u64 end = io_thread ? MAX_TASKS : MAX_USER_TASKS;

	for (u64 i = first; i < end; i++) {
		if (task_pool[i].state == TASK_UNUSED) {
			task_pool[i].state = TASK_NEW;
			return &task_pool[i];
		}
	}
	return NULL;
}

/// Linux's free_task, for a task that has not run.
static void free_task(struct task_struct *tsk)
{
	tsk->state = TASK_UNUSED;
	tsk->user_index = USER_INDEX_NONE;
	tsk->thread.regs = NULL;
	tsk->owns_ring = false;
}

/// Linux's dup_task_struct.
static struct task_struct *dup_task_struct(struct task_struct *orig, bool io_thread)
{
	struct task_struct *tsk = alloc_task_struct_node(io_thread);
	void *stack;

	if (!tsk)
		return NULL;
	stack = tsk->stack;
	arch_dup_task_struct(tsk, orig);
	tsk->state = TASK_NEW;
	tsk->user_index = USER_INDEX_NONE;
	tsk->stack = stack;
	clear_tsk_thread_flag(tsk, TIF_NEED_RESCHED);
	tsk->on_rq = false;
	tsk->owns_ring = false;
	tsk->vcpu = NULL;
	return tsk;
}

/// Linux's copy_process. It gives up at two points: before the copy when a signal is pending, after
/// it when a limit is hit.
static struct task_struct *copy_process(const struct kernel_clone_args *args)
{
	struct task_struct *p;

	if (task_sigpending(current))
		return ERR_PTR(-ERESTARTNOINTR);
	p = dup_task_struct(current, args->io_thread);
	if (!p)
		return ERR_PTR(-EAGAIN);
	irq_point();
	if (args->hits_limit) {
		free_task(p);
		return ERR_PTR(-EAGAIN);
	}

	p->pid = next_pid++;
	p->user_index = args->user_index;
	p->parent = current;
	p->wait_channel = NULL;
	p->restarts = false;
	p->pending_signals = 0;
	p->task_works = NULL;
	p->vfork_parent = args->flags & CLONE_VFORK ? current : NULL;
	copy_thread(p, args);
	return p;
}

/// Linux's wait_for_vfork_done. Not killable: only the child ends it.
static void wait_for_vfork_done(struct task_struct *child)
{
	while (child->vfork_parent) {
		prepare_to_wait(child, TASK_UNINTERRUPTIBLE);
		schedule();
		finish_wait();
	}
}

/// Linux's kernel_clone.
static long kernel_clone(const struct kernel_clone_args *args)
{
	struct task_struct *p = copy_process(args);
	long pid;

	if (IS_ERR(p))
		return PTR_ERR(p);
	pid = (long)p->pid;
	irq_point();
	wake_up_new_task(p);
	irq_point();
	if (args->flags & CLONE_VFORK)
		wait_for_vfork_done(p);
	return pid;
}

/// Linux's kernel_thread; the caller wakes it. Its parent is the boot task, which counts as none.
struct task_struct *kernel_thread(int (*fn)(void *), void *arg, u64 user_index)
{
	struct kernel_clone_args args = { .fn = fn, .fn_arg = arg, .user_index = user_index };
	struct task_struct *p = copy_process(&args);

	if (IS_ERR(p))
		panic("the stage does not fit into the task pool");
	p->parent = NULL;
	return p;
}

/// Linux's create_io_thread: a kernel thread that shares everything with the current task; the
/// caller wakes it.
struct task_struct *create_io_thread(int (*fn)(void *), void *arg)
{
	struct kernel_clone_args args = { .fn = fn, .fn_arg = arg, .io_thread = true, .user_index = USER_INDEX_NONE };

	return copy_process(&args);
}

/*
 * r8, which Linux's fork, vfork and clone ignore: the index of the child's control block, and
 * whether the call is to fail late. Being a register it belongs to this call, also when a signal
 * makes it run again.
 */
#define CHILD_INDEX 0xffUL
#define HITS_LIMIT (1UL << 32)

/// No counterpart in Linux: what the child is called.
static u64 child_user_index(void)
{
	return task_pt_regs(current)->gpr[8] & CHILD_INDEX;
}

/// No counterpart in Linux, where it depends on how many processes the user has.
static bool hits_limit(void)
{
	return task_pt_regs(current)->gpr[8] & HITS_LIMIT;
}

/// Linux's sys_fork.
long sys_fork(void)
{
	struct kernel_clone_args args = { .user_index = child_user_index(), .hits_limit = hits_limit() };

	return kernel_clone(&args);
}

/// Linux's sys_vfork.
long sys_vfork(void)
{
	struct kernel_clone_args args = { .flags = CLONE_VFORK, .user_index = child_user_index(), .hits_limit = hits_limit() };

	return kernel_clone(&args);
}

/// Linux's sys_clone. Of the flags only CLONE_VFORK means anything: tasks share all else anyway.
long sys_clone(u64 flags, u64 stack)
{
	struct kernel_clone_args args = { .flags = flags, .stack = stack, .user_index = child_user_index(), .hits_limit = hits_limit() };

	return kernel_clone(&args);
}
