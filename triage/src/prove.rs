//! Which events and effects happen on a kernel: each is tried by itself, in a scenario of its own.
//!
//! A kernel on which an event does nothing says "no violation" about it for ever. Not responsible
//! for telling effects apart (that is the emulator's `run::effects`), nor for judging registers.

mod probes;

use ctxfuzz_emulator::run::Quiet;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::{End, Outcome};
use ctxfuzz_scenario::effect::Effect;
use serde::{Deserialize, Serialize};

pub use probes::{PROBES, Probe};

/// What a kernel did with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It happened.
    Seen,
    /// This kernel cannot do it.
    NotApplicable,
    /// It can, was asked to, and was not seen to.
    DidNotHappen,
}

impl Answer {
    /// The words for it, as docs/oracles.md defines them.
    pub fn words(self) -> &'static str {
        match self {
            Answer::Seen => "seen",
            Answer::NotApplicable => "not applicable",
            Answer::DidNotHappen => "did not happen",
        }
    }
}

/// One event or effect on one kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The event or pending work that was tried.
    pub event: String,
    /// The effect that it must have; of an event without one, nothing but to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// What came of it.
    pub answer: Answer,
    /// Why, unless it was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What is known of a kernel before any campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// Of a real kernel: whether it was done with its boot.
    pub quiet: Option<Quiet>,
    /// Of one that was not: what an idle run spends most of its time in.
    pub busiest: Option<String>,
    /// Every event and effect.
    pub proofs: Vec<Proof>,
}

impl Proven {
    /// The events to which this was the answer.
    pub fn answered(&self, answer: Answer) -> Vec<&str> {
        let proofs = self.proofs.iter();
        let answered = proofs.filter(|proof| proof.answer == answer);
        answered.map(|proof| proof.event.as_str()).collect()
    }
}

/// Tries everything.
pub fn prove(runner: &mut Runner) -> Proven {
    let quiet = runner.quiet();
    let busiest = match &quiet {
        Some(quiet) if !quiet.quiet => busiest(runner),
        _ => None,
    };
    Proven {
        quiet,
        busiest,
        proofs: PROBES.iter().map(|probe| one(runner, probe)).collect(),
    }
}

/// What takes the processor while the only task sleeps.
fn busiest(runner: &mut Runner) -> Option<String> {
    let spent = runner.run(&probes::idle()).spent?;
    let (function, task) = (&spent.function, &spent.task);
    Some(format!("{function} of {task}"))
}

fn one(runner: &mut Runner, probe: &Probe) -> Proof {
    let scenario = probe.scenario();
    let outcome = runner.run(&scenario);
    let (answer, reason) = answer(probe.effect, &outcome);
    Proof {
        event: probe.event.to_owned(),
        effect: probe.effect,
        answer,
        reason,
    }
}

/// A kernel that is told to do what it cannot may do the rest all the same.
fn answer(effect: Option<Effect>, outcome: &Outcome) -> (Answer, String) {
    let effects = &outcome.effects;
    let cannot = effects.not_applicable.first();
    if let Some(cannot) = cannot.filter(|part| effect.is_none_or(|effect| effect == part.effect)) {
        return (Answer::NotApplicable, cannot.what.to_string());
    }
    if let Some(missing) = effects.did_not_happen.first() {
        return (Answer::DidNotHappen, missing.sign.to_owned());
    }
    match (&outcome.end, effect) {
        (End::Completed, Some(effect)) if !effects.seen.contains(&effect) => {
            let reason = format!("the run shows no effect {effect}");
            (Answer::DidNotHappen, reason)
        }
        (End::Completed, _) => (Answer::Seen, String::new()),
        (end, _) => (Answer::DidNotHappen, format!("the run ended in: {end:?}")),
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::arch::Endian;
    use ctxfuzz_emulator::run::effects::{Effects, Missing, NotApplicable};

    use super::*;

    fn outcome(end: End, effects: Effects) -> Outcome {
        Outcome {
            effects,
            ..Outcome::empty(end)
        }
    }

    #[test]
    fn the_model_has_every_effect() {
        let fixed = "fixed".parse().expect("it is a name");
        for endian in Endian::BOTH {
            let mut runner = Runner::new(&fixed, endian).expect("the model starts");
            for proof in prove(&mut runner).proofs {
                assert_eq!(proof.answer, Answer::Seen, "{proof:?} ({endian:?})");
            }
        }
    }

    #[test]
    fn every_effect_is_tried() {
        for effect in Effect::ALL {
            let tried = PROBES.iter().any(|probe| probe.effect == Some(*effect));
            assert!(tried, "nothing tries {effect}");
        }
    }

    #[test]
    fn an_effect_that_is_not_shown_did_not_happen() {
        let nothing = outcome(End::Completed, Effects::default());
        let (answer, reason) = answer(Some(Effect::IoWorker), &nothing);
        assert_eq!(answer, Answer::DidNotHappen);
        assert_eq!(reason, "the run shows no effect io_worker");
    }

    #[test]
    fn reasons_are_those_of_the_run() {
        let missing = Missing {
            event: 0,
            effect: Effect::Signal,
            sign: "a sign",
        };
        let owed = Effects {
            did_not_happen: vec![missing],
            ..Effects::default()
        };
        let told = answer(Some(Effect::Signal), &outcome(End::Completed, owed));
        assert_eq!(told, (Answer::DidNotHappen, "a sign".to_owned()));
        let cannot = NotApplicable {
            event: 0,
            effect: Effect::Signal,
            what: "a reason".into(),
        };
        let beside = Effects {
            not_applicable: vec![cannot],
            ..Effects::default()
        };
        let told = answer(
            Some(Effect::Signal),
            &outcome(End::Completed, beside.clone()),
        );
        assert_eq!(told, (Answer::NotApplicable, "a reason".to_owned()));
        let told = answer(Some(Effect::Switch), &outcome(End::Completed, beside));
        assert_eq!(told.0, Answer::DidNotHappen, "that is about another effect");
        let cut = answer(None, &outcome(End::Hang, Effects::default()));
        assert_eq!(cut.0, Answer::DidNotHappen);
    }
}
