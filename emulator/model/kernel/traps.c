// SPDX-License-Identifier: GPL-2.0-only
// Exceptions that mean the kernel is broken, as Linux's traps.c and panic.c.
#include "hostcall.h"
#include "sched.h"

/// Linux's panic: the host ends the run.
void panic(const char *reason)
{
	host_call(HOST_PANIC, reason);
	for (;;)
		;
}

/// Linux's kernel_fp_unavailable_exception: an FP instruction in the kernel with MSR[FP] off.
void kernel_fp_unavailable_exception(struct pt_regs *regs)
{
	(void)regs;
	panic("Unrecoverable FP Unavailable Exception in the kernel");
}

/// Linux's altivec_unavailable_exception, which is a kernel bug where VMX exists.
void altivec_unavailable_exception(struct pt_regs *regs)
{
	(void)regs;
	panic("Unrecoverable VMX/Altivec Unavailable Exception in the kernel");
}

/// Linux's vsx_unavailable_exception, which is a kernel bug where VSX exists.
void vsx_unavailable_exception(struct pt_regs *regs)
{
	(void)regs;
	panic("Unrecoverable VSX Unavailable Exception in the kernel");
}

/// Linux's unknown_exception. Linux sends SIGTRAP; here no scenario asks for such an exception, so it is the end of the run.
void unknown_exception(struct pt_regs *regs)
{
	(void)regs;
	panic("Unexpected exception");
}
