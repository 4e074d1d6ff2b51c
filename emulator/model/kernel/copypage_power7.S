/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies of whole pages, as Linux's copypage_power7.S: with VMX wherever it may be used. */
#include "ppc_asm.h"
#include "vmx-copy.h"

	.text

/* void copy_page(void *to, const void *from) */
_GLOBAL copy_page
	li	5,4096
	ENTER_VMX enter_vmx_ops
	beq	1f
	COPY_VMX
	b	exit_vmx_ops
1:	COPY_GPRS
	blr
END_FUNC copy_page
