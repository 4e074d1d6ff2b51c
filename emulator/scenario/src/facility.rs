//! The facilities of the processor that scenarios are about.

/// A facility of the processor that MSR enables and the kernel switches lazily.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facility {
    /// FPRs and FPSCR (MSR\[FP\]).
    Fp,
    /// VRs and VSCR (MSR\[VEC\]).
    Vmx,
    /// VSRs (MSR\[VSX\]).
    Vsx,
}
