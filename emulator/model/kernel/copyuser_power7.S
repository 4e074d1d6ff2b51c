/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies from and to user memory, as Linux's copyuser_power7.S. Above 3328 bytes they use VMX.
 * There is one place in such a copy where the user's page may not be there, and from which the copy
 * starts over.
 */
#include "ppc_asm.h"
#include "vmx-copy.h"

	.text

/* Calls \function with r3-r12 and CTR kept. CR0.EQ afterwards: it returned 0. */
.macro CALL_KEEPING_ALL function
	mflr	0
	std	0,16(1)
	stdu	1,-128(1)
	std	3,32(1)
	std	4,40(1)
	std	5,48(1)
	std	6,56(1)
	std	7,64(1)
	std	8,72(1)
	std	9,80(1)
	std	10,88(1)
	std	11,96(1)
	std	12,104(1)
	mfctr	0
	std	0,112(1)
	bl	\function
	cmpwi	3,0
	ld	0,112(1)
	mtctr	0
	ld	3,32(1)
	ld	4,40(1)
	ld	5,48(1)
	ld	6,56(1)
	ld	7,64(1)
	ld	8,72(1)
	ld	9,80(1)
	ld	10,88(1)
	ld	11,96(1)
	ld	12,104(1)
	addi	1,1,128
	ld	0,16(1)
	mtlr	0
.endm

/* An access to user memory that may fault, and its entry of Linux's exception table. */
.macro MAY_FAULT
	CALL_KEEPING_ALL ___do_page_fault
	beq	.Lfixup
.endm

/*
 * unsigned long __copy_tofrom_user(void *to, const void *from, size_t n): bytes not copied, so 0.
 */
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
	mr	11,4
	mr	12,5
	COPY_VMX MAY_FAULT
	b	exit_vmx_usercopy
	/*
	 * Linux's .Ldo_err3: everything once more, without VMX. There the page is still not there.
	 */
.Lfixup:
	mr	4,11
	mr	5,12
	CALL_KEEPING_ALL exit_vmx_usercopy
	CALL_KEEPING_ALL ___do_page_fault
	mr	6,3
	b	.Lgpr_copy
END_FUNC __copy_tofrom_user
