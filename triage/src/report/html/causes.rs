//! One cause: what came to differ, who wrote it last on each side, and how it got about.

use ctxfuzz_scenario::register::Register;
use maud::{Markup, html};

use super::{badge, event, hex, marked, travel};
use crate::cause::{Cause, Explanation, Loss, Stop, Writer};
use crate::compare::What;

/// Registers listed.
const MOST_CHANGES: usize = 100;

/// The section.
pub fn section(number: usize, cause: &Cause, e: &Explanation) -> Markup {
    html! {
        section id={ "cause-" (number) } {
            h2 { "Cause " (number) ": " code { (cause.signature) } }
            p { (badge(cause.verdict)) " " (cause.class) ": " (event(cause.event, &e.scenario)) }
            @if let Some(rule) = cause.rule { p { "In short: " (rule) "." } }
            @if cause.occurrences > 1 { p.muted { "One of " (cause.occurrences) " times in this run, harmless ones included." } }
            @if let Some(ended) = &cause.ended {
                p.warning { "The run on " code { (e.kernel(ended.side)) } " ends with " (ended.how) }
            }
            @let died = cause.changes.is_empty() && cause.ended.is_some();
            @if cause.is_untraced() {
                p { "In " code { (cause.function()) } "; writes of this are not traced." }
            } @else {
                @if !died { (changes(cause, e)) }
                @match e.kernels.only() {
                    Some(_) => (at_fault(cause, died)),
                    None => div.sides {
                        (writer(&e.lanes()[0], cause.writer_a.as_ref(), died))
                        (writer(&e.lanes()[1], cause.writer_b.as_ref(), died))
                    }
                }
                @if let Some(loss) = &cause.loss { (lost(loss, e)) }
            }
            (travel::picture(cause, e))
        }
    }
}

fn changes(cause: &Cause, e: &Explanation) -> Markup {
    html! {
        table.cards {
            thead { tr { th { "what came to differ" } th { (e.lanes()[0]) } th { (e.lanes()[1]) } th { "what it is" } } }
            tbody {
                @for change in cause.changes.iter().take(MOST_CHANGES) {
                    @let [a, b] = values(change.register, [change.a, change.b]);
                    tr {
                        th scope="row" data-label="what" { (change.name) }
                        td.value data-label=(e.lanes()[0]) { (marked(&a, &b)) }
                        td.value data-label=(e.lanes()[1]) { (marked(&b, &a)) }
                        td data-label="it is" { @if let Some(remark) = change.remark(e) { (remark) } @else { span.muted { "not recognised" } } }
                    }
                }
            }
        }
        @if let Some(more) = cause.changes.len().checked_sub(MOST_CHANGES).filter(|&more| more > 0) { p { "And " (more) " more." } }
    }
}

/// Both values, as long as each other: what differs is marked digit by digit.
fn values(register: Option<Register>, values: [u128; 2]) -> [String; 2] {
    let longest = values.into_iter().max().unwrap_or_default();
    let width = format!("{longest:#x}").len();
    values.map(|value| match register {
        Some(register) => hex(What::Register(register), value),
        None => format!("{value:#0width$x}"),
    })
}

/// With one kernel: who wrote what is there, and where something else had to be written.
fn at_fault(cause: &Cause, ended: bool) -> Markup {
    let place = |w: &Option<Writer>| w.as_ref().map(|w| w.place.clone());
    let [found, expected] = [&cause.writer_a, &cause.writer_b];
    let elsewhere = expected
        .as_ref()
        .filter(|_| place(found) != place(expected));
    html! {
        div.sides {
            (writer("What wrote it", found.as_ref(), ended))
            @if elsewhere.is_some() { (writer("Where it had to be right", elsewhere, ended)) }
        }
    }
}

/// With one kernel: the last copy of the right value, and who wrote what user code got instead.
fn lost(loss: &Loss, e: &Explanation) -> Markup {
    let value = |value| hex(What::Register(loss.register), value);
    let held = loss.held.iter().map(|held| ("The last copy of that", held));
    let got = loss.got.iter().map(|got| ("What was got instead", got));
    let mut stops: Vec<_> = held.chain(got).collect();
    stops.sort_by_key(|(_, stop)| stop.step);
    html! {
        h3 { "How " (loss.register) " was lost" }
        p { "It had to be " code { (value(loss.right)) } "." }
        div.sides {
            @if loss.held.is_none() {
                div.side { p.muted { "No copy of that was made in this run." } }
            }
            @for (title, one) in stops { (stop(title, one, &value(one.value), e)) }
        }
    }
}

fn stop(title: &str, stop: &Stop, value: &str, e: &Explanation) -> Markup {
    let writer = &stop.writer;
    html! {
        div.side {
            h4 { (title) }
            p {
                code { (value) } " was written to " (stop.place) " by " code { (writer.instruction) } " at " code { (writer.place) }
                @if let Some(source) = &writer.source { ", " code { (source) } }
                ", in " (event(stop.event, &e.scenario)) "."
            }
            details open {
                summary { "Call trace, innermost first" }
                (trace(writer))
            }
        }
    }
}

fn writer(lane: &str, writer: Option<&Writer>, ended: bool) -> Markup {
    let Some(writer) = writer else {
        return html! {
            div.side {
                h3 { (lane) }
                p.muted { @if ended { "Nothing to show." } @else { "Not written in this run." } }
            }
        };
    };
    html! {
        div.side {
            h3 { (lane) }
            p { @if ended { "Ended at " } @else { "Written last by " } code { (writer.instruction) } " at " code { (writer.place) } @if let Some(source) = &writer.source { ", " code { (source) } } }
            details open {
                summary { "Call trace, innermost first" }
                (trace(writer))
            }
            details open {
                summary { "Code around it" }
                pre tabindex="0" { @for line in &writer.around { (line) "\n" } }
            }
        }
    }
}

/// How an instruction was reached.
pub fn trace(writer: &Writer) -> Markup {
    html! {
        ol.trace {
            @for (address, place) in &writer.trace {
                li { code { span.muted { (format!("{address:016x}")) } " " (place) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn values_in_memory_are_as_long_as_each_other() {
        let shown = values(None, [0x00fe_caac, 0x1f0b_85c3]);
        assert_eq!(shown, ["0x00fecaac", "0x1f0b85c3"]);
        assert_eq!(values(None, [0, 0x2000]), ["0x0000", "0x2000"]);
    }
}
