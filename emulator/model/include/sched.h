/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * task_struct and what schedules, creates and ends tasks, as Linux's linux/sched.h and its
 * neighbours. Inline functions do what their namesakes in Linux do.
 */
#ifndef SCHED_H
#define SCHED_H

#include "processor.h"

/* task_struct.state */
#define TASK_RUNNING 0
#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define TASK_TRACED 8
#define TASK_DEAD 0x80
#define TASK_NEW 0x800    /* being made */
#define TASK_UNUSED 0x1000 /* a free slot of the pool; Linux frees the memory */

#define USER_INDEX_NONE (~0UL)

/* thread_info.flags */
#define TIF_SIGPENDING 1
#define TIF_NEED_RESCHED 2
#define TIF_NOTIFY_SIGNAL 3
#define TIF_RESTOREALL 11
#define _TIF_SIGPENDING (1UL << TIF_SIGPENDING)
#define _TIF_NEED_RESCHED (1UL << TIF_NEED_RESCHED)
#define _TIF_NOTIFY_SIGNAL (1UL << TIF_NOTIFY_SIGNAL)
#define _TIF_RESTOREALL (1UL << TIF_RESTOREALL)
#define _TIF_USER_WORK_MASK (_TIF_SIGPENDING | _TIF_NEED_RESCHED | _TIF_NOTIFY_SIGNAL)

/* task_struct.jobctl */
#define JOBCTL_TRAP_STOP (1UL << 19)

#define SIGABRT 6
#define SIGFPE 8
#define SIGUSR1 10
#define SIGUSR2 12
#define sigmask(sig) (1UL << ((sig)-1))

/* One entry of a task_work list. */
struct callback_head {
	struct callback_head *next;
	void (*func)(struct callback_head *);
};

struct list_head {
	struct list_head *prev;
	struct list_head *next;
};

/* Something to sleep on: here only an address to tell sleepers apart. */
struct wait_queue {
	char unused;
};

/*
 * task_struct members that the model gives no meaning. Their size is what matters: the whole is
 * copied on fork, and Linux's is big.
 */
#define TASK_UNMODELLED_BYTES 3272

struct task_struct {
	u64 flags; /* thread_info */
	u64 state;
	u64 pid;
	u64 user_index; /* of docs/internals.md; USER_INDEX_NONE for kernel threads */
	struct task_struct *parent;
	void *stack;
	const void *wait_channel;
	u64 queued_since; /* in the queue of wait_channel */
	u64 call_since;	  /* when its system call began */
	u64 restarts;	  /* the next call is the last one again */
	struct list_head run_list;
	u64 on_rq;
	u64 pending_signals;
	u64 si_code; /* of a SIGFPE that is pending; no other signal's matters */
	u64 blocked_signals;
	u64 jobctl;
	struct callback_head *task_works;
	struct task_struct *vfork_parent;
	u64 owns_ring;
	u64 pagefault_disabled;
	struct kvm_vcpu_arch *vcpu; /* under KVM PR: the guest that runs */
	u8 unmodelled[TASK_UNMODELLED_BYTES];
	struct thread_struct thread __aligned(16);
};

extern struct task_struct init_task;
extern struct task_struct task_pool[MAX_TASKS];

__inline void set_tsk_thread_flag(struct task_struct *tsk, int flag)
{
	tsk->flags |= 1UL << flag;
}

__inline void clear_tsk_thread_flag(struct task_struct *tsk, int flag)
{
	tsk->flags &= ~(1UL << flag);
}

__inline bool test_tsk_thread_flag(const struct task_struct *tsk, int flag)
{
	return (tsk->flags >> flag) & 1;
}

__inline bool task_sigpending(const struct task_struct *tsk)
{
	return test_tsk_thread_flag(tsk, TIF_SIGPENDING);
}

__inline bool signal_pending(const struct task_struct *tsk)
{
	return test_tsk_thread_flag(tsk, TIF_NOTIFY_SIGNAL) || task_sigpending(tsk);
}

/* The user frame's place, at the top of the kernel stack. */
__inline struct pt_regs *task_pt_regs(const struct task_struct *tsk)
{
	return (struct pt_regs *)((u8 *)tsk->stack + THREAD_SIZE - INT_FRAME_SIZE + STACK_FRAME_OVERHEAD);
}

/* As Linux's pagefault_disable and pagefault_enable. */
__inline void pagefault_disable(void)
{
	current->pagefault_disabled++;
}

__inline void pagefault_enable(void)
{
	current->pagefault_disabled--;
}

/* core.c, wait.c */
void schedule(void);
void schedule_tail(struct task_struct *prev);
void end_a_sleep(void);
__noreturn void cpu_startup_entry(void);
void preempt_schedule_irq(void);
void resched_curr(void);
void sched_setscheduler_for_switch(struct task_struct *running, u64 next);
void wake_up_new_task(struct task_struct *tsk);
bool wake_up_state(struct task_struct *tsk, u64 states);
void prepare_to_wait(const void *channel, u64 state);
bool finish_wait(void);
bool wake_up(const void *channel);
struct task_struct *first_in_queue(const void *channel, bool asleep);
long sys_sched_yield(void);

/* rt.c */
void init_rt_rq(void);
void enqueue_task_rt(struct task_struct *p, bool head);
void dequeue_task_rt(struct task_struct *p);
void requeue_task_rt(struct task_struct *p, bool head);
void yield_task_rt(void);
struct task_struct *pick_next_task_rt(void);

/* fork.c, exit.c */
struct kernel_clone_args {
	u64 flags;
	u64 stack;
	int (*fn)(void *); /* a kernel or io_uring thread: what it runs */
	void *fn_arg;
	bool io_thread;
	u64 user_index;
	bool hits_limit; /* RLIMIT_NPROC is reached after the task was duplicated */
};

#define CLONE_VFORK 0x00004000UL

void fork_init(void);
struct task_struct *create_io_thread(int (*fn)(void *), void *arg);
struct task_struct *kernel_thread(int (*fn)(void *), void *arg, u64 user_index);
void copy_thread(struct task_struct *p, const struct kernel_clone_args *args);
extern bool tasks_are_small;

void arch_dup_task_struct(struct task_struct *dst, struct task_struct *src);
long sys_fork(void);
long sys_vfork(void);
long sys_clone(u64 flags, u64 stack);
__noreturn void do_exit(long code);
long sys_exit(long code);
void exec_mm_release(struct task_struct *tsk);

/* exec.c, process_switch.c */
long sys_execve(void);
long set_fpexc_mode(struct task_struct *tsk, u64 val);

/* signal.c, signal_64.c, task_work.c */
void send_signal(int sig, struct task_struct *tsk);
void set_notify_signal(struct task_struct *tsk);
void set_current_blocked(u64 mask);
int ts_fproffset(void);
void handle_rt_signal64(int sig, struct task_struct *tsk);
long sys_kill(long pid, int sig);
void force_sig_fault(int sig, int code);
long sys_rt_sigreturn(void);
long sys_swapcontext(void *old_ctx, void *new_ctx, long ctx_size);
void task_work_add(struct task_struct *tsk, struct callback_head *work);
void task_work_run(void);

/* ptrace.c */
void ptrace_init(void);
void ptrace_interrupt(struct task_struct *tsk);
void ptrace_stop(void);
void ptrace_wait(struct task_struct *self);

/* coredump.c */
void do_coredump(void);
struct regsets;
void regsets_get(struct task_struct *target, struct regsets *to);
void regsets_tell(unsigned long number, const struct regsets *what);

/* io-wq.c */
extern bool io_wq_is_newer;

bool io_workqueue_create(void);
void io_wq_create(struct task_struct *owner);
void io_uring_task_cancel(struct task_struct *tsk);
struct task_struct *io_ring_owner(struct task_struct *tsk);
void io_remote_worker_blocks(struct task_struct *running);

/* simd.c */
void load_strange_registers(u64 doubleword, u32 word, u64 fpscr);
long sys_enable_kernel(u64 facility);

/* kvm_main.c, hibernate.c */
long sys_ioctl(u32 fd, u32 cmd, u64 pr);
void kvm_sched_out(struct task_struct *tsk);
long sys_hibernate(void);

/* pipe.c, read_write.c, futex.c */
ssize_t pipe_read(u8 *to, size_t count);
ssize_t pipe_write(const u8 *from, size_t count);
bool pipe_end_sleep(const void *channel);
long ksys_read(u32 fd, u8 *buf, size_t count);
long ksys_write(u32 fd, const u8 *buf, size_t count);
long futex_wake(const u32 *uaddr, u32 nr);
long sys_futex(u32 *uaddr, int op, u32 val);

/* iov_iter.c, vmx-helper.c, copyuser_power7.S: bytes left, 0 when all were copied */
bool access_ok(const void *addr, size_t size);
size_t copy_page_to_iter(const u8 *page, size_t bytes, u8 *user);
size_t copy_page_from_iter(u8 *page, size_t bytes, const u8 *user);
unsigned long __copy_tofrom_user(void *to, const void *from, size_t n);
int enter_vmx_usercopy(void);
int exit_vmx_usercopy(void);
int enter_vmx_ops(void);
void *exit_vmx_ops(void *dest);

/* interrupt.c, syscall.c */
unsigned long interrupt_exit_user_prepare(struct pt_regs *regs);
unsigned long syscall_exit_prepare(unsigned long r3, struct pt_regs *regs, long scv);
long system_call_exception(struct pt_regs *regs, unsigned long r0);
void do_notify_resume(struct pt_regs *regs, unsigned long flags);

/* align.c */
void alignment_exception(struct pt_regs *regs);

/* fault.c, copypage_power7.S */
void do_page_fault(struct pt_regs *regs);
bool ___do_page_fault(void);
void copy_page(void *to, const void *from);

/* irq_64.c */
void masked_interrupt(void);

/* smp.c, director.c, traps.c, main.c */
bool remote_work_traces(void);
void do_remote_work(struct task_struct *tsk);
void director_init(void);
void park_the_others(void);
bool director_idles(void);
void wake_up_director(struct task_struct *tsk);
void smp_ipi_demux(void);
void first_irq_point(void);
void irq_point(void);
void softirq_point(void);
void masked_irq_point(void);
void masked_irq_window(void);
void late_smp_ipi_demux(void);
bool pass_irq_point(void);
void net_rx_action(void);
bool last_irq_point(void);
__noreturn void panic(const char *reason);
void start_kernel(void);
__noreturn void rest_init(void);

#endif
