/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations on registers. The register's number is part of an instruction, so each operation has a
 * table with one entry a register, and jumps into it: no instruction is ever written at run time.
 */
#include "user.h"

	.text

_GLOBAL op_set_fpr
	ld	26,OP_A0(29)
	JUMP_INTO set_fpr_table, 26, 3
set_fpr_table:
	.set .Lreg,0
	.rept 32
	lfd	.Lreg,OP_A1(29)
	b	next_operation
	.set .Lreg,.Lreg+1
	.endr
END_FUNC op_set_fpr

_GLOBAL op_set_vsr
	ld	26,OP_A0(29)
	addi	27,29,OP_A1
	JUMP_INTO set_vsr_table, 26, 3
set_vsr_table:
	.set .Lreg,0
	.rept 32
	lxvd2x	.Lreg,0,27
	b	next_operation
	.set .Lreg,.Lreg+1
	.endr
END_FUNC op_set_vsr

/* Through memory: doubleword 0 out, the new doubleword 1 beside it, both in. */
_GLOBAL op_set_vsr_dw1
	ld	26,OP_A0(29)
	addi	27,30,BLOCK_SCRATCH
	ld	28,OP_A1(29)
	JUMP_INTO set_vsr_dw1_table, 26, 4
set_vsr_dw1_table:
	.set .Lreg,0
	.rept 32
	stxvd2x	.Lreg,0,27
	std	28,8(27)
	lxvd2x	.Lreg,0,27
	b	next_operation
	.set .Lreg,.Lreg+1
	.endr
END_FUNC op_set_vsr_dw1

_GLOBAL op_set_vr
	ld	26,OP_A0(29)
	addi	27,29,OP_A1
	JUMP_INTO set_vr_table, 26, 3
set_vr_table:
	.set .Lreg,0
	.rept 32
	lvx	.Lreg,0,27
	b	next_operation
	.set .Lreg,.Lreg+1
	.endr
END_FUNC op_set_vr

/*
 * mtfsfi writes one field of FPSCR and no FPR. Fields 0-7 from the low word, then DRN, the last
 * field of the high one.
 */
_GLOBAL op_set_fpscr
	ld	26,OP_A1(29)
	rotldi	26,26,32
	.set .Lfield,0
	.rept 8
	rotldi	26,26,4
	clrldi	27,26,60
	CALL_INTO (set_fpscr_field+128*.Lfield), 27, 3
	.set .Lfield,.Lfield+1
	.endr
	rotldi	26,26,32
	clrldi	27,26,60
	CALL_INTO (set_fpscr_field+128*8), 27, 3
	b	next_operation
set_fpscr_field:
	.set .Lfield,0
	.rept 8
	.set .Lvalue,0
	.rept 16
	MTFSFI	.Lfield,.Lvalue,0
	blr
	.set .Lvalue,.Lvalue+1
	.endr
	.set .Lfield,.Lfield+1
	.endr
	.set .Lvalue,0
	.rept 16
	MTFSFI	7,.Lvalue,1
	blr
	.set .Lvalue,.Lvalue+1
	.endr
END_FUNC op_set_fpscr

/* v0 is borrowed and put back. */
_GLOBAL op_set_vscr
	addi	27,30,BLOCK_SCRATCH
	lwz	26,OP_A1+LOW_WORD(29)
	li	28,0
	std	28,16+VR_DW0(27)
	std	26,16+VR_DW1(27)
	li	28,16
	stvx	0,0,27
	lvx	0,28,27
	mtvscr	0
	lvx	0,0,27
	b	next_operation
END_FUNC op_set_vscr

_GLOBAL op_set_vrsave
	ld	26,OP_A1(29)
	mtspr	SPRN_VRSAVE,26
	b	next_operation
END_FUNC op_set_vrsave

_GLOBAL op_fill
	ld	26,OP_A0(29)
	ld	27,OP_A1(29)
	cmpldi	26,USES_VMX
	beq	1f
	bgt	2f
	LOAD_FPRS 27
	b	next_operation
1:	addi	27,27,IMAGE_VRS
	LOAD_VRS 27
	b	next_operation
2:	LOAD_VSRS 27
	b	next_operation
END_FUNC op_fill

_GLOBAL op_touch
	ld	26,OP_A0(29)
	addi	27,30,BLOCK_SCRATCH
	cmpldi	26,USES_VMX
	beq	1f
	bgt	2f
	stfd	0,0(27)
	b	next_operation
1:	stvx	0,0,27
	b	next_operation
2:	stxvd2x	0,0,27
	b	next_operation
END_FUNC op_touch

/* 32 registers of one operation: register <- register op next register. */
.macro COMPUTE_TABLE op
	.set .Lreg,0
	.rept 32
	\op	.Lreg,.Lreg,((.Lreg+1)&31)
	b	next_operation
	.set .Lreg,.Lreg+1
	.endr
.endm

_GLOBAL op_compute
	ld	26,OP_A0(29)
	ld	27,OP_A1(29)
	sldi	26,26,5
	add	26,26,27
	JUMP_INTO compute_table, 26, 3
compute_table:
	COMPUTE_TABLE fadd
	COMPUTE_TABLE fmul
	COMPUTE_TABLE fdiv
	.set .Lreg,0
	.rept 32
	fmr	.Lreg,((.Lreg+1)&31)
	b	next_operation
	.set .Lreg,.Lreg+1
	.endr
	COMPUTE_TABLE xxlor
	COMPUTE_TABLE xvadddp
	COMPUTE_TABLE vaddubs
	COMPUTE_TABLE vor
END_FUNC op_compute

/*
 * One instruction for all 64 registers, and where it goes on. A kernel reads these instructions, so
 * they are in a section that the machine leaves as it is.
 */
.macro ACCESS_TABLE form, op, next
	.set .Lreg,0
	.rept 64
	\form	\op
	b	\next
	.set .Lreg,.Lreg+1
	.endr
.endm
.macro OF_FPR op
	\op	(.Lreg&31),0(27)
.endm
.macro OF_VSR op
	\op	.Lreg,0,27
.endm

	.pushsection .access,"ax",@progbits
access_table:
	ACCESS_TABLE OF_FPR,lfd,next_operation
	ACCESS_TABLE OF_FPR,stfd,load_fpr_again
	ACCESS_TABLE OF_VSR,lxvd2x,next_operation
	ACCESS_TABLE OF_VSR,stxvd2x,load_vsr_again
	ACCESS_TABLE OF_VSR,lxsdx,next_operation
	ACCESS_TABLE OF_VSR,stxsdx,load_vsr_again
	.popsection

/*
 * a0 = 64 * instruction + register, a1 and a2 = what is in memory before; loads have even numbers.
 * The facility is there when the interrupt comes, as on a processor. A handler may come between a
 * store and what loads it again, so each depth has memory of its own; there is none for stores in
 * the deepest.
 */
_GLOBAL op_access
	ld	26,OP_A0(29)
	li	27,ACCESS_DEPTHS
	andi.	28,26,64
	beq	2f
	ld	27,BLOCK_DEPTH(30)
	cmpldi	27,ACCESS_DEPTHS
	blt	2f
	b	next_operation
2:	sldi	27,27,ACCESS_SHIFT
	add	27,27,30
	addi	27,27,BLOCK_ACCESS+1
	ld	28,OP_A1(29)
	std	28,0(27)
	ld	28,OP_A2(29)
	std	28,8(27)
	addi	28,30,BLOCK_SCRATCH
	cmpldi	26,2*64
	bge	3f
	stfd	0,0(28)
	b	4f
3:	stxvd2x	0,0,28
4:	SET_CTR	access_table, 26, 3
	HOST HOST_ALIGNMENT
	bctr
END_FUNC op_access

/* What a store has stored; r27 is still where. */
_GLOBAL load_fpr_again
	ld	26,OP_A0(29)
	clrldi	26,26,59
	JUMP_INTO load_fpr_table, 26, 3
load_fpr_table:
	ACCESS_TABLE OF_FPR,lfd,next_operation
END_FUNC load_fpr_again

_GLOBAL load_vsr_again
	ld	26,OP_A0(29)
	clrldi	26,26,58
	JUMP_INTO load_vsr_table, 26, 3
load_vsr_table:
	ACCESS_TABLE OF_VSR,lxvd2x,next_operation
END_FUNC load_vsr_again
