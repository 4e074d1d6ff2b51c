//! The scenarios of the self-test: the corpus as it was when ctxfuzz was built, and a few of its own for defects that the corpus does not show.

use ctxfuzz_scenario::scenario::Scenario;

macro_rules! corpus {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../../corpus/", $name, ".json")))),*]
    };
}

/// The scenario of the bug that started it.
pub const SEED: &str = "io-worker-on-interrupt-return";

const FILES: [(&str, &str); 14] = corpus![
    "io-worker-on-interrupt-return",
    "clone-then-futex-wait",
    "clone-then-pipe-read",
    "context-switch-poison",
    "failed-clone",
    "fork-twice",
    "getppid",
    "io-worker-then-preempt",
    "io-worker-then-signal",
    "io-worker-vmx",
    "io-worker-without-fp",
    "signal-handler",
    "spin-under-ticks",
    "vmx-usercopy",
];

const OWN: [(&str, &str); 3] = [
    (
        "child-after-stranger",
        include_str!("scenarios/child-after-stranger.json"),
    ),
    (
        "control-registers-switch",
        include_str!("scenarios/control-registers-switch.json"),
    ),
    (
        "signal-in-handler",
        include_str!("scenarios/signal-in-handler.json"),
    ),
];

/// All of them, by name.
pub fn embedded() -> anyhow::Result<Vec<(&'static str, Scenario)>> {
    FILES
        .iter()
        .chain(&OWN)
        .map(|&(name, text)| Ok((name, Scenario::from_json(text, name)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_reads_and_has_its_name() -> anyhow::Result<()> {
        for (name, scenario) in embedded()? {
            assert_eq!(scenario.name.as_deref(), Some(name));
        }
        Ok(())
    }
}
