/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Soft-masked interrupts, as Linux's asm/hw_irq.h: disabling interrupts is a byte in the paca. One
 * that comes all the same is noted in irq_happened, turns MSR[EE] off, and is replayed when
 * interrupts are enabled. Inline functions do what their namesakes in Linux do. Included by
 * processor.h, which has the paca.
 */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#define IRQS_ENABLED 0
#define IRQS_ALL_DISABLED 1

#define PACA_IRQ_HARD_DIS 0x01
#define PACA_IRQ_EE 0x04

void arch_local_irq_restore(void);

__inline unsigned long mfmsr(void)
{
	unsigned long msr;

	asm volatile("mfmsr %0" : "=r"(msr) : : "memory");
	return msr;
}

__inline void mtmsr_isync(unsigned long msr)
{
	asm volatile("mtmsrd %0; isync" : : "r"(msr) : "memory");
}

/* EE and RI alone. */
__inline void __hard_irq_enable(void)
{
	asm volatile("mtmsrd %0,1" : : "r"(MSR_EE | MSR_RI) : "memory");
}

__inline void __hard_irq_disable(void)
{
	asm volatile("mtmsrd %0,1" : : "r"(MSR_RI) : "memory");
}

__inline void local_irq_enable(void)
{
	if (local_paca->irq_happened)
		arch_local_irq_restore();
	else
		local_paca->irq_soft_mask = IRQS_ENABLED;
}

__inline void local_irq_disable(void)
{
	local_paca->irq_soft_mask = IRQS_ALL_DISABLED;
}

__inline bool irqs_disabled(void)
{
	return local_paca->irq_soft_mask;
}

/* An exception has turned MSR[EE] off. A system call leaves it on. */
__inline void interrupt_enter_prepare(void)
{
	local_paca->irq_happened |= PACA_IRQ_HARD_DIS;
}

/*
 * Interrupts are on in user mode. Linux turns MSR[EE] off first, and starts over if something is
 * pending; here nothing comes so late.
 */
__inline void prep_irq_for_enabled_exit(void)
{
	local_paca->irq_happened = 0;
	local_paca->irq_soft_mask = IRQS_ENABLED;
}

#endif
