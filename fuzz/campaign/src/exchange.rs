//! What a campaign shares with others that run at the same time on the same kernels: scenarios
//! worth trying, and findings. How that travels is not known here.

use ctxfuzz_scenario::Scenario;

/// What somebody else has.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared {
    /// Covered something new there.
    Scenario(Scenario),
    /// Is said to show a finding; it must show it here before anybody believes it.
    Claimed(Scenario),
    /// Nothing of use; what to say of it.
    Refused(String),
    /// What people should know.
    Note(String),
}

/// The others.
pub trait Exchange {
    /// What has come since the last time; does not wait. A finding only if there is time for one.
    fn receive(&mut self, finding: bool) -> Vec<Shared>;

    /// Hears which scenario is run next: if that ends the process, somebody can still say what it
    /// was.
    fn begin(&mut self, _: &Scenario) {}
}

/// There are no others.
pub struct Alone;

impl Exchange for Alone {
    fn receive(&mut self, _: bool) -> Vec<Shared> {
        Vec::new()
    }
}
