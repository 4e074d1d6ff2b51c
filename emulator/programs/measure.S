/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program that finds out where the emulator keeps its registers (src/machine/measure.rs).
 * r3 is the data, r4 what VRSAVE becomes, r5 what SPRG3 becomes, r6 = r3 + 0x800.
 */
#include "program.h"

/* All 64 VSRs, from r3 on. */
.macro LOAD_ALL
.set number, 0
.rept 64
	lxvd2x	number, 0, 3
	addi	3, 3, 16
.set number, number + 1
.endr
.endm

/* VSCR does not start at zero on every model: 16 bytes at r6 + 0x30 are zero. */
PROGRAM quiet
	mtspr	256, 4
	mtspr	275, 5
	addi	7, 6, 0x30
	lxvd2x	32, 0, 7
	mtvscr	0
	LOAD_ALL
	sc	63
END quiet

PROGRAM marked
	lfd	0, 0(6)
	mtfsf	0, 0, 1, 0
	mffs	1
	stfd	1, 0x20(6)
	addi	7, 6, 0x10
	lxvd2x	32, 0, 7
	mtvscr	0
	LOAD_ALL
	sc	63
END marked
