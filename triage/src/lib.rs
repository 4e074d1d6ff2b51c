//! What a pair of outcomes means: do they differ, who can notice, which kind of bug is it, and what
//! is the smallest scenario that shows it.
//!
//! Knows scenarios and outcomes, but neither how an outcome is produced nor any fuzzing engine; all
//! of it runs without an emulator.

pub mod atomic;
pub mod bucket;
pub mod cause;
pub mod cmin;
pub mod command;
pub mod compare;
pub mod definedness;
pub mod expect;
pub mod findings;
#[cfg(test)]
mod fixtures;
pub mod inconclusive;
pub mod index;
pub mod json_file;
pub mod known;
pub mod lock;
pub mod minimize;
pub mod names;
pub mod observable;
pub mod pair;
pub mod pattern;
pub mod prove;
pub mod report;
pub mod shortfall;
pub mod transparency;
pub mod untrusted;
