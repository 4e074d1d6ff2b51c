/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations on registers. The register's number is part of an instruction, so each operation has a table with one entry a register,
 * and jumps into it: no instruction is ever written at run time.
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

/* mtfsfi writes one field of FPSCR and no FPR. Fields 0-7 from the low word, then DRN, the last field of the high one. */
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
