/* SPDX-License-Identifier: GPL-2.0-only */
/* Layout constants for the host, as absolute symbols. docs/internals.md section 4. */
#include "ppc_asm.h"

.macro LAYOUT name, value
	.globl layout_\name
	.set layout_\name, \value
.endm

	LAYOUT task_size, TASK_SIZE_OF
	LAYOUT task_thread, THREAD
	LAYOUT task_user_index, TASK_USER_INDEX
	LAYOUT task_state, TASK_STATE
	LAYOUT task_pid, TASK_PID
	LAYOUT thread_regs, PT_REGS
	LAYOUT thread_fpr, THREAD_FPSTATE
	LAYOUT thread_fpscr, THREAD_FPSTATE+FPSTATE_FPSCR
	LAYOUT thread_vr, THREAD_VRSTATE
	LAYOUT thread_vscr, THREAD_VRSTATE+VRSTATE_VSCR
	LAYOUT thread_vrsave, THREAD_VRSAVE
	LAYOUT thread_load_fp, THREAD_LOAD_FP
	LAYOUT thread_load_vec, THREAD_LOAD_VEC
	LAYOUT thread_used_vr, THREAD_USED_VR
	LAYOUT thread_used_vsr, THREAD_USED_VSR
	LAYOUT regs_msr, PT_MSR
	LAYOUT regs_nip, PT_NIP
	LAYOUT regs_trap, PT_TRAP
	LAYOUT paca_current, PACACURRENT
	LAYOUT max_tasks, MAX_TASKS
	LAYOUT stack_size, THREAD_SIZE
	LAYOUT frame_gp_regs, UC_GP_REGS
	LAYOUT frame_fp_regs, UC_FP_REGS
	LAYOUT frame_v_regs, UC_V_AREA
