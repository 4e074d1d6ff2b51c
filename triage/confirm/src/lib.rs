//! From a scenario to a plain C program, and from that to what it says on a booted kernel.
//!
//! `plan` decides what the program does and what it looks at, `program` writes it, `compile` has it
//! compiled, `boot` runs it under QEMU. Not responsible for what a kernel should do: the model
//! `repaired` says which values are right, and the judge crate which of them count.

pub mod boot;
pub mod compile;
mod owned;
pub mod plan;
pub mod program;
