/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Defect sites. The image as built is the kernel `fixed`; the host makes `fixed+NAME` by patching
 * every site of that name, one word each. A site is an entry of the section __defect_sites (not
 * loaded): docs/internals.md section 4.
 *
 * Nothing is read at run time to decide: a kernel with a defect has the same addresses as one
 * without.
 */
#ifndef DEFECT_H
#define DEFECT_H

#define DEFECT_NOP 0x60000000

#ifdef __ASSEMBLER__

/*
 * The instruction that follows becomes `word` in a kernel with the defect. Labels 8 and 9 are
 * taken.
 */
.macro DEFECT_WORD name, word
8:
	.pushsection __defect_sites,"",@progbits
	.balign 64
	.quad 8b, 0
	.long \word, 0
	.ascii "\name"
	.balign 64, 0
	.popsection
.endm

/* The instruction that follows is missing in a kernel with the defect. */
.macro DEFECT_OMIT name
	DEFECT_WORD "\name", DEFECT_NOP
.endm

#else

/*
 * A C static branch: false in `fixed`, true in a kernel with the defect (its nop becomes a branch),
 * like a jump label.
 */
#define defect(name)                                                    \
	({                                                              \
		__label__ taken_, done_;                                \
		int on_ = 0;                                            \
		asm goto("8:	nop\n"                                  \
			 "	.pushsection __defect_sites,\"\",@progbits\n" \
			 "	.balign 64\n"                           \
			 "	.quad 8b, %l[taken_]\n"                 \
			 "	.long 0, 0\n"                           \
			 "	.ascii \"" name "\"\n"                  \
			 "	.balign 64, 0\n"                        \
			 "	.popsection\n"                          \
			 : : : : taken_);                               \
		goto done_;                                             \
	taken_:                                                         \
		on_ = 1;                                                \
	done_:                                                          \
		on_;                                                    \
	})

#endif
#endif
