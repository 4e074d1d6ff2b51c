// SPDX-License-Identifier: GPL-2.0-only
// Suspend to disk, as Linux's kernel/power/hibernate.c and arch/powerpc/kernel/swsusp.c. The
// machine that goes on has booted again in between.
#include "defect.h"
#include "sched.h"

/// Linux's save_processor_state. The registers stay live, as in 6.1; with the repair they are given
/// up, so that they are loaded again.
static void save_processor_state(void)
{
	if (defect("repair-hibernate"))
		giveup_all(current);
	else
		flush_all_to_thread(current);
}

/// Linux's swsusp_arch_suspend, which is come back to from swsusp_arch_resume: r12 to r31 are as
/// they were, all other registers are what the kernel that read the image has left in them.
static void swsusp_arch_suspend(void)
{
	msr_check_and_set(MSR_FP | MSR_VEC | MSR_VSX);
	load_strange_registers(0xb007000000000000, 0xb0070100, 0x2);
}

/// Linux's create_image. Interrupts are off from before the registers are saved until after the
/// image is resumed.
static void create_image(void)
{
	save_processor_state();
	swsusp_arch_suspend();
}

/// Linux's hibernate, called by a write to /sys/power/state. Here it is a system call of its own.
long sys_hibernate(void)
{
	irq_point();
	create_image();
	irq_point();
	return 0;
}
