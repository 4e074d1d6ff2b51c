//! The scenario language of ctxfuzz: types, JSON, JSON Schema, validation, expectations.
//!
//! Knows nothing of the emulator, of kernels or of fuzzing engines.

pub mod access;
pub mod calls;
pub mod decode;
pub mod describe;
pub mod effect;
pub mod error;
pub mod event;
pub mod facility;
mod json;
pub mod load;
pub mod place;
pub mod point;
pub mod ptrace;
pub mod register;
pub mod scenario;
pub mod schema;
mod validate;
pub mod work;

pub use access::AccessOp;
pub use calls::{Call, CallFacts, Draw, Syscall};
pub use describe::describe;
pub use effect::Effect;
pub use error::{LoadError, ScenarioError};
pub use event::{
    ComputeOp, Event, FpExceptions, FrameEdit, Interrupt, MAX_PLACES, Pending, RegisterValues,
    Switch, Via,
};
pub use facility::Facility;
pub use json::names::UnknownName;
pub use point::{FunctionName, Percent, PreemptionPoint};
pub use ptrace::{Ptrace, SetRegset};
pub use register::Register;
pub use scenario::{
    Abis, Endians, Expect, ExpectedDifference, MAX_EVENTS, MAX_FILLS, MAX_OPERATIONS, MAX_TASKS,
    Place, Scenario, Stage, TaskStage, Verdict,
};
pub use schema::scenario_schema;
pub use work::Work;
