// SPDX-License-Identifier: GPL-2.0-only
// Interrupts that come while they are soft-masked, as Linux's irq_64.c and the masked_interrupt of
// exceptions-64s.S.
#include "sched.h"

/// Linux's masked_interrupt, of one that has to be hard-masked (PACA_IRQ_MUST_HARD_MASK): its line
/// stays up, so the interrupted code goes on with MSR[EE] off. Linux takes an exception; here it is
/// a call, at a place where an interrupt can come.
void masked_interrupt(void)
{
	local_paca->irq_happened |= PACA_IRQ_EE | PACA_IRQ_HARD_DIS;
	__hard_irq_disable();
}

/// Linux's __replay_soft_interrupts.
static void __replay_soft_interrupts(void)
{
	local_paca->irq_happened &= ~PACA_IRQ_EE;
	late_smp_ipi_demux();
}

/// Linux's arch_local_irq_restore, with CONFIG_PPC_IRQ_SOFT_MASK_DEBUG: interrupts are enabled, and
/// there is something to do first. Its warning is the end of a run here. Who is to be preempted
/// then is up to the caller.
void arch_local_irq_restore(void)
{
	// Everything here that sets any of the others sets HARD_DIS, too.
	if (mfmsr() & MSR_EE)
		panic("WARNING: MSR[EE] is on while interrupts are hard-disabled");
	if (local_paca->irq_happened != PACA_IRQ_HARD_DIS) {
		local_paca->irq_soft_mask = IRQS_ALL_DISABLED;
		__replay_soft_interrupts();
	}
	local_paca->irq_happened = 0;
	local_paca->irq_soft_mask = IRQS_ENABLED;
	__hard_irq_enable();
}
