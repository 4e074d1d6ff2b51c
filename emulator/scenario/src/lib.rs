//! The scenario language of ctxfuzz: types, JSON, JSON Schema, validation, expectations.
//!
//! Knows nothing of the emulator, of kernels or of fuzzing engines.

pub mod event;
pub mod register;
pub mod scenario;
