/* SPDX-License-Identifier: GPL-2.0-only */
/* What begins and ends a program, of which build.rs makes a constant of the machine's. */

.macro PROGRAM name
	.globl	\name
\name:
.endm

.macro END name
	.size	\name, . - \name
.endm

/* clang 14 knows neither of them. */
.macro SCV_0
	.long	0x44000001
.endm

.macro RFSCV
	.long	0x4c0000a4
.endm
