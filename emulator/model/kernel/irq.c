// SPDX-License-Identifier: GPL-2.0-only
// The external interrupt, as Linux's irq.c. There is no interrupt controller: what the device or
// the other CPU wants is in remote_work.
#include "sched.h"

/// Linux's do_IRQ.
void do_IRQ(struct pt_regs *regs)
{
	(void)regs;
	interrupt_enter_prepare();
	smp_ipi_demux();
}
