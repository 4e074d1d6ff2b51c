//! The instruction words that the conformance checks are made of, written out: an assembler of our own would need checking itself.

pub const RFID: u32 = 0x4c00_0024;
/// r3 = start of data.
pub const DATA_TO_R3: [u32; 3] = [0x3c60_c000, 0x7863_07c6, 0x6463_0010];
/// MSR |= FP, VEC, VSX, through r5.
pub const ENABLE_ALL: [u32; 4] = [0x7ca0_00a6, 0x60a5_2000, 0x64a5_0280, 0x7ca0_0164];
/// `addi r4,r3,<d>`.
pub const fn addi_r4_r3(d: u32) -> u32 {
    0x3883_0000 | d
}
/// `lxvd2x vs<n>,0,r4`, n in 0..=63.
pub const fn lxvd2x_r4(n: u32) -> u32 {
    0x7c00_2698 | (n & 31) << 21 | n >> 5
}
/// `lfd f<n>,<d>(r3)`.
pub const fn lfd_r3(n: u32, d: u32) -> u32 {
    0xc803_0000 | n << 21 | d
}
/// `mtfsf` with L=1 from f0.
pub const MTFSF_L_F0: u32 = 0xfe00_058e;
/// `mffs f<n>`.
pub const fn mffs(n: u32) -> u32 {
    0xfc00_048e | n << 21
}
pub const MTFSFI_7_1: u32 = 0xff80_110c;
pub const MTFSB0_14: u32 = 0xfdc0_008c;
/// `xvadddp vs7,vs7,vs7`.
pub const XVADDDP_7_7_7: u32 = 0xf0e7_3b00;
pub const MTVSCR_V1: u32 = 0x1000_0e44;
pub const MFVSCR_V0: u32 = 0x1000_0604;
pub const FADD_F7_F8_F9: u32 = 0xfce8_482a;
pub const FDIV_F7_F8_F9: u32 = 0xfce8_4824;
pub const FMR_F7_F8: u32 = 0xfce0_4090;
/// `ld r7,<d>(r3)`.
pub const fn ld_r7_r3(d: u32) -> u32 {
    0xe8e3_0000 | d
}
pub const LIS_R6_USER_TEXT: u32 = 0x3cc0_1000;
pub const LIS_R3_USER_DATA: u32 = 0x3c60_2000;
/// `mfspr r<t>,<spr>` for SRR0 (26), SRR1 (27), LR (8), CTR (9).
pub const fn mfspr(t: u32, spr: u32) -> u32 {
    0x7c00_02a6 | t << 21 | (spr & 31) << 16 | (spr >> 5) << 11
}
pub const MFMSR_R9: u32 = 0x7d20_00a6;
/// `stvx v<n>,0,r4`.
pub const fn stvx_r4(n: u32) -> u32 {
    0x7c00_21ce | n << 21
}
/// `lvx v<n>,0,r4`.
pub const fn lvx_r4(n: u32) -> u32 {
    0x7c00_20ce | n << 21
}
pub const NOP: u32 = 0x6000_0000;
