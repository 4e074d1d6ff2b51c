//! Two scenarios into one.

use ctxfuzz_scenario::{Event, Scenario};
use mutatis::Session;

use crate::constants::MAX_EVENTS;
use crate::mutate::{Mutator, bound};

/// A scenario with the stage of one parent and a beginning of the one's events followed by an end
/// of the other's.
pub fn crossover(first: &Scenario, second: &Scenario, session: &mut Session) -> Scenario {
    let mut child = first.clone();
    let mut splice = Splice { other: second };
    // Fails only in a shrinking session, where the child is the first parent.
    let _ = session.mutate_with(&mut splice, &mut child);
    child
}

/// The mutation "cross with this other scenario".
struct Splice<'a> {
    other: &'a Scenario,
}

impl mutatis::Mutate<Scenario> for Splice<'_> {
    fn mutate(
        &mut self,
        candidates: &mut mutatis::Candidates<'_>,
        child: &mut Scenario,
    ) -> mutatis::Result<()> {
        if candidates.shrink() {
            return Ok(());
        }
        candidates.mutation(|context| {
            let rng = context.rng();
            let kept = rng.gen_index(child.events.len() + 1).unwrap_or(0);
            let from = rng.gen_index(self.other.events.len() + 1).unwrap_or(0);
            let tail: Vec<Event> = self.other.events[from..].to_vec();
            child.events.truncate(kept);
            child.events.extend(tail);
            child.events.truncate(MAX_EVENTS);
            if rng.gen_bool() {
                child.stage = self.other.stage.clone();
            }
            bound(child);
            Ok(())
        })?;
        Ok(())
    }
}

impl Mutator {
    /// As [`crossover`].
    pub fn crossover(
        &mut self,
        first: &Scenario,
        second: &Scenario,
        session: &mut Session,
    ) -> Scenario {
        crossover(first, second, session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::random_scenario;

    #[test]
    fn children_are_valid_bounded_and_repeatable() {
        for seed in 0..10_000 {
            let (first, second) = (random_scenario(seed), random_scenario(seed + 1));
            let child = crossover(&first, &second, &mut Session::new().seed(seed));
            assert_eq!(child.validate(), Ok(()));
            assert!(child.events.len() <= MAX_EVENTS);
            assert!(child.stage == first.stage || child.stage == second.stage);
            assert_eq!(
                child,
                crossover(&first, &second, &mut Session::new().seed(seed))
            );
        }
    }
}
