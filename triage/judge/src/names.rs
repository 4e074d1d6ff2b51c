//! How ends of runs and tasks are spelled in reports and JSON, so that every output says the same
//! word for the same thing.
//!
//! Verdicts, places and registers know their own names.

use ctxfuzz_outcome::outcome::End;

/// The word for how a run ended, without its detail.
pub fn end(end: &End) -> &'static str {
    match end {
        End::Completed => "completed",
        End::KernelFault(_) => "kernel-fault",
        End::Hang => "hang",
        End::EmulatorFault(_) => "emulator-fault",
        End::Budget => "budget",
    }
}

/// How a run ended, with its detail when it has one.
pub fn end_with_detail(outcome: &End) -> String {
    match outcome {
        End::KernelFault(detail) | End::EmulatorFault(detail) if !detail.is_empty() => {
            format!("{}: {detail}", end(outcome))
        }
        _ => end(outcome).to_owned(),
    }
}

/// `0`, `1`, ... or `kernel` for a kernel thread.
pub fn task(task: Option<u8>) -> String {
    task.map_or_else(|| "kernel".to_owned(), |index| index.to_string())
}
