// SPDX-License-Identifier: GPL-2.0-only
// Memory whose pages the kernel copies with VMX when a task stores to them: the end of physical
// memory, which the kernel's command line (mem=) says is not the kernel's, mapped privately through
// /dev/mem. A store makes the kernel copy the page, and as the kernel has no struct page for it, it
// copies as from user space (__wp_page_copy_user), with VMX where a page is large enough for that.
#include "agent.h"
#include "syscalls.h"

/* Major and minor number of /dev/mem. */
#define DEV_MEM (1 << 8 | 1)

/// Where the kernel's memory ends by its command line; 0 if that does not say.
static u64 end_of_memory(void)
{
	char text[512];

	if (!read_text("/proc/cmdline", text, sizeof(text)))
		return 0;
	for (const char *at = text; *at; at++) {
		if ((at == text || at[-1] == ' ') && at[0] == 'm' && at[1] == 'e' && at[2] == 'm' && at[3] == '=')
			return number_at(at + 4) << 20;
	}
	return 0;
}

/// A kernel without /dev/mem has none of this.
void map_device_memory(void)
{
	u64 start = end_of_memory();
	u64 size = DEVICE_PAGES * agent->page_size;
	long fd = -1;

	if (start && syscall(NR_MKNOD, "/dev/mem", S_IFCHR | 0600, DEV_MEM, 0, 0) >= 0)
		fd = syscall(NR_OPENAT, AT_FDCWD, "/dev/mem", O_RDWR, 0, 0);
	if (fd < 0)
		return;
	if (syscall6(DEVICE_AREA, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, (u64)fd, start, NR_MMAP) >= 0)
		agent->device_pages = DEVICE_PAGES;
	syscall(NR_CLOSE, fd, 0, 0, 0, 0);
}
