/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Offsets that assembly and the host need. Linux generates this file; here it is written by hand
 * and asm-offsets.c holds every number to the structure it describes, so that the build needs no
 * generator.
 */
#ifndef ASM_OFFSETS_H
#define ASM_OFFSETS_H

#define PAGE_SIZE 4096
#define THREAD_SHIFT 14
#define THREAD_SIZE (1 << THREAD_SHIFT)

/* struct pt_regs, from its start */
#define PT_GPR 0
#define PT_NIP 256
#define PT_MSR 264
#define PT_ORIG_GPR3 272
#define PT_CTR 280
#define PT_LINK 288
#define PT_XER 296
#define PT_CCR 304
#define PT_SOFTE 312
#define PT_TRAP 320
#define PT_DAR 328
#define PT_DSISR 336
#define PT_RESULT 344
#define PT_PPR 352
#define PT_EXIT_RESULT 360
#define PT_KUAP 368
#define PT_IAMR 376
#define PT_SIZE 384

/* A kernel stack frame that holds a pt_regs: ABI header, pt_regs, red zone. */
#define STACK_FRAME_OVERHEAD 112
#define INT_FRAME_SIZE (STACK_FRAME_OVERHEAD + PT_SIZE + 288)
#define SWITCH_FRAME_SIZE INT_FRAME_SIZE

/* struct paca_struct */
#define PACACURRENT 0
#define PACAKSAVE 8
#define PACATOC 16
#define PACA_EXGEN 24
#define EX_R9 0
#define EX_R10 8
#define EX_R11 16
#define EX_R12 24
#define EX_R13 32
#define EX_CTR 40
#define PACAIRQSOFTMASK 72
#define PACAIRQHAPPENED 73
#define PACASRR_VALID 74
#define PACAHSRR_VALID 75
#define PACA_NMI_EMERG_SP 80

/* struct thread_struct */
#define KSP 0
#define PT_REGS 8
#define THREAD_FPSTATE 16
#define THREAD_FPSAVEAREA 544
#define THREAD_FPEXC_MODE 552
#define THREAD_LOAD_FP 556
#define THREAD_LOAD_VEC 557
#define THREAD_VRSTATE 560
#define THREAD_VRSAVEAREA 1088
#define THREAD_VRSAVE 1096
#define THREAD_USED_VR 1104
#define THREAD_USED_VSR 1108

/* struct thread_fp_state, struct thread_vr_state */
#define FPSTATE_FPSCR 512
#define VRSTATE_VSCR 512

/* struct task_struct */
#define TASK_STATE 8
#define TASK_PID 16
#define TASK_USER_INDEX 24
#define THREAD 3456
#define TASK_SIZE_OF 4576

/* struct ucontext */
#define UC_SIZE 1696
#define UC_GP_REGS 232
#define UC_NIP 488
#define UC_MSR 496
#define UC_FP_REGS 616
#define UC_FPSCR 872
#define UC_V_REGS 880
#define UC_V_AREA 896

#define MAX_USER_TASKS 8
#define MAX_IO_WORKERS 10 /* or 8, the director and a parked task */
#define MAX_TASKS (MAX_USER_TASKS + MAX_IO_WORKERS)

/* The user side: emulator/model/user, docs/internals.md section 3. */
#define USER_DATA 0x20000000
#define USER_DATA_SIZE 0x100000
/* One a task; its stack pointer starts USER_STACK_GAP below the end. */
#define USER_STACKS 0x20040000
#define USER_STACK_SHIFT 15
#define USER_STACK_GAP 256
#define USER_ENTRY 0x10000000
#define USER_SIGTRAMP 0x10000080
#define USER_SIGNAL_HANDLER 0x10000100

#endif
