//! What the libFuzzer targets share: inputs, their mutation, oracles, guest coverage, and how a
//! finding ends the process.
//!
//! Not responsible for what a divergence is (`ctxfuzz-triage`) nor for how scenarios are made
//! (`ctxfuzz-generators`).

use std::fmt;

use arbitrary::{Arbitrary, Unstructured};
use ctxfuzz_scenario::Scenario;

pub mod differential;
pub mod environment;
pub mod frame;
pub mod guest;
pub mod loader;
pub mod mutation;
pub mod packed;
pub mod transparency;

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

/// Bytes that `cargo fuzz fmt` shows as text, with all that is not ASCII escaped.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Arbitrary<'a> for Bytes<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        u.bytes(u.len()).map(Bytes)
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Bytes(u.take_rest()))
    }
}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.split_inclusive(|&byte| byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => writeln!(f, "{}", line.escape_ascii())?,
                None => write!(f, "{}", line.escape_ascii())?,
            }
        }
        Ok(())
    }
}

/// The target of an oracle that looks at scenarios: a type with `from_environment` and `run`.
#[macro_export]
macro_rules! scenario_target {
    ($oracle:ty) => {
        thread_local! {
            static ORACLE: std::cell::RefCell<$oracle> =
                std::cell::RefCell::new($crate::environment::or_exit(<$oracle>::from_environment()));
        }

        // A wrong kernel name ends the process here, before libFuzzer takes an exit for a crash.
        libfuzzer_sys::fuzz_target!(init: ORACLE.with_borrow(|_| ()), |input: $crate::Input| {
            if let Some(signature) = ORACLE.with_borrow_mut(|oracle| oracle.run(&input.0)) {
                $crate::frame::abort(&signature);
            }
        });

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutation::mutated(data, size, max_size, seed)
        });

        libfuzzer_sys::fuzz_crossover!(|first: &[u8], second: &[u8], out: &mut [u8], seed: u32| {
            $crate::mutation::crossed(first, second, out, seed)
        });
    };
}
