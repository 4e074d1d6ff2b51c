/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System calls of Linux on ppc64: numbers and the few constants that the agent needs
 * (arch/powerpc/include/uapi).
 */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#define NR_EXIT_GROUP 234
#define NR_READ 3
#define NR_WRITE 4
#define NR_CLOSE 6
#define NR_MKNOD 14
#define NR_MOUNT 21
#define NR_PTRACE 26
#define NR_FCNTL 55
#define NR_SETPGID 57
#define NR_DUP2 63
#define NR_MMAP 90
#define NR_MUNMAP 91
#define NR_FTRUNCATE 93
#define NR_WAIT4 114
#define NR_SCHED_SETSCHEDULER 156
#define NR_SCHED_GETSCHEDULER 157
#define NR_NANOSLEEP 162
#define NR_SETRESUID 164
#define NR_RT_SIGACTION 173
#define NR_KILL 37
#define NR_PWRITE64 180
#define NR_FUTEX 221
#define NR_CLOCK_GETTIME 246
#define NR_TGKILL 250
#define NR_OPENAT 286
#define NR_EVENTFD2 314
#define NR_PIPE2 317
#define NR_IO_URING_SETUP 425
#define NR_IO_URING_ENTER 426
#define NR_IO_URING_REGISTER 427
#define NR_CLOSE_RANGE 436
#define NR_MLOCKALL 152
/* ppc has its own. */
#define MCL_CURRENT 0x2000

#define AT_FDCWD (-100L)
/* Of the auxiliary vector. */
#define AT_PAGESZ 6
#define S_IFCHR 0020000
#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 64
#define O_NONBLOCK 2048

#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_SHARED 1
#define MAP_PRIVATE 2
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_POPULATE 0x8000

#define F_SETPIPE_SZ 1031

#define CLONE_VM 0x100

#define CLOCK_MONOTONIC 1

#define SCHED_OTHER 0
#define SCHED_FIFO 1
#define SCHED_RR 2
#define SCHED_IDLE 5

#define SA_SIGINFO 4
#define SA_NODEFER 0x40000000
#define SIGUSR1 10
#define SIGFPE 8
#define SIGUSR2 12

#define PTRACE_DETACH 17
#define PTRACE_GETREGSET 0x4204
#define PTRACE_SETREGSET 0x4205
#define PTRACE_SEIZE 0x4206
#define PTRACE_INTERRUPT 0x4207
#define NT_PRFPREG 2
#define NT_PPC_VMX 0x100
#define NT_PPC_VSX 0x102

#define WAIT_ALL 0x40000000 /* __WALL */
#define STOPPED(status) (((status) & 0xff) == 0x7f)

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

#endif
