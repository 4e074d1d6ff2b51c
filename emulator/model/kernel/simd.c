// SPDX-License-Identifier: GPL-2.0-only
// The kernel's own use of FP, VMX and VSX in process context, as its crypto (drivers/crypto/vmx,
// arch/powerpc/crypto), RAID and display code do it: enable_kernel_*, instructions,
// disable_kernel_*. No call of Linux is only that; here it is one of its own, with a number that
// Linux keeps free.
#include "defect.h"
#include "sched.h"

/* As in include/user.h. */
#define USES_FP 1
#define USES_VMX 2
#define USES_VSX 4

/* simd-ops.S: load every register of the facility. */
void overwrite_fprs(const u64 *data);
void overwrite_vrs(const u64 *data);
void overwrite_vsrs(const u64 *data);

/* What the kernel works on: two doublewords a register, as no task has them. */
static u64 kernel_data[128] __aligned(16);

/// No counterpart in Linux.
static void make_data(void)
{
	for (u64 i = 0; i < 128; i++)
		kernel_data[i] = 0xc0de000000000000 + i;
}

/// No counterpart in Linux: gives every register, FPSCR and VSCR included, a value that no task
/// has, counted up from these. The facilities are on.
void load_strange_registers(u64 doubleword, u32 word, u64 fpscr)
{
	static struct thread_fp_state fp;
	static struct thread_vr_state vr;

	fp.fpscr = fpscr;
	for (u64 i = 0; i < 32; i++) {
		fp.fpr[i][TS_FPROFFSET] = doubleword + 2 * i;
		fp.fpr[i][TS_VSRLOWOFFSET] = doubleword + 2 * i + 1;
		for (u64 j = 0; j < 4; j++)
			vr.vr[i].u[j] = word + (u32)i;
	}
	for (u64 j = 0; j < 4; j++)
		vr.vscr.u[j] = 1;
	load_fp_state(&fp);
	load_vr_state(&vr);
}

/// As amdgpu's dc_fpu_begin and dc_fpu_end.
static void use_fp(void)
{
	enable_kernel_fp();
	overwrite_fprs(kernel_data);
	disable_kernel_fp();
}

/// As crc32c_vpmsum.
static void use_altivec(void)
{
	enable_kernel_altivec();
	overwrite_vrs(kernel_data);
	disable_kernel_altivec();
}

/// As p8_aes_cbc_encrypt.
static void use_vsx(void)
{
	enable_kernel_vsx();
	overwrite_vsrs(kernel_data);
	disable_kernel_vsx();
}

/// Linux's crypto_simd_usable (may_use_simd): not in an interrupt, which is where this is asked.
static bool crypto_simd_usable(void)
{
	return defect("softirq-nests-vmx");
}

/// Linux's net_rx_action, of a packet that is to be decrypted; without VMX that takes longer, and
/// that is all.
void net_rx_action(void)
{
	if (!crypto_simd_usable())
		return;
	make_data();
	use_altivec();
}

/// No counterpart in Linux.
long sys_enable_kernel(u64 facility)
{
	make_data();
	irq_point();
	switch (facility) {
	case USES_FP:
		use_fp();
		return 0;
	case USES_VMX:
		use_altivec();
		return 0;
	case USES_VSX:
		use_vsx();
		return 0;
	}
	return -EINVAL;
}
