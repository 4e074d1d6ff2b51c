// SPDX-License-Identifier: GPL-2.0-only
// The first process of a machine that is booted for one program: starts it, says how it ended, and
// ends the machine.
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int status = 0;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	/* A kernel that lacks one of them may not need it. */
	if (mount("proc", "/proc", "proc", 0, NULL))
		perror("mount /proc");
	child = fork();
	if (!child) {
		execl("/test", "/test", NULL);
		perror("/test");
		_exit(126);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0)
		;
	printf("\nctxfuzz: the test ended with status %d\n",
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fflush(stdout);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
