//! What the libFuzzer targets share: the input, its mutation, the differential oracle, and how a divergence ends the process.
//!
//! Not responsible for what a divergence is (`ctxfuzz-triage`) nor for how scenarios are made (`ctxfuzz-generators`).

use std::fmt;

use arbitrary::{Arbitrary, Unstructured};
use ctxfuzz_scenario::Scenario;

pub mod differential;
pub mod frame;
pub mod mutation;

/// A scenario as it is stored in a corpus: JSON, or any other bytes, which decode to something.
pub struct Input(pub Scenario);

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let bytes = u.bytes(u.len())?;
        Self::read(bytes).ok_or(arbitrary::Error::IncorrectFormat)
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> arbitrary::Result<Self> {
        Self::read(u.take_rest()).ok_or(arbitrary::Error::IncorrectFormat)
    }
}

impl Input {
    /// The scenario in these bytes, if it is one that can run.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let scenario = Scenario::from_bytes(bytes, "input").ok()?;
        scenario.validate().is_ok().then_some(Input(scenario))
    }
}

/// JSON, because this is what `cargo fuzz fmt` prints.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_json())
    }
}
