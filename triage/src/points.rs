//! Preemption points by name: from a number of points, which one build of a kernel has, to a
//! function, which all have.
//!
//! Not responsible for running scenarios, nor for whether two runs show the same: whoever asks
//! tries what is proposed.

use ctxfuzz_emulator::kernel::functions;
use ctxfuzz_emulator::kernel::symbols::Symbols;
use ctxfuzz_emulator::machine::point::Arrived;
use ctxfuzz_scenario::point::{MAX_CALL, Percent, PreemptionPoint};
use ctxfuzz_scenario::scenario::Scenario;

/// What came of a scenario that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Where its late work came.
    pub arrived: Vec<Arrived>,
    /// It shows what the first one showed.
    pub same: bool,
}

/// Calls of a function that are counted off in a search: one that is called more often is named by
/// no scenario that a person would write.
const CALLS: u16 = 64;
const _: () = assert!(CALLS <= MAX_CALL);
/// Preemption points that a place may be away from a hundredth of the function's code.
const PAST: u16 = 4;

/// The scenario with the points of its late work by name, as far as that shows the same. `first`:
/// what came of the scenario itself. An error of `try_out` ends the search.
pub fn by_name<E>(
    scenario: &Scenario,
    first: &Tried,
    symbols: &Symbols,
    mut try_out: impl FnMut(&Scenario) -> Result<Tried, E>,
) -> Result<Scenario, E> {
    let mut named = scenario.clone();
    for index in 0..scenario.events.len() {
        let counted = scenario.events[index].pending();
        if counted.is_none_or(|pending| pending.after == 0) {
            continue;
        }
        let event = index as u16;
        let Some(came) = first.arrived.iter().find(|came| came.event == event) else {
            continue;
        };
        if let Some(found) = named_at(&named, *came, symbols, &mut try_out)? {
            named = found;
        }
    }
    Ok(named)
}

/// The scenario with the point of one event by name.
fn named_at<E>(
    scenario: &Scenario,
    came: Arrived,
    symbols: &Symbols,
    try_out: &mut impl FnMut(&Scenario) -> Result<Tried, E>,
) -> Result<Option<Scenario>, E> {
    let Some(point) = point(came.address, symbols) else {
        return Ok(None);
    };
    for call in 1..=CALLS {
        for past in 0..=PAST {
            let mut candidate = scenario.clone();
            let event = &mut candidate.events[usize::from(came.event)];
            if let Some(pending) = event.pending_mut() {
                pending.after = 0;
                pending.at = Some(PreemptionPoint {
                    call,
                    past,
                    ..point
                });
            }
            let tried = try_out(&candidate)?;
            let there = tried.arrived.iter().find(|at| at.event == came.event);
            match there {
                Some(there) if *there == came && tried.same => return Ok(Some(candidate)),
                Some(_) => {}
                // The function has no such call.
                None if past == 0 => return Ok(None),
                None => break,
            }
        }
    }
    Ok(None)
}

/// The place of an instruction: its function, and how much of it is behind.
fn point(address: u64, symbols: &Symbols) -> Option<PreemptionPoint> {
    let function = symbols.function_at(address)?;
    let name = functions::base(&function.name).parse().ok()?;
    // Less than a hundredth is the begin; there is no hundredth hundredth.
    let percent = (address - function.address) * 100 / function.size;
    Some(PreemptionPoint {
        into: Percent(percent.min(99) as u8),
        ..PreemptionPoint::first_of(name)
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ctxfuzz_emulator::arch::Endian;
    use ctxfuzz_emulator::run::kernel_symbols;

    use super::*;

    fn symbols() -> Symbols {
        let fixed = "fixed".parse().expect("it is a name");
        kernel_symbols(&fixed, Endian::Little).expect("the model has them")
    }

    fn scenario() -> Scenario {
        let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {}]}, "events": [
            {"syscall": {"call": "getppid", "pending": {"switch": 1}}},
            {"syscall": {"call": "fork", "pending": {"switch": 1, "after": 40}}}]}"#;
        Scenario::from_json(text, "inline").expect("it is a scenario")
    }

    /// The middle of `save_fpu`, and what a kernel does that passes there in the third call, one
    /// point after the middle.
    fn found(same: bool) -> (Scenario, usize) {
        let symbols = symbols();
        let begin = symbols.address("save_fpu").expect("the model has it");
        let function = symbols.function_at(begin).expect("it is a function");
        let there = Arrived {
            event: 1,
            address: begin + function.size / 2,
        };
        let first = Tried {
            arrived: vec![there],
            same: true,
        };
        let mut tries = 0;
        let named = by_name(&scenario(), &first, &symbols, |candidate| {
            tries += 1;
            let at = candidate.events[1].pending().and_then(|pending| pending.at);
            let at = at.expect("the place has a name");
            assert_eq!(at.function.as_str(), "save_fpu");
            assert!((49..=50).contains(&at.into.0), "{at}");
            let address = match (at.call, at.past) {
                (3, 1) => there.address,
                (1..=5, _) => begin,
                // It is called five times.
                _ => {
                    return Ok::<_, Infallible>(Tried {
                        arrived: Vec::new(),
                        same: false,
                    });
                }
            };
            let arrived = vec![Arrived { event: 1, address }];
            Ok(Tried { arrived, same })
        });
        let Ok(named) = named;
        (named, tries)
    }

    #[test]
    fn a_counted_place_gets_the_name_under_which_the_same_is_shown() {
        let (named, _) = found(true);
        let at = named.events[1].pending().and_then(|pending| pending.at);
        let at = at.expect("it has a name");
        assert_eq!((at.call, at.past), (3, 1));
        assert_eq!(
            named.events[1].pending().map(|pending| pending.after),
            Some(0)
        );
        assert_eq!(named.events[0], scenario().events[0], "it comes at once");
        assert!(named.validate().is_ok());
    }

    #[test]
    fn a_place_whose_name_shows_something_else_stays_counted() {
        let (named, tries) = found(false);
        assert_eq!(named, scenario());
        assert_eq!(
            tries,
            5 * usize::from(PAST + 1) + 1,
            "five calls, and one that is none"
        );
    }
}
