/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of a tracer, the model's and the agent's: what it is to write, and what it has read.
 * docs/internals.md section 4.
 */
#ifndef PTRACE_AREA_H
#define PTRACE_AREA_H

#include "types.h"

#define REGSET_FP 1
#define REGSET_VMX 2
#define REGSET_VSX 4

/* What debuggers and core dumps have of a task's registers. */
struct regsets {
	u64 fp[33];
	u64 _pad;
	u64 vmx[68]; /* quadwords */
	u64 vsx[32];
} __attribute__((aligned(16)));

struct ptrace_area {
	u64 set;   /* from the host: which register set is written, REGSET_ or 0 */
	u64 bytes; /* from the host: of `data` */
	struct regsets read;
	u64 data[68]; /* from the host */
};

#define ptrace_area ((struct ptrace_area *)0x2000c000)

#endif
