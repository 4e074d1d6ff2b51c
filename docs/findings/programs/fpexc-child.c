// SPDX-License-Identifier: GPL-2.0-only
// A child that turns off the floating-point exceptions that its parent had asked for is sent SIGFPE
// all the same. ctxfuzz is not needed for this: see ../child-keeps-fe-bits.md.
//
//	gcc -O1 -static -o fpexc-child fpexc-child.c
//	taskset -c 0 ./fpexc-child [CHILDREN]
//
// Exit status: 0 no child was sent SIGFPE, 1 some were, 2 trouble.
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* FPSCR[ZE]: a division by zero is an exception, if the MSR says that exceptions are delivered. */
static void divide_by_zero(void)
{
	double one = 1.0;
	double zero = 0.0;

	asm volatile("mtfsb1 27; lfd 1,0(%0); lfd 2,0(%1); fdiv 1,1,2" : : "b"(&one), "b"(&zero), "m"(one), "m"(zero) : "fr1", "fr2");
}

int main(int argc, char **argv)
{
	long children = argc > 1 ? atol(argv[1]) : 2000;
	long killed = 0;

	if (prctl(PR_SET_FPEXC, PR_FP_EXC_PRECISE, 0, 0, 0)) {
		perror("prctl");
		return 2;
	}
	for (long i = 0; i < children; i++) {
		double used = (double)i;
		int status;
		pid_t pid;

		/*
		 * Whether the child loads FP before it is back in user space depends on a counter
		 * of the parent's switches. The C library's fork would use VSX.
		 */
		asm volatile("fmr 14,%0" : : "d"(used) : "fr14");
		pid = (pid_t)syscall(SYS_fork);
		if (pid < 0) {
			perror("fork");
			return 2;
		}
		if (!pid) {
			if (prctl(PR_SET_FPEXC, PR_FP_EXC_DISABLED, 0, 0, 0))
				_exit(2);
			divide_by_zero();
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid) {
			perror("waitpid");
			return 2;
		}
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGFPE;
	}
	printf("%ld of %ld children were sent SIGFPE after they had turned exceptions off\n", killed, children);
	return killed ? 1 : 0;
}
