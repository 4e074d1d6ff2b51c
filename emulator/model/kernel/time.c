// SPDX-License-Identifier: GPL-2.0-only
// The decrementer interrupt, as Linux's time.c. There is no clock: what a tick brings is in
// remote_work.
#include "sched.h"

/// Linux's timer_interrupt.
void timer_interrupt(struct pt_regs *regs)
{
	(void)regs;
	interrupt_enter_prepare();
	smp_ipi_demux();
}
