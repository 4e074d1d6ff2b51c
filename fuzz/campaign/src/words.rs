//! An explanation for people, also where there is nothing to explain.

use std::fmt::Write;

use ctxfuzz_triage::cause::Explanation;
use ctxfuzz_triage::compare::{Comparison, Difference, What};
use ctxfuzz_triage::names;
use ctxfuzz_triage::report::hex;

/// The explanation in words. Of one kernel it says too that a run shows nothing, and what a task
/// found where no cause is known.
pub fn explanation(explanation: &Explanation) -> String {
    let Some(kernel) = explanation.kernels.only() else {
        return explanation.text();
    };
    let comparison = &explanation.comparison;
    let name = explanation.scenario.name.as_deref();
    let scenario = name.unwrap_or("scenario");
    let heading = format!("{scenario} ({}): {kernel}\n", explanation.endian.name());
    let visible: Vec<&Difference> = comparison.visible().collect();
    if let Some(reason) = comparison.reason() {
        return format!("{heading}The run says nothing about the kernel: {reason}\n");
    }
    if visible.is_empty() {
        return format!(
            "{heading}No violation: each task found its registers as it had to, as far as anybody could see.\n"
        );
    }
    if !explanation.causes.is_empty() {
        return explanation.text();
    }
    let mut text = format!("{heading}No cause was found. What tasks found:\n");
    for difference in visible {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}", found(difference, comparison));
    }
    text
}

fn found(difference: &Difference, comparison: &Comparison) -> String {
    let (what, verdict) = (difference.what, difference.verdict);
    if what == What::End {
        return format!("{} ({verdict})", names::end_with_detail(&comparison.end_a));
    }
    let task = difference.task.unwrap_or_default();
    let [after, before] = [difference.a, difference.b].map(|value| hex(what, value));
    let place = difference.place.to_string().replace('_', " ");
    format!("{place} of task {task}, {what} ({verdict}): {after} in place of {before}")
}
