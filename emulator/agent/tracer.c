// SPDX-License-Identifier: GPL-2.0-only
// What a debugger does with the FP, VMX and VSX registers of a task, at one stop.
#include "agent.h"
#include "ptrace-area.h"
#include "syscalls.h"

struct iovec {
	void *base;
	u64 length;
};

static long ptrace(u64 request, u64 pid, u64 address, void *data)
{
	return syscall(NR_PTRACE, request, pid, address, data, 0);
}

static void regset(u64 request, u64 pid, u64 type, void *base, u64 length)
{
	struct iovec io = { base, length };

	ptrace(request, pid, type, &io);
}

static u64 note_type(u64 set)
{
	switch (set) {
	case REGSET_FP:
		return NT_PRFPREG;
	case REGSET_VMX:
		return NT_PPC_VMX;
	default:
		return NT_PPC_VSX;
	}
}

/// Sleeps until the task has stopped on its way to user space; whoever else can run does not run
/// before.
void trace(u64 pid)
{
	int status = 0;

	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return;
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	if (syscall(NR_WAIT4, pid, &status, WAIT_ALL, 0, 0) < 0 || !STOPPED(status))
		return;
	regset(PTRACE_GETREGSET, pid, NT_PRFPREG, ptrace_area->read.fp, sizeof(ptrace_area->read.fp));
	regset(PTRACE_GETREGSET, pid, NT_PPC_VMX, ptrace_area->read.vmx, sizeof(ptrace_area->read.vmx));
	regset(PTRACE_GETREGSET, pid, NT_PPC_VSX, ptrace_area->read.vsx, sizeof(ptrace_area->read.vsx));
	host_traced();
	if (ptrace_area->set)
		regset(PTRACE_SETREGSET, pid, note_type(ptrace_area->set), ptrace_area->data, ptrace_area->bytes);
	ptrace(PTRACE_DETACH, pid, 0, 0);
}
