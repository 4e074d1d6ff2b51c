//! ctxfuzz's emulator: a ppc64 machine on Unicorn, the kernels that run on it, and the runs
//! themselves.
//!
//! `machine` knows Unicorn, `kernel` knows images, `run` turns a scenario and a kernel into an
//! outcome, `trace` records a run in detail. Nothing here compares or judges.

pub mod kernel;
pub mod machine;
pub mod run;
pub mod trace;

pub use ctxfuzz_outcome::arch;
