//! A stay in the kernel, from an entry to the return to user space.

use std::collections::HashSet;
use std::rc::Rc;

use ctxfuzz_emulator::trace::{Recording, Step};

/// Name of a recorded function.
pub fn name(run: &Recording, function: u32) -> &str {
    run.functions
        .get(function as usize)
        .map_or("unknown", |name| name)
}

/// The functions that the stay which ends at a step came back from, the last one first.
pub fn returned(run: &Recording, end: usize) -> impl Iterator<Item = &str> {
    let steps = run.steps.get(..end).unwrap_or_default().iter().rev();
    let stay = steps.take_while(|step| **step != Step::UserReturn);
    stay.filter_map(|step| match step {
        Step::Exit(function) => Some(name(run, *function)),
        _ => None,
    })
}

/// The one that it came back from last: there it was decided what user code finds. `None` if none
/// returned.
pub fn last_returned(run: &Recording, end: usize) -> Option<&str> {
    returned(run, end).next()
}

/// The function that is open at a step and was entered last. A switch to another task leaves that
/// with what is open there.
pub fn innermost(run: &Recording, end: usize) -> Option<&str> {
    let mut open: Vec<&str> = Vec::new();
    for step in run.steps.get(..end).unwrap_or_default() {
        match *step {
            Step::Enter(function) => open.push(name(run, function)),
            Step::Exit(function) => {
                let left = name(run, function);
                if let Some(depth) = open.iter().rposition(|open| *open == left) {
                    open.truncate(depth);
                }
            }
            Step::UserReturn => open.clear(),
            _ => {}
        }
    }
    open.pop()
}

/// Adds the functions entered between two steps to those of the stay in the kernel that is going
/// on.
pub fn follow(run: &Recording, from: usize, to: usize, entered: &mut HashSet<Rc<str>>) {
    for step in run.steps.get(from..to).unwrap_or_default() {
        match step {
            Step::KernelEntry(_) | Step::UserReturn => entered.clear(),
            Step::Enter(function) => {
                entered.insert(run.functions[*function as usize].clone());
            }
            _ => {}
        }
    }
}

/// Functions entered between two steps.
pub fn entered(run: &Recording, from: usize, to: usize) -> HashSet<Rc<str>> {
    let steps = run.steps.get(from..to).unwrap_or_default();
    let names = steps.iter().filter_map(|step| match step {
        Step::Enter(function) => Some(run.functions[*function as usize].clone()),
        _ => None,
    });
    names.collect()
}
