//! The page over what scenarios reach of a kernel: functions, files, and the lines themselves where
//! their text is known.

use maud::{Markup, html};

use super::document;

/// Columns of a tab stop, as kernels' sources have them.
const TAB: usize = 8;

/// What the page is about.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Name of the kernel.
    pub kernel: String,
    /// Its byte order.
    pub endian: &'static str,
    /// How many scenarios were run.
    pub scenarios: usize,
    /// Functions, those that nothing entered too.
    pub functions: Vec<Function>,
    /// Files of source, as far as the kernel says of its instructions where they come from.
    pub files: Vec<File>,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Distinct basic blocks that were executed.
    pub blocks: usize,
    /// Scenarios that executed one.
    pub scenarios: usize,
    /// How many blocks were executed, repetitions included.
    pub executions: u64,
    /// Index of its file, and its first line there.
    pub place: Option<(usize, u32)>,
}

/// A file of source.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What it says; `None` if that cannot be had.
    pub text: Option<&'static str>,
    /// Lines that have instructions, ascending, and how often they were executed.
    pub lines: Vec<(u32, u64)>,
}

impl File {
    fn reached(&self) -> usize {
        self.lines.iter().filter(|(_, times)| *times > 0).count()
    }
}

/// The whole page.
pub fn page(coverage: &Coverage) -> String {
    let title = format!("Coverage of {} ({})", coverage.kernel, coverage.endian);
    let entered = coverage.functions.iter().filter(|f| f.blocks > 0).count();
    let (reached, lines) = counts(&coverage.files);
    document(
        &title,
        html! {
            header {
                p.kicker { "ctxfuzz: coverage" }
                h1 { (title) }
                dl.facts {
                    dt { "scenarios" } dd { (coverage.scenarios) }
                    dt { "functions" } dd { (entered) " of " (coverage.functions.len()) " entered" }
                    @if lines > 0 { dt { "lines" } dd { (reached) " of " (lines) " reached (" (percent(reached, lines)) ")" } }
                }
                @if let Some(why) = no_source(coverage) { p.warning { (why) } }
            }
            nav aria-label="Parts of this page" {
                @if !coverage.files.is_empty() { a href="#files" { "Files" } }
                a href="#functions" { "Functions" }
            }
            main {
                @if !coverage.files.is_empty() { (files(coverage)) }
                (functions(coverage))
            }
        },
    )
}

fn counts(files: &[File]) -> (usize, usize) {
    let reached = files.iter().map(File::reached).sum();
    (reached, files.iter().map(|file| file.lines.len()).sum())
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Why there are no lines to read.
fn no_source(coverage: &Coverage) -> Option<&'static str> {
    match coverage
        .files
        .iter()
        .filter(|file| file.text.is_some())
        .count()
    {
        _ if coverage.files.is_empty() => Some(
            "This kernel has no line information, so there is no source to show: only functions are listed. Build it with CONFIG_DEBUG_INFO to have lines counted.",
        ),
        0 => Some(
            "The source of this kernel is not part of ctxfuzz, so lines are counted and not shown. With --lcov, genhtml shows them where the source lies.",
        ),
        _ => None,
    }
}

fn files(coverage: &Coverage) -> Markup {
    html! {
        section id="files" {
            h2 { "Files" }
            p.legend {
                "In front of each line is its number and how often it was executed: the most often executed one of its instructions. "
                span.line.miss { "0" } " means that nothing reached it; lines without a count have no instructions."
            }
            @for (index, file) in coverage.files.iter().enumerate() { (source(index, file)) }
        }
    }
}

fn source(index: usize, file: &File) -> Markup {
    let (reached, lines) = (file.reached(), file.lines.len());
    let summary = html! {
        span.name { (file.name) }
        span.muted { (reached) " of " (lines) " lines, " (percent(reached, lines)) }
        meter aria-hidden="true" min="0" max=(lines) value=(reached) {}
    };
    html! {
        @if let Some(text) = file.text {
            details.source id={ "file-" (index) } {
                summary { (summary) }
                pre.source tabindex="0" role="region" aria-label=(file.name) { (marked(index, file, text)) }
            }
        } @else {
            div.source id={ "file-" (index) } { (summary) }
        }
    }
}

/// A text with numbers and counts in front of its lines.
fn marked(index: usize, file: &File, text: &str) -> Markup {
    let mut counts = file.lines.iter().peekable();
    html! {
        @for (number, line) in (1..).zip(text.lines()) {
            @let times = counts.next_if(|(at, _)| *at == number).map(|(_, times)| *times);
            @let line = format!("{number:5} {:>9}  {}", times.map_or_else(String::new, |times| times.to_string()), spaces(line));
            @match times {
                Some(0) => span.line.miss id={ "file-" (index) "-" (number) } { (line) },
                Some(_) => span.line.hit id={ "file-" (index) "-" (number) } { (line) },
                None => (line),
            }
            "\n"
        }
    }
}

/// A line without tabs: they would be shown as what they are, control characters.
fn spaces(line: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for c in line.chars() {
        let (text, width) = match c {
            '\t' => (' ', TAB - column % TAB),
            other => (other, 1),
        };
        out.extend(std::iter::repeat_n(text, width));
        column += width;
    }
    out
}

fn functions(coverage: &Coverage) -> Markup {
    let (entered, never): (Vec<&Function>, Vec<&Function>) =
        coverage.functions.iter().partition(|f| f.blocks > 0);
    html! {
        section id="functions" {
            h2 { "Functions" }
            table.numbers {
                thead { tr { th { "function" } th { "blocks" } th { "scenarios" } th { "executions" } } }
                tbody {
                    @for function in entered {
                        tr {
                            th scope="row" { (name(function, coverage)) }
                            td { (function.blocks) }
                            td { (function.scenarios) }
                            td { (function.executions) }
                        }
                    }
                }
            }
            @if !never.is_empty() {
                h3 { "Never entered by these scenarios" }
                ul.plain.columns { @for function in never { li { (name(function, coverage)) } } }
            }
        }
    }
}

/// With a link to its source, where that can be read.
fn name(function: &Function, coverage: &Coverage) -> Markup {
    let place = function.place.filter(|(file, _)| {
        let file = coverage.files.get(*file);
        file.is_some_and(|file| file.text.is_some())
    });
    html! {
        @match place {
            Some((file, line)) => a href={ "#file-" (file) "-" (line) } { (function.name) },
            None => (function.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(text: Option<&'static str>) -> Coverage {
        Coverage {
            kernel: "fixed".into(),
            endian: "le",
            scenarios: 3,
            functions: vec![
                Function {
                    name: "save_fpu".into(),
                    blocks: 2,
                    scenarios: 3,
                    executions: 7,
                    place: Some((0, 2)),
                },
                Function {
                    name: "<b>idle".into(),
                    blocks: 0,
                    scenarios: 0,
                    executions: 0,
                    place: None,
                },
            ],
            files: vec![File {
                name: "kernel/fpu.S".into(),
                text,
                lines: vec![(2, 7), (3, 0)],
            }],
        }
    }

    #[test]
    fn lines_have_their_counts_and_functions_lead_to_them() {
        let page = page(&coverage(Some("/* <fpu> */\n\tstfd\n\tblr\n")));
        assert!(page.contains(r##"<a href="#file-0-2">save_fpu</a>"##));
        assert!(
            page.contains(
                "<span class=\"line hit\" id=\"file-0-2\">    2         7          stfd</span>\n"
            ),
            "{page}"
        );
        assert!(page.contains(
            "<span class=\"line miss\" id=\"file-0-3\">    3         0          blr</span>\n"
        ));
        assert!(page.contains("    1            /* &lt;fpu&gt; */\n"));
        assert!(page.contains("1 of 2 reached (50.0 %)"));
        assert!(page.contains("&lt;b&gt;idle") && !page.contains("<b>"));
    }

    #[test]
    fn a_page_says_why_it_has_no_lines_to_read() {
        let without_text = page(&coverage(None));
        assert!(without_text.contains("not part of ctxfuzz"));
        assert!(!without_text.contains("<details") && !without_text.contains("href=\"#file-"));
        let without_lines = page(&Coverage {
            files: Vec::new(),
            ..coverage(None)
        });
        assert!(without_lines.contains("no line information"));
        assert!(!without_lines.contains("id=\"files\""));
        let with_text = page(&coverage(Some("x\ny\n")));
        assert!(!with_text.contains("class=\"warning\""));
    }

    #[test]
    fn tabs_become_spaces() {
        assert_eq!(spaces("\ta\tb"), "        a       b");
    }
}
