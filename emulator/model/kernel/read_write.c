// SPDX-License-Identifier: GPL-2.0-only
// read and write, as Linux's fs/read_write.c. There is one pipe, and every file descriptor is it.
#include "sched.h"

/// Linux's vfs_read.
static ssize_t vfs_read(u8 *buf, size_t count)
{
	if (!access_ok(buf, count))
		return -EFAULT;
	return pipe_read(buf, count);
}

/// Linux's ksys_read.
long ksys_read(u32 fd, u8 *buf, size_t count)
{
	(void)fd;
	return vfs_read(buf, count);
}

/// Linux's vfs_write.
static ssize_t vfs_write(const u8 *buf, size_t count)
{
	if (!access_ok(buf, count))
		return -EFAULT;
	return pipe_write(buf, count);
}

/// Linux's ksys_write.
long ksys_write(u32 fd, const u8 *buf, size_t count)
{
	(void)fd;
	return vfs_write(buf, count);
}
