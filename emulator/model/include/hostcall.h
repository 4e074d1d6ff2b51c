/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls to the host: `sc 63`, the number in r3 from the kernel and in r28 from user code.
 * docs/internals.md section 2.
 */
#ifndef HOSTCALL_H
#define HOSTCALL_H

#define HOST_EVENT 1
#define HOST_INTERRUPT 2
#define HOST_SIGNAL_HANDLER 3
#define HOST_TASK_STARTED 4
#define HOST_SIGRETURN 5
#define HOST_DUMPED 6
#define HOST_IDLE 7
#define HOST_AGENT_TRACED 8
#define HOST_CONTEXT 9
#define HOST_ALIGNMENT 10
#define HOST_STAGED 16
#define HOST_ALL_DONE 17
#define HOST_PANIC 18
#define HOST_TRACED 19
#define HOST_CORE 20
#define HOST_GUEST_LEFT 21

#define HOST_CALL_WORD 0x440007e2

#ifndef __ASSEMBLER__
/* Make host call `number` with one argument (in r4). */
static inline __attribute__((always_inline)) void host_call(unsigned long number, const void *argument)
{
	register unsigned long r3 asm("r3") = number;
	register const void *r4 asm("r4") = argument;

	asm volatile(".long 0x440007e2" : : "r"(r3), "r"(r4) : "memory");
}
#endif

#endif
