/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs of the conformance checks (src/machine/conformance.rs). Each is the code of one
 * symbol, whose size says where it ends. A check puts several behind one another, so none refers
 * to a place outside itself. Displacements from r3 are places in the data of
 * src/machine/conformance/bench.rs.
 */
#include "program.h"

/* r3 = the checks' data; FP, VEC and VSX on, by r5. */
PROGRAM setup
	sc	63
	lis	3, 0xc000
	sldi	3, 3, 32
	oris	3, 3, 0x10
	mfmsr	5
	ori	5, 5, 0x2000
	oris	5, 5, 0x280
	mtmsrd	5
END setup

PROGRAM host_call
	sc	63
END host_call

/* vs7, vs8 and vs9 have A and B. */
PROGRAM load_vs7_to_vs9
	addi	4, 3, 0
	lxvd2x	7, 0, 4
	lxvd2x	8, 0, 4
	lxvd2x	9, 0, 4
END load_vs7_to_vs9

PROGRAM lfd_f7
	lfd	7, 8(3)
END lfd_f7

PROGRAM fadd_f7
	fadd	7, 8, 9
END fadd_f7

PROGRAM fmr_f7
	fmr	7, 8
END fmr_f7

PROGRAM mffs_f7
	mffs	7
END mffs_f7

/* FPSCR and VSCR there and back: f1 and v0 have what was read. */
PROGRAM status_registers
	lfd	0, 16(3)
	mtfsf	0, 0, 1, 0
	mffs	1
	addi	4, 3, 32
	lxvd2x	33, 0, 4
	mtvscr	1
	addi	4, 3, 0
	lxvd2x	32, 0, 4
	mfvscr	0
END status_registers

/* FPSCR with FI. */
PROGRAM fraction_inexact
	lfd	0, 80(3)
	mtfsf	0, 0, 1, 0
END fraction_inexact

PROGRAM mtfsfi
	mtfsfi	7, 1
END mtfsfi

PROGRAM xvadddp_of_zeros
	addi	4, 3, 24
	lxvd2x	7, 0, 4
	xvadddp	7, 7, 7
END xvadddp_of_zeros

PROGRAM mtfsb0
	mtfsb0	14
END mtfsb0

/* A quadword by `lxvd2x`, `stvx` and `lvx`. */
PROGRAM vector_memory_order
	addi	4, 3, 0x40
	lxvd2x	34, 0, 4
	addi	4, 3, 0x100
	stvx	2, 0, 4
	addi	4, 3, 0x40
	lvx	3, 0, 4
END vector_memory_order

/* To the user's code, with the MSR at some offset of the data. */
.macro ENTER_USER name, msr
PROGRAM \name
	addi	4, 3, 0
	lxvd2x	7, 0, 4
	lis	6, 0x1000	/* USER_TEXT */
	mtspr	26, 6
	ld	7, \msr(3)
	mtspr	27, 7
	rfid
END \name
.endm
ENTER_USER enter_user, 48
ENTER_USER enter_user_fp, 56
ENTER_USER enter_user_fp_exceptions, 96

/* What a handler finds: r7 and r8 as it was told, r9 the MSR. */
PROGRAM handler
	mfspr	7, 26
	mfspr	8, 27
	mfmsr	9
	sc	63
END handler

PROGRAM handler_scv
	mfspr	7, 8
	mfspr	8, 9
	RFSCV
END handler_scv

PROGRAM handler_program
	mfspr	7, 26
	mfspr	8, 27
	mfspr	9, 27
	sc	63
END handler_program

PROGRAM user_lfd
	lis	3, 0x2000
	lfd	7, 8(3)
	nop
	sc	63
END user_lfd

PROGRAM user_sc
	nop
	sc
END user_sc

PROGRAM user_scv
	SCV_0
	nop
	sc	63
END user_scv

PROGRAM user_unavailable
	lis	3, 0x2000
	lfd	7, 8(3)
	sc	63
END user_unavailable

PROGRAM user_zero_divide
	lis	3, 0x2000
	lfd	0, 88(3)
	mtfsf	0, 0, 1, 0
	lfd	7, 8(3)
	lfd	8, 104(3)
	lfd	9, 24(3)
	fdiv	7, 8, 9
	sc	63
END user_zero_divide

PROGRAM user_interrupt
	nop
	sc	63
	nop
END user_interrupt
