//! Values that make defects visible, and limits.
//!
//! FPSCR must be recognisable and not zero, VSCR have NJ or SAT, and register 0 differ from both in
//! both halves: with FPSCR and f0 both zero, an f0 that holds FPSCR looks right.

use ctxfuzz_scenario::Facility;

/// Most events of a generated or mutated scenario.
pub const MAX_EVENTS: usize = 64;
/// Most tasks on the stage. The other places are for children.
pub(crate) const MAX_STAGE_TASKS: usize = 4;
/// Most registers that one `set` names: [`MAX_EVENTS`] of them stay below the operations a run can
/// hold.
pub(crate) const MAX_SET: usize = 6;

/// FPSCR images. No exception is enabled, and the first (FX, XX and a result class) is the value
/// seen in the thread.
pub(crate) const FPSCR: [u64; 5] = [
    0x8200_4000,
    0x8200_4000,
    0x8200_0001,
    0x0000_0005_8200_4002,
    0x1,
];
/// FPSCR images with exceptions enabled: all, each of the five, and zero divide with its exception
/// already set.
pub(crate) const FPSCR_ENABLED: [u64; 7] = [0xf8, 0x80, 0x40, 0x20, 0x10, 0x08, 0x8400_0010];
/// VSCR images: NJ and SAT, NJ, SAT.
pub(crate) const VSCR: [u32; 3] = [0x0001_0001, 0x0001_0000, 0x0000_0001];
/// VRSAVE images.
pub(crate) const VRSAVE: [u32; 3] = [0xffff_ffff, 0x8000_0001, 0x5a5a_a5a5];

/// Doublewords a computation or a comparison may treat in a way of its own.
pub(crate) const DOUBLEWORDS: [u64; 12] = [
    0x4142_4344_4546_4748,
    0x8200_4000,           // the FPSCR image itself, as data
    0x3ff0_0000_0000_0000, // 1.0
    0xbff8_0000_0000_0000, // -1.5
    0x7ff0_0000_0000_0000, // infinity
    0x7ff8_0000_0000_0000, // quiet NaN
    0x7ff4_0000_0000_0001, // signalling NaN
    0x0000_0000_0000_0001, // smallest denormal
    0x8000_0000_0000_0000, // -0.0
    0x7fef_ffff_ffff_ffff, // largest finite
    0xffff_ffff_ffff_ffff,
    0,
];

/// What a task has used: the sets cross FP, VMX and VSX, and most tasks use something.
pub(crate) const FACILITY_SETS: [&[Facility]; 8] = [
    &[Facility::Fp],
    &[Facility::Fp],
    &[Facility::Vmx],
    &[Facility::Fp, Facility::Vmx],
    &[Facility::Fp, Facility::Vmx, Facility::Vsx],
    &[Facility::Fp, Facility::Vmx, Facility::Vsx],
    &[Facility::Vsx],
    &[],
];

/// Reload counters: wrapped, when registers that were given up stay so, and the last times before
/// that.
pub(crate) const COUNTERS: [u8; 4] = [0, 0, 254, 255];

/// Sizes of reads and writes, on both sides of the limit (3328) above which a copy uses VMX.
pub(crate) const BYTES: [u16; 6] = [16, 16, 3328, 3329, 4096, 8192];
/// SIGUSR1 and SIGUSR2.
pub(crate) const SIGNALS: [u8; 2] = [10, 12];
