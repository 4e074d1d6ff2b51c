/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memcpy and memset, as Linux's memcpy_power7.S and mem_64.S. Above 4096 bytes memcpy uses VMX,
 * after the user's VRs were given up.
 */
#include "ppc_asm.h"
#include "vmx-copy.h"

	.text

/* void *memcpy(void *dest, const void *src, size_t count) */
_GLOBAL memcpy
	cmpldi	5,4096
	bgt	.Lvmx_copy
	mr	6,3
.Lgpr_copy:
	COPY_GPRS
	blr
.Lvmx_copy:
	ENTER_VMX enter_vmx_ops
	beq	.Lgpr_copy
	COPY_VMX
	b	exit_vmx_ops
END_FUNC memcpy

/*
 * void *memset(void *dest, int value, size_t count): four doublewords a turn, which may be
 * unaligned, then bytes.
 */
_GLOBAL memset
	rldimi	4,4,8,48
	rldimi	4,4,16,32
	rldimi	4,4,32,0
	mr	6,3
	srdi.	7,5,5
	beq	2f
	mtctr	7
1:	std	4,0(6)
	std	4,8(6)
	std	4,16(6)
	std	4,24(6)
	addi	6,6,32
	bdnz	1b
2:	andi.	7,5,31
	beqlr
	mtctr	7
	addi	6,6,-1
3:	stbu	4,1(6)
	bdnz	3b
	blr
END_FUNC memset
