// SPDX-License-Identifier: GPL-2.0-only
// A task that is preempted inside rt_sigreturn gets registers of its signal handler. ctxfuzz is not
// needed for this: see ../preempted-in-sigreturn.md.
//
//	gcc -O1 -static -maltivec -o sigreturn-preempt sigreturn-preempt.c
//	taskset -c 0 ./sigreturn-preempt [SIGNALS]	(as root: one process is SCHED_FIFO)
//
// Exit status: 0 all registers were kept, 1 some were not, 2 trouble.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define INTERRUPTED 0xaaaaaaaaaaaaaaaaull
#define IN_HANDLER 0xbbbbbbbbbbbbbbbbull
#define OF_THE_OTHER 0xccccccccccccccccull

struct quadword {
	uint64_t dw[2];
} __attribute__((aligned(16)));

/* Loads f14 and v20, which every C caller relies on, and sets the rounding mode. */
#define LOAD(quadword, rounding) \
	asm volatile("lfd 14,0(%0); lvx 20,0,%0; mtfsfi 7," #rounding : : "b"(quadword) : "memory", "fr14", "v20")

static volatile sig_atomic_t handled;

static void handler(int signal)
{
	/* No clobbers: sigreturn puts everything back. */
	struct quadword other = { { IN_HANDLER, IN_HANDLER } };

	(void)signal;
	handled++;
	asm volatile("lfd 14,0(%0); lvx 20,0,%0; mtfsfi 7,2" : : "b"(&other) : "memory");
	/* Switched out here, the task has the handler's registers in its thread_struct. */
	if (handled % 4 == 0)
		syscall(SYS_nanosleep, &(struct timespec){ 0, 1 }, NULL);
}

/* Wakes up again and again, and so preempts the other process wherever it is. */
static void preempt_for_ever(void)
{
	struct sched_param parameter = { .sched_priority = 50 };
	struct quadword other = { { OF_THE_OTHER, OF_THE_OTHER } };
	unsigned int random = 12345;

	if (sched_setscheduler(0, SCHED_FIFO, &parameter))
		perror("SCHED_FIFO");
	for (;;) {
		struct timespec nap = { 0, 5000 };

		random = random * 1103515245 + 12345;
		nap.tv_nsec += (random >> 16) % 60000;
		LOAD(&other, 3);
		nanosleep(&nap, NULL);
	}
}

int main(int argc, char **argv)
{
	long signals = argc > 1 ? atol(argv[1]) : 300000;
	long f14 = 0, v20 = 0, fpscr = 0;
	pid_t child = fork(), self = getpid();

	if (child < 0)
		return perror("fork"), 2;
	if (!child)
		preempt_for_ever();
	signal(SIGUSR1, handler);
	for (long n = 0; n < signals; n++) {
		struct quadword before = { { INTERRUPTED, INTERRUPTED } }, f, v;
		register long r0 asm("r0") = SYS_kill, r3 asm("r3") = self, r4 asm("r4") = SIGUSR1;

		asm volatile("lfd 14,0(%3); lvx 20,0,%3; mtfsfi 7,1; sc; stfd 14,0(%4); stvx 20,0,%5; mffs 14; stfd 14,8(%4)"
			     : "+r"(r0), "+r"(r3), "+r"(r4)
			     : "b"(&before), "b"(&f), "b"(&v)
			     : "memory", "cr0", "ctr", "xer", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "fr14", "v20");
		f14 += f.dw[0] != INTERRUPTED;
		v20 += v.dw[0] != INTERRUPTED || v.dw[1] != INTERRUPTED;
		fpscr += (f.dw[1] & 3) != 1;
	}
	if (handled != signals)
		return fprintf(stderr, "%d of %ld signals were handled\n", (int)handled, signals), 2;
	printf("%ld signals: f14 wrong %ld times, v20 %ld, the rounding mode %ld\n", signals, f14, v20, fpscr);
	kill(child, SIGKILL);
	return f14 || v20 || fpscr;
}
