//! Finds out which functions kernels run in each kind of event, for pending work to be aimed at.
//!
//! Each event that `kernels --prove` tries is run once, and the coverage says what the kernel went
//! through. Not responsible for how a scenario is aimed (the generators' `aim`).

use std::collections::{BTreeMap, BTreeSet};

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::functions::{self, Functions};
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::machine::Options;
use ctxfuzz_emulator::run::{Runner, RunnerError};
use ctxfuzz_generators::{Aim, Kind, Preference, Seen, any_scenario};
use ctxfuzz_scenario::{FunctionName, Scenario};
use ctxfuzz_triage::prove::PROBES;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What can be aimed at in all of these kernels.
pub fn at(kernels: &[&KernelName], endian: Endian) -> Result<Aim, RunnerError> {
    let mut common: Option<Seen> = None;
    for kernel in kernels {
        let mut seen = seen(kernel, endian)?;
        if let Some(common) = common {
            seen.retain(|kind, _| common.contains_key(kind));
            for (kind, names) in &mut seen {
                names.retain(|name, _| common[kind].contains_key(name));
            }
        }
        common = Some(seen);
    }
    // The model is made of the save paths: what it has a function for is one.
    let model = Functions::of_the_model();
    let is_first = |name| model.has_own_code(name);
    let preference = match kernels.iter().any(|kernel| kernel.vmlinux().is_some()) {
        true => Preference::Named,
        false => Preference::Counted,
    };
    Ok(Aim::new(&common.unwrap_or_default(), is_first, preference))
}

/// A random scenario that is aimed: those of a seed are the same wherever they are run.
pub fn random(aim: &Aim, seed: u64, index: u64) -> Scenario {
    let own = seed_of(seed, index);
    let mut scenario = any_scenario(own);
    aim.aim(&mut scenario, own, true);
    scenario.name = Some(random_name(seed, index));
    scenario
}

/// The name of such a scenario.
pub fn random_name(seed: u64, index: u64) -> String {
    format!("random-{:016x}", seed_of(seed, index))
}

fn seed_of(seed: u64, index: u64) -> u64 {
    xxh3_64_with_seed(&index.to_le_bytes(), seed)
}

/// The functions that a kernel runs in each kind of event, under the first of their names.
fn seen(kernel: &KernelName, endian: Endian) -> Result<Seen, RunnerError> {
    let options = Options {
        collect_blocks: true,
        ..Options::default()
    };
    let mut runner = Runner::with_options(kernel, endian, options)?;
    let symbols = runner.symbols()?;
    let mut seen = Seen::new();
    for probe in PROBES {
        let scenario = probe.scenario();
        let kinds: BTreeSet<Kind> = scenario.events.iter().filter_map(Kind::of).collect();
        if kinds.is_empty() {
            continue;
        }
        runner.run(&scenario);
        let mut names: BTreeMap<FunctionName, u64> = BTreeMap::new();
        for ((pc, _), times) in runner.kernel_blocks() {
            let function = symbols.function_at(*pc);
            let name = function.map(|function| functions::canonical(&function.name).parse());
            if let Some(Ok(name)) = name {
                *names.entry(name).or_default() += times;
            }
        }
        for kind in kinds {
            let all = seen.entry(kind).or_default();
            for (name, times) in &names {
                let most = all.entry(*name).or_default();
                *most = (*most).max(*times);
            }
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use ctxfuzz_scenario::Call;

    use super::*;

    #[test]
    fn what_a_kernel_runs_in_a_call_is_found() {
        let fixed = "fixed".parse().expect("it is a name");
        let seen = seen(&fixed, Endian::Little).expect("the model runs");
        let has = |call, name: &str| {
            let name = name.parse().expect("it is a name");
            seen[&Kind::Call(call)].contains_key(&name)
        };
        assert!(has(Call::RtSigreturn, "__unsafe_restore_sigcontext"));
        assert!(has(Call::Fork, "copy_process"));
        assert!(!has(Call::Fork, "__unsafe_restore_sigcontext"));
    }

    #[test]
    fn builds_of_one_kernel_are_aimed_at_alike() {
        let kernels = ["fixed", "shuffled:fixed"].map(|name| name.parse().expect("it is a name"));
        let [a, b] = &kernels;
        let aimed = |kernels: &[&KernelName]| {
            let aim = at(kernels, Endian::Little).expect("the model runs");
            let mut scenarios: Vec<_> = (0..50).map(any_scenario).collect();
            for (scenario, seed) in scenarios.iter_mut().zip(0..) {
                aim.aim(scenario, seed, false);
            }
            scenarios
        };
        assert_eq!(aimed(&[a, b]), aimed(&[b, a]));
        assert!(aimed(&[a, b]) != (0..50).map(any_scenario).collect::<Vec<_>>());
    }
}
