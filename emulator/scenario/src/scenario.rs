//! The test case as a whole: the stage, the events, and what is expected of kernels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::effect::Effect;
use crate::event::{Event, RegisterValues};
use crate::facility::Facility;
use crate::json::bounded::{Bounded, Counter};
use crate::json::number::U64;
use crate::json::{object, optional, registers};
pub use crate::place::Place;
use crate::register::Register;

/// Tasks that can exist in one run, children included.
pub const MAX_TASKS: usize = 8;
/// Events in one scenario.
pub const MAX_EVENTS: usize = 256;
/// Operations of the user side's interpreter in one scenario: its queue has 512 places, and `END`
/// takes one.
pub const MAX_OPERATIONS: usize = 511;
/// `fill` events in one scenario: so many register images have a place in user memory.
pub const MAX_FILLS: usize = 32;

/// A test case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scenario {
    /// Short name, as in the corpus file's name.
    pub name: Option<String>,
    /// One or two sentences for people.
    pub about: Option<String>,
    /// Effects without which the scenario is not about anything: a run in which one of them does
    /// not happen is inconclusive.
    pub needs: Vec<Effect>,
    /// What exists before the first event.
    pub stage: Stage,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// What kernels are expected to do with it.
    pub expect: Vec<Expect>,
}

/// What exists before the first event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The tasks, 1 to 8; task 0 runs first.
    #[serde(deserialize_with = "object::list")]
    #[schemars(length(min = 1, max = 8))]
    pub tasks: Vec<TaskStage>,
    /// Tasks (by index) that own an io_uring ring whose one worker is blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(max = 7)))]
    pub io_uring: Vec<u8>,
}

/// One task at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskStage {
    /// Facilities the task has used, and whose registers it has loaded, before its first event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Facility>,
    /// Seed for the registers that `registers` does not name; without it they are zero.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional::write_hex",
        deserialize_with = "optional::hex"
    )]
    #[schemars(with = "U64")]
    pub pattern: Option<u64>,
    /// Registers by name; only of facilities in `uses`: `f<n>` and `fpscr` need FP (or VSX),
    /// `vs<n>` VSX, `v<n>` VMX or VSX, `vscr` VMX, `vrsave` VMX or VSX.
    #[serde(
        default,
        skip_serializing_if = "RegisterValues::is_empty",
        with = "registers"
    )]
    #[schemars(with = "registers::Values")]
    pub registers: RegisterValues,
    /// `thread.load_fp` when the task comes to its first event; 1 without it. Counts reloads of FP
    /// modulo 256: at 0 `restore_math` leaves FP to the next FP instruction. Needs FP or VSX in
    /// `uses`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "Bounded::<Counter>::present"
    )]
    #[schemars(with = "Bounded<Counter>")]
    pub load_fp: Option<u8>,
    /// The same for `thread.load_vec` and VMX.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "Bounded::<Counter>::present"
    )]
    #[schemars(with = "Bounded<Counter>")]
    pub load_vec: Option<u8>,
}

/// One row of expectations.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Kernel A, as on the command line.
    pub a: String,
    /// Kernel B.
    pub b: String,
    /// Byte orders the row holds for.
    #[serde(default)]
    pub endian: Endians,
    /// ABI policies the row holds for.
    #[serde(default)]
    pub abi: Abis,
    /// The verdict, which does not depend on the policy.
    pub verdict: Verdict,
    /// Whether `run` reports it under that policy (exit status 1).
    pub reported: bool,
    /// Every difference that is not dead.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "object::list"
    )]
    pub differences: Vec<ExpectedDifference>,
}

/// Byte orders of an expectation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endians {
    /// ppc64le.
    Le,
    /// ppc64.
    Be,
    /// Both.
    #[default]
    Both,
}

/// ABI policies of an expectation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Abis {
    /// `--abi elf`.
    Elf,
    /// `--abi linux`.
    Linux,
    /// Both.
    #[default]
    Both,
}

/// Who can notice a divergence, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing differs.
    #[default]
    None,
    /// Something differs that nobody can see.
    Dead,
    /// Differs under the documented Linux system call ABI only.
    Abi,
    /// Differs in state that is defined under the ELF ABI.
    Live,
}

/// One expected difference.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDifference {
    /// Task index (children count on from the stage's tasks).
    #[schemars(range(max = 7))]
    pub task: u8,
    /// Where it is seen.
    #[serde(rename = "where")]
    pub place: Place,
    /// Which register; `None` for [`Place::End`], and where a signal frame's MSR says that it has
    /// an area or not.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::present"
    )]
    #[schemars(with = "Register")]
    pub register: Option<Register>,
    /// Its own verdict.
    pub verdict: Verdict,
}
