//! Random scenarios and structure-aware mutations of scenarios.
//!
//! Knows the language and no engine: LibAFL, libFuzzer and tests all drive the same generator and
//! mutator. What comes out always passes [`Scenario::validate`], and depends on nothing but what
//! goes in and the seed.

mod aim;
mod arguments;
mod constants;
mod crossover;
mod generate;
mod mutate;
mod rare;

use ctxfuzz_scenario::Scenario;
use mutatis::Session;

pub use aim::{Aim, Kind, Preference, Seen};
pub use constants::MAX_EVENTS;
pub use crossover::crossover;
pub use generate::random_scenario;
pub use mutate::{Mutator, drop_delays, drop_other_delays, is_inside};
pub use rare::{any_scenario, rare_scenario};

/// Mutates a scenario once; false if nothing can be done to it (only a shrinking session runs out).
pub fn mutate(scenario: &mut Scenario, session: &mut Session) -> bool {
    Mutator.mutate(scenario, session)
}
