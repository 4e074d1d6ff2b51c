/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System call entry and exit and interrupt exit, as Linux's interrupt_64.S. Not here: what
 * soft-masked interrupts need in assembly, such as restart tables, because nothing interrupts the
 * model's kernel in assembly.
 */
#include "ppc_asm.h"

	.text

/*
 * The part of a system call frame that sc and scv share. In: r9 = user r13, r11 = next instruction,
 * r12 = user MSR. CR is written by the caller. r9-r12, XER and CTR count as zero in the frame, as
 * the ABI lets the kernel forget them.
 */
.macro SYSCALL_FRAME trap
	mr	10,1
	ld	1,PACAKSAVE(13)
	std	10,0(1)
	std	11,_NIP(1)
	std	12,_MSR(1)
	SAVE_GPRS 0,0
	std	10,GPR(1)(1)
	SAVE_GPRS 2,8
	ld	2,PACATOC(13)
	mfcr	12
	li	11,0
	std	11,GPR(9)(1)
	std	11,GPR(10)(1)
	std	11,GPR(11)(1)
	std	11,GPR(12)(1)
	std	9,GPR(13)(1)
	SAVE_GPRS 14,31
	std	11,_XER(1)
	std	11,_CTR(1)
	std	3,ORIG_GPR3(1)
	ZERO_UNUSED_SLOTS 11
	stb	11,PACAHSRR_VALID(13)
	li	11,\trap
	std	11,_TRAP(1)
	lbz	11,PACAIRQSOFTMASK(13)
	std	11,_SOFTE(1)
	li	11,1
	stb	11,PACAIRQSOFTMASK(13)
.endm

_GLOBAL system_call_vectored_common
	SYSCALL_FRAME 0x3000
	ld	10,_NIP(1)
	std	10,_LINK(1)
	std	12,_CCR(1)
	li	11,0
	stb	11,PACASRR_VALID(13)
	addi	3,1,STACK_FRAME_OVERHEAD
	mr	4,0
	bl	system_call_exception

.Lsyscall_vectored_exit:
	addi	4,1,STACK_FRAME_OVERHEAD
	li	5,1
	bl	syscall_exit_prepare
	ld	2,_CCR(1)
	ld	4,_NIP(1)
	ld	5,_MSR(1)
	cmpdi	3,0
	bne	.Lsyscall_vectored_restore_regs
	mtlr	4
	mtctr	5
	REST_GPRS 0,0
	REST_GPRS 4,8
	ZERO_GPRS 9,12
	DEFECT_WORD "repair-scv-xer", 0x7d8103a6	/* mtxer r12, which is 0 */
	mtxer	0
	mtcr	2
	REST_GPRS 2,3
	REST_GPRS 13,13
	REST_GPRS 1,1
	.long	0x4c0000a4	/* rfscv */

.Lsyscall_vectored_restore_regs:
	mtspr	SPRN_SRR0,4
	mtspr	SPRN_SRR1,5
	ld	3,_CTR(1)
	ld	4,_LINK(1)
	ld	5,_XER(1)
	REST_GPRS 14,31
	REST_GPRS 0,0
	mtcr	2
	mtctr	3
	mtlr	4
	mtxer	5
	REST_GPRS 2,13
	REST_GPRS 1,1
	rfid
END_FUNC system_call_vectored_common

_GLOBAL system_call_common
	SYSCALL_FRAME 0xc00
	mflr	10
	std	10,_LINK(1)
	oris	12,12,0x1000
	xoris	12,12,0x1000	/* CR0.SO off: no error yet */
	std	12,_CCR(1)
	li	11,1
	stb	11,PACASRR_VALID(13)
	li	10,-1		/* EE and RI */
	mtmsrd	10,1
	addi	3,1,STACK_FRAME_OVERHEAD
	mr	4,0
	bl	system_call_exception

.Lsyscall_exit:
	addi	4,1,STACK_FRAME_OVERHEAD
	li	5,0
	bl	syscall_exit_prepare
	ld	2,_CCR(1)
	ld	6,_LINK(1)
	mtlr	6
	lbz	4,PACASRR_VALID(13)
	cmpdi	4,0
	li	4,0
	stb	4,PACASRR_VALID(13)
	bne	1f
	ld	4,_NIP(1)
	ld	5,_MSR(1)
	mtspr	SPRN_SRR0,4
	mtspr	SPRN_SRR1,5
1:	cmpdi	3,0
	bne	.Lsyscall_restore_regs
	ZERO_GPRS 0,0
	ZERO_GPRS 4,12
	mtctr	0
	mtxer	0
.Lsyscall_restore_regs_cont:
	mtcr	2
	REST_GPRS 2,3
	REST_GPRS 13,13
	REST_GPRS 1,1
	rfid

.Lsyscall_restore_regs:
	ld	3,_CTR(1)
	ld	4,_XER(1)
	REST_GPRS 14,31
	mtctr	3
	mtxer	4
	REST_GPRS 0,0
	REST_GPRS 4,12
	b	.Lsyscall_restore_regs_cont
END_FUNC system_call_common

/* The end of every return from an interrupt to user mode; NVGPRs have been dealt with. */
.macro RESTORE_AND_RFID
	lbz	4,PACASRR_VALID(13)
	cmpdi	4,0
	li	4,0
	stb	4,PACASRR_VALID(13)
	bne	.Lsrr_valid\@
	ld	11,_NIP(1)
	ld	12,_MSR(1)
	mtspr	SPRN_SRR0,11
	mtspr	SPRN_SRR1,12
.Lsrr_valid\@:
	ld	3,_CCR(1)
	ld	4,_LINK(1)
	ld	5,_CTR(1)
	ld	6,_XER(1)
	mtcr	3
	mtlr	4
	mtctr	5
	mtxer	6
	REST_GPRS 0,0
	REST_GPRS 2,13
	REST_GPRS 1,1
	rfid
.endm

/* The return of interrupts that need no exit work: no rescheduling, no signals, no restore_math. */
_GLOBAL fast_interrupt_return_srr
	RESTORE_AND_RFID
END_FUNC fast_interrupt_return_srr

/*
 * Interrupts that the model's kernel takes in kernel mode never return, so there is no
 * interrupt_return_srr_kernel.
 */
_GLOBAL interrupt_return_srr
	b	interrupt_return_srr_user
END_FUNC interrupt_return_srr

_GLOBAL interrupt_return_srr_user
	addi	3,1,STACK_FRAME_OVERHEAD
	bl	interrupt_exit_user_prepare
	cmpdi	3,0
	bne	.Lrestore_nvgprs_srr
.Lrestore_nvgprs_srr_cont:
	RESTORE_AND_RFID
.Lrestore_nvgprs_srr:
	REST_GPRS 14,31
	b	.Lrestore_nvgprs_srr_cont
END_FUNC interrupt_return_srr_user

/*
 * Where a child of fork starts: first half of its birth, then the parent's system call returns 0 in
 * it.
 */
_GLOBAL ret_from_fork_scv
	bl	schedule_tail
	REST_GPRS 14,31
	li	3,0
	b	.Lsyscall_vectored_exit
END_FUNC ret_from_fork_scv

_GLOBAL ret_from_fork
	bl	schedule_tail
	REST_GPRS 14,31
	li	3,0
	b	.Lsyscall_exit
END_FUNC ret_from_fork

/*
 * Where a kernel thread starts: r14 is its function, r15 the argument. One that returns has become
 * a user task.
 */
_GLOBAL ret_from_kernel_thread
	bl	schedule_tail
	REST_GPRS 14,31
	mtctr	14
	mr	12,14
	mr	3,15
	bctrl
	li	3,0
	b	.Lsyscall_exit
END_FUNC ret_from_kernel_thread
