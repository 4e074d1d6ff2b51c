/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One FPR or VSR to or from memory, by number, as Linux's arch/powerpc/lib/ldstfp.S. The kernel's
 * own MSR is as before afterwards. r3 = number, r4 = memory. VSRs have the form that thread_struct
 * has: doubleword 1 first on little endian.
 */
#include "ppc_asm.h"

	.text

#define FRAME 64
#define SAVED_VS0 (FRAME-16)

/* MSR to r6, and \bits on. */
.macro TURN_ON op, bits
	mfmsr	6
	\op	7,6,\bits
	mtmsrd	7
	isync
.endm
.macro TURN_BACK
	mtmsrd	6
	isync
.endm

/* Jumps into a table of two instructions for each of \count registers, which goes on at \next. */
.macro TABLE form, count, next
	sldi	3,3,3
	addis	5,2,.Ltable\@@toc@ha
	addi	5,5,.Ltable\@@toc@l
	add	5,5,3
	mtctr	5
	bctr
.Ltable\@:
	.set .Lreg,0
	.rept \count
	\form
	b	\next
	.set .Lreg,.Lreg+1
	.endr
.endm
.macro FORM_STFD
	stfd	.Lreg,0(4)
.endm
.macro FORM_LFD
	lfd	.Lreg,0(4)
.endm
.macro FORM_TO_VS0
	xxlor	0,.Lreg,.Lreg
.endm
.macro FORM_FROM_VS0
	xxlor	.Lreg,0,0
.endm

_GLOBAL get_fpr
	TURN_ON	ori,MSR_FP
	TABLE	FORM_STFD,32,1f
1:	TURN_BACK
	blr
END_FUNC get_fpr

_GLOBAL put_fpr
	TURN_ON	ori,MSR_FP
	TABLE	FORM_LFD,32,1f
1:	TURN_BACK
	blr
END_FUNC put_fpr

/* vs0 = VSR r3. */
_GLOBAL get_vsr
	TABLE	FORM_TO_VS0,64,1f
1:	blr
END_FUNC get_vsr

/* VSR r3 = vs0. */
_GLOBAL put_vsr
	TABLE	FORM_FROM_VS0,64,1f
1:	blr
END_FUNC put_vsr

/* Goes through vs0, which is somebody's: it is saved and put back, unless it is the one. */
_GLOBAL load_vsrn
	mflr	0
	std	0,16(1)
	stdu	1,-FRAME(1)
	TURN_ON	oris,MSR_VSX>>16
	li	8,SAVED_VS0
	cmpwi	7,3,0
	beq	7,1f
	stxvd2x	0,8,1
1:	LXVD2X_ROT 0,0,4
	beq	7,2f
	bl	put_vsr
	DEFECT_OMIT "emul-vs0-not-preserved"
	lxvd2x	0,8,1
2:	TURN_BACK
	addi	1,1,FRAME
	ld	0,16(1)
	mtlr	0
	blr
END_FUNC load_vsrn

_GLOBAL store_vsrn
	mflr	0
	std	0,16(1)
	stdu	1,-FRAME(1)
	TURN_ON	oris,MSR_VSX>>16
	li	8,SAVED_VS0
	stxvd2x	0,8,1
	cmpwi	7,3,0
	bl	get_vsr
	beq	7,1f
	/*
	 * With the defect xxlnor, which is what a wrong encoding made of xxlor: all bits are the
	 * other way round.
	 */
	DEFECT_WORD "xxlor-encoding", 0xf0000510
	nop
1:	STXVD2X_ROT 0,0,4
	lxvd2x	0,8,1
	TURN_BACK
	addi	1,1,FRAME
	ld	0,16(1)
	mtlr	0
	blr
END_FUNC store_vsrn
