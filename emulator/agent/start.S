/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry of the agent, its system calls, and the mark where a snapshot is taken. The agent is the
 * first program of a real kernel: it makes the tasks that the interpreter runs in, and is what acts
 * for other CPUs and devices afterwards. Nothing here touches FP, VMX or VSX registers.
 */
#include "agent.h"

	.text

_GLOBAL _start
	mr	3,1
	lis	2,.TOC.@ha
	addi	2,2,.TOC.@l
	clrrdi	1,1,4
	li	0,0
	stdu	0,-128(1)
	bl	agent_main
	trap
END_FUNC _start

/*
 * long syscall6(a0..a5, number): the number is the seventh argument, so that the others are in
 * place. Returns -errno on failure.
 */
_GLOBAL syscall6
	mr	0,9
	sc
	bnslr
	neg	3,3
	blr
END_FUNC syscall6

/*
 * long spawn(flags, stack, function, argument): a process that runs function(argument) on its own
 * stack.
 */
_GLOBAL spawn
	std	30,-16(1)
	std	31,-8(1)
	mr	30,5
	mr	31,6
	addi	4,4,-128
	li	5,0
	li	6,0
	li	7,0
	li	0,NR_CLONE
	sc
	bso	1f
	cmpdi	3,0
	beq	2f
	b	3f
1:	neg	3,3
3:	ld	30,-16(1)
	ld	31,-8(1)
	blr
	/* The child: its r30 and r31 are as they were at the call, and nobody needs them back. */
2:	mr	3,31
	mr	12,30
	mtctr	12
	bctrl
	trap
END_FUNC spawn

/* void become_task(index, stack): the rest of this task's life is the interpreter's. */
_GLOBAL become_task
	mr	1,4
	b	user_entry
END_FUNC become_task

/*
 * void agent_mark(void): everything is in place. The snapshot is taken before this instruction
 * runs.
 */
_GLOBAL agent_mark
	nop
	blr
END_FUNC agent_mark

/* void host_traced(void): what a tracer has read is where the host looks for it. */
_GLOBAL host_traced
	std	28,-16(1)
	HOST	HOST_AGENT_TRACED
	ld	28,-16(1)
	blr
END_FUNC host_traced

/* void host_idle(void): no task can run. The host says in the agent's page whom to wake. */
_GLOBAL host_idle
	std	30,-8(1)
	std	28,-16(1)
	lis	30,SHARED_PAGE>>16
	ori	30,30,CONTROL_BLOCKS
	HOST	HOST_IDLE
	ld	28,-16(1)
	ld	30,-8(1)
	blr
END_FUNC host_idle
