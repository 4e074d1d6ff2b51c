/* SPDX-License-Identifier: GPL-2.0-only */
/* What in-kernel users of FP, VMX and VSX do to the registers: here, load all of them from data. */
#include "ppc_asm.h"

	.text

/* void overwrite_fprs(const u64 data[128]); FP is on. */
_GLOBAL overwrite_fprs
	.set .Lreg,0
	.rept 32
	lfd	.Lreg,16*.Lreg(3)
	.set .Lreg,.Lreg+1
	.endr
	blr
END_FUNC overwrite_fprs

/* void overwrite_vrs(const u64 data[128]); VEC is on. */
_GLOBAL overwrite_vrs
	REST_32VRS 4,3
	blr
END_FUNC overwrite_vrs

/* void overwrite_vsrs(const u64 data[128]); FP, VEC and VSX are on. */
_GLOBAL overwrite_vsrs
	.set .Lreg,0
	.rept 64
	li	4,16*.Lreg
	lxvd2x	.Lreg,4,3
	.set .Lreg,.Lreg+1
	.endr
	blr
END_FUNC overwrite_vsrs
