//! Reports for a browser: one file a page that needs no network and no script.
//!
//! Everything from a scenario, a kernel or a foreign directory is text to `maud`, which escapes it;
//! the one thing that goes in as it is, is our own style sheet. The page of a finding is put
//! together here from parts below; `index` is the page over many, `coverage` the one over what
//! scenarios reach, `matrix` the one over scenarios and kernels.

mod causes;
mod coverage;
mod heat;
mod index;
mod looks;
mod matrix;
#[cfg(test)]
mod tests;
mod timeline;
mod travel;

use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::describe::describe;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::looks::Looks;
use super::hex;
use crate::cause::{Cause, Explanation};
use crate::compare::{Difference, What};
use crate::identity::release;
use crate::names;
use crate::untrusted;

pub use self::coverage::{Coverage, File, Function, page as coverage_page};
pub use self::index::page as index_page;
pub use self::matrix::page as matrix_page;

const STYLE: &str = include_str!("html/style.css");
/// Nothing but the style sheet that is in the page may be used by it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// Rows of the table of differences that are seen at once.
const FIRST_DIFFERENCES: usize = 16;
/// Causes that are explained.
const MOST_CAUSES: usize = 12;
/// Rows below them.
const MOST_DIFFERENCES: usize = 200;

/// What a page is about.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The signature of a finding, whose cause comes first; `None` for all that a scenario shows.
    pub signature: Option<&'a str>,
    /// Why the runs part.
    pub explanation: &'a Explanation,
    /// Both runs, observed.
    pub runs: &'a [Outcome; 2],
    /// Hashes of the kernels' images, A's first.
    pub hashes: &'a [u64],
    /// What a campaign knows: the words for it, and it.
    pub facts: &'a [(&'static str, String)],
    /// The command that shows it again.
    pub command: &'a str,
}

/// The whole page.
pub fn page(page: &Page<'_>) -> String {
    let e = page.explanation;
    let mut causes: Vec<&Cause> = e.causes.iter().collect();
    causes.sort_by_key(|cause| page.signature.is_some_and(|own| own != cause.signature));
    let verdict = match (page.signature, causes.first()) {
        (Some(own), Some(cause)) if own == cause.signature => cause.verdict,
        _ => e.comparison.verdict,
    };
    let scenario = e.scenario.name.as_deref().unwrap_or("scenario");
    let title = page.signature.unwrap_or(scenario);
    let looks = Looks::new(page.runs);
    document(
        title,
        html! {
            header {
                p.kicker { "ctxfuzz: " (if page.signature.is_some() { "finding" } else { "explanation" }) }
                h1 { (title) }
                @if let Some(about) = &e.scenario.about { p { (about) } }
                p { (badge(verdict)) " " (noticed_by(verdict)) }
                @if let Some(reason) = e.comparison.reason() { p.warning { "The runs cannot be compared: " (reason) } }
                (facts(page))
            }
            nav aria-label="Parts of this page" {
                a href="#differs" { "What differs" }
                a href="#timeline" { "Timeline" }
                a href="#registers" { "Register file" }
                @for (index, cause) in causes.iter().enumerate().take(MOST_CAUSES) {
                    a href={ "#cause-" (index + 1) } { "Cause " (index + 1) @if causes.len() > 1 { ": " (cause.signature) } }
                }
            }
            main {
                @if causes.len() > MOST_CAUSES { p.warning { "Only the first " (MOST_CAUSES) " of " (causes.len()) " causes are shown: " code { "ctxfuzz explain" } " has all." } }
                (differs(e, &causes))
                (timeline::section(e, page.runs, &looks))
                (heat::section(e, &looks))
                @for (index, cause) in causes.iter().enumerate().take(MOST_CAUSES) {
                    (causes::section(index + 1, cause, e))
                }
            }
        },
    )
}

/// A page as text. What would hide or reorder text is written out, wherever it came from.
fn document(title: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - ctxfuzz" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                footer { "Written by ctxfuzz " (env!("CARGO_PKG_VERSION")) ". This page loads nothing and needs no script." }
            }
        }
    };
    let mut lines = page
        .into_string()
        .lines()
        .map(untrusted::escaped)
        .collect::<Vec<_>>()
        .join("\n");
    lines.push('\n');
    lines
}

fn badge(verdict: Verdict) -> Markup {
    html! { span.badge.{ "verdict-" (verdict.name()) } { (verdict.name()) } }
}

fn noticed_by(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Live => "Any program can notice.",
        Verdict::Abi => {
            "Only a program that relies on the documented Linux system call ABI can notice."
        }
        Verdict::Dead => "Nobody can notice.",
        Verdict::None => "Nothing differs.",
    }
}

fn facts(page: &Page<'_>) -> Markup {
    let e = page.explanation;
    let lanes = match e.kernels.only() {
        Some(_) => ["kernel", ""],
        None => ["kernel A", "kernel B"],
    };
    let kernels = e.kernels.names().iter().zip(page.hashes);
    let kernels = lanes.into_iter().zip(kernels);
    html! {
        dl.facts {
            @for (lane, (kernel, hash)) in kernels {
                dt { (lane) }
                dd { code { (kernel) } " " span.muted { @if let Some(release) = release(kernel) { "Linux " (release) ", " } "image " code { (format!("{hash:016x}")) } } }
            }
            dt { "byte order" } dd { (e.endian.name()) }
            dt { "ctxfuzz" } dd { (env!("CARGO_PKG_VERSION")) }
            @for (what, value) in page.facts { dt { (what) } dd { code { (value) } } }
            dt { "show again" } dd { code { (page.command) } }
        }
    }
}

fn differs(e: &Explanation, causes: &[&Cause]) -> Markup {
    let visible: Vec<&Difference> = e.comparison.visible().collect();
    html! {
        section id="differs" {
            h2 { "What differs in the end" }
            @if visible.is_empty() { p { "Nothing that anybody could see." } }
            @else {
                @let (first, rest) = visible.split_at(visible.len().min(FIRST_DIFFERENCES));
                (table(first, e, causes))
                @if !rest.is_empty() {
                    details {
                        summary { (rest.len()) " more" }
                        (table(&rest[..rest.len().min(MOST_DIFFERENCES)], e, causes))
                        @if rest.len() > MOST_DIFFERENCES { p { "And " (rest.len() - MOST_DIFFERENCES) " more: " code { "ctxfuzz run" } " lists all." } }
                    }
                }
            }
        }
    }
}

fn table(differences: &[&Difference], e: &Explanation, causes: &[&Cause]) -> Markup {
    html! {
        table.cards {
            thead { tr { th { "register" } th { "where" } th { "who notices" } th { (e.lanes()[0]) } th { (e.lanes()[1]) } th { "cause" } } }
            tbody { @for difference in differences { (row(difference, e, causes)) } }
        }
    }
}

fn row(difference: &Difference, e: &Explanation, causes: &[&Cause]) -> Markup {
    let whose = match difference.task {
        _ if difference.what == What::End => "the whole run".to_owned(),
        Some(task) => format!("{} of task {task}", difference.place),
        None => format!("{} of a kernel thread", difference.place),
    };
    let cause = causes
        .iter()
        .position(|cause| cause.differences.contains(difference));
    let ends = [&e.comparison.end_a, &e.comparison.end_b].map(|end| names::end(end).to_owned());
    let [a, b] = match difference.what {
        What::End => ends,
        what => [hex(what, difference.a), hex(what, difference.b)],
    };
    html! {
        tr {
            th scope="row" data-label="register" { (difference.what) }
            td data-label="where" { (whose.replace('_', " ")) }
            td data-label="who notices" { (badge(difference.verdict)) }
            td.value data-label=(e.lanes()[0]) { (marked(&a, &b)) }
            td.value data-label=(e.lanes()[1]) { (marked(&b, &a)) }
            td data-label="cause" { @if let Some(index) = cause.filter(|&index| index < MOST_CAUSES) { a href={ "#cause-" (index + 1) } { (index + 1) } } @else { "?" } }
        }
    }
}

/// A value with the digits marked in which it differs from the other.
fn marked(value: &str, other: &str) -> Markup {
    let same_length = value.len() == other.len()
        && value.is_ascii()
        && other.is_ascii()
        && value.starts_with("0x");
    if !same_length {
        return html! { code { (value) } };
    }
    let mut parts: Vec<(bool, String)> = Vec::new();
    for (digit, opposite) in value.chars().zip(other.chars()) {
        let differs = digit != opposite;
        match parts.last_mut() {
            Some((known, part)) if *known == differs => part.push(digit),
            _ => parts.push((differs, digit.to_string())),
        }
    }
    html! {
        code { @for (differs, part) in parts { @if differs { mark { (part) } } @else { (part) } } }
    }
}

/// An event in words.
fn event(index: Option<u16>, scenario: &Scenario) -> String {
    let Some(index) = index else {
        return "start or end, when tasks load and dump their registers".to_owned();
    };
    let what = scenario.events.get(usize::from(index)).map(describe);
    match what {
        Some(what) => format!("event {index}: {what}"),
        None => format!("event {index}"),
    }
}
