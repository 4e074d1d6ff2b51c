/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Assembly macros: function brackets, GPR groups of a pt_regs frame, VSR stores and loads with the
 * little-endian rotation.
 */
#ifndef PPC_ASM_H
#define PPC_ASM_H

#include "asm-offsets.h"
#include "defect.h"
#include "hostcall.h"
#include "reg.h"

	.abiversion 2

/* Where doubleword 0 (the FPR) of a VSR image is inside its 16 bytes. */
#ifdef __LITTLE_ENDIAN__
#define TS_FPROFFSET 8
#else
#define TS_FPROFFSET 0
#endif

/* Slots of the pt_regs that lies STACK_FRAME_OVERHEAD above r1. */
#define GPR(n) (STACK_FRAME_OVERHEAD + PT_GPR + 8 * (n))
#define _NIP (STACK_FRAME_OVERHEAD + PT_NIP)
#define _MSR (STACK_FRAME_OVERHEAD + PT_MSR)
#define ORIG_GPR3 (STACK_FRAME_OVERHEAD + PT_ORIG_GPR3)
#define _CTR (STACK_FRAME_OVERHEAD + PT_CTR)
#define _LINK (STACK_FRAME_OVERHEAD + PT_LINK)
#define _XER (STACK_FRAME_OVERHEAD + PT_XER)
#define _CCR (STACK_FRAME_OVERHEAD + PT_CCR)
#define _SOFTE (STACK_FRAME_OVERHEAD + PT_SOFTE)
#define _TRAP (STACK_FRAME_OVERHEAD + PT_TRAP)
#define _DAR (STACK_FRAME_OVERHEAD + PT_DAR)
#define _DSISR (STACK_FRAME_OVERHEAD + PT_DSISR)
#define RESULT (STACK_FRAME_OVERHEAD + PT_RESULT)
#define _PPR (STACK_FRAME_OVERHEAD + PT_PPR)
#define EXIT_RESULT (STACK_FRAME_OVERHEAD + PT_EXIT_RESULT)
#define _KUAP (STACK_FRAME_OVERHEAD + PT_KUAP)
#define _IAMR (STACK_FRAME_OVERHEAD + PT_IAMR)

.macro _GLOBAL name
	.balign 16
	.globl \name
	.type \name,@function
\name:
.endm

.macro END_FUNC name
	.size \name,.-\name
.endm

.macro HOST_CALL number
	li 3,\number
	.long HOST_CALL_WORD
.endm

.macro FOR_GPRS op, first, last
	.set .Lreg,\first
	.rept \last-\first+1
	\op .Lreg,STACK_FRAME_OVERHEAD+PT_GPR+8*.Lreg(1)
	.set .Lreg,.Lreg+1
	.endr
.endm
.macro SAVE_GPRS first, last
	FOR_GPRS std,\first,\last
.endm
.macro REST_GPRS first, last
	FOR_GPRS ld,\first,\last
.endm
.macro ZERO_GPRS first, last
	.set .Lreg,\first
	.rept \last-\first+1
	li .Lreg,0
	.set .Lreg,.Lreg+1
	.endr
.endm

/*
 * Slots that no entry path fills but a signal frame copies: zero, because kernel stacks hold
 * anything. `zero` is a GPR that is 0.
 */
.macro ZERO_UNUSED_SLOTS zero
	std \zero,_DAR(1)
	std \zero,_DSISR(1)
	std \zero,RESULT(1)
	std \zero,_PPR(1)
	std \zero,EXIT_RESULT(1)
	std \zero,_KUAP(1)
	std \zero,_IAMR(1)
.endm

/*
 * \vsr <-> 16 bytes at \base+\index. The image has doubleword 1 first on little endian, so the
 * doublewords change places on the way.
 */
.macro STXVD2X_ROT vsr, index, base
#ifdef __LITTLE_ENDIAN__
	xxpermdi \vsr,\vsr,\vsr,2
	stxvd2x \vsr,\index,\base
	xxpermdi \vsr,\vsr,\vsr,2
#else
	stxvd2x \vsr,\index,\base
#endif
.endm
.macro LXVD2X_ROT vsr, index, base
	lxvd2x \vsr,\index,\base
#ifdef __LITTLE_ENDIAN__
	xxpermdi \vsr,\vsr,\vsr,2
#endif
.endm

/* All 32 at \base; \index is a scratch GPR. */
.macro SAVE_32FPVSRS index, base
	.set .Lvsr,0
	.rept 32
	li \index,16*.Lvsr
	STXVD2X_ROT .Lvsr,\index,\base
	.set .Lvsr,.Lvsr+1
	.endr
.endm
.macro REST_32FPVSRS index, base
	.set .Lvsr,0
	.rept 32
	li \index,16*.Lvsr
	LXVD2X_ROT .Lvsr,\index,\base
	.set .Lvsr,.Lvsr+1
	.endr
.endm
.macro SAVE_32VRS index, base
	.set .Lvr,0
	.rept 32
	li \index,16*.Lvr
	stvx .Lvr,\index,\base
	.set .Lvr,.Lvr+1
	.endr
.endm
.macro REST_32VRS index, base
	.set .Lvr,0
	.rept 32
	li \index,16*.Lvr
	lvx .Lvr,\index,\base
	.set .Lvr,.Lvr+1
	.endr
.endm

#endif
