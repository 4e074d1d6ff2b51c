//! From a verdict to a finding: which kind of bug is it, what is the smallest scenario that shows
//! it, and what is written down of it.
//!
//! The oracles are [`ctxfuzz_judge`]'s; their modules have their names here too. What needs kernels
//! beside data is here: `pair` runs two of them, `machines` one or two, and `cause` records runs
//! and names the function at fault. Not responsible for how an outcome is produced, nor for any
//! fuzzing engine.

pub mod atomic;
pub mod blame;
pub mod cause;
pub mod cmin;
pub mod command;
pub mod findings;
pub mod identity;
pub mod index;
pub mod json_file;
pub mod kernels;
pub mod known;
pub mod lock;
pub mod machines;
pub mod matrix;
pub mod minimize;
pub mod pair;
pub mod points;
pub mod prove;
pub mod renamed;
pub mod report;
pub mod transparency;
pub mod untrusted;

pub use ctxfuzz_judge::{
    bucket, compare, definedness, expect, inconclusive, names, observable, pattern, shortfall,
};
