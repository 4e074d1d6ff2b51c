// SPDX-License-Identifier: GPL-2.0-only
// What a child and a new program start with: VRSAVE, VSCR, and f14-f31 of a task that was preempted
// in execve. ctxfuzz is not needed for this: see ../README.md.
//
//	gcc -O1 -static -o new-programs new-programs.c
//	./new-programs [ATTEMPTS] (as root: it uses SCHED_FIFO)
//
// Exit status: 0 a child has what its parent has, and a new program zeros; 1 not so; 2 trouble.
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const uint64_t old = 0x5eed5eed5eed5eed;

/* In the new program: 1 if f14-f31 have something of the old one, 2 if VRSAVE, 4 if VSCR[NJ]. */
static int found(void)
{
	uint64_t f[18], vrsave;
	uint32_t vscr[4] __attribute__((aligned(16)));
	int what = 0;

	asm volatile("mfspr %0,256" : "=r"(vrsave));
	asm volatile("stfd 14,0(%0); stfd 15,8(%0); stfd 16,16(%0); stfd 17,24(%0); stfd 18,32(%0);"
		     "stfd 19,40(%0); stfd 20,48(%0); stfd 21,56(%0); stfd 22,64(%0); stfd 23,72(%0);"
		     "stfd 24,80(%0); stfd 25,88(%0); stfd 26,96(%0); stfd 27,104(%0); stfd 28,112(%0);"
		     "stfd 29,120(%0); stfd 30,128(%0); stfd 31,136(%0)" : : "b"(f) : "memory");
	asm volatile(".machine push; .machine power9; mfvscr 0; stvx 0,0,%0; .machine pop"
		     : : "b"(vscr) : "memory");
	for (int n = 0; n < 18; n++)
		what |= f[n] == old;
	what |= (uint32_t)vrsave == (uint32_t)old ? 2 : 0;
	/* VSCR is the last word as the processor sees it. */
	what |= (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? vscr[0] : vscr[3]) & 0x10000 ? 4 : 0;
	return what;
}

static void run_again(void)
{
	double value;

	memcpy(&value, &old, sizeof(value));
	asm volatile("mtspr 256,%0" : : "r"(old));
	asm volatile("lfd 14,0(%0); lfd 15,0(%0); lfd 16,0(%0); lfd 17,0(%0); lfd 18,0(%0); lfd 19,0(%0);"
		     "lfd 20,0(%0); lfd 21,0(%0); lfd 22,0(%0); lfd 23,0(%0); lfd 24,0(%0); lfd 25,0(%0);"
		     "lfd 26,0(%0); lfd 27,0(%0); lfd 28,0(%0); lfd 29,0(%0); lfd 30,0(%0); lfd 31,0(%0)"
		     : : "b"(&value), "m"(value));
	execl("/proc/self/exe", "new-programs", "new", NULL);
	_exit(64);
}

/* How many of so many children have another VRSAVE than their parent had when it forked. */
static long other_vrsave(long children)
{
	long other = 0;

	for (long i = 1; i <= children; i++) {
		uint64_t vrsave = (uint64_t)i;
		int status;
		pid_t pid;

		asm volatile("mtspr 256,%0" : : "r"(vrsave));
		pid = fork();
		if (!pid) {
			asm volatile("mfspr %0,256" : "=r"(vrsave));
			_exit((uint32_t)vrsave != (uint32_t)i);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
			perror("new-programs");
			exit(2);
		}
		other += WEXITSTATUS(status);
	}
	return other;
}

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void set_priority(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, policy, &param))
		_exit(64);
}

int main(int argc, char **argv)
{
	long attempts = argc > 1 ? atol(argv[1]) : 20000;
	long count[3] = { 0 };
	long longest = 0, children = 200, other;
	cpu_set_t one;

	if (argc > 1 && !strcmp(argv[1], "new"))
		return found();
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one) || prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)) {
		perror("new-programs");
		return 2;
	}
	other = other_vrsave(children);
	set_priority(SCHED_FIFO, 50);
	for (long i = 0; i < attempts; i++) {
		/* The first ones are not preempted, and say how long it takes. */
		long delay = i < 10 ? 0 : (long)((double)longest * 0.95 * (double)(i * 7919 % 100003) / 100003);
		struct timespec sleep = { 0, delay };
		long before = now();
		int status;
		pid_t pid = fork();

		if (!pid) {
			set_priority(SCHED_RR, 10);
			run_again();
		}
		if (delay)
			nanosleep(&sleep, NULL);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) & 64) {
			perror("new-programs");
			return 2;
		}
		if (i < 10)
			longest = now() - before;
		/* What the kernel has put off until the processor is idle. */
		nanosleep(&(struct timespec){ 0, 50000 }, NULL);
		for (int n = 0; n < 3; n++)
			count[n] += WEXITSTATUS(status) >> n & 1;
	}
	printf("%ld children: VRSAVE is not their parent's in %ld\n", children, other);
	printf("%ld new programs, each of %ld ns: f14-f31 of the old one in %ld, its VRSAVE in %ld, VSCR[NJ] set in %ld\n",
	       attempts, longest, count[0], count[1], count[2]);
	return other || count[0] || count[1] || count[2];
}
