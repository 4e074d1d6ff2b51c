//! LibAFL's mutator: the project's own generators, fed with LibAFL's random numbers.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use ctxfuzz_generators::{Aim, Mutator as Generator, any_scenario, drop_other_delays};
use libafl::Error;
use libafl::corpus::{Corpus, CorpusId};
use libafl::mutators::{MutationResult, Mutator};
use libafl::random_corpus_id;
use libafl::state::{HasCorpus, HasRand};
use libafl_bolts::Named;
use libafl_bolts::rands::Rand;
use mutatis::Session;

use super::input::ScenarioInput;

/// Once in so many times a scenario is made from nothing: what the corpus has no trace of cannot be
/// mutated into it.
const FRESH: NonZeroUsize = NonZeroUsize::new(16).unwrap();
/// Once in so many times two entries are crossed.
const CROSS: NonZeroUsize = NonZeroUsize::new(6).unwrap();
/// Each further mutation of the same scenario comes with probability one half, up to so many in
/// all.
const MOST_MUTATIONS: usize = 8;

/// See the module.
pub struct ScenarioMutator {
    /// Whether pending work may be late by a number of preemption points.
    pub delays: bool,
    /// In which functions it may come by name.
    pub aim: Aim,
}

impl<S> Mutator<ScenarioInput, S> for ScenarioMutator
where
    S: HasRand + HasCorpus<ScenarioInput>,
{
    fn mutate(
        &mut self,
        state: &mut S,
        input: &mut ScenarioInput,
    ) -> Result<MutationResult, Error> {
        change(state, input)?;
        let seed = state.rand_mut().next();
        self.aim.aim(&mut input.0, seed, self.delays);
        if !self.delays {
            drop_other_delays(&mut input.0);
        }
        Ok(MutationResult::Mutated)
    }

    fn post_exec(&mut self, _state: &mut S, _new: Option<CorpusId>) -> Result<(), Error> {
        Ok(())
    }
}

fn change<S>(state: &mut S, input: &mut ScenarioInput) -> Result<(), Error>
where
    S: HasRand + HasCorpus<ScenarioInput>,
{
    if state.rand_mut().below(FRESH) == 0 {
        input.0 = any_scenario(state.rand_mut().next());
        return Ok(());
    }
    let mut session = Session::new().seed(state.rand_mut().next());
    if state.rand_mut().below(CROSS) == 0 {
        let other = random_corpus_id!(state.corpus(), state.rand_mut());
        if let Some(other) = state.corpus().get(other)?.borrow().input() {
            input.0 = Generator.crossover(&input.0, &other.0, &mut session);
        }
    }
    for _ in 0..MOST_MUTATIONS {
        Generator.mutate(&mut input.0, &mut session);
        if state.rand_mut().coinflip(0.5) {
            break;
        }
    }
    Ok(())
}

impl Named for ScenarioMutator {
    fn name(&self) -> &Cow<'static, str> {
        &Cow::Borrowed("scenarios")
    }
}
