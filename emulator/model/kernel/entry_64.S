/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * _switch, as Linux's entry_64.S. The context of a sleeping task is its stack; MSR is not part of
 * it.
 */
#include "ppc_asm.h"

	.text

/*
 * struct task_struct *_switch(struct thread_struct *prev, struct thread_struct *next): returns, in
 * next, the task it came from.
 */
_GLOBAL _switch
	mflr	0
	std	0,16(1)
	stdu	1,-SWITCH_FRAME_SIZE(1)
	SAVE_GPRS 14,31
	std	0,_NIP(1)
	mfcr	23
	std	23,_CCR(1)
	std	1,KSP(3)

	addi	6,4,-THREAD
	std	6,PACACURRENT(13)
	ld	8,KSP(4)
	clrrdi	7,8,THREAD_SHIFT
	addi	7,7,THREAD_SIZE-INT_FRAME_SIZE
	std	7,PACAKSAVE(13)
	mr	1,8
	addi	3,3,-THREAD

	ld	6,_CCR(1)
	mtcr	6
	REST_GPRS 14,31
	ld	7,_NIP(1)
	mtlr	7
	addi	1,1,SWITCH_FRAME_SIZE
	blr
END_FUNC _switch
