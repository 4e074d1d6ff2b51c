// SPDX-License-Identifier: GPL-2.0-only
// Page faults of user code, as Linux's arch/powerpc/mm/fault.c and the part of mm/memory.c that matters here. There is no page table: the host says that a
// store had no translation, and the kernel does what it does for the first store to a page of a private file mapping.
#include "sched.h"

/* The file's page: no task has such bytes in its registers. */
static const u8 page_cache[PAGE_SIZE] __aligned(PAGE_SIZE) = { [0 ... PAGE_SIZE - 1] = 0xfc };
static u8 private_copy[PAGE_SIZE] __aligned(PAGE_SIZE);

/// Linux's do_cow_fault: the task gets a copy of the file's page. copy_user_highpage is copy_page here.
static void do_cow_fault(void)
{
	copy_page(private_copy, page_cache);
}

/// Linux's do_page_fault. Interrupts are on while it works, so what other CPUs and devices want comes in here, and preempts it.
void do_page_fault(struct pt_regs *regs)
{
	(void)regs;
	local_irq_enable();
	smp_ipi_demux();
	preempt_schedule_irq();
	do_cow_fault();
	local_irq_disable();
}
