//! What a run did not do of what it was asked to, for verdicts and reports. (What events owe, and
//! whether it was seen, is the emulator's `run::effects`.)

use std::collections::BTreeSet;
use std::fmt;

use ctxfuzz_outcome::effects::{Effects, Missing};
use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::event::Event;
use ctxfuzz_scenario::scenario::Scenario;
use serde::Serialize;

/// Effects that did not happen in a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shortfall {
    /// Those that an event owed.
    pub missing: Vec<Missing>,
    /// Those that the scenario says it needs.
    pub unmet: Vec<Effect>,
}

impl Shortfall {
    /// What a run lacks; `None` if it did everything that this kernel can do.
    pub fn of(scenario: &Scenario, effects: &Effects) -> Option<Shortfall> {
        let owed = |effect: &Effect| {
            let mut missing = effects.did_not_happen.iter();
            missing.any(|missing| missing.effect == *effect)
        };
        let shortfall = Shortfall {
            missing: effects.did_not_happen.clone(),
            unmet: effects.unmet(scenario).filter(|need| !owed(need)).collect(),
        };
        let nothing = shortfall.missing.is_empty() && shortfall.unmet.is_empty();
        (!nothing).then_some(shortfall)
    }

    /// The kinds of effect, each once, for summaries.
    pub fn kinds(&self) -> String {
        let missing = self.missing.iter().map(|missing| missing.effect);
        let mut kinds: Vec<Effect> = missing.chain(self.unmet.iter().copied()).collect();
        kinds.sort();
        kinds.dedup();
        let names: Vec<&str> = kinds.into_iter().map(Effect::name).collect();
        names.join(" ")
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self.missing.iter().map(Missing::to_string);
        let unmet = self
            .unmet
            .iter()
            .map(|need| format!("the scenario needs {need}, and the run does not show it"));
        let all: Vec<String> = missing.chain(unmet).collect();
        f.write_str(&all.join("; "))
    }
}

/// Of two runs that did everything.
pub static NOTHING_LACKS: [EffectsReport; 2] = [const { EffectsReport::none() }; 2];

/// What a run left out or lacks, in JSON: a part of the objects of `run` and `check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct EffectsReport {
    /// What was owed, or needed, and not seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub did_not_happen: Vec<EffectReport>,
    /// What the kernel cannot do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_applicable: Vec<EffectReport>,
    /// Events whose late work came at the end of the call, as its place was never reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_reached: Vec<u16>,
    /// The same where it lacks the function in which the work was to come.
    #[serde(skip)]
    without_function: Vec<EffectReport>,
    /// What the scenario is about (its `needs`) and the kernel cannot do.
    #[serde(skip)]
    needs_not_applicable: Vec<Effect>,
}

/// One effect in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct EffectReport {
    /// Index of the event; absent for an effect that the scenario as a whole needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u16>,
    /// Which effect.
    pub effect: Effect,
    /// What was not seen, or why it cannot be.
    pub reason: String,
}

impl EffectsReport {
    const fn none() -> EffectsReport {
        EffectsReport {
            did_not_happen: Vec::new(),
            not_applicable: Vec::new(),
            not_reached: Vec::new(),
            without_function: Vec::new(),
            needs_not_applicable: Vec::new(),
        }
    }

    /// The headline of a run that shows nothing wrong: that is no answer if the kernel cannot do
    /// what the scenario is about.
    pub fn headline<'e>(both: impl IntoIterator<Item = &'e EffectsReport>, silent: &str) -> String {
        let effects = both
            .into_iter()
            .flat_map(|effects| &effects.needs_not_applicable);
        let names: BTreeSet<String> = effects.map(ToString::to_string).collect();
        match names.is_empty() {
            true => silent.to_owned(),
            false => {
                let names: Vec<String> = names.into_iter().collect();
                format!("not applicable ({})", names.join(", "))
            }
        }
    }

    /// What the scenario is about and the kernel cannot do. Silence about it is no answer.
    pub fn needs_not_applicable(&self) -> &[Effect] {
        &self.needs_not_applicable
    }

    /// The report of one run.
    pub fn new(scenario: &Scenario, effects: &Effects) -> EffectsReport {
        let shortfall = Shortfall::of(scenario, effects);
        let missing = shortfall.iter().flat_map(|all| &all.missing);
        let missing = missing.map(|missing| EffectReport {
            event: Some(missing.event),
            effect: missing.effect,
            reason: missing.sign.to_owned(),
        });
        let unmet = shortfall.iter().flat_map(|all| &all.unmet);
        let unmet = unmet.map(|need| EffectReport {
            event: None,
            effect: *need,
            reason: "the scenario needs it".to_owned(),
        });
        let not_applicable = effects.not_applicable.iter().map(|part| EffectReport {
            event: Some(part.event),
            effect: part.effect,
            reason: part.what.to_string(),
        });
        let not_applicable: Vec<EffectReport> = not_applicable.collect();
        let named = |part: &&EffectReport| {
            let event = part
                .event
                .and_then(|at| scenario.events.get(usize::from(at)));
            let pending = event.and_then(Event::pending);
            pending.is_some_and(|pending| pending.at.is_some())
        };
        let cannot = |need: &&Effect| effects.not_applicable.iter().any(|p| p.effect == **need);
        let needs = scenario.needs.iter().filter(cannot);
        EffectsReport {
            did_not_happen: missing.chain(unmet).collect(),
            without_function: not_applicable.iter().filter(named).cloned().collect(),
            not_applicable,
            not_reached: effects.not_reached.iter().copied().collect(),
            needs_not_applicable: needs.copied().collect(),
        }
    }

    /// Lines for people, without what the reason of an inconclusive run says already.
    pub fn lines(&self, told: bool) -> Vec<String> {
        let missing = self.did_not_happen.iter().filter(|_| !told);
        let mut lines: Vec<String> = missing
            .map(|one| format!("did not happen: {one}"))
            .collect();
        // What a kernel never can is told once for the kernel; this is the scenario's own.
        let without = self.without_function.iter();
        lines.extend(without.map(|one| format!("not applicable: {one}")));
        if !self.not_reached.is_empty() {
            let events: Vec<String> = self.not_reached.iter().map(u16::to_string).collect();
            let events = events.join(", ");
            lines.push(format!(
                "not reached: the place of late work in event {events}; it came at the end of the call"
            ));
        }
        lines
    }
}

impl fmt::Display for EffectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(event) = self.event {
            write!(f, "event {event}: ")?;
        }
        write!(f, "{}: {}", self.effect, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_outcome::effects::NotApplicable;

    use super::*;

    fn effects() -> Effects {
        Effects {
            did_not_happen: vec![Missing {
                event: 3,
                effect: Effect::IoWorker,
                sign: "no worker",
            }],
            not_reached: [1].into(),
            completed: true,
            ..Effects::default()
        }
    }

    #[test]
    fn a_run_that_did_everything_has_none() {
        let none = Shortfall::of(&Scenario::default(), &Effects::default());
        assert_eq!(none, None);
    }

    #[test]
    fn what_is_owed_and_needed_is_told_once() {
        let scenario = Scenario {
            needs: vec![Effect::IoWorker, Effect::Sleep],
            ..Scenario::default()
        };
        let shortfall = Shortfall::of(&scenario, &effects()).expect("something did not happen");
        assert_eq!(shortfall.unmet, [Effect::Sleep]);
        assert_eq!(shortfall.kinds(), "io_worker sleep");
        assert_eq!(
            shortfall.to_string(),
            "event 3: io_worker: no worker; the scenario needs sleep, and the run does not show it"
        );
    }

    /// Silence about what a scenario is for is no answer; about anything else it is one.
    #[test]
    fn the_headline_says_that_a_kernel_cannot_do_what_a_scenario_needs() {
        let effects = Effects {
            not_applicable: vec![NotApplicable {
                event: 0,
                effect: Effect::IoWorker,
                what: "no io_uring".into(),
            }],
            completed: true,
            ..Effects::default()
        };
        let headline = |needs: &[Effect]| {
            let scenario = Scenario {
                needs: needs.to_vec(),
                ..Scenario::default()
            };
            let report = EffectsReport::new(&scenario, &effects);
            EffectsReport::headline([&report, &EffectsReport::default()], "no violation")
        };
        assert_eq!(headline(&[]), "no violation");
        assert_eq!(headline(&[Effect::Sleep]), "no violation");
        let both = [Effect::Sleep, Effect::IoWorker];
        assert_eq!(headline(&both), "not applicable (io_worker)");
    }

    #[test]
    fn people_are_told_what_the_reason_does_not_say() {
        let report = EffectsReport::new(&Scenario::default(), &effects());
        assert_eq!(report.lines(false).len(), 2);
        let late = report.lines(true);
        assert_eq!(late.len(), 1);
        assert!(late[0].starts_with("not reached: the place of late work in event 1;"));
    }
}
