// SPDX-License-Identifier: GPL-2.0-only
// Page faults, as Linux's arch/powerpc/mm/fault.c and the part of mm/memory.c that matters here.
// There is no page table. Of user code: the host says that a store had no translation, and the
// kernel does what it does for the first store to a page of a private file mapping. Of the kernel's
// own copies: a page of the user's is on disk if there is work that is to come in the middle of the
// copy.
#include "sched.h"

/* The file's page: no task has such bytes in its registers. */
static const u8 page_cache[PAGE_SIZE] __aligned(PAGE_SIZE) = { [0 ... PAGE_SIZE - 1] = 0xfc };
static u8 private_copy[PAGE_SIZE] __aligned(PAGE_SIZE);

/// Linux's do_cow_fault: the task gets a copy of the file's page. copy_user_highpage is copy_page
/// here.
static void do_cow_fault(void)
{
	copy_page(private_copy, page_cache);
}

/// Linux's do_page_fault. Interrupts are on while it works, so what other CPUs and devices want
/// comes in here, and preempts it.
void do_page_fault(struct pt_regs *regs)
{
	(void)regs;
	interrupt_enter_prepare();
	local_irq_enable();
	smp_ipi_demux();
	preempt_schedule_irq();
	irq_point();
	do_cow_fault();
	irq_point();
	local_irq_disable();
}

/// Linux's faulthandler_disabled.
static bool faulthandler_disabled(void)
{
	return current->pagefault_disabled;
}

/// Linux's handle_mm_fault of a page that has to be read from disk: the task sleeps, and others
/// run.
static void handle_mm_fault(void)
{
	irq_point();
}

/// Linux's ___do_page_fault, where the kernel's VMX copy touches user memory. False if the fault is
/// not to be handled: the copy goes on at its fixup. Linux takes an exception; here it is a call,
/// so what the exception's frame keeps of MSR is kept here. A softirq may come at the same place.
bool ___do_page_fault(void)
{
	unsigned long msr;

	softirq_point();
	if (faulthandler_disabled())
		return pass_irq_point();
	msr = mfmsr();
	handle_mm_fault();
	mtmsr_isync(msr);
	return true;
}
