//! Divergences of two kernels with different code that are of places: work comes a part of the way
//! into a function, and such a place is not quite the same one in both.
//!
//! Where both kernels do both things, each at a place of its own, they do not differ. So what a
//! kernel did at a place counts only if the other one does it at none. Not responsible for places
//! where functions begin, which are the same in all kernels.

use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::point::Percent;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::compare::compare;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::machines::{Machines, Ran};

/// The hundredths of a function's code.
const HUNDREDTHS: u8 = 100;

/// Whether each kernel does at another place what the other one did. One that is judged by itself
/// has no other.
pub fn explain(machines: &mut Machines, scenario: &Scenario, ran: &Ran, abi: Abi) -> bool {
    let (Machines::Pair(pair), [a, b]) = (machines, ran.outcomes.as_slice()) else {
        return false;
    };
    let Some(event) = inside(scenario) else {
        return false;
    };
    let same = |a: &Outcome, b: &Outcome| {
        let comparison = compare(scenario, a, b);
        comparison.comparable() && !comparison.reported(abi)
    };
    let mut others = others(scenario, event);
    others.any(|other| same(a, &pair.b.run(&other)))
        && self::others(scenario, event).any(|other| same(&pair.a.run(&other), b))
}

/// The event whose work comes inside a function.
fn inside(scenario: &Scenario) -> Option<usize> {
    let points = scenario.events.iter().map(|event| event.pending()?.at);
    let inside = |point: &Option<_>| point.is_some_and(ctxfuzz_generators::is_inside);
    points.into_iter().position(|point| inside(&point))
}

/// The scenario with the work of that event at each other place of the function, the nearest
/// first.
fn others(scenario: &Scenario, event: usize) -> impl Iterator<Item = Scenario> {
    let at = scenario.events[event]
        .pending()
        .and_then(|pending| pending.at);
    let from = at.map_or(0, |point| point.into.0);
    let mut places: Vec<u8> = (0..HUNDREDTHS).filter(|place| *place != from).collect();
    places.sort_by_key(|place| place.abs_diff(from));
    places.into_iter().map(move |place| {
        let mut other = scenario.clone();
        if let Some(pending) = other.events[event].pending_mut()
            && let Some(at) = &mut pending.at
        {
            at.into = Percent(place);
        }
        other
    })
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::arch::Endian;
    use ctxfuzz_triage::kernels::Kernels;
    use ctxfuzz_triage::pair::Paired;

    use super::*;

    /// The corpus's scenario with its place so many hundredths into the function.
    fn preempted_at(place: u8) -> Scenario {
        let text = include_str!("../../../corpus/preempted-in-sigreturn.json");
        let mut scenario = Scenario::from_json(text, "inline").expect("it is a scenario");
        let event = inside(&scenario).expect("it has a place inside a function");
        let pending = scenario.events[event].pending_mut();
        if let Some(at) = pending.and_then(|pending| pending.at.as_mut()) {
            at.into = Percent(place);
        }
        scenario
    }

    fn pair(a: &str, b: &str) -> Machines {
        let [a, b] = [a, b].map(|name| name.parse().expect("it is a name"));
        Machines::new(&Kernels::pair(&a, &b), Endian::Little).expect("the models run")
    }

    #[test]
    fn what_both_kernels_do_at_a_place_of_their_own_is_no_difference() {
        let mut machines = pair("fixed", "fixed");
        let (early, middle) = (preempted_at(1), preempted_at(46));
        let Machines::Pair(pair) = &mut machines else {
            unreachable!("there are two");
        };
        let paired = Paired::of(&middle, pair.a.run(&middle), pair.b.run(&early));
        let ran = Ran {
            outcomes: vec![paired.a, paired.b],
            comparison: paired.comparison,
        };
        assert!(ran.comparison.reported(Abi::Elf));
        assert!(explain(&mut machines, &middle, &ran, Abi::Elf));
    }

    #[test]
    fn what_one_kernel_does_at_no_place_is_one() {
        const REPAIR: &str = "fixed+repair-sigreturn-reload";
        for (a, b) in [("fixed", REPAIR), (REPAIR, "fixed")] {
            let mut pair = pair(a, b);
            let scenario = preempted_at(46);
            let ran = pair.run(&scenario);
            assert!(ran.comparison.reported(Abi::Elf));
            assert!(!explain(&mut pair, &scenario, &ran, Abi::Elf), "{a}");
        }
    }

    #[test]
    fn the_begin_of_a_function_is_one_place() {
        let mut pair = pair("clobbering", "fixed");
        let text = include_str!("../../../corpus/io-worker-on-interrupt-return.json");
        let scenario = Scenario::from_json(text, "inline").expect("it is a scenario");
        let ran = pair.run(&scenario);
        assert!(ran.comparison.reported(Abi::Elf));
        assert!(!explain(&mut pair, &scenario, &ran, Abi::Elf));
    }

    #[test]
    fn the_nearest_places_come_first() {
        let scenario = preempted_at(98);
        let event = inside(&scenario).expect("it has one");
        let places = others(&scenario, event).filter_map(|other| {
            let at = other.events[event].pending()?.at?;
            Some(at.into.0)
        });
        let places: Vec<u8> = places.collect();
        assert_eq!(places[..4], [97, 99, 96, 95]);
        assert_eq!(places.len(), 99);
    }
}
