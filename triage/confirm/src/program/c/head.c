#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/platform/ppc.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* Exit status, as of the kernel's selftests. */
#define KSFT_PASS 0
#define KSFT_FAIL 1
#define KSFT_SKIP 4

/* Registers in memory, as the instructions below load and store them. */
struct registers {
	uint64_t vsr[32][2];	/* FPR n is doubleword 0 of VSR n */
	unsigned __int128 vr[32];
	unsigned __int128 vscr;
	uint64_t fpscr;
	uint64_t vrsave;
	uint64_t unused[12];
};

/* Shared by all processes, at the same address in each. The assembly knows the offsets. */
struct area {
	volatile uint64_t served;	/* the last request that was served */
	volatile uint64_t futex;
	volatile uint64_t done[8];	/* by task: its registers are in its last image */
	volatile uint64_t pid[8];
	volatile uint64_t handled[8];	/* handlers of SIGUSR1 and SIGUSR2 that were entered */
	volatile uint64_t fpe[8];	/* SIGFPEs */
	volatile uint64_t fpe_code[8];	/* and the last one's si_code */
	volatile uint64_t ready[8];	/* by task: its ring is made */
	volatile uint32_t go, unused_go;
	uint8_t unused[0x1000 - 3 * 8 - 6 * 64];
	struct registers image[200];
	uint8_t before_way[0x3a000 - 0x1000 - 200 * 0x480];
	/* By request: the task is there (1), and it is behind (2). */
	volatile uint64_t way[512];
	/* Time base when it came there, and when it was behind. came[0]: when a task last ended. */
	volatile uint64_t came[512];
	volatile uint64_t went[512];
	uint8_t before_contexts[0x40000 - 0x3d000];
	uint64_t context[8][0x200];	/* of swapcontext */
	uint8_t before_buffer[0x50000 - 0x48000];
	uint8_t buffer[8192];	/* of read and write */
};

#define AREA ((struct area *)0x60000000)

_Static_assert(sizeof(struct registers) == 0x480 && offsetof(struct area, done) == 0x10 &&
	       offsetof(struct area, image) == 0x1000 && offsetof(struct area, way) == 0x3a000 &&
	       offsetof(struct area, context) == 0x40000 &&
	       offsetof(struct area, buffer) == 0x50000 &&
	       offsetof(ucontext_t, uc_mcontext.gp_regs[PT_MSR]) == 496,
	       "the assembly has these numbers");

/* How a disturbance on the way came: there was none, in time, or when the event was over. */
#define NONE 0
#define IN_TIME 1
#define TOO_LATE 2

/* What the task that asks is to be given, and when. */
struct request {
	int task;	/* who asks */
	int late;	/* not at once, but in the middle of what the task does then, */
	uint32_t stride;	/* in each attempt so much later */
	int returns;	/* the event is rt_sigreturn */
	int preemptions;	/* so often the task loses the processor first */
	int signal;	/* for the task, or 0 */
	int next;	/* the task that runs next: its number, ANY_OTHER or THE_SAME */
	int io_worker;	/* its io_uring worker asks it to make another one */
};

#define ANY_OTHER (-1)
#define THE_SAME (-2)

/* The handlers of a task in the order in which they begin, and where their frames are kept. */
struct handlers {
	uint64_t count;
	const char *code[MOST_HANDLERS];
	int frame[MOST_HANDLERS];
	int late[MOST_HANDLERS];	/* its rt_sigreturn is disturbed */
};

#define ALWAYS 0
#define CONTROL_ONLY 1
#define DISTURBED_ONLY 2

/* Registers that are compared: which, in which image, and from where on they are right. */
struct check {
	const char *where;
	int image;
	int when;	/* in which attempts */
	uint32_t f, vs, v;	/* a bit a register */
	uint64_t fpscr, vscr, vrsave;	/* the bits that count */
};
