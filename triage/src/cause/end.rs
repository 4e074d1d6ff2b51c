//! The cause of an end: one run completed, the other's kernel died or hangs.
//!
//! What differed before says little about that: a kernel that dies of a missing facility has not
//! damaged a register. So the end has a cause of its own, the place where it came.

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::run::outcome::End;
use ctxfuzz_emulator::trace::{Recording, Step};
use ctxfuzz_scenario::scenario::Verdict;

use super::code::Code;
use super::stay::{innermost, last_returned, name};
use super::{Cause, Ended, Writer};
use crate::compare::Difference;
use crate::names;

/// Functions that say that the kernel is dying.
const LAST_WORDS: [&str; 3] = ["panic", "oops_enter", "oops_begin"];

/// The cause of an end that differs; `None` if both runs completed.
pub fn cause(runs: &[Recording; 2], codes: &[Code; 2], difference: &Difference) -> Option<Cause> {
    let side = runs
        .iter()
        .position(|run| run.outcome.end != End::Completed)?;
    let (run, code) = (&runs[side], &codes[side]);
    let end = &run.outcome.end;
    let fault = fault(run, code);
    let function = place(run, code);
    let function = function.unwrap_or_else(|| "unknown".to_owned());
    let event = run.steps.iter().rev().find_map(|step| match step {
        Step::Event { index, .. } => Some(*index),
        _ => None,
    });
    let [writer_a, writer_b] = match side {
        0 => [fault, None],
        _ => [None, fault],
    };
    Some(Cause {
        signature: format!("{function}.{}", names::end(end)),
        class: Class::Dies,
        verdict: Verdict::Live,
        event: event.flatten(),
        occurrences: 1,
        ended: Some(Ended {
            side,
            how: names::end_with_detail(end),
        }),
        changes: Vec::new(),
        writer_a,
        writer_b,
        damage: None,
        user_return: None,
        copies: Vec::new(),
        differences: vec![difference.clone()],
        rule: None,
        loss: None,
    })
}

fn fault(run: &Recording, code: &Code) -> Option<Writer> {
    match run.outcome.end {
        End::KernelFault(_) => run.fault.as_ref().map(|site| code.site(site)),
        _ => None,
    }
}

/// The function in which a run ended that did not complete.
pub fn place(run: &Recording, code: &Code) -> Option<String> {
    let end = &run.outcome.end;
    match (fault(run, code), end) {
        (_, End::Hang) => repeated(run),
        // User code goes wrong by what the kernel has sent it back with.
        (None, End::KernelFault(_)) if ended_in_user_code(run) => run
            .steps
            .iter()
            .rposition(|step| *step == Step::UserReturn)
            .and_then(|at| last_returned(run, at))
            .map(str::to_owned),
        (Some(site), _) if !LAST_WORDS.contains(&site.function.as_str()) => {
            Some(site.function.clone())
        }
        _ => gave_up(run),
    }
}

fn ended_in_user_code(run: &Recording) -> bool {
    let crossing = run.steps.iter().rev().find_map(|step| match step {
        Step::UserReturn => Some(true),
        Step::KernelEntry(_) => Some(false),
        _ => None,
    });
    crossing == Some(true)
}

/// The function that found that it could not go on: what was open when the kernel began to say so.
fn gave_up(run: &Recording) -> Option<String> {
    let last_words = run.steps.iter().position(|step| match *step {
        Step::Enter(function) => LAST_WORDS.contains(&name(run, function)),
        _ => false,
    });
    innermost(run, last_words.unwrap_or(run.steps.len())).map(str::to_owned)
}

/// The function behind what is done over and over. A run is cut off anywhere: if its last two whole
/// stays in the kernel were the same it goes round through user space, and it is the last function
/// that such a stay came back from; else the kernel does not come back, and it is the one entered
/// last.
fn repeated(run: &Recording) -> Option<String> {
    let mut stays: [Vec<u32>; 2] = Default::default();
    let mut entered = None;
    let mut returned: Vec<u32> = Vec::new();
    for step in &run.steps {
        match *step {
            Step::Enter(function) => entered = Some(function),
            Step::Exit(function) => returned.push(function),
            Step::UserReturn => {
                stays.swap(0, 1);
                stays[1] = std::mem::take(&mut returned);
            }
            _ => {}
        }
    }
    let [before, last] = &stays;
    let round = last.last().filter(|_| before == last);
    let function = round.copied().or(entered)?;
    Some(name(run, function).to_owned())
}
