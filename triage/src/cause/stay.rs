//! A stay in the kernel, from an entry to the return to user space.

use ctxfuzz_emulator::trace::{Recording, Step};

/// Name of a recorded function.
pub fn name(run: &Recording, function: u32) -> &str {
    run.functions
        .get(function as usize)
        .map_or("unknown", |name| name)
}

/// The function that the stay which ends at a step came back from last: there it was decided what user code finds. `None` if none returned.
pub fn last_returned(run: &Recording, end: usize) -> Option<&str> {
    let stay = run.steps.get(..end)?.iter().rev();
    let mut steps = stay.take_while(|step| **step != Step::UserReturn);
    steps.find_map(|step| match step {
        Step::Exit(function) => Some(name(run, *function)),
        _ => None,
    })
}
