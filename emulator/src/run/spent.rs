//! Who spent a run that did not come to its end: the samples of the machine, with the names that functions and tasks have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Runner;
use super::outcome::{End, Spent};
use crate::arch::Endian;
use crate::kernel::image::{self, Layout};
use crate::kernel::snapshot::Snapshot;
use crate::kernel::symbols::Symbols;
use crate::machine::samples::{Sample, Who};

/// The function of an address below the kernel.
const USER_CODE: &str = "user code";
/// Where the upper half of the address space, the kernel's, begins.
const KERNEL_HALF: u64 = 1 << 63;
/// A task of a kernel whose `comm` was not found.
const NAMELESS: &str = "a task of the kernel";
/// `comm` of the agent, which is /init, and of every task that it makes.
const AGENT: &str = "init";

/// What the machine has to note so that a task of this kernel can be told from others: its number in the model, its name in a real kernel.
pub(super) fn who(layout: &Layout) -> Who {
    let detail = match (&layout.model, &layout.real) {
        (Some(model), _) => model.task_user_index,
        (None, Some(real)) => real.comm.unwrap_or(0),
        (None, None) => 0,
    };
    Who {
        pointer: layout.current,
        detail,
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
    let names = Names::of(runner);
    let places = samples.iter().map(|sample| {
        let task = names.task(sample);
        (task, names.function(sample.pc))
    });
    most(places.collect(), runner.machine.counted())
}

/// The task that was met most often, and the function that it was met in most often. Of two that are met as often, the one whose name comes first.
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

/// What is called what in a kernel, at the end of a run.
struct Names {
    endian: Endian,
    layout: Layout,
    functions: Functions,
    /// The tasks of the scenario that were seen, by their `task_struct`.
    tasks: BTreeMap<u64, u8>,
    /// Other tasks that have a name whatever their `comm` is.
    others: BTreeMap<u64, &'static str>,
}

/// Where names of functions come from.
enum Functions {
    Model(Symbols),
    Real(Arc<Snapshot>),
    /// They cannot be read again.
    Unknown,
}

impl Names {
    fn of(runner: &mut Runner) -> Names {
        let functions = match runner.name.snapshot() {
            Some(Ok(snapshot)) => Functions::Real(snapshot),
            Some(Err(_)) => Functions::Unknown,
            None => image::symbols(runner.name.build(), runner.endian)
                .map_or(Functions::Unknown, Functions::Model),
        };
        let mut others = BTreeMap::new();
        if let Functions::Model(symbols) = &functions {
            let (memory, map) = (runner.machine.memory(), runner.machine.map());
            let pointer = |ea: u64| Some(memory.read_u64(map.physical(ea)?));
            others.extend(symbols.address("init_task").map(|ea| (ea, "swapper")));
            let director = symbols.address("director").and_then(pointer);
            others.extend(director.map(|ea| (ea, "director")));
        }
        let layout = runner.layout.clone();
        if let Some(real) = &layout.real {
            others.insert(real.director, "director");
        }
        let tasks = runner.agent_tasks();
        Names {
            endian: runner.endian,
            layout,
            functions,
            tasks: tasks
                .into_iter()
                .filter_map(|known| Some((known.address, known.task?)))
                .collect(),
            others,
        }
    }

    fn function(&self, pc: u64) -> String {
        if pc < KERNEL_HALF {
            return USER_CODE.to_owned();
        }
        let name = match &self.functions {
            Functions::Model(symbols) => symbols.function_at(pc).map(|f| f.name.to_string()),
            Functions::Real(snapshot) => snapshot.function_at(pc).map(|s| s.name.clone()),
            Functions::Unknown => None,
        };
        name.unwrap_or_else(|| format!("{pc:#x}"))
    }

    fn task(&self, sample: &Sample) -> String {
        if let Some(name) = self.others.get(&sample.who) {
            return (*name).to_owned();
        }
        if self.layout.model.is_some() {
            let [index, _] = sample.detail.as_chunks::<8>().0 else {
                return String::new();
            };
            let index = match self.endian {
                Endian::Little => u64::from_le_bytes(*index),
                Endian::Big => u64::from_be_bytes(*index),
            };
            return match u8::try_from(index) {
                Ok(index) => format!("task {index}"),
                Err(_) => "io worker".to_owned(),
            };
        }
        let task = self.tasks.get(&sample.who);
        let named = self.layout.real.as_ref().and_then(|real| real.comm);
        match (task, named.map(|_| comm(&sample.detail))) {
            // The memory of one that has ended may be another's.
            (Some(index), Some(comm)) if comm == AGENT => format!("task {index}"),
            (_, Some(comm)) => comm,
            (Some(index), None) => format!("task {index}"),
            (None, None) => NAMELESS.to_owned(),
        }
    }
}

/// A name as the kernel keeps it. A program may have written anything there.
fn comm(bytes: &[u8]) -> String {
    let name = bytes.iter().take_while(|&&byte| byte != 0);
    name.map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '?',
    })
    .collect()
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

    #[test]
    fn a_name_is_what_can_be_printed_up_to_its_end() {
        assert_eq!(comm(b"kworker/0:1\0\x01abc"), "kworker/0:1");
        assert_eq!(comm(b"a\x1b[2Jb\xff\0"), "a?[2Jb?");
        assert_eq!(comm(b"sixteen_letters!"), "sixteen_letters!");
    }
}
