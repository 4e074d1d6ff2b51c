//! The page over many findings.

use std::path::Path;

use maud::{Markup, html};

use super::{badge, document};
use crate::index::{Entry, Index, Kernel, Standing};
use crate::report::uri;
use crate::untrusted;

/// The whole page, as it is to be written into the folder `from`: links to the findings' own pages
/// are relative to that.
pub fn page(index: &Index, from: &Path) -> String {
    let of = |wanted: fn(&Standing<'_>) -> bool| -> Vec<&Entry> {
        let entries = index.entries.iter();
        entries
            .filter(|entry| wanted(&index.standing(entry)))
            .collect()
    };
    let reported = of(|standing| *standing == Standing::Reported);
    let below = of(|standing| *standing == Standing::Below);
    let known = of(|standing| matches!(standing, Standing::Known(_)));
    document(
        &format!("Findings in {}", index.name()),
        html! {
            header {
                p.kicker { "ctxfuzz: index" }
                h1 { "Findings in " (index.name()) }
                p { (reported.len()) " reported, " (below.len()) " below the threshold, " (known.len()) " known, " (index.skipped.len()) " skipped" }
            }
            main {
                (list("findings", "Findings", &reported, index, from))
                (list("below", "Only under the Linux system call ABI: not reported without --abi linux", &below, index, from))
                (list("known", "Known", &known, index, from))
                @if !index.skipped.is_empty() {
                    section id="skipped" {
                        h2 { "Skipped" }
                        ul.plain { @for skipped in &index.skipped { li { code { (untrusted::path(&index.name_of(skipped))) } ": " (skipped.reason) } } }
                    }
                }
            }
        },
    )
}

fn list(id: &str, title: &str, entries: &[&Entry], index: &Index, from: &Path) -> Markup {
    html! {
        @if !entries.is_empty() {
            section id=(id) {
                h2 { (title) }
                @for entry in entries { (card(entry, index, from)) }
            }
        } @else if id == "findings" {
            section id=(id) { p { "No findings." } }
        }
    }
}

fn card(entry: &Entry, index: &Index, from: &Path) -> Markup {
    html! {
        article.finding {
            h3 {
                @match link(entry, from) {
                    Some(link) => a href=(link) { (entry.signature) },
                    None => (entry.signature),
                }
                " " (badge(entry.verdict))
            }
            dl.facts {
                @if let Standing::Known(reason) = index.standing(entry) { dt { "known" } dd { (reason) } }
                dt { "registers" } dd { (entry.registers.join(" ")) }
                dt { "seen in" } dd { (entry.places.join(", ").replace('_', " ")) }
                @if let Some(function) = &entry.function { dt { "at fault" } dd { code { (function) } } }
                @if let Some(writer) = &entry.writer { dt { "told by" } dd { code { (writer) } @if let Some(source) = &entry.source { " " span.muted { (source) } } } }
                @for (what, Kernel { kernel, image, release }) in entry.kernels() {
                    dt { (what) } dd { code { (kernel) } " " span.muted { @if let Some(release) = release { "Linux " (release) ", " } "image " code { (image) } } }
                }
                @if let Some(version) = &entry.version { dt { "ctxfuzz" } dd { (version) } }
                @if let Some(seed) = entry.seed { dt { "seed" } dd { (seed) } }
                dt { "found by" } dd { code { (entry.command) } }
                @if let Some(command) = &entry.reproduce { dt { "show again" } dd { code { (command) } } }
                @for other in &entry.also {
                    dt { "also in" } dd {
                        @match link(other, from) {
                            Some(link) => a href=(link) { code { (untrusted::path(&other.path)) } },
                            None => code { (untrusted::path(&other.path)) },
                        }
                        (entry.other_oracle(other)) " " (badge(other.verdict))
                    }
                }
            }
        }
    }
}

/// The finding's own page, if it has one and a way leads there that works on another machine too.
fn link(entry: &Entry, from: &Path) -> Option<String> {
    if !entry.html {
        return None;
    }
    let dir = entry.path.parent()?.canonicalize().ok()?;
    let way = dir.strip_prefix(from.canonicalize().ok()?).ok()?;
    let name = entry.path.file_name()?;
    // `./` in front: a relative reference must not be taken for anything else.
    Some(format!(
        "./{}",
        uri::of_path(&way.join(name).join("report.html"))
    ))
}
