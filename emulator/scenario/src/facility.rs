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

impl Facility {
    /// How much a reader of a scenario has to take in: the minimizer replaces VSX by VMX, and VMX
    /// by FP.
    pub fn weight(self) -> u64 {
        match self {
            Facility::Fp => 0,
            Facility::Vmx => 1,
            Facility::Vsx => 2,
        }
    }
}
