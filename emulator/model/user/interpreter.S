/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user side: takes operations from the queue and does them, in whatever task is running.
 * docs/internals.md section 3 is the contract. The same text runs in the kernel model and, later,
 * in a process of a real kernel.
 *
 * r31 = shared page, r30 = this task's control block, r29 = current operation, r26-r28 scratch.
 * r14-r25 are never touched, nor is any FP, VMX or VSX register except where the operation says so.
 */
#include "user.h"

	.text

/* r3 = index of the task. At USER_ENTRY. */
_GLOBAL user_entry
	lis	31,SHARED_PAGE>>16
	mr	26,3
	b	task_start
END_FUNC user_entry

/*
 * At USER_SIGTRAMP, where the kernel starts a signal handler: what the vDSO's trampoline does. r1 =
 * frame - 128, ctr = handler.
 */
	.org USER_SIGTRAMP-USER_ENTRY
_GLOBAL user_sigtramp
	bctrl
	b	signal_return
END_FUNC user_sigtramp

/*
 * At USER_SIGNAL_HANDLER: r3 = signal, r4 = siginfo, r5 = ucontext. r30 is the interrupted task's.
 */
	.org USER_SIGNAL_HANDLER-USER_ENTRY
_GLOBAL user_signal_handler
	lis	31,SHARED_PAGE>>16
	ld	26,BLOCK_DEPTH(30)
	addi	26,26,1
	std	26,BLOCK_DEPTH(30)
	HOST HOST_SIGNAL_HANDLER
	cmpwi	3,SIGFPE
	bne	next_operation
	b	after_fp_exception
END_FUNC user_signal_handler

/*
 * As many a handler of SIGFPE: goes on behind the instruction, with exceptions disabled, and at
 * once.
 */
_GLOBAL after_fp_exception
	ld	26,UC_NIP(5)
	addi	26,26,4
	std	26,UC_NIP(5)
	ld	26,UC_FPSCR(5)
	li	27,FPSCR_ENABLES
	andc	26,26,27
	std	26,UC_FPSCR(5)
	b	leave_handler
END_FUNC after_fp_exception

/* The first instructions of a staged task; r26 = its index. */
_GLOBAL task_start
	OWN_BLOCK 26
	/* Nobody touches these again: they must be so at the end. */
	.set .Lgpr,14
	.rept 12
	addi	.Lgpr,26,0x100*.Lgpr
	.set .Lgpr,.Lgpr+1
	.endr
	HOST HOST_TASK_STARTED
	ld	27,BLOCK_INITIAL(30)
	ld	28,BLOCK_USES(30)

	andi.	26,28,USES_FP|USES_VSX
	beq	.Lno_fp
	lfd	0,IMAGE_FPSCR(27)
	mtfsf	255,0,1,0
	andi.	26,28,USES_VSX
	bne	.Lno_fp
	LOAD_FPRS 27
.Lno_fp:
	andi.	26,28,USES_VMX
	beq	.Lno_vmx
	li	26,IMAGE_VSCR_LVX
	lvx	0,26,27
	mtvscr	0
	andi.	26,28,USES_VSX
	bne	.Lno_vmx
	addi	26,27,IMAGE_VRS
	LOAD_VRS 26
.Lno_vmx:
	ld	28,BLOCK_USES(30)	/* LOAD_VRS used r28 */
	andi.	26,28,USES_VMX|USES_VSX
	beq	.Lno_vrsave
	ld	26,IMAGE_VRSAVE(27)
	mtspr	SPRN_VRSAVE,26
.Lno_vrsave:
	andi.	26,28,USES_VSX
	beq	next_operation
	LOAD_VSRS 27
	b	next_operation
END_FUNC task_start

/* The loop. END stays in the queue, so that every task comes to it. */
_GLOBAL next_operation
	ld	29,SHARED_NEXT(31)
	lwz	26,OP_KIND(29)
	cmpwi	26,0
	beq	1f
	addi	27,29,OP_SIZE
	std	27,SHARED_NEXT(31)
1:	HOST HOST_EVENT
	lwz	26,OP_KIND(29)
	JUMP_INTO operations, 26, 2
operations:
	b	op_end
	b	op_set_fpr
	b	op_set_vsr
	b	op_set_vsr_dw1
	b	op_set_vr
	b	op_set_fpscr
	b	op_set_vscr
	b	op_set_vrsave
	b	op_fill
	b	op_compute
	b	op_touch
	b	op_syscall
	b	op_fork
	b	op_interrupt
	b	op_sigreturn
	b	op_exit
	b	op_edit_frame
	b	op_swapcontext
	b	op_exec
	b	op_access
END_FUNC next_operation

_GLOBAL op_end
	ld	26,BLOCK_DEPTH(30)
	cmpdi	26,0
	bne	op_sigreturn
	b	op_exit
END_FUNC op_end

_GLOBAL op_sigreturn
	ld	26,BLOCK_DEPTH(30)
	cmpdi	26,0
	beq	next_operation
	b	leave_handler
END_FUNC op_sigreturn

_GLOBAL leave_handler
	ld	26,BLOCK_DEPTH(30)
	addi	26,26,-1
	std	26,BLOCK_DEPTH(30)
	HOST HOST_SIGRETURN
	b	signal_return
END_FUNC leave_handler

/* r1 = as at the handler's entry: the frame lies 128 bytes higher. */
_GLOBAL signal_return
	addi	1,1,128
	li	0,NR_RT_SIGRETURN
	sc
	trap
END_FUNC signal_return

_GLOBAL op_interrupt
	HOST HOST_INTERRUPT
	b	next_operation
END_FUNC op_interrupt

/*
 * Sets the bits a0 and clears the bits a1 of the frame's MSR, and copies a4 doublewords from a3 on,
 * one in a5 bytes, to a2 bytes behind fp_regs; with FLAG_V_REGS, behind what v_regs points at. The
 * frame is where signal_return expects it.
 */
_GLOBAL op_edit_frame
	ld	26,BLOCK_DEPTH(30)
	cmpdi	26,0
	beq	next_operation
	ld	26,128+UC_MSR(1)
	ld	27,OP_A0(29)
	ld	28,OP_A1(29)
	or	26,26,27
	andc	26,26,28
	std	26,128+UC_MSR(1)
	ld	26,OP_A4(29)
	cmpdi	26,0
	beq	next_operation
	mtctr	26
	addi	27,1,128+UC_FP_REGS
	ld	26,OP_FLAGS(29)
	andi.	26,26,FLAG_V_REGS
	beq	1f
	ld	27,128+UC_V_REGS(1)
1:	ld	26,OP_A2(29)
	add	27,27,26
	ld	28,OP_A3(29)
2:	ld	26,0(28)
	std	26,0(27)
	addi	27,27,8
	ld	26,OP_A5(29)
	add	28,28,26
	bdnz	2b
	b	next_operation
END_FUNC op_edit_frame

/*
 * Saves and restores the same context, at an address a1 behind a multiple of 16. It holds zeros
 * before, so that nothing old is taken for an MSR; but not in the last 32 doublewords, which a
 * small one does not have.
 */
_GLOBAL op_swapcontext
	addi	27,1,-CONTEXT_GAP
	clrrdi	27,27,4
	ld	26,OP_A1(29)
	add	27,27,26
	li	26,UC_SIZE/UC_PART
	mtctr	26
	mr	28,27
	li	26,0
1:	std	26,0(28)
	std	26,8(28)
	addi	28,28,UC_PART
	bdnz	1b
	/* What lies behind a small context is anything. */
	li	26,32
	mtctr	26
2:	stdu	27,-8(28)
	bdnz	2b
	LOAD_SYSCALL
	mr	3,27
	mr	4,27
	ld	26,OP_FLAGS(29)
	andi.	26,26,FLAG_SCV
	bne	3f
	sc
	b	4f
3:	SCV
4:	mr	5,27
	HOST HOST_CONTEXT
	b	next_operation
END_FUNC op_swapcontext

/* The new program is this one again, but it loads no registers and is in no handler. */
_GLOBAL op_exec
	li	26,0
	std	26,BLOCK_USES(30)
	std	26,BLOCK_DEPTH(30)
	b	op_syscall
END_FUNC op_exec

_GLOBAL op_syscall
	LOAD_SYSCALL
	ld	26,OP_FLAGS(29)
	andi.	26,26,FLAG_SCV
	bne	1f
	sc
	b	next_operation
1:	SCV
	b	next_operation
END_FUNC op_syscall

/*
 * A system call that returns twice. The child's control block is taken before, and its index passed
 * in r8, which Linux ignores and the kernel model takes for the child's name. A block is handed
 * back after a failure unless another one has been taken since.
 */
_GLOBAL op_fork
	ld	26,SHARED_BLOCKS(31)
	cmpldi	26,MAX_USER_TASKS
	bge	next_operation
	addi	27,26,1
	std	27,SHARED_BLOCKS(31)
	LOAD_SYSCALL
	mr	8,26
	ld	27,OP_FLAGS(29)
	andi.	28,27,FLAG_FAILS
	sldi	28,28,31		/* bit 1 to bit 32 */
	or	8,8,28
	andi.	27,27,FLAG_SCV
	bne	1f
	sc
	bso	.Lfork_failed
	b	2f
1:	SCV
	cmpdi	3,0
	blt	.Lfork_failed
2:	cmpdi	3,0
	bne	next_operation
	OWN_BLOCK 26
	addi	26,26,1
	sldi	26,26,USER_STACK_SHIFT
	addis	1,26,USER_STACKS>>16
	addi	1,1,-USER_STACK_GAP
	HOST HOST_TASK_STARTED
	b	next_operation
.Lfork_failed:
	ld	27,SHARED_BLOCKS(31)
	addi	28,26,1
	cmpd	27,28
	bne	next_operation
	std	26,SHARED_BLOCKS(31)
	b	next_operation
END_FUNC op_fork

/*
 * The task's last registers go to its dump area. Only VSX is needed before VMX and FP are touched,
 * as any user code might.
 */
_GLOBAL op_exit
	ld	27,BLOCK_DUMP(30)
	mfspr	26,SPRN_VRSAVE
	std	26,IMAGE_VRSAVE(27)
	STORE_VSRS 27
	mfvscr	0
	li	26,IMAGE_VSCR
	stxvd2x	32,26,27
	mffs	0
	stfd	0,IMAGE_FPSCR(27)
	HOST HOST_DUMPED
	li	0,NR_EXIT
	li	3,0
	sc
	trap
END_FUNC op_exit
