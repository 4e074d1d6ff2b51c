// SPDX-License-Identifier: GPL-2.0-only
// Holds every number of asm-offsets.h to the structure it describes. No code.
#include "sched.h"
#include "signal.h"

#define CHECK(number, type, member) _Static_assert((number) == offsetof(type, member), #number)

CHECK(PT_GPR, struct pt_regs, gpr);
CHECK(PT_NIP, struct pt_regs, nip);
CHECK(PT_MSR, struct pt_regs, msr);
CHECK(PT_ORIG_GPR3, struct pt_regs, orig_gpr3);
CHECK(PT_CTR, struct pt_regs, ctr);
CHECK(PT_LINK, struct pt_regs, link);
CHECK(PT_XER, struct pt_regs, xer);
CHECK(PT_CCR, struct pt_regs, ccr);
CHECK(PT_SOFTE, struct pt_regs, softe);
CHECK(PT_TRAP, struct pt_regs, trap);
CHECK(PT_DAR, struct pt_regs, dar);
CHECK(PT_DSISR, struct pt_regs, dsisr);
CHECK(PT_RESULT, struct pt_regs, result);
CHECK(PT_PPR, struct pt_regs, ppr);
CHECK(PT_EXIT_RESULT, struct pt_regs, exit_result);
CHECK(PT_KUAP, struct pt_regs, kuap);
CHECK(PT_IAMR, struct pt_regs, iamr);
_Static_assert(PT_SIZE == sizeof(struct pt_regs), "PT_SIZE");

CHECK(PACACURRENT, struct paca_struct, __current);
CHECK(PACAKSAVE, struct paca_struct, kstack);
CHECK(PACATOC, struct paca_struct, kernel_toc);
CHECK(PACA_EXGEN, struct paca_struct, exgen);
CHECK(PACAIRQSOFTMASK, struct paca_struct, irq_soft_mask);
CHECK(PACAIRQHAPPENED, struct paca_struct, irq_happened);
CHECK(PACASRR_VALID, struct paca_struct, srr_valid);
CHECK(PACAHSRR_VALID, struct paca_struct, hsrr_valid);
CHECK(PACA_NMI_EMERG_SP, struct paca_struct, nmi_emergency_sp);

CHECK(KSP, struct thread_struct, ksp);
CHECK(PT_REGS, struct thread_struct, regs);
CHECK(THREAD_FPSTATE, struct thread_struct, fp_state);
CHECK(THREAD_FPSAVEAREA, struct thread_struct, fp_save_area);
CHECK(THREAD_FPEXC_MODE, struct thread_struct, fpexc_mode);
CHECK(THREAD_LOAD_FP, struct thread_struct, load_fp);
CHECK(THREAD_LOAD_VEC, struct thread_struct, load_vec);
CHECK(THREAD_VRSTATE, struct thread_struct, vr_state);
CHECK(THREAD_VRSAVEAREA, struct thread_struct, vr_save_area);
CHECK(THREAD_VRSAVE, struct thread_struct, vrsave);
CHECK(THREAD_USED_VR, struct thread_struct, used_vr);
CHECK(THREAD_USED_VSR, struct thread_struct, used_vsr);
CHECK(FPSTATE_FPSCR, struct thread_fp_state, fpscr);
CHECK(VRSTATE_VSCR, struct thread_vr_state, vscr);

CHECK(TASK_STATE, struct task_struct, state);
CHECK(TASK_PID, struct task_struct, pid);
CHECK(TASK_USER_INDEX, struct task_struct, user_index);
CHECK(THREAD, struct task_struct, thread);
_Static_assert(TASK_SIZE_OF == sizeof(struct task_struct), "TASK_SIZE_OF");
_Static_assert(sizeof(struct task_struct) > 4096, "the copy of a task must take memcpy's VMX path");

CHECK(UC_GP_REGS, struct ucontext, uc_mcontext.gp_regs);
CHECK(UC_FP_REGS, struct ucontext, uc_mcontext.fp_regs);
CHECK(UC_NIP, struct ucontext, uc_mcontext.gp_regs[PT_NIP / 8]);
CHECK(UC_MSR, struct ucontext, uc_mcontext.gp_regs[PT_MSR / 8]);
CHECK(UC_FPSCR, struct ucontext, uc_mcontext.fp_regs[32]);
CHECK(UC_V_REGS, struct ucontext, uc_mcontext.v_regs);
_Static_assert(UC_SIZE == sizeof(struct ucontext), "UC_SIZE");
// A frame is 16-byte aligned, so the area that v_regs points at has a fixed place in it.
_Static_assert(UC_V_AREA == ((offsetof(struct ucontext, uc_mcontext.vmx_reserve) + 15) & ~15UL), "UC_V_AREA");
_Static_assert(sizeof(struct sigframe_vmx) <= sizeof(((struct sigcontext *)NULL)->vmx_reserve), "VMX area");
