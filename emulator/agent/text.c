// SPDX-License-Identifier: GPL-2.0-only
// Reads what the kernel tells in files of /proc.
#include "agent.h"
#include "syscalls.h"

bool read_text(const char *path, char *text, u64 size)
{
	long fd = syscall(NR_OPENAT, AT_FDCWD, path, O_RDONLY, 0, 0);
	long length;

	if (fd < 0)
		return false;
	length = syscall(NR_READ, fd, text, size - 1, 0, 0);
	syscall(NR_CLOSE, fd, 0, 0, 0, 0);
	text[length > 0 ? length : 0] = 0;
	return length > 0;
}

u64 number_at(const char *at)
{
	u64 number = 0;

	while (*at >= '0' && *at <= '9')
		number = number * 10 + (u64)(*at++ - '0');
	return number;
}
