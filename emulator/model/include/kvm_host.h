/* SPDX-License-Identifier: GPL-2.0-only */
/* A vcpu, as Linux's asm/kvm_host.h, and what the two hypervisors share. */
#ifndef KVM_HOST_H
#define KVM_HOST_H

#include "processor.h"

/* Linux's kvm_vcpu_arch. */
struct kvm_vcpu_arch {
	struct thread_fp_state fp;
	struct thread_vr_state vr;
	u64 vrsave;
	u64 guest_owned_ext; /* PR: facilities whose registers are the guest's */
};

/* kvm_main.c */
void guest_changes_registers(void);

/* book3s_hv.c, book3s_pr.c */
long kvmppc_vcpu_run_hv(struct kvm_vcpu_arch *vcpu);
long kvmppc_vcpu_run_pr(struct kvm_vcpu_arch *vcpu);
void kvmppc_core_vcpu_put_pr(struct kvm_vcpu_arch *vcpu);

#endif
