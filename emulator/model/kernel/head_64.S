/* SPDX-License-Identifier: GPL-2.0-only */
/* The entry point of the image, as Linux's head_64.S. */
#include "ppc_asm.h"

	.section .text.head,"ax",@progbits

/*
 * The host starts here with MSR alone set up. STAGED is called from here, on an empty stack: the
 * content of stacks is not part of the state that a run starts from, so nothing that runs after
 * STAGED may return into a frame made before it.
 */
_GLOBAL _start
	lis	2,.TOC.@highest
	ori	2,2,.TOC.@higher
	rldicr	2,2,32,31
	oris	2,2,.TOC.@high
	ori	2,2,.TOC.@l
	addis	13,2,paca@toc@ha
	addi	13,13,paca@toc@l
	mtspr	SPRN_SPRG_PACA,13
	std	2,PACATOC(13)
	bl	.Lboot_stack
	bl	start_kernel
	HOST_CALL HOST_STAGED
	bl	.Lboot_stack
	bl	rest_init
	trap
.Lboot_stack:
	addis	1,2,(init_stack+THREAD_SIZE-INT_FRAME_SIZE)@toc@ha
	addi	1,1,(init_stack+THREAD_SIZE-INT_FRAME_SIZE)@toc@l
	li	0,0
	std	0,0(1)
	blr
END_FUNC _start
