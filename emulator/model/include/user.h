/* SPDX-License-Identifier: GPL-2.0-only */
/* Layout of user data (docs/internals.md section 3) and the macros of the interpreter. */
#ifndef USER_H
#define USER_H

#include "ppc_asm.h"
#include "user-data.h"

#define BLOCK_SHIFT 8
#define BLOCK_USES 8
#define BLOCK_DEPTH 16
#define BLOCK_INITIAL 24
#define BLOCK_DUMP 32
#define BLOCK_SCRATCH 64
/*
 * What accesses load and store: 32 bytes for each depth of handlers, and as much again for loads.
 */
#define BLOCK_ACCESS 96
#define ACCESS_SHIFT 5
#define ACCESS_DEPTHS 4

/* Facilities, in a control block's `uses` and as an argument of FILL and TOUCH. */
#define USES_FP 1
#define USES_VMX 2
#define USES_VSX 4

#define IMAGE_FPSCR 1024
#define IMAGE_VRSAVE 1032
#define IMAGE_VSCR 1040
#define IMAGE_VRS 1056
#define IMAGE_VSCR_LVX 1568

#define OP_SIZE 64
#define OP_KIND 0
#define OP_A0 8
#define OP_A1 16
#define OP_A2 24
#define OP_A3 32
#define OP_A4 40
#define OP_A5 48
#define OP_FLAGS 56
#define FLAG_SCV 1
#define FLAG_FAILS 2
#define FLAG_V_REGS 4

#define NR_EXIT 1

#define SIGFPE 8

#define UC_PART 16 /* what is zeroed of a context at a time */
#define FPSCR_ENABLES 0xf8
/* Where swapcontext puts a context: below any signal frame that may come meanwhile. */
#define CONTEXT_GAP 12288
#define NR_RT_SIGRETURN 172

/* Where lvx wants the doublewords of a VR, and where the low word of a u64 is. */
#ifdef __LITTLE_ENDIAN__
#define VR_DW0 8
#define VR_DW1 0
#define LOW_WORD 0
#else
#define VR_DW0 0
#define VR_DW1 8
#define LOW_WORD 4
#endif

/* Host call from user mode. */
.macro HOST number
	li	28,\number
	.long	HOST_CALL_WORD
.endm

.macro SCV
	.long	0x44000001	/* scv 0 */
.endm

/* mtfsfi with its W operand. */
.macro MTFSFI field, value, w
	.long	0xfc00010c | (\field << 23) | (\w << 16) | (\value << 12)
.endm

/* r30 = control block number \index. */
.macro OWN_BLOCK index
	sldi	30,\index,BLOCK_SHIFT
	add	30,30,31
	addi	30,30,CONTROL_BLOCKS
.endm

/* Go to \table + (\index << \shift), with and without return. Destroys \index. */
.macro SET_CTR table, index, shift
	sldi	\index,\index,\shift
	addis	\index,\index,(\table)@ha
	addi	\index,\index,(\table)@l
	mtctr	\index
.endm
.macro JUMP_INTO table, index, shift
	SET_CTR	\table,\index,\shift
	bctr
.endm
.macro CALL_INTO table, index, shift
	SET_CTR	\table,\index,\shift
	bctrl
.endm

.macro LOAD_SYSCALL
	ld	0,OP_A0(29)
	ld	3,OP_A1(29)
	ld	4,OP_A2(29)
	ld	5,OP_A3(29)
	ld	6,OP_A4(29)
	ld	7,OP_A5(29)
.endm

/* All registers of a facility from, or to, the image at \base. VSX macros use r26. */
.macro LOAD_FPRS base
	.set .Lreg,0
	.rept 32
	lfd	.Lreg,16*.Lreg(\base)
	.set .Lreg,.Lreg+1
	.endr
.endm
.macro LOAD_VRS base
	.set .Lreg,0
	.rept 32
	li	28,16*.Lreg
	lvx	.Lreg,28,\base
	.set .Lreg,.Lreg+1
	.endr
.endm
.macro LOAD_VSRS base
	.set .Lreg,0
	.rept 64
	li	26,16*.Lreg
	lxvd2x	.Lreg,26,\base
	.set .Lreg,.Lreg+1
	.endr
.endm
.macro STORE_VSRS base
	.set .Lreg,0
	.rept 64
	li	26,16*.Lreg
	stxvd2x	.Lreg,26,\base
	.set .Lreg,.Lreg+1
	.endr
.endm

#endif
