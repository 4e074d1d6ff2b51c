//! Kernels: what can be named on a command line, what a kernel image contains, and which catalogued
//! defects can be put into the model.
//!
//! Not responsible for running them (see `run`).

pub mod agent;
pub mod code;
pub mod defects;
pub mod functions;
pub mod image;
mod inlined;
pub mod lines;
pub mod name;
pub mod offsets;
pub mod snapshot;
pub mod sources;
pub mod symbols;
pub mod watched;
