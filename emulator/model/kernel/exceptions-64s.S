/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exception vectors (AIL=3 addresses only) and their common entry code, as Linux's
 * exceptions-64s.S. The model takes no exception for an interrupt in kernel mode (irq_64.c), so
 * there is no soft-mask test.
 */
#include "ppc_asm.h"

/*
 * A vector. 0xf20 and 0xf40 have room for eight instructions only, so all the work is in the common
 * code.
 */
.macro EXC_VIRT vector, name
	.org \vector
_GLOBAL exc_virt_\vector\()_\name
	mtspr	SPRN_SPRG_SCRATCH,13
	mfspr	13,SPRN_SPRG_PACA
	std	9,PACA_EXGEN+EX_R9(13)
	b	\name\()_common
END_FUNC exc_virt_\vector\()_\name
.endm

/*
 * Save the whole interrupted context in a pt_regs frame on the kernel stack and enter the kernel's
 * C environment. Leaves r12 = interrupted MSR and CR0.EQ = the interrupted code was the kernel.
 * \stack is where the paca has the stack for what interrupts user code.
 */
.macro GEN_COMMON trap, stack=PACAKSAVE
	std	10,PACA_EXGEN+EX_R10(13)
	std	11,PACA_EXGEN+EX_R11(13)
	std	12,PACA_EXGEN+EX_R12(13)
	mfspr	9,SPRN_SPRG_SCRATCH
	std	9,PACA_EXGEN+EX_R13(13)
	mfctr	9
	std	9,PACA_EXGEN+EX_CTR(13)
	mfspr	11,SPRN_SRR0
	mfspr	12,SPRN_SRR1
	mfcr	9
	mr	10,1
	andi.	1,12,MSR_PR
	addi	1,10,-INT_FRAME_SIZE
	beq	.Lfrom_kernel\@
	ld	1,\stack(13)
.Lfrom_kernel\@:
	std	10,0(1)
	std	10,GPR(1)(1)
	std	9,_CCR(1)
	std	11,_NIP(1)
	std	12,_MSR(1)
	SAVE_GPRS 0,0
	SAVE_GPRS 2,8
	ld	9,PACA_EXGEN+EX_R9(13)
	ld	10,PACA_EXGEN+EX_R10(13)
	ld	11,PACA_EXGEN+EX_R11(13)
	ld	12,PACA_EXGEN+EX_R12(13)
	SAVE_GPRS 9,12
	ld	9,PACA_EXGEN+EX_R13(13)
	std	9,GPR(13)(1)
	SAVE_GPRS 14,31
	ld	9,PACA_EXGEN+EX_CTR(13)
	std	9,_CTR(1)
	mflr	9
	std	9,_LINK(1)
	mfxer	9
	std	9,_XER(1)
	lbz	9,PACAIRQSOFTMASK(13)
	std	9,_SOFTE(1)
	li	9,\trap
	std	9,_TRAP(1)
	li	10,0
	std	10,ORIG_GPR3(1)
	ZERO_UNUSED_SLOTS 10
	stb	10,PACAHSRR_VALID(13)
	li	9,1
	stb	9,PACASRR_VALID(13)
	stb	9,PACAIRQSOFTMASK(13)
	ld	2,PACATOC(13)
	li	10,MSR_RI
	mtmsrd	10,1
	ld	12,_MSR(1)
	andi.	0,12,MSR_PR
.endm

	.section .vectors.scv,"ax",@progbits
/* scv 0: no SRRs; LR is the next instruction and CTR the old MSR. */
_GLOBAL exc_virt_0x3000_system_call_vectored
	mr	9,13
	mfspr	13,SPRN_SPRG_PACA
	mflr	11
	mfctr	12
	b	system_call_vectored_common
END_FUNC exc_virt_0x3000_system_call_vectored

	.section .vectors.virt,"ax",@progbits
	EXC_VIRT 0x100, system_reset
	EXC_VIRT 0x300, data_access
	EXC_VIRT 0x400, instruction_access
	EXC_VIRT 0x500, hardware_interrupt
	EXC_VIRT 0x600, alignment
	EXC_VIRT 0x700, program_check
	EXC_VIRT 0x800, fp_unavailable
	EXC_VIRT 0x900, decrementer
	EXC_VIRT 0xa00, doorbell_super

	.org 0xc00
_GLOBAL exc_virt_0xc00_system_call
	mr	9,13
	mfspr	13,SPRN_SPRG_PACA
	mfspr	11,SPRN_SRR0
	mfspr	12,SPRN_SRR1
	b	system_call_common
END_FUNC exc_virt_0xc00_system_call

	EXC_VIRT 0xf20, altivec_unavailable
	EXC_VIRT 0xf40, vsx_unavailable

	.text

/* The handler, then the exit that does all pending work. */
.macro EXC_COMMON name, trap, handler
_GLOBAL \name\()_common
	GEN_COMMON \trap
	addi	3,1,STACK_FRAME_OVERHEAD
	bl	\handler
	b	interrupt_return_srr
END_FUNC \name\()_common
.endm

	EXC_COMMON hardware_interrupt, 0x500, do_IRQ
	EXC_COMMON decrementer, 0x900, timer_interrupt
	EXC_COMMON doorbell_super, 0xa00, doorbell_exception

/*
 * Not maskable: on its own stack, and back with no exit work. Linux has a save area and a vector in
 * real mode for it, which the model does not need: no NMI comes while its kernel runs.
 */
_GLOBAL system_reset_common
	GEN_COMMON 0x100, PACA_NMI_EMERG_SP
	addi	3,1,STACK_FRAME_OVERHEAD
	bl	system_reset_exception
	lbz	9,_SOFTE(1)
	stb	9,PACAIRQSOFTMASK(13)
	b	fast_interrupt_return_srr
END_FUNC system_reset_common

/* Nothing in the model raises these; one that comes is the end of the run. */
.macro EXC_COMMON_UNKNOWN name, trap
_GLOBAL \name\()_common
	GEN_COMMON \trap
	addi	3,1,STACK_FRAME_OVERHEAD
	bl	unknown_exception
	b	interrupt_return_srr
END_FUNC \name\()_common
.endm

	EXC_COMMON_UNKNOWN instruction_access, 0x400

/*
 * An exception that user code has caused. Linux loads the non-volatile registers again, which this
 * exit does anyway.
 */
	EXC_COMMON alignment, 0x600, alignment_exception
	EXC_COMMON program_check, 0x700, program_check_exception

/*
 * A page fault of user code. One of the kernel's own is a bug of the model, which never touches a
 * page that is not there.
 */
_GLOBAL data_access_common
	GEN_COMMON 0x300
	addi	3,1,STACK_FRAME_OVERHEAD
	beq	1f
	bl	do_page_fault
	b	interrupt_return_srr
1:	bl	unknown_exception
	b	interrupt_return_srr
END_FUNC data_access_common

/*
 * Facility unavailable: from user mode load it and return at once, with no exit work; from the
 * kernel it is a bug.
 */
_GLOBAL fp_unavailable_common
	GEN_COMMON 0x800
	bne	1f
	addi	3,1,STACK_FRAME_OVERHEAD
	bl	kernel_fp_unavailable_exception
	trap
1:	bl	load_up_fpu
	b	fast_interrupt_return_srr
END_FUNC fp_unavailable_common

_GLOBAL altivec_unavailable_common
	GEN_COMMON 0xf20
	bne	1f
	addi	3,1,STACK_FRAME_OVERHEAD
	bl	altivec_unavailable_exception
	trap
1:	bl	load_up_altivec
	b	fast_interrupt_return_srr
END_FUNC altivec_unavailable_common

_GLOBAL vsx_unavailable_common
	GEN_COMMON 0xf40
	bne	1f
	addi	3,1,STACK_FRAME_OVERHEAD
	bl	vsx_unavailable_exception
	trap
1:	b	load_up_vsx
END_FUNC vsx_unavailable_common
