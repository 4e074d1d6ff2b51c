// SPDX-License-Identifier: GPL-2.0-only
// The doorbell interrupt, as Linux's dbell.c: another CPU's IPI, for instance from kick_process.
#include "sched.h"

/// Linux's doorbell_exception.
void doorbell_exception(struct pt_regs *regs)
{
	(void)regs;
	interrupt_enter_prepare();
	smp_ipi_demux();
}
