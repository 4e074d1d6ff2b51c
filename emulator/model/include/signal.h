/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The signal frame, byte for byte as Linux puts it on a 64-bit user stack (without transactional
 * memory).
 */
#ifndef SIGNAL_H
#define SIGNAL_H

#include "processor.h"

#define USER_FRAME_GAP 128 /* __SIGNAL_FRAMESIZE: between the frame and the handler's r1 */
#define USER_ABI_GAP 512   /* what user code may use below r1 */

struct sigcontext {
	u64 _unused[4];
	int signal;
	int _pad0;
	u64 handler;
	u64 oldmask;
	struct pt_regs *regs;
	u64 gp_regs[48];
	u64 fp_regs[33];
	u64 *v_regs;
	u64 vmx_reserve[34 + 34 + 1 + 32];
};

struct ucontext {
	u64 uc_flags;
	struct ucontext *uc_link;
	u64 uc_stack[3];
	u64 uc_sigmask;
	u64 __unused[15];
	struct sigcontext uc_mcontext;
};

struct siginfo {
	int si_signo;
	int si_errno;
	int si_code;
	int _pad[29];
};

struct rt_sigframe {
	struct ucontext uc;
	u64 _unused[2];
	u32 tramp[7];
	struct siginfo *pinfo;
	void *puc;
	struct siginfo info;
	char abigap[USER_ABI_GAP];
} __aligned(16);

/* The VMX area at v_regs, which is the first quadword boundary in vmx_reserve. */
struct sigframe_vmx {
	vector128 vr[32];
	vector128 vscr;
	u32 vrsave;
	u32 _pad[3];
	u64 vsr_low[32];
};

#endif
