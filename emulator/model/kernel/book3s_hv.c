// SPDX-License-Identifier: GPL-2.0-only
// KVM_RUN, as far as it moves registers: Linux's arch/powerpc/kvm/book3s_hv.c and book3s_hv_p9_entry.c. There is one vcpu, every task may run it, and its guest
// does one thing: it loads every register it has. No transactional memory, no nesting, no exit but the one that ends the call.
#include "defect.h"
#include "sched.h"

#define KVM_RUN 0xae80

/* Linux's kvm_vcpu_arch. */
struct kvm_vcpu_arch {
	struct thread_fp_state fp;
	struct thread_vr_state vr;
	u64 vrsave;
};

/* Linux's p9_host_os_sprs. */
struct p9_host_os_sprs {
	u64 vrsave;
};

static struct kvm_vcpu_arch vcpu_arch;

/// Linux's kvmppc_save_user_regs: the user's registers go to thread_struct and are nobody's, as the guest's take their place.
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
static void load_vcpu_state(const struct p9_host_os_sprs *host_os_sprs)
{
	load_fp_state(&vcpu_arch.fp);
	load_vr_state(&vcpu_arch.vr);
	if (host_os_sprs->vrsave != vcpu_arch.vrsave)
		mtspr(256, vcpu_arch.vrsave);
}

/// Linux's store_vcpu_state.
static void store_vcpu_state(void)
{
	store_fp_state(&vcpu_arch.fp);
	store_vr_state(&vcpu_arch.vr);
	vcpu_arch.vrsave = mfspr(256);
}

/// Linux's restore_p9_host_os_sprs.
static void restore_p9_host_os_sprs(const struct p9_host_os_sprs *host_os_sprs)
{
	if (host_os_sprs->vrsave != vcpu_arch.vrsave && !defect("kvm-hv-host-sprs"))
		mtspr(256, host_os_sprs->vrsave);
}

/// No counterpart in Linux: the guest's program. It changes every register to what no task has.
static void guest(void)
{
	static struct thread_fp_state fp = { .fpscr = 0x3 };
	static struct thread_vr_state vr;

	for (u64 i = 0; i < 32; i++) {
		fp.fpr[i][0] = 0x9e57000000000000 + 2 * i;
		fp.fpr[i][1] = 0x9e57000000000001 + 2 * i;
		for (u64 j = 0; j < 4; j++)
			vr.vr[i].u[j] = (u32)(0x9e570100 + 4 * i + j);
	}
	for (u64 j = 0; j < 4; j++)
		vr.vscr.u[j] = 1;
	load_fp_state(&fp);
	load_vr_state(&vr);
	mtspr(256, 0x9e57);
}

/// Linux's kvmhv_vcpu_entry_p9, once.
static void kvmhv_vcpu_entry_p9(void)
{
	struct p9_host_os_sprs host_os_sprs = { .vrsave = mfspr(256) };

	load_vcpu_state(&host_os_sprs);
	guest();
	store_vcpu_state();
	restore_p9_host_os_sprs(&host_os_sprs);
}

/// Linux's kvmppc_vcpu_run_hv.
static long kvmppc_vcpu_run_hv(void)
{
	msr_check_and_set(MSR_FP | MSR_VEC | MSR_VSX);
	kvmppc_save_user_regs();
	current->thread.vrsave = mfspr(256);
	kvmhv_vcpu_entry_p9();
	return 0;
}

/// Linux's sys_ioctl, on the file of the vcpu whatever `fd` is.
long sys_ioctl(u32 fd, u32 cmd)
{
	(void)fd;
	return cmd == KVM_RUN ? kvmppc_vcpu_run_hv() : -ENOTTY;
}
