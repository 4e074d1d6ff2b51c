static int new_pages = -1;	/* a file */
static int throttling = -1;	/* of realtime tasks: /proc/sys/kernel/sched_rt_runtime_us */

/* Goes on in the assembly, which does not come back. r27 = the task's number, r28 = the frame. */
static __attribute__((noreturn)) void enter(const char *code, uint64_t task, void *frame)
{
	asm volatile("mr 27,%1; mr 28,%2; mtctr %0; bctr"
		     : : "r"(code), "r"(task), "r"(frame) : "r27", "r28", "ctr", "memory");
	__builtin_unreachable();
}

/* Keeps the registers of a signal frame or a context, without using FP, VMX or VSX. */
static void keep_frame(struct registers *kept, ucontext_t *context)
{
	mcontext_t *frame = &context->uc_mcontext;
	const uint64_t *vector = (const uint64_t *)frame->v_regs;

	for (int n = 0; n < 32; n++)
		copy(&kept->vsr[n][0], (const uint64_t *)frame->fp_regs + n, 1);
	copy(&kept->fpscr, (const uint64_t *)frame->fp_regs + 32, 1);
	if (frame->gp_regs[PT_MSR] & (1ul << 25)) {
		copy((uint64_t *)kept->vr, vector, 64);
		copy((uint64_t *)&kept->vscr, vector + 64, 2);
	}
	if (vector)
		kept->vrsave = *(const volatile uint32_t *)(vector + 66);
	for (int n = 0; vector && n < 32 && frame->gp_regs[PT_MSR] & (1ul << 23); n++)
		copy(&kept->vsr[n][1], vector + 68 + n, 1);
}

/* Goes on behind the instruction, with exceptions disabled. */
static void exception(int signal, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	uint64_t task = context->uc_mcontext.gp_regs[27] & 7;
	volatile uint64_t *fpscr = (volatile uint64_t *)context->uc_mcontext.fp_regs + 32;

	(void)signal;
	AREA->fpe[task]++;
	AREA->fpe_code[task] = (uint64_t)info->si_code;
	context->uc_mcontext.gp_regs[PT_NIP] += 4;
	*fpscr &= ~0xf8ul;
}

static void handler(int signal, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	uint64_t task = context->uc_mcontext.gp_regs[27] & 7;
	uint64_t number = AREA->handled[task]++;

	(void)signal;
	(void)info;
	if (number >= handlers[task].count)
		enter(only_return, task, context);
	keep_frame(&AREA->image[handlers[task].frame[number]], context);
	if (handlers[task].late[number])
		take_page_away(context);
	enter(handlers[task].code[number], task, context);
}

static int handle(int signal, void (*function)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = function, .sa_flags = SA_SIGINFO | flags };

	return sigaction(signal, &action, NULL);
}

/* Pages of a file that the kernel copies when the task stores to them. */
static void map_new_pages(void)
{
	void *at = (void *)0x70000000;

	if (NEW_PAGES && mmap(at, NEW_PAGES << 16, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_FIXED_NOREPLACE, new_pages, 0) != at)
		_exit(KSFT_SKIP);
}

/*
 * A signal stack that nobody has touched: writing the frame takes a page fault, in which a kernel
 * that is not preemptible may let others run too.
 */
static void make_new_stack(void)
{
	stack_t stack = { .ss_size = 1 << 17 };

	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL))
		_exit(KSFT_SKIP);
}

/* Whether a handler of the task is disturbed on its way back. */
static int has_late_return(int task)
{
	int has = 0;

	for (uint64_t n = 0; n < handlers[task].count; n++)
		has |= handlers[task].late[n];
	return has;
}

static pid_t start_task(const char *code, int task, uint64_t attempt)
{
	pid_t parent = getpid();
	pid_t pid = (pid_t)syscall(SYS_fork);

	if (pid < 0)
		bail_out("fork");
	if (!pid) {
		/* It must not outlive the director: it may wait in user mode for good. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
			_exit(KSFT_SKIP);
		close(throttling);
		map_new_pages();
		make_ring(task);
		if (handlers[task].count)
			make_new_stack();
		if (has_late_return(task))
			make_late_stack(attempt);
		enter(code, (uint64_t)task, NULL);
	}
	return pid;
}
