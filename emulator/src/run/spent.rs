//! Who spent a run that did not come to its end: the samples of the machine, with the names that
//! functions and tasks have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Runner;
use super::outcome::{End, Spent};
use super::platform::Platform;
use crate::kernel::image::{self, Layout};
use crate::kernel::snapshot::Snapshot;
use crate::kernel::symbols::Symbols;
use crate::machine::samples::Who;

/// The function of an address below the kernel.
const USER_CODE: &str = "user code";
/// Where the upper half of the address space, the kernel's, begins.
const KERNEL_HALF: u64 = 1 << 63;
/// What the machine has to note so that a task of this kernel can be told from others.
pub(super) fn who(layout: &Layout, platform: &dyn Platform) -> Who {
    Who {
        pointer: layout.current,
        detail: platform.task_detail(),
    }
}

/// Who spent the last run of this runner, if it ended so that somebody will ask.
pub(super) fn spent(runner: &mut Runner, end: &End) -> Option<Spent> {
    let samples = match end {
        End::Budget | End::Hang => runner.machine.samples().to_vec(),
        // It is of no interest what the run did before.
        End::EmulatorFault(_) => vec![runner.machine.here()],
        End::Completed | End::KernelFault(_) => return None,
    };
    let functions = Functions::of(runner);
    let (memory, map) = (
        runner.machine.memory().clone(),
        runner.machine.map().clone(),
    );
    let platform = &runner.machine.host().platform;
    let places = samples.iter().map(|sample| {
        let task = platform.task_name(sample, &memory, &map);
        (task, functions.name(sample.pc))
    });
    let places = places.collect();
    most(places, runner.machine.counted())
}

/// The task that was met most often, and the function that it was met in most often. Of two that
/// are met as often, the one whose name comes first.
fn most(places: Vec<(String, String)>, blocks: u64) -> Option<Spent> {
    let all = places.len();
    let mut tasks: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (task, function) in places {
        *tasks.entry(task).or_default().entry(function).or_default() += 1;
    }
    let times = |functions: &BTreeMap<String, usize>| functions.values().sum::<usize>();
    let (task, functions) = tasks.into_iter().rev().max_by_key(|(_, f)| times(f))?;
    let in_task = times(&functions);
    let (function, in_function) = functions.into_iter().rev().max_by_key(|(_, n)| *n)?;
    let percent = |times: usize| (100 * times / all) as u8;
    Some(Spent {
        blocks,
        task,
        in_task: percent(in_task),
        function,
        in_function: percent(in_function),
    })
}

/// Where names of functions come from.
enum Functions {
    Model(Symbols),
    Real(Arc<Snapshot>),
    /// They cannot be read again.
    Unknown,
}

impl Functions {
    fn of(runner: &Runner) -> Self {
        match runner.name.snapshot() {
            Some(Ok(snapshot)) => Functions::Real(snapshot),
            Some(Err(_)) => Functions::Unknown,
            None => image::symbols(runner.name.build(), runner.endian)
                .map_or(Functions::Unknown, Functions::Model),
        }
    }

    fn name(&self, pc: u64) -> String {
        if pc < KERNEL_HALF {
            return USER_CODE.to_owned();
        }
        let name = match self {
            Functions::Model(symbols) => symbols.function_at(pc).map(|f| f.name.to_string()),
            Functions::Real(snapshot) => snapshot.function_at(pc).map(|s| s.name.clone()),
            Functions::Unknown => None,
        };
        name.unwrap_or_else(|| format!("{pc:#x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_that_of_a_task_first_and_then_of_a_function_in_it() {
        let place = |task: &str, function: &str| (task.to_owned(), function.to_owned());
        let places = vec![
            place("task 0", "memcpy"),
            place("task 0", "memcpy"),
            place("kworker", "vli_mult"),
            place("kworker", "mul_64_64"),
            place("kworker", "vli_mult"),
            place("task 1", "memcpy"),
        ];
        let spent = most(places, 7).unwrap();
        assert_eq!((spent.task.as_str(), spent.in_task), ("kworker", 50));
        assert_eq!(
            (spent.function.as_str(), spent.in_function),
            ("vli_mult", 33)
        );
        assert_eq!(spent.blocks, 7);
        let even = most(vec![place("b", "y"), place("a", "x")], 1).unwrap();
        assert_eq!((even.task.as_str(), even.in_task), ("a", 50));
        assert_eq!(most(Vec::new(), 1), None);
    }
}
