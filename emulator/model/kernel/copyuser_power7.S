/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies from and to user memory, as Linux's copyuser_power7.S without the fault paths. Above 3328 bytes they use VMX. */
#include "ppc_asm.h"
#include "vmx-copy.h"

	.text

/* unsigned long __copy_tofrom_user(void *to, const void *from, size_t n): bytes not copied, so 0. */
_GLOBAL __copy_tofrom_user
	cmpldi	5,3328
	bgt	.Lvmx_copy
	mr	6,3
.Lgpr_copy:
	COPY_GPRS
	li	3,0
	blr
.Lvmx_copy:
	ENTER_VMX enter_vmx_usercopy
	beq	.Lgpr_copy
	COPY_VMX
	b	exit_vmx_usercopy
END_FUNC __copy_tofrom_user
