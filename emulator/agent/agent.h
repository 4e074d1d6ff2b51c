/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the agent's parts and the host share. docs/internals.md section 6 describes the page for the
 * host.
 */
#ifndef AGENT_H
#define AGENT_H

#ifdef __ASSEMBLER__
#include "user.h"
#else
#include "types.h"
#include "user-data.h"
#endif

#define AGENT_PAGE 0x2000b000
#define AGENT_MAGIC 0x637478667a616737 /* "ctxfzag7" */

/* Made before the snapshot: as many as a scenario can have at its start. */
#define STAGED_TASKS 8
/* Times that one ring can be made to create a worker in one run. */
#define WORKER_TRIGGERS 8

#define NR_CLONE 120

/* A private file mapping, of as many pages as large pages would need. */
#define LAZY_AREA 0x30000000
#define LAZY_STRIDE 0x10000
#define LAZY_PAGES 64

/*
 * A private mapping of physical memory that is not the kernel's (mem= on its command line): a store
 * to one of its pages makes the kernel copy the page as a user copy does, with VMX. Since Linux 6.2
 * it copies a page of a file with copy_mc_generic, without VMX.
 */
#define DEVICE_AREA 0x32000000
#define DEVICE_PAGES 64

/* Threads that kept the kernel busy before it was quiet. */
#define BUSY_THREADS 8
#define COMM_SIZE 16

/*
 * Real-time priorities, highest first. What stands for other CPUs and devices goes before the
 * tasks.
 */
#define PRIO_DIRECTOR 50
#define PRIO_IO_WORKER 40
#define PRIO_RAISED 11
#define PRIO_TASK 10
#define PRIO_LOWERED 9

#define REQUEST_IO_WORKER 1
#define REQUEST_SIGNAL 2
#define REQUEST_SWITCH 4
#define REQUEST_PTRACE 8

#define IDLE_NOTHING 0
#define IDLE_WAKE_FUTEX 1
#define IDLE_FEED_PIPE 2
#define IDLE_DRAIN_PIPE 3

#ifndef __ASSEMBLER__
struct busy_thread {
	char comm[COMM_SIZE];
	u64 samples; /* at which it could run */
};

/* At AGENT_PAGE. */
struct agent_page {
	u64 magic;
	u64 rings;	  /* bit mask of staged tasks whose ring is ready */
	u64 request;	  /* REQUEST_ bits; the director clears it */
	u64 running_pid;  /* of the task that the request is about */
	u64 trigger_fd;	  /* REQUEST_IO_WORKER: written to */
	u64 signal;	  /* REQUEST_SIGNAL: number */
	u64 next_pid;	  /* REQUEST_SWITCH: who is to run, 0 for whoever is next */
	u64 idle_action;  /* IDLE_ */
	u64 probed_pid;	  /* tasks up to here have been looked at */
	/* Of the scenario at its start; the host writes it before the first one runs. */
	u64 tasks;
	u64 lazy_pages;	  /* at LAZY_AREA, LAZY_STRIDE apart: nobody has touched them */
	/* At DEVICE_AREA, page_size apart: nobody has touched them; 0 without /dev/mem. */
	u64 device_pages;
	u64 page_size;
	u64 quiet;  /* 1 if the system became quiet before the stage was set */
	u64 waited; /* nanoseconds of virtual time, for that */
	u64 no_io_uring; /* error of io_uring_setup: the kernel has none, or forbids it */
	u64 pids[STAGED_TASKS];
	u64 triggers[STAGED_TASKS][WORKER_TRIGGERS]; /* file descriptors of the director */
	u32 start[STAGED_TASKS];		     /* futex words: 1 once a task may start */
	u32 park;				     /* futex word that nobody wakes */
	u32 reaper;				     /* futex word: 1 once the reaper may start */
	struct busy_thread busy[BUSY_THREADS]; /* the first ones that were met; empty names last */
};

#define agent ((volatile struct agent_page *)AGENT_PAGE)

long syscall6(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 number);
long spawn(u64 flags, u64 stack, void (*function)(u64), u64 argument);
void become_task(u64 index, u64 stack) __noreturn;
void agent_mark(void);
void host_idle(void);
void host_traced(void);

#define syscall(number, a, b, c, d, e) syscall6((u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), 0, number)

/* The first program ends here: the kernel panics, and its console says why. */
void give_up(const char *what, long error) __noreturn;

void must_set_priority(u64 pid, u64 policy, u64 priority);
long set_priority(u64 pid, u64 policy, u64 priority);
/// The start of a file as text, cut off where there is no more room; false if there is no such
/// file.
bool read_text(const char *path, char *text, u64 size);
u64 number_at(const char *at);
void map_device_memory(void);
void make_triggers(void);
bool make_ring(u64 index);
void hurry_io_workers(void);
void wait_until_quiet(void);
void pause_for(u64 nanoseconds);
void trace(u64 pid);
void direct(void) __noreturn;
void reap(u64 argument);
#endif

#endif
