	.machine push
	.machine power9

	.set SCRATCH,0xf00
	.set WAY,0x3a000
	.set CONTEXTS,0x40000
	.set BUFFER,0x50000
	.set NEW_PAGES,0x7000
	.set PIPE_OUT,100
	.set PIPE_IN,101

	/* r9 = an address in the area. Only r9, r10 and CR0 are used beside what is said. */
	.macro address offset
	lis 9,0x6000 + ((\offset) >> 16)
	ori 9,9,(\offset) & 0xffff
	.endm
	.macro image number
	address 0x1000 + 0x480 * \number
	.endm

	.macro load_fprs
	.set .Ln,0
	.rept 32
	lfd .Ln,16 * .Ln(9)
	.set .Ln,.Ln + 1
	.endr
	.endm
	.macro load_vsrs
	.set .Ln,0
	.rept 32
	li 10,16 * .Ln
	lxvd2x .Ln,9,10
	.set .Ln,.Ln + 1
	.endr
	.endm
	.macro load_vrs
	.set .Ln,0
	.rept 32
	li 10,0x200 + 16 * .Ln
	lvx .Ln,9,10
	.set .Ln,.Ln + 1
	.endr
	.endm
	/* Before the FPRs: uses f0. */
	.macro load_fpscr
	lfd 0,0x410(9)
	mtfsf 255,0,1,0
	.endm
	/* Before the VRs: uses v0. */
	.macro load_vscr
	li 10,0x400
	lvx 0,9,10
	mtvscr 0
	.endm
	.macro load_vrsave
	ld 10,0x418(9)
	mtspr 256,10
	.endm
	.macro set_fpr n
	lfd \n,16 * \n(9)
	.endm
	.macro set_vsr n
	li 10,16 * \n
	lxvd2x \n,9,10
	.endm
	/* Through memory: doubleword 0 out, the new doubleword 1 beside it, both in. */
	.macro set_doubleword_1 n
	ld 10,16 * \n + 8(9)
	address SCRATCH
	stxvd2x \n,0,9
	std 10,8(9)
	lxvd2x \n,0,9
	.endm
	.macro set_vr n
	li 10,0x200 + 16 * \n
	lvx \n,9,10
	.endm
	/* v0 is borrowed. */
	.macro set_vscr
	mr 10,9
	address SCRATCH
	stvx 0,0,9
	addi 10,10,0x400
	lvx 0,0,10
	mtvscr 0
	lvx 0,0,9
	.endm
	.macro touch_fp
	address SCRATCH
	stfd 0,0(9)
	.endm
	.macro touch_vmx
	address SCRATCH
	stvx 0,0,9
	.endm
	.macro touch_vsx
	address SCRATCH
	stxvd2x 0,0,9
	.endm

	.macro store_fprs
	.set .Ln,0
	.rept 32
	stfd .Ln,16 * .Ln(9)
	.set .Ln,.Ln + 1
	.endr
	.endm
	.macro store_vsrs
	.set .Ln,0
	.rept 32
	li 10,16 * .Ln
	stxvd2x .Ln,9,10
	.set .Ln,.Ln + 1
	.endr
	.endm
	.macro store_vrs
	.set .Ln,0
	.rept 32
	li 10,0x200 + 16 * .Ln
	stvx .Ln,9,10
	.set .Ln,.Ln + 1
	.endr
	.endm
	/* f0 is borrowed; this leaves nothing in doubleword 1 of VSR 0. */
	.macro store_fpscr
	stfd 0,0x418(9)
	mffs 0
	stfd 0,0x410(9)
	lfd 0,0x418(9)
	.endm
	.macro store_fpscr_keep_vsr
	stxvd2x 0,0,9
	mffs 0
	stfd 0,0x410(9)
	lxvd2x 0,0,9
	.endm
	/* v0 is borrowed. */
	.macro store_vscr
	stvx 0,0,9
	mfvscr 0
	li 10,0x400
	stvx 0,9,10
	lvx 0,0,9
	.endm
	.macro store_vrsave
	mfspr 10,256
	std 10,0x418(9)
	.endm

	/* All registers: this needs FP, VMX and VSX, and changes f0 and v0. */
	.macro store_all
	store_vrsave
	store_vsrs
	store_vrs
	mfvscr 0
	li 10,0x400
	stvx 0,9,10
	mffs 0
	stfd 0,0x410(9)
	.endm

	/* The task is at a request (1) or behind it (2). */
	.macro at number, how
	address WAY + 8 * \number
	mftb 10
	std 10,0x1000 * \how(9)
	li 10,\how
	lwsync
	std 10,0(9)
	.endm
	/* Waits in user mode until a request was served. */
	.macro ask number
	at \number,1
	address 0
1:	ld 10,0(9)
	cmpdi 10,\number
	blt 1b
	.endm
	/* An event that is to be disturbed on its way. */
	.macro begin number
	at \number,1
	.endm
	.macro passed number
	at \number,2
	.endm

	/* The process that fork has made goes on as another task. */
	.macro made_child number, label
	cmpdi 3,0
	bne 1f
	li 27,\number
	b \label
1:	address 0x50 + 8 * \number
	std 3,0(9)
	.endm
	/* For swapcontext: the context is saved to and taken from one place. */
	.macro context task, size, more
	address CONTEXTS + 0x1000 * \task + \more
	mr 3,9
	mr 4,9
	li 5,\size
	li 0,249
	.endm
	.macro store_to_new_page number
	lis 9,NEW_PAGES + \number
	li 10,1
	std 10,0(9)
	.endm

	/* What a handler does to MSR in its frame; 496 = offset of gp_regs[PT_MSR]. */
	.macro claim_fp
	ld 10,496(28)
	ori 10,10,0x2000
	std 10,496(28)
	.endm
	.macro claim_exceptions
	ld 10,496(28)
	ori 10,10,0x900
	std 10,496(28)
	.endm
	/* What a handler writes into its frame from the image at r9. r11 is used, too. */
	/* 616 = offset of fp_regs, 880 = offset of the pointer v_regs. */
	.macro set_frame_fpr n
	ld 10,16 * \n(9)
	std 10,616 + 8 * \n(28)
	.endm
	.macro set_frame_fpscr
	ld 10,0x410(9)
	std 10,872(28)
	.endm
	.macro set_frame_vr n
	ld 11,880(28)
	ld 10,0x200 + 16 * \n(9)
	std 10,16 * \n(11)
	ld 10,0x208 + 16 * \n(9)
	std 10,16 * \n + 8(11)
	.endm
	.macro set_frame_vrsave
	ld 11,880(28)
	ld 10,0x418(9)
	stw 10,528(11)
	.endm
	.macro set_frame_doubleword_1 n
	ld 11,880(28)
	ld 10,16 * \n + 8(9)
	std 10,544 + 8 * \n(11)
	.endm
	.macro fill_frame_fp
	.set .Ln,0
	.rept 32
	set_frame_fpr .Ln
	.set .Ln,.Ln + 1
	.endr
	set_frame_fpscr
	claim_fp
	.endm
	.macro fill_frame_vmx
	.set .Ln,0
	.rept 33
	set_frame_vr .Ln
	.set .Ln,.Ln + 1
	.endr
	set_frame_vrsave
	ld 10,496(28)
	oris 10,10,0x200
	std 10,496(28)
	.endm
	.macro fill_frame_vsx
	.set .Ln,0
	.rept 32
	set_frame_doubleword_1 .Ln
	.set .Ln,.Ln + 1
	.endr
	ld 10,496(28)
	oris 10,10,0x80
	std 10,496(28)
	.endm
	.macro drop_from_frame bit
	ld 10,496(28)
	li 9,1
	sldi 9,9,\bit
	andc 10,10,9
	std 10,496(28)
	.endm

	/* The end of a task: its registers are stored, and it exits. */
	.macro finish task, number
	image \number
	store_all
	at 0,1
	address 0x10 + 8 * \task
	li 10,1
	std 10,0(9)
	li 3,0
	li 0,1
	sc
	trap
	.endm
	/* The end of a handler; r28 = its frame. */
	.macro sigreturn
	mr 1,28
	li 0,172
	sc
	trap
	.endm

	/* A handler that does nothing. */
only_return:
	sigreturn
