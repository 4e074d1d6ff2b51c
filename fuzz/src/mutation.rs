//! The project's mutators, on the bytes libFuzzer keeps. What they write is always JSON.

use ctxfuzz_generators::{crossover, mutate, random_scenario};
use ctxfuzz_scenario::Scenario;
use mutatis::Session;

use crate::Input;

/// One mutation in so many starts from nothing instead.
const FRESH: u32 = 16;

/// Changes the first `size` bytes of `data`; `max_size` is the room there is. Returns the new size.
pub fn mutated(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let old = Input::read(&data[..size]).filter(|_| !seed.is_multiple_of(FRESH));
    let scenario = match old {
        Some(Input(mut scenario)) => {
            mutate(&mut scenario, &mut Session::new().seed(seed.into()));
            scenario
        }
        None => random_scenario(seed.into()),
    };
    store(&scenario, &mut data[..max_size]).unwrap_or(size)
}

/// Crosses two inputs into `out`. Returns the size, 0 where there is nothing to cross or no room.
pub fn crossed(first: &[u8], second: &[u8], out: &mut [u8], seed: u32) -> usize {
    let (Some(first), Some(second)) = (Input::read(first), Input::read(second)) else {
        return 0;
    };
    let child = crossover(&first.0, &second.0, &mut Session::new().seed(seed.into()));
    store(&child, out).unwrap_or(0)
}

fn store(scenario: &Scenario, out: &mut [u8]) -> Option<usize> {
    let json = scenario.to_json();
    out.get_mut(..json.len())?.copy_from_slice(json.as_bytes());
    Some(json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_of_any_bytes_are_scenarios_and_the_same_for_the_same_seed() {
        let mut changed = 0;
        for seed in 0..200 {
            let mut data = vec![0; 1 << 16];
            let size = mutated(&mut data, 0, 1 << 16, seed);
            let before = data[..size].to_vec();
            let mut again = data.clone();
            let size = mutated(&mut data, size, 1 << 16, seed);
            assert_eq!(data[0], b'{');
            assert!(Input::read(&data[..size]).is_some(), "seed {seed}");
            let repeated = mutated(&mut again, before.len(), 1 << 16, seed);
            assert_eq!(data[..size], again[..repeated]);
            changed += u32::from(data[..size] != before);
        }
        assert!(changed > 100, "{changed}");
    }

    #[test]
    fn without_room_nothing_is_written() {
        let mut data = [7; 8];
        assert_eq!(mutated(&mut data, 4, 8, 1), 4);
        assert_eq!(data, [7; 8]);
    }
}
