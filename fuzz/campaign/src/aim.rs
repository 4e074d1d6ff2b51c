//! Finds out which functions kernels run in each kind of event, for pending work to be aimed at.
//!
//! Each event that `kernels --prove` tries is run once, and the coverage says what the kernel went
//! through. Not responsible for how a scenario is aimed (the generators' `aim`).

use std::collections::BTreeSet;

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
    let preference = match kernels.iter().any(|kernel| kernel.vmlinux().is_some()) {
        true => Preference::Named,
        false => Preference::Counted,
    };
    let mut common: Option<Seen> = None;
    for kernel in kernels {
        let mut seen = seen(kernel, endian, preference)?;
        if let Some(common) = common {
            seen.retain(|kind, _| common.contains_key(kind));
            for (kind, names) in &mut seen {
                names.retain(|name, _| common[kind].contains_key(name));
            }
        }
        common = Some(seen);
    }
    let model = Functions::of_the_model();
    let is_first = |name| is_save_path(&model, name);
    Ok(Aim::new(&common.unwrap_or_default(), is_first, preference))
}

/// The model is made of the save paths: what it has a function for is one. Of what Linux has for
/// several processors it has POWER7's, under the plain name.
fn is_save_path(model: &Functions, name: FunctionName) -> bool {
    let plain = name.as_str().strip_suffix("_power7");
    let plain = plain.and_then(|plain| plain.parse().ok());
    model.has_own_code(name) || plain.is_some_and(|plain| model.has_own_code(plain))
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
fn seen(kernel: &KernelName, endian: Endian, preference: Preference) -> Result<Seen, RunnerError> {
    let options = Options {
        collect_blocks: true,
        ..Options::default()
    };
    let mut runner = Runner::with_options(kernel, endian, options)?;
    let symbols = runner.symbols()?;
    let mut seen = Seen::new();
    for probe in PROBES {
        let scenario = probe.scenario();
        runner.run(&scenario);
        let mut here = Seen::new();
        for (kind, pc, times) in blocks(&runner, &scenario, preference) {
            let function = symbols.function_at(pc);
            let name = function.map(|function| functions::canonical(&function.name).parse());
            if let Some(Ok(name)) = name {
                *here.entry(kind).or_default().entry(name).or_default() += times;
            }
        }
        for (kind, names) in here {
            let all = seen.entry(kind).or_default();
            for (name, times) in names {
                let most = all.entry(name).or_default();
                *most = times.max(*most);
            }
        }
    }
    Ok(seen)
}

/// The blocks of a run, each with a kind of event that it ran in. Where places are counted, every
/// kind that the scenario has: a function that an event does not come to is *not reached* then, and
/// costs little. In a real kernel most of the scenarios would be lost that way.
fn blocks(runner: &Runner, scenario: &Scenario, preference: Preference) -> Vec<(Kind, u64, u64)> {
    let kind = |event: u16| Kind::of(scenario.events.get(usize::from(event))?);
    match preference {
        Preference::Named => {
            let blocks = runner.event_blocks().iter();
            let blocks = blocks.map(|(&(event, (pc, _)), &times)| (kind(event), pc, times));
            let blocks = blocks.filter_map(|(kind, pc, times)| Some((kind?, pc, times)));
            blocks.collect()
        }
        Preference::Counted => {
            let kinds: BTreeSet<Kind> = scenario.events.iter().filter_map(Kind::of).collect();
            let blocks = runner.kernel_blocks().iter();
            let of_all = blocks
                .flat_map(|((pc, _), times)| kinds.iter().map(move |&kind| (kind, *pc, *times)));
            of_all.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_scenario::Call;

    use super::*;

    #[test]
    fn what_a_kernel_runs_in_a_call_is_found() {
        let fixed = "fixed".parse().expect("it is a name");
        let seen = |preference| seen(&fixed, Endian::Little, preference).expect("the model runs");
        let has = |seen: &Seen, call, name: &str| {
            let name = name.parse().expect("it is a name");
            seen[&Kind::Call(call)].contains_key(&name)
        };
        for preference in [Preference::Counted, Preference::Named] {
            let seen = seen(preference);
            assert!(has(&seen, Call::RtSigreturn, "__unsafe_restore_sigcontext"));
            assert!(has(&seen, Call::Read, "pipe_read"));
            assert!(has(&seen, Call::Fork, "copy_process"));
            assert!(!has(&seen, Call::Fork, "__unsafe_restore_sigcontext"));
        }
        // The probe of a handler sends a signal, and ends the handler.
        let sigreturn = "__unsafe_restore_sigcontext";
        assert!(has(&seen(Preference::Counted), Call::Kill, sigreturn));
        assert!(!has(&seen(Preference::Named), Call::Kill, sigreturn));
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
