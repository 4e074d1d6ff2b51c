/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The copy loops that memcpy_power7.S and copyuser_power7.S share. r6 = destination, r4 = source,
 * r5 = bytes; all advance.
 */
#ifndef VMX_COPY_H
#define VMX_COPY_H

/* \count (a GPR, may be 0) bytes one by one. */
.macro COPY_BYTES count
	cmpdi	\count,0
	beq	.Lno_bytes\@
	mtctr	\count
.Lbyte\@:
	lbz	8,0(4)
	addi	4,4,1
	stb	8,0(6)
	addi	6,6,1
	bdnz	.Lbyte\@
.Lno_bytes\@:
.endm

/* r5 bytes through GPRs, 32 a turn, and the rest one by one. Uses r7-r9. */
.macro COPY_GPRS
	srdi.	7,5,5
	beq	.Lno_turns\@
	mtctr	7
.Lturn\@:
	ld	8,0(4)
	ld	9,8(4)
	std	8,0(6)
	std	9,8(6)
	ld	8,16(4)
	ld	9,24(4)
	std	8,16(6)
	std	9,24(6)
	addi	4,4,32
	addi	6,6,32
	bdnz	.Lturn\@
.Lno_turns\@:
	andi.	7,5,31
	COPY_BYTES 7
.endm

/*
 * r5 bytes (at least 128) through VRs: the destination is brought to a quadword boundary, then
 * v0-v7 carry 128 bytes a turn, or, if the source is not aligned with it, v0, v1, v8 and v16 one
 * quadword. \mid, if given, is a macro to be used once, while VRs are full; it keeps r3-r12 and
 * CTR.
 */
.macro COPY_VMX mid
	.ifnb \mid
	crset	28
	.endif
	neg	7,6
	andi.	7,7,15
	subf	5,7,5
	COPY_BYTES 7
	andi.	7,4,15
	bne	.Lunaligned\@

	srdi	7,5,7
	mtctr	7
	li	7,16
	li	9,32
	li	10,48
.Lblock\@:
	lvx	0,0,4
	lvx	1,4,7
	lvx	2,4,9
	lvx	3,4,10
	addi	4,4,64
	lvx	4,0,4
	lvx	5,4,7
	lvx	6,4,9
	lvx	7,4,10
	addi	4,4,64
	.ifnb \mid
	bf	28,.Lfull\@
	\mid
	crclr	28
.Lfull\@:
	.endif
	stvx	0,0,6
	stvx	1,6,7
	stvx	2,6,9
	stvx	3,6,10
	addi	6,6,64
	stvx	4,0,6
	stvx	5,6,7
	stvx	6,6,9
	stvx	7,6,10
	addi	6,6,64
	bdnz	.Lblock\@
	andi.	5,5,127
	b	.Lrest\@

.Lunaligned\@:
	srdi	7,5,4
	mtctr	7
#ifdef __LITTLE_ENDIAN__
	lvsr	16,0,4
#else
	lvsl	16,0,4
#endif
	lvx	0,0,4
.Lquadword\@:
	addi	4,4,16
	lvx	1,0,4
#ifdef __LITTLE_ENDIAN__
	vperm	8,1,0,16
#else
	vperm	8,0,1,16
#endif
	vor	0,1,1
	.ifnb \mid
	bf	28,.Lready\@
	\mid
	crclr	28
.Lready\@:
	.endif
	stvx	8,0,6
	addi	6,6,16
	bdnz	.Lquadword\@
	andi.	5,5,15
.Lrest\@:
	COPY_GPRS
.endm

/*
 * Call \enter with r3-r5 kept. CR0.EQ afterwards: VMX may not be used. Leaves r6 = destination.
 */
.macro ENTER_VMX enter
	mflr	0
	std	0,16(1)
	stdu	1,-64(1)
	std	3,32(1)
	std	4,40(1)
	std	5,48(1)
	bl	\enter
	cmpwi	3,0
	ld	3,32(1)
	ld	4,40(1)
	ld	5,48(1)
	addi	1,1,64
	ld	0,16(1)
	mtlr	0
	mr	6,3
.endm

#endif
