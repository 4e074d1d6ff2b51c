/* SPDX-License-Identifier: GPL-2.0-only */
/* Emulated loads and stores, as Linux's asm/sstep.h. */
#ifndef SSTEP_H
#define SSTEP_H

#include "processor.h"

enum instruction_type {
	LOAD_FP,
	STORE_FP,
	LOAD_VSX,
	STORE_VSX,
};

struct instruction_op {
	enum instruction_type type;
	int size; /* bytes */
	int reg;  /* FPR 0-31 or VSR 0-63 */
	unsigned long ea;
};

/* A VSR as thread_struct has it. */
union vsx_reg {
	u64 d[2];
	vector128 v;
};

bool analyse_instr(struct instruction_op *op, const struct pt_regs *regs, u32 word);
void emulate_loadstore(struct pt_regs *regs, struct instruction_op *op);

/* ldstfp.S: one register of the processor, whatever the kernel's own MSR has */
void get_fpr(int rn, u64 *p);
void put_fpr(int rn, const u64 *p);
void load_vsrn(int vsr, const void *p);
void store_vsrn(int vsr, void *p);

#endif
