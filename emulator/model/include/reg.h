/* SPDX-License-Identifier: GPL-2.0-only */
/* Processor registers and bits, as in Linux's asm/reg.h. Shared by C and assembly. */
#ifndef REG_H
#define REG_H

#ifdef __ASSEMBLER__
#define UL(x) x
#else
#define UL(x) x##UL
#endif

#define MSR_SF UL(0x8000000000000000)
#define MSR_VEC UL(0x02000000)
#define MSR_VSX UL(0x00800000)
#define MSR_EE UL(0x8000)
#define MSR_PR UL(0x4000)
#define MSR_FP UL(0x2000)
#define MSR_ME UL(0x1000)
#define MSR_FE0 UL(0x0800)
#define MSR_FE1 UL(0x0100)
#define MSR_IR UL(0x20)
#define MSR_DR UL(0x10)
#define MSR_RI UL(0x2)

#ifdef __LITTLE_ENDIAN__
#define MSR_LE UL(0x1)
#else
#define MSR_LE UL(0x0)
#endif

#define MSR_USER64 (MSR_SF | MSR_EE | MSR_PR | MSR_ME | MSR_IR | MSR_DR | MSR_RI | MSR_LE)

#define SPRN_SRR0 26
#define SPRN_SRR1 27
#define SPRN_VRSAVE 256
#define SPRN_SPRG_PACA 273    /* SPRG1 */
#define SPRN_SPRG_SCRATCH 274 /* SPRG2 */

#ifndef __ASSEMBLER__
#define mfspr(n)                                                        \
	({                                                              \
		unsigned long spr_;                                     \
		asm volatile("mfspr %0," #n : "=r"(spr_) : : "memory"); \
		spr_;                                                   \
	})
#define mtspr(n, v) asm volatile("mtspr " #n ",%0" : : "r"((unsigned long)(v)) : "memory")
#endif

#endif
