//! Facts of the processor that every other part builds on: byte order, registers, MSR bits. Nothing
//! here imports from another part of this crate.
//!
//! What a register is called, how wide it is and whose it is says [`Register`], which scenarios
//! name.

mod endian;
pub mod msr;
mod register_file;

pub use ctxfuzz_scenario::{Facility, Register};

pub use self::endian::Endian;
pub use self::register_file::RegisterFile;
