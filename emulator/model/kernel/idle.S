/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sleeping processor loses, in place of the instruction `stop` of Linux's idle_book3s.S. */
#include "ppc_asm.h"

	.text

/* void power10_idle_stop(void); FP, VSX and VEC are on. */
_GLOBAL power10_idle_stop
	xxlxor	0,0,0
	mtfsf	255,0,1,0
	vxor	0,0,0
	mtvscr	0
	blr
END_FUNC power10_idle_stop
