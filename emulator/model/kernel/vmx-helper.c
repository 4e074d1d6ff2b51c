// SPDX-License-Identifier: GPL-2.0-only
// The brackets around VMX copies, as Linux's arch/powerpc/lib/vmx-helper.c. The model never copies in an interrupt, and its kernel
// is not preempted, so entering always succeeds.
#include "sched.h"

/// Linux's enter_vmx_usercopy.
int enter_vmx_usercopy(void)
{
	enable_kernel_altivec();
	return 1;
}

/// Linux's exit_vmx_usercopy: its result is that of the copy, nothing left.
int exit_vmx_usercopy(void)
{
	disable_kernel_altivec();
	return 0;
}

/// Linux's enter_vmx_ops.
int enter_vmx_ops(void)
{
	enable_kernel_altivec();
	return 1;
}

/// Linux's exit_vmx_ops: returns memcpy's result.
void *exit_vmx_ops(void *dest)
{
	disable_kernel_altivec();
	return dest;
}
