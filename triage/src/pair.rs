//! Two kernels side by side: one scenario, two runs, one comparison.
//!
//! Not responsible for what the two runs mean together: [`Paired::of`] is.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::{Runner, RunnerError, user};
pub use ctxfuzz_judge::paired::Paired;
use ctxfuzz_scenario::scenario::Scenario;

/// Two kernels of one byte order, each on a machine of its own.
pub struct Pair {
    /// Kernel A.
    pub a: Runner,
    /// Kernel B.
    pub b: Runner,
}

/// Whether interrupts can come at the same places in two kernels, whose images have these hashes:
/// models are patched and not built anew.
pub fn same_places([a, b]: [&KernelName; 2], images: [u64; 2]) -> bool {
    match (a.vmlinux(), b.vmlinux()) {
        (None, None) => true,
        (Some(_), Some(_)) => images[0] == images[1],
        _ => false,
    }
}

impl Pair {
    /// Starts both kernels on fresh machines.
    pub fn new(a: &KernelName, b: &KernelName, endian: Endian) -> Result<Self, RunnerError> {
        Ok(Pair {
            a: Runner::new(a, endian)?,
            b: Runner::new(b, endian)?,
        })
    }

    /// Runs a scenario on both and compares.
    pub fn run(&mut self, scenario: &Scenario) -> Paired {
        let compiled = user::compile(scenario, self.a.endian());
        let a = self.a.run_compiled(scenario, &compiled);
        let b = self.b.run_compiled(scenario, &compiled);
        Paired::of(scenario, a, b)
    }
}
