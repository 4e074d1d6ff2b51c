// SPDX-License-Identifier: GPL-2.0-only
// A guest that has the processor for itself, as far as that moves registers: Linux's
// arch/powerpc/kvm/book3s_hv.c and book3s_hv_p9_entry.c. No transactional memory, no nesting, no
// exit but the one that ends the call.
#include "defect.h"
#include "kvm_host.h"
#include "sched.h"

/* Linux's p9_host_os_sprs. */
struct p9_host_os_sprs {
	u64 vrsave;
};

/// Linux's kvmppc_save_user_regs: the user's registers go to thread_struct and are nobody's, as the
/// guest's take their place.
static void kvmppc_save_user_regs(void)
{
	unsigned long usermsr = current->thread.regs->msr;

	if (defect("kvm-run-saves-without-giveup")) {
		if (usermsr & MSR_FP)
			save_fpu(current);
		if (usermsr & MSR_VEC)
			save_altivec(current);
		return;
	}
	if (usermsr & MSR_FP)
		__giveup_fpu(current);
	if (usermsr & MSR_VEC)
		__giveup_altivec(current);
}

/// Linux's load_vcpu_state.
static void load_vcpu_state(struct kvm_vcpu_arch *vcpu, const struct p9_host_os_sprs *host_os_sprs)
{
	load_fp_state(&vcpu->fp);
	load_vr_state(&vcpu->vr);
	if (host_os_sprs->vrsave != vcpu->vrsave)
		mtspr(256, vcpu->vrsave);
}

/// Linux's store_vcpu_state.
static void store_vcpu_state(struct kvm_vcpu_arch *vcpu)
{
	store_fp_state(&vcpu->fp);
	store_vr_state(&vcpu->vr);
	vcpu->vrsave = mfspr(256);
}

/// Linux's restore_p9_host_os_sprs.
static void restore_p9_host_os_sprs(const struct kvm_vcpu_arch *vcpu, const struct p9_host_os_sprs *host_os_sprs)
{
	if (host_os_sprs->vrsave != vcpu->vrsave && !defect("kvm-hv-host-sprs"))
		mtspr(256, host_os_sprs->vrsave);
}

/// Linux's kvmhv_vcpu_entry_p9, once.
static void kvmhv_vcpu_entry_p9(struct kvm_vcpu_arch *vcpu)
{
	struct p9_host_os_sprs host_os_sprs = { .vrsave = mfspr(256) };

	load_vcpu_state(vcpu, &host_os_sprs);
	guest_changes_registers();
	mtspr(256, 0x9e57);
	store_vcpu_state(vcpu);
	restore_p9_host_os_sprs(vcpu, &host_os_sprs);
}

/// Linux's kvmppc_vcpu_run_hv.
long kvmppc_vcpu_run_hv(struct kvm_vcpu_arch *vcpu)
{
	msr_check_and_set(MSR_FP | MSR_VEC | MSR_VSX);
	kvmppc_save_user_regs();
	current->thread.vrsave = mfspr(256);
	kvmhv_vcpu_entry_p9(vcpu);
	return 0;
}
