//! What a run of a kernel came to, as plain data: the schedule, what was seen of tasks' registers,
//! and whether the scenario happened.
//!
//! The emulator writes these types and the oracles read them. The facts that both need are here
//! too: registers and MSR bits (`arch`), and the values that a scenario has placed (`values`,
//! `guest`, `pipe`). Not responsible for running anything, nor for judging what a run shows: this
//! crate knows scenarios, and neither Unicorn nor kernels, so that whoever judges builds without
//! them.

pub mod arch;
pub mod capture;
pub mod effects;
pub mod guest;
pub mod observe;
pub mod outcome;
pub mod ownership;
pub mod pipe;
pub mod values;
