/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FPR, VSR 0-31 and FPSCR state, as Linux's fpu.S with the repair of the thread's bug (save_fpu
 * puts VSR0 back).
 */
#include "ppc_asm.h"

	.text

/* FPSCR, all 64 bits of it (L=1), from f0. */
.macro MTFSF_L_F0
	DEFECT_WORD "fpscr-low-word-only", 0xfdfe058e
	mtfsf	255,0,1,0
.endm

/*
 * VSR0 again from the image at \base: moving FPSCR through f0 has destroyed both its doublewords.
 */
.macro REST_VSR0 index, base, omitted
	li	\index,0
	DEFECT_OMIT "\omitted"
	DEFECT_WORD "half-fix-fpr0-only", (0xc8000000 | (\base << 16) | TS_FPROFFSET)
	lxvd2x	0,\index,\base
#ifdef __LITTLE_ENDIAN__
	DEFECT_OMIT "\omitted"
	DEFECT_OMIT "half-fix-fpr0-only"
	xxpermdi 0,0,0,2
#endif
.endm

/* void load_fp_state(struct thread_fp_state *); FP and VSX are on. */
_GLOBAL load_fp_state
	lfd	0,FPSTATE_FPSCR(3)
	DEFECT_OMIT "fpscr-not-restored"
	MTFSF_L_F0
	REST_32FPVSRS 4,3
	/* With the defect FPSCR is loaded here, last, through f0. */
	DEFECT_WORD "fpscr-restored-after-fprs", (0xc8030000 | FPSTATE_FPSCR)
	nop
	DEFECT_WORD "fpscr-restored-after-fprs", 0xfffe058e
	nop
	blr
END_FUNC load_fp_state

/*
 * void store_fp_state(struct thread_fp_state *); FP and VSX are on. Leaves every register as it
 * was.
 */
_GLOBAL store_fp_state
	SAVE_32FPVSRS 4,3
	mffs	0
	stfd	0,FPSTATE_FPSCR(3)
	REST_VSR0 4,3,store-fp-state-clobbers-f0
	blr
END_FUNC store_fp_state

/* One VSR of load_up_fpu: LXVD2X_ROT with its own defect site. */
.macro REST_VSR_OF_LOAD_UP_FPU vsr, index, base
	lxvd2x	\vsr,\index,\base
#ifdef __LITTLE_ENDIAN__
	DEFECT_OMIT "le-swap-missing-on-load"
	xxpermdi \vsr,\vsr,\vsr,2
#endif
.endm

/*
 * FP unavailable in user mode: give the current task its FP registers. In: r12 = user MSR, r1 = its
 * frame. Does not turn VSX on for the user, although all 128 bits of the VSRs are loaded.
 */
_GLOBAL load_up_fpu
	mfmsr	5
	ori	5,5,MSR_FP|MSR_RI
	oris	5,5,MSR_VSX>>16
	mtmsrd	5
	isync
	/* With the defect: r14 = r1, which the way back does not load again. */
	DEFECT_WORD "load-up-uses-unsaved-gpr", 0x7c2e0b78
	nop
	ld	4,PACACURRENT(13)
	addi	5,4,THREAD
	lwz	4,THREAD_FPEXC_MODE(5)
	ori	12,12,MSR_FP
	DEFECT_OMIT "fpexc-not-applied-by-fault"
	or	12,12,4
	std	12,_MSR(1)
	li	4,0
	DEFECT_OMIT "load-up-misses-srr"
	stb	4,PACASRR_VALID(13)
	DEFECT_WORD "load-up-fpu-zero-load-fp", 0x38800000
	li	4,1
	stb	4,THREAD_LOAD_FP(5)
	addi	10,5,THREAD_FPSTATE
	lfd	0,FPSTATE_FPSCR(10)
	MTFSF_L_F0
	.set .Lvsr,0
	.rept 32
	li	4,16*.Lvsr
	REST_VSR_OF_LOAD_UP_FPU .Lvsr,4,10
	.set .Lvsr,.Lvsr+1
	.endr
	isync
	blr
END_FUNC load_up_fpu

/* One VSR of save_fpu: STXVD2X_ROT with its own defect site. */
.macro SAVE_VSR_OF_SAVE_FPU vsr, index, base
#ifdef __LITTLE_ENDIAN__
	xxpermdi \vsr,\vsr,\vsr,2
	stxvd2x \vsr,\index,\base
	DEFECT_OMIT "le-missing-swap-back"
	xxpermdi \vsr,\vsr,\vsr,2
#else
	stxvd2x \vsr,\index,\base
#endif
.endm

/* void save_fpu(struct task_struct *); FP and VSX are on. Leaves every register as it was. */
_GLOBAL save_fpu
	addi	3,3,THREAD
	ld	6,THREAD_FPSAVEAREA(3)
	cmpdi	6,0
	bne	2f
	addi	6,3,THREAD_FPSTATE
2:
	.set .Lvsr,0
	.rept 32
	li	4,16*.Lvsr
	SAVE_VSR_OF_SAVE_FPU .Lvsr,4,6
	.set .Lvsr,.Lvsr+1
	.endr
	mffs	0
	stfd	0,FPSTATE_FPSCR(6)
	REST_VSR0 4,6,save-fpu-clobbers-f0
	blr
END_FUNC save_fpu

/*
 * Zero VSR 0-31. Only the defect giveup-zeroes-registers calls it: registers that were given up are
 * nobody's.
 */
_GLOBAL zero_fp_registers
	.set .Lvsr,0
	.rept 32
	xxlxor	.Lvsr,.Lvsr,.Lvsr
	.set .Lvsr,.Lvsr+1
	.endr
	blr
END_FUNC zero_fp_registers
