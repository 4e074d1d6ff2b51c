//! The oracles: what runs mean. Do two outcomes differ, did one kernel harm a task's registers, who
//! can notice, and can anything be concluded at all.
//!
//! Every function here is a pure function of a scenario and of outcomes. Not responsible for
//! running anything, for why something differs (the triage crate's `cause`), nor for findings and
//! reports (the triage crate too). This crate knows scenarios and outcomes, and neither the
//! emulator nor the catalogue of seeded bugs: it builds and is tested without Unicorn, and no rule
//! can look at which bug a kernel has.

pub mod bucket;
pub mod compare;
pub mod definedness;
pub mod expect;
#[cfg(test)]
mod fixtures;
pub mod inconclusive;
pub mod names;
pub mod observable;
pub mod paired;
pub mod pattern;
pub mod shortfall;
pub mod transparency;
