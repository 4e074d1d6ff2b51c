/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pt_regs, thread_struct and the paca, as Linux's asm/ptrace.h, asm/processor.h and asm/paca.h.
 * Inline functions do what their namesakes in Linux do.
 */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#include "asm-offsets.h"
#include "reg.h"
#include "types.h"

struct pt_regs {
	u64 gpr[32];
	u64 nip;
	u64 msr;
	u64 orig_gpr3;
	u64 ctr;
	u64 link;
	u64 xer;
	u64 ccr;
	u64 softe;
	u64 trap;
	u64 dar;
	u64 dsisr;
	u64 result;
	u64 ppr;
	u64 exit_result;
	u64 kuap;
	u64 iamr;
};

typedef struct {
	u32 u[4];
} __aligned(16) vector128;

/* fpr[n] is VSR n: doubleword 0 at [n][TS_FPROFFSET], doubleword 1 at the other. */
struct thread_fp_state {
	u64 fpr[32][2] __aligned(16);
	u64 fpscr;
};

struct thread_vr_state {
	vector128 vr[32];
	vector128 vscr;
};

#ifdef __LITTLE_ENDIAN__
#define TS_FPROFFSET 1
#define TS_VSRLOWOFFSET 0
#else
#define TS_FPROFFSET 0
#define TS_VSRLOWOFFSET 1
#endif

struct thread_struct {
	unsigned long ksp;
	struct pt_regs *regs;
	struct thread_fp_state fp_state;
	struct thread_fp_state *fp_save_area;
	u32 fpexc_mode;
	u8 load_fp;
	u8 load_vec;
	struct thread_vr_state vr_state;
	struct thread_vr_state *vr_save_area;
	unsigned long vrsave;
	int used_vr;
	int used_vsr;
};

struct task_struct;

struct paca_struct {
	struct task_struct *__current;
	u64 kstack;
	u64 kernel_toc;
	u64 exgen[6];
	u8 irq_soft_mask;
	u8 irq_happened;
	u8 srr_valid;
	u8 hsrr_valid;
	/* Linux has it in thread_info; only nmi_enter counts here. */
	u32 preempt_count;
	u64 nmi_emergency_sp;
};

extern struct paca_struct paca;
register struct paca_struct *local_paca asm("r13");
#define current (local_paca->__current)

#define TRAP_SYSCALL 0xc00
#define TRAP_SCV 0x3000
#define TRAP_NORESTART 1UL

__inline bool trap_is_scv(const struct pt_regs *regs)
{
	return (regs->trap & ~TRAP_NORESTART) == TRAP_SCV;
}

__inline bool trap_is_syscall(const struct pt_regs *regs)
{
	return trap_is_scv(regs) || (regs->trap & ~TRAP_NORESTART) == TRAP_SYSCALL;
}

/* The question of a restart has been settled for this entry. */
__inline void set_trap_norestart(struct pt_regs *regs)
{
	regs->trap |= TRAP_NORESTART;
}

/* The frame no longer equals SRR0/SRR1, so the exit must load them again. */
__inline void srr_regs_clobbered(void)
{
	local_paca->srr_valid = 0;
	local_paca->hsrr_valid = 0;
}

__inline void regs_set_return_ip(struct pt_regs *regs, u64 ip)
{
	regs->nip = ip;
	srr_regs_clobbered();
}

__inline void regs_set_return_msr(struct pt_regs *regs, u64 msr)
{
	regs->msr = msr;
	srr_regs_clobbered();
}

#include "hw_irq.h"

/* As Linux's nmi_enter, nmi_exit and in_interrupt. */
__inline void nmi_enter(void)
{
	local_paca->preempt_count++;
}

__inline void nmi_exit(void)
{
	local_paca->preempt_count--;
}

__inline bool in_interrupt(void)
{
	return local_paca->preempt_count;
}

/* fpu.S, vector.S, entry_64.S */
void load_fp_state(struct thread_fp_state *state);
void store_fp_state(struct thread_fp_state *state);
void save_fpu(struct task_struct *tsk);
void load_vr_state(struct thread_vr_state *state);
void store_vr_state(struct thread_vr_state *state);
void save_altivec(struct task_struct *tsk);
void zero_fp_registers(void);
void zero_vr_registers(void);
void power10_idle_stop(void);
struct task_struct *_switch(struct thread_struct *prev, struct thread_struct *next);
void ret_from_fork(void);
void ret_from_fork_scv(void);
void ret_from_kernel_thread(void);

/* process.c and its neighbours */
unsigned long msr_check_and_set(unsigned long bits);
void msr_check_and_clear(unsigned long bits);
void __giveup_fpu(struct task_struct *tsk);
void __giveup_altivec(struct task_struct *tsk);
void giveup_fpu(struct task_struct *tsk);
void giveup_altivec(struct task_struct *tsk);
void giveup_vsx(struct task_struct *tsk);
void giveup_all(struct task_struct *tsk);
void save_all(struct task_struct *tsk);
void flush_fp_to_thread(struct task_struct *tsk);
void flush_altivec_to_thread(struct task_struct *tsk);
void flush_vsx_to_thread(struct task_struct *tsk);
void flush_all_to_thread(struct task_struct *tsk);
void enable_kernel_fp(void);
void enable_kernel_altivec(void);
void enable_kernel_vsx(void);
void restore_math(struct pt_regs *regs);
struct task_struct *__switch_to(struct task_struct *prev, struct task_struct *new);
void start_thread(struct pt_regs *regs, unsigned long start, unsigned long sp);

__inline void disable_kernel_fp(void)
{
	msr_check_and_clear(MSR_FP);
}

__inline void disable_kernel_altivec(void)
{
	msr_check_and_clear(MSR_VEC);
}

__inline void disable_kernel_vsx(void)
{
	msr_check_and_clear(MSR_FP | MSR_VEC | MSR_VSX);
}

#endif
