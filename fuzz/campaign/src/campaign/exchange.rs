//! What a campaign shares with others that run at the same time on the same kernels: scenarios worth trying, and findings.
//!
//! How it travels is not known here. A campaign on its own shares with nobody.

use ctxfuzz_scenario::Scenario;

use super::summary::FindingSummary;

/// What somebody else has sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared {
    /// Covered something new there.
    Scenario(Scenario),
    /// A finding that another client has put into the directory that this campaign writes to as well.
    Kept(FindingSummary),
    /// A scenario that is said to show a finding; it must show it here before anybody believes it.
    Claimed(Scenario),
}

/// The others.
pub trait Exchange {
    /// What has come since the last time; does not wait.
    fn receive(&mut self) -> Vec<Shared>;

    /// Hears which scenario is run next: if that ends the process, somebody can still say what it was.
    fn begin(&mut self, scenario: &Scenario);

    /// Hears of a scenario that was kept, because its coverage was new.
    fn kept(&mut self, scenario: &Scenario);
}

/// There are no others.
pub struct Alone;

impl Exchange for Alone {
    fn receive(&mut self) -> Vec<Shared> {
        Vec::new()
    }

    fn begin(&mut self, _: &Scenario) {}

    fn kept(&mut self, _: &Scenario) {}
}
