// SPDX-License-Identifier: GPL-2.0-only
// Loads and stores of FP and VSX registers that the kernel does for user code, as Linux's
// arch/powerpc/lib/sstep.c. Memory first, then the register: the processor's if it is the user's,
// that of thread_struct if not. Which of them can change while memory is read, for that may sleep.
// Not here: all other instructions, and memory of the other byte order.
#include "defect.h"
#include "sched.h"
#include "sstep.h"

#define OPCODE_X 31
#define OPCODE_LFD 50
#define OPCODE_STFD 54
#define XOP_LXSDX 588
#define XOP_STXSDX 716
#define XOP_LXVD2X 844
#define XOP_STXVD2X 972

/// Linux's dform_ea.
static unsigned long dform_ea(u32 word, const struct pt_regs *regs)
{
	unsigned long ra = (word >> 16) & 31;
	unsigned long ea = (unsigned long)(long)(short)word;

	return ra ? ea + regs->gpr[ra] : ea;
}

/// Linux's xform_ea.
static unsigned long xform_ea(u32 word, const struct pt_regs *regs)
{
	unsigned long ra = (word >> 16) & 31;
	unsigned long ea = regs->gpr[(word >> 11) & 31];

	return ra ? ea + regs->gpr[ra] : ea;
}

/// Linux's analyse_instr, for the instructions of which there are events. False for any other.
bool analyse_instr(struct instruction_op *op, const struct pt_regs *regs, u32 word)
{
	u32 opcode = word >> 26;
	u32 xop = (word >> 1) & 0x3ff;

	op->reg = (word >> 21) & 31;
	op->size = 8;
	op->ea = opcode == OPCODE_X ? xform_ea(word, regs) : dform_ea(word, regs);
	if (opcode == OPCODE_LFD || opcode == OPCODE_STFD) {
		op->type = opcode == OPCODE_LFD ? LOAD_FP : STORE_FP;
		return true;
	}
	if (opcode != OPCODE_X)
		return false;
	op->reg |= (int)(word & 1) << 5;
	if (xop == XOP_LXVD2X || xop == XOP_STXVD2X)
		op->size = 16;
	op->type = xop == XOP_LXSDX || xop == XOP_LXVD2X ? LOAD_VSX : STORE_VSX;
	return xop == XOP_LXSDX || xop == XOP_STXSDX || xop == XOP_LXVD2X || xop == XOP_STXVD2X;
}

/// Linux's copy_mem_in and copy_mem_out, which never fail here. User memory may have to be brought
/// in: here the task can be preempted, in Linux also for that.
static void copy_mem(u8 *to, const u8 *from, int size)
{
	irq_point();
	for (int i = 0; i < size; i++)
		to[i] = from[i];
	irq_point();
}

/// Linux's do_fp_load. An image gets doubleword 0 only, as in 6.1; lfd makes doubleword 1 zero
/// since ISA 3.1.
static void do_fp_load(struct instruction_op *op, struct pt_regs *regs)
{
	u64 value;

	copy_mem((u8 *)&value, (const u8 *)op->ea, op->size);
	if ((regs->msr & MSR_FP) || defect("emul-ignores-non-live")) {
		put_fpr(op->reg, &value);
		return;
	}
	current->thread.fp_state.fpr[op->reg][TS_FPROFFSET] = value;
	if (defect("repair-emul-lfd-dw1"))
		current->thread.fp_state.fpr[op->reg][TS_VSRLOWOFFSET] = 0;
}

/// Linux's do_fp_store.
static void do_fp_store(struct instruction_op *op, struct pt_regs *regs)
{
	u64 value;

	if (regs->msr & MSR_FP)
		get_fpr(op->reg, &value);
	else
		value = current->thread.fp_state.fpr[op->reg][TS_FPROFFSET];
	copy_mem((u8 *)op->ea, (const u8 *)&value, op->size);
}

/// Linux's emulate_vsx_load: doubleword 0 is first in memory, and what is not loaded is zero.
static void emulate_vsx_load(const struct instruction_op *op, union vsx_reg *reg, const u64 *mem)
{
	reg->d[TS_FPROFFSET] = mem[0];
	reg->d[TS_VSRLOWOFFSET] = op->size == 16 ? mem[1] : 0;
}

/// Linux's emulate_vsx_store.
static void emulate_vsx_store(const union vsx_reg *reg, u64 *mem)
{
	mem[0] = reg->d[TS_FPROFFSET];
	mem[1] = reg->d[TS_VSRLOWOFFSET];
}

/// No function of its own in Linux: whether the processor has the register of the user.
static bool vsr_is_live(const struct pt_regs *regs, int reg)
{
	return regs->msr & (reg < 32 ? MSR_FP : MSR_VEC);
}

/// No function of its own in Linux: the register's image.
static union vsx_reg *vsr_image(int reg)
{
	if (reg < 32)
		return (union vsx_reg *)current->thread.fp_state.fpr[reg];
	return (union vsx_reg *)&current->thread.vr_state.vr[reg - 32];
}

/// No function of its own in Linux: how many registers an access is about; one of 8 bytes is about
/// one too.
static int nr_vsx_regs(const struct instruction_op *op)
{
	if (defect("emul-vsx-pair-size"))
		return op->size / 16;
	return 1;
}

/// Linux's do_vsx_load.
static void do_vsx_load(struct instruction_op *op, struct pt_regs *regs)
{
	u64 mem[2];
	union vsx_reg buf;

	copy_mem((u8 *)mem, (const u8 *)op->ea, op->size);
	emulate_vsx_load(op, &buf, mem);
	for (int i = 0; i < nr_vsx_regs(op); i++) {
		if (vsr_is_live(regs, op->reg))
			load_vsrn(op->reg, &buf);
		else
			*vsr_image(op->reg) = buf;
	}
}

/// Linux's do_vsx_store.
static void do_vsx_store(struct instruction_op *op, struct pt_regs *regs)
{
	u64 mem[2];
	union vsx_reg buf = { .d = { 0, 0 } };

	for (int i = 0; i < nr_vsx_regs(op); i++) {
		if (vsr_is_live(regs, op->reg))
			store_vsrn(op->reg, &buf);
		else
			buf = *vsr_image(op->reg);
	}
	emulate_vsx_store(&buf, mem);
	copy_mem((u8 *)op->ea, (const u8 *)mem, op->size);
}

/// Linux's emulate_loadstore.
void emulate_loadstore(struct pt_regs *regs, struct instruction_op *op)
{
	switch (op->type) {
	case LOAD_FP:
		do_fp_load(op, regs);
		break;
	case STORE_FP:
		do_fp_store(op, regs);
		break;
	case LOAD_VSX:
		do_vsx_load(op, regs);
		break;
	case STORE_VSX:
		do_vsx_store(op, regs);
		break;
	}
}
