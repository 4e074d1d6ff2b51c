// SPDX-License-Identifier: GPL-2.0-only
// Copies between kernel and user memory, as Linux's lib/iov_iter.c. A range is good if it lies in
// the user data of docs/internals.md: all of that is mapped, so no copy stops half-way.
#include "sched.h"

/// Linux's access_ok, and the page fault that an access to nothing would take.
bool access_ok(const void *addr, size_t size)
{
	u64 start = (u64)addr;

	return start >= USER_DATA && size <= USER_DATA_SIZE && start <= USER_DATA + USER_DATA_SIZE - size;
}

/// Linux's copyout.
static size_t copyout(void *to, const void *from, size_t n)
{
	return __copy_tofrom_user(to, from, n);
}

/// Linux's copyin.
static size_t copyin(void *to, const void *from, size_t n)
{
	return __copy_tofrom_user(to, from, n);
}

/// Linux's copy_page_to_iter.
size_t copy_page_to_iter(const u8 *page, size_t bytes, u8 *user)
{
	return bytes - copyout(user, page, bytes);
}

/// Linux's copy_page_from_iter.
size_t copy_page_from_iter(u8 *page, size_t bytes, const u8 *user)
{
	return bytes - copyin(page, user, bytes);
}
