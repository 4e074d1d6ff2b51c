//! What is said where there is nothing to explain: no harm, none that a rule explains, or nothing
//! that could be compared; and what was asked for and did not happen.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::cause::Explanation;
use crate::compare::{Difference, What};
use crate::names;
use crate::report::hex;

/// What is said where there is nothing to explain.
pub fn said(e: &Explanation) -> Option<String> {
    let is_one = e.kernels.only().is_some();
    if let Some(reason) = e.comparison.reason() {
        return Some(match is_one {
            true => format!("The run says nothing about the kernel: {reason}"),
            false => format!("The runs cannot be compared: {reason}"),
        });
    }
    if !e.causes.is_empty() {
        return None;
    }
    let visible: Vec<String> = e.comparison.visible().map(|d| unexplained(d, e)).collect();
    let mut said = match (visible.is_empty(), is_one) {
        (true, true) => "No violation: each task found its registers as it had to, as far as \
                         anybody could see."
            .to_owned(),
        (true, false) => "No difference that anybody could see.".to_owned(),
        (false, _) => format!("No cause was found of this:\n{}", visible.join("\n")),
    };
    // What no kernel did cannot have done harm.
    let left_out = e.effects.iter().flat_map(|effects| &effects.not_applicable);
    let mut left_out: Vec<String> = left_out
        .map(|one| format!("\nnot applicable: {one}"))
        .collect();
    left_out.dedup();
    said.extend(left_out);
    // The work was to come elsewhere.
    let missed: BTreeSet<u16> = e
        .effects
        .iter()
        .flat_map(|e| &e.not_reached)
        .copied()
        .collect();
    for event in missed {
        let _ = write!(
            said,
            "\nnot reached: the place of late work in event {event}; it came at the end of the call"
        );
    }
    Some(said)
}

/// A difference that has no cause.
fn unexplained(d: &Difference, e: &Explanation) -> String {
    let [a, b] = match d.what {
        What::End => [&e.comparison.end_a, &e.comparison.end_b].map(names::end_with_detail),
        what => [d.a, d.b].map(|value| hex(what, value)),
    };
    let place = d.place.to_string().replace('_', " ");
    let whose = d
        .task
        .map_or_else(|| "the kernel".to_owned(), |task| format!("task {task}"));
    let [found, expected] = e.headings();
    format!(
        "  {place} of {whose}, {} ({}): {found} {a}, {expected} {b}",
        d.what, d.verdict
    )
}
