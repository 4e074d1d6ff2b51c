// SPDX-License-Identifier: GPL-2.0-only
// The brackets around VMX copies, as Linux's arch/powerpc/lib/vmx-helper.c. The model's kernel is
// not preempted in a copy, and copies nothing of user code's in an interrupt, so entering succeeds
// but for memcpy in an NMI. Nor is preemption counted, so that page faults are on unless they are
// turned off.
#include "defect.h"
#include "sched.h"

/// Linux's enter_vmx_usercopy.
int enter_vmx_usercopy(void)
{
	if (!defect("usercopy-faults-enabled"))
		pagefault_disable();
	enable_kernel_altivec();
	return 1;
}

/// Linux's exit_vmx_usercopy: its result is that of the copy, nothing left.
int exit_vmx_usercopy(void)
{
	disable_kernel_altivec();
	if (!defect("usercopy-faults-enabled"))
		pagefault_enable();
	return 0;
}

/// Linux's enter_vmx_ops.
int enter_vmx_ops(void)
{
	if (in_interrupt() && !defect("nmi-nests-vmx"))
		return 0;
	enable_kernel_altivec();
	return 1;
}

/// Linux's exit_vmx_ops: returns memcpy's result.
void *exit_vmx_ops(void *dest)
{
	disable_kernel_altivec();
	return dest;
}
