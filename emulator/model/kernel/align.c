// SPDX-License-Identifier: GPL-2.0-only
// Alignment interrupts, as Linux's arch/powerpc/kernel/align.c and the handler of traps.c: the
// kernel does what the processor would not.
#include "sched.h"
#include "sstep.h"

/// Linux's fix_alignment. The instruction is where user code is; there are no prefixed ones.
static bool fix_alignment(struct pt_regs *regs)
{
	struct instruction_op op;

	if (!analyse_instr(&op, regs, *(const u32 *)regs->nip))
		return false;
	emulate_loadstore(regs, &op);
	return true;
}

/// Linux's alignment_exception. Interrupts are on while it works, so other CPUs' and devices'
/// doings come in there, and preempt it.
void alignment_exception(struct pt_regs *regs)
{
	if (!(regs->msr & MSR_PR))
		panic("Alignment exception in the kernel");
	interrupt_enter_prepare();
	local_irq_enable();
	first_irq_point();
	if (!fix_alignment(regs))
		panic("Unexpected alignment exception");
	regs_set_return_ip(regs, regs->nip + 4);
	irq_point();
	local_irq_disable();
}
