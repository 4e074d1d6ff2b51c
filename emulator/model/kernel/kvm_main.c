// SPDX-License-Identifier: GPL-2.0-only
// KVM_RUN, as Linux's virt/kvm/kvm_main.c: which hypervisor runs the guest, and what happens when
// the task with the vcpu is preempted. Every task has two vcpus, one of each kind, and their guests
// do one thing: they change every register.
#include "hostcall.h"
#include "kvm_host.h"
#include "ptrace-area.h"
#include "sched.h"

#define KVM_RUN 0xae80

static struct kvm_vcpu_arch hv_vcpus[MAX_USER_TASKS];
static struct kvm_vcpu_arch pr_vcpus[MAX_USER_TASKS];

/// No counterpart in Linux: the guest's program. It changes every register that the two hypervisors
/// switch to what no task has.
void guest_changes_registers(void)
{
	load_strange_registers(0x9e57000000000000, 0x9e570100, 0x3);
}

/// No counterpart in Linux: the host is told what the guest's registers are, in the form that a
/// tracer would read them in.
static void tell_host(const struct kvm_vcpu_arch *vcpu)
{
	static struct regsets guest;

	for (u64 i = 0; i < 32; i++) {
		guest.fp[i] = vcpu->fp.fpr[i][TS_FPROFFSET];
		guest.vsx[i] = vcpu->fp.fpr[i][TS_VSRLOWOFFSET];
	}
	guest.fp[32] = vcpu->fp.fpscr;
	memcpy(guest.vmx, &vcpu->vr, sizeof(vcpu->vr));
	regsets_tell(HOST_GUEST_LEFT, &guest);
}

/// Linux's kvm_sched_out: the task with the vcpu in it is about to be switched out.
void kvm_sched_out(struct task_struct *tsk)
{
	if (tsk->vcpu)
		kvmppc_core_vcpu_put_pr(tsk->vcpu);
}

/// Linux's kvm_vcpu_ioctl.
static long kvm_vcpu_ioctl(bool pr)
{
	struct kvm_vcpu_arch *vcpu = &(pr ? pr_vcpus : hv_vcpus)[current->user_index];
	long ret;

	if (pr) {
		current->vcpu = vcpu;
		ret = kvmppc_vcpu_run_pr(vcpu);
		current->vcpu = NULL;
	} else {
		ret = kvmppc_vcpu_run_hv(vcpu);
	}
	tell_host(vcpu);
	return ret;
}

/// Linux's sys_ioctl, on the file of a vcpu whatever `fd` is; `pr` says which.
long sys_ioctl(u32 fd, u32 cmd, u64 pr)
{
	(void)fd;
	return cmd == KVM_RUN ? kvm_vcpu_ioctl(pr) : -ENOTTY;
}
