// SPDX-License-Identifier: GPL-2.0-only
// A guest that runs as a program does, as far as that moves registers: Linux's
// arch/powerpc/kvm/book3s_pr.c. Its registers are in the processor as if they were the task's, and
// whoever gives those up stores them in the vcpu (fp_save_area, vr_save_area). VRSAVE is not
// switched, and the guest leaves it alone.
#include "defect.h"
#include "kvm_host.h"
#include "sched.h"

/* The guest's memory that the host has to bring in. */
static u8 guest_page[PAGE_SIZE] __aligned(PAGE_SIZE);
static const u8 backing_page[PAGE_SIZE] __aligned(PAGE_SIZE) = { [0 ... PAGE_SIZE - 1] = 0xfd };

/// Linux's kvmppc_giveup_ext: the facilities that the guest has go back to the vcpu, unless
/// somebody has given them up before.
static void kvmppc_giveup_ext(struct kvm_vcpu_arch *vcpu, unsigned long msr)
{
	struct thread_struct *t = &current->thread;

	msr &= vcpu->guest_owned_ext;
	if (msr & MSR_FP) {
		if (t->regs->msr & MSR_FP)
			giveup_fpu(current);
		if (!defect("save-area-pointer-leak"))
			t->fp_save_area = NULL;
	}
	if (msr & MSR_VEC) {
		if (t->regs->msr & MSR_VEC)
			giveup_altivec(current);
		if (!defect("save-area-pointer-leak"))
			t->vr_save_area = NULL;
	}
	vcpu->guest_owned_ext &= ~(msr | MSR_VSX);
}

/// No function of its own in Linux: the guest's registers of these facilities go into the
/// processor.
static void load_ext(struct kvm_vcpu_arch *vcpu, unsigned long msr)
{
	if (msr & MSR_FP) {
		enable_kernel_fp();
		load_fp_state(&vcpu->fp);
		disable_kernel_fp();
	}
	if (msr & MSR_VEC) {
		enable_kernel_altivec();
		load_vr_state(&vcpu->vr);
		disable_kernel_altivec();
	}
}

/// Linux's kvmppc_handle_ext: the guest wants to use facilities, and has them from now on. VSX
/// takes the others along.
static void kvmppc_handle_ext(struct kvm_vcpu_arch *vcpu, unsigned long msr)
{
	struct thread_struct *t = &current->thread;

	if (msr == MSR_VSX)
		msr = MSR_FP | MSR_VEC | MSR_VSX;
	msr &= ~vcpu->guest_owned_ext;
	load_ext(vcpu, msr);
	if (msr & MSR_FP)
		t->fp_save_area = &vcpu->fp;
	if (msr & MSR_VEC)
		t->vr_save_area = &vcpu->vr;
	t->regs->msr |= msr;
	vcpu->guest_owned_ext |= msr;
}

/// Linux's kvmppc_handle_lost_ext: what the kernel has used itself in between is loaded again.
static void kvmppc_handle_lost_ext(struct kvm_vcpu_arch *vcpu)
{
	unsigned long lost_ext = vcpu->guest_owned_ext & ~current->thread.regs->msr;

	if (!defect("kvm-pr-lost-ext"))
		load_ext(vcpu, lost_ext);
	current->thread.regs->msr |= lost_ext;
}

/// Linux's kvmppc_core_vcpu_put_pr: the task is switched out, and the guest has nothing in the
/// processor after it.
void kvmppc_core_vcpu_put_pr(struct kvm_vcpu_arch *vcpu)
{
	kvmppc_giveup_ext(vcpu, MSR_FP | MSR_VEC | MSR_VSX);
}

/// No counterpart in Linux: the guest computes with all registers, here by writing each of them
/// once more with what it has.
static void guest_uses_registers(void)
{
	static struct thread_fp_state fp;
	static struct thread_vr_state vr;

	msr_check_and_set(MSR_FP | MSR_VEC | MSR_VSX);
	store_fp_state(&fp);
	store_vr_state(&vr);
	load_fp_state(&fp);
	load_vr_state(&vr);
}

/// Linux's kvmppc_handle_pagefault: memory of the guest is brought in, by a copy that uses VMX. The
/// task can be preempted here.
static void kvmppc_handle_pagefault(void)
{
	irq_point();
	copy_page(guest_page, backing_page);
	irq_point();
}

/// Linux's __kvmppc_vcpu_run: the guest uses VSX, changes every register, loses a page, and goes on
/// with what it has.
static void __kvmppc_vcpu_run(struct kvm_vcpu_arch *vcpu)
{
	kvmppc_handle_ext(vcpu, MSR_VSX);
	msr_check_and_set(MSR_FP | MSR_VEC | MSR_VSX);
	guest_changes_registers();
	kvmppc_handle_pagefault();
	kvmppc_handle_lost_ext(vcpu);
	kvmppc_handle_ext(vcpu, MSR_VSX);
	guest_uses_registers();
}

/// Linux's kvmppc_vcpu_run_pr.
long kvmppc_vcpu_run_pr(struct kvm_vcpu_arch *vcpu)
{
	giveup_all(current);
	kvmppc_handle_ext(vcpu, MSR_FP);
	__kvmppc_vcpu_run(vcpu);
	kvmppc_giveup_ext(vcpu, MSR_FP | MSR_VEC | MSR_VSX);
	srr_regs_clobbered();
	return 0;
}
