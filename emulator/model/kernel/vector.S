/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VR and VSCR state, as Linux's vector.S with the repair of the thread's bug (save_altivec puts v0
 * back).
 */
#include "ppc_asm.h"

	.text

/* void load_vr_state(struct thread_vr_state *); VEC is on. */
_GLOBAL load_vr_state
	li	4,VRSTATE_VSCR
	lvx	0,4,3
	DEFECT_OMIT "vscr-not-restored"
	mtvscr	0
	REST_32VRS 4,3
	blr
END_FUNC load_vr_state

/* void store_vr_state(struct thread_vr_state *); VEC is on. Leaves every register as it was. */
_GLOBAL store_vr_state
	SAVE_32VRS 4,3
	mfvscr	0
	li	4,VRSTATE_VSCR
	stvx	0,4,3
	DEFECT_OMIT "store-vr-state-clobbers-v0"
	lvx	0,0,3
	blr
END_FUNC store_vr_state

/*
 * VMX unavailable in user mode: give the current task its VRs. In: r12 = user MSR, r1 = its frame.
 */
_GLOBAL load_up_altivec
	mfmsr	5
	oris	5,5,MSR_VEC>>16
	ori	5,5,MSR_RI
	mtmsrd	5
	isync

	/* A task that uses VMX and never said which VRs gets all of them. */
	mfspr	4,SPRN_VRSAVE
	cmpwi	4,0
	bne	1f
	li	4,-1
	DEFECT_OMIT "vrsave-zero-on-first-use"
	mtspr	SPRN_VRSAVE,4
1:
	ld	4,PACACURRENT(13)
	addi	5,4,THREAD
	oris	12,12,MSR_VEC>>16
	std	12,_MSR(1)
	li	4,0
	stb	4,PACASRR_VALID(13)
	li	4,1
	stb	4,THREAD_LOAD_VEC(5)
	addi	6,5,THREAD_VRSTATE
	li	10,VRSTATE_VSCR
	DEFECT_OMIT "used-vr-not-set"
	stw	4,THREAD_USED_VR(5)
	lvx	0,10,6
	mtvscr	0
	REST_32VRS 4,6
	blr
END_FUNC load_up_altivec

/* void save_altivec(struct task_struct *); VEC is on. Leaves every register as it was. */
_GLOBAL save_altivec
	addi	3,3,THREAD
	ld	7,THREAD_VRSAVEAREA(3)
	cmpdi	7,0
	bne	2f
	addi	7,3,THREAD_VRSTATE
2:	SAVE_32VRS 4,7
	mfvscr	0
	li	4,VRSTATE_VSCR
	stvx	0,4,7
	DEFECT_OMIT "save-altivec-clobbers-v0"
	lvx	0,0,7
	blr
END_FUNC save_altivec

/* VSX unavailable in user mode: load whichever half is missing, and return to the user. */
_GLOBAL load_up_vsx
	andi.	5,12,MSR_FP
	bne	1f
	bl	load_up_fpu
1:	andis.	5,12,MSR_VEC>>16
	bne	2f
	bl	load_up_altivec
2:	ld	4,PACACURRENT(13)
	addi	4,4,THREAD
	li	6,1
	stw	6,THREAD_USED_VSR(4)
	oris	12,12,MSR_VSX>>16
	std	12,_MSR(1)
	li	4,0
	stb	4,PACASRR_VALID(13)
	b	fast_interrupt_return_srr
END_FUNC load_up_vsx

/*
 * Zero the VRs. Only the defect giveup-zeroes-registers calls it: registers that were given up are
 * nobody's.
 */
_GLOBAL zero_vr_registers
	.set .Lvr,0
	.rept 32
	vxor	.Lvr,.Lvr,.Lvr
	.set .Lvr,.Lvr+1
	.endr
	blr
END_FUNC zero_vr_registers
