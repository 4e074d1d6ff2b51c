//! How a campaign looks while it runs: one line that is redrawn on a terminal, plain lines now and
//! then where stderr is piped.
//!
//! Display only. Nothing here has a say in what the campaign does.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use ctxfuzz_triage::inconclusive::Tally;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::resources::Resources;
use super::summary::{Counts, FindingSummary, KnownSummary, SharedCounts, Summary, TroubleSummary};

/// Between two drawings on a terminal.
const REDRAW: Duration = Duration::from_millis(500);
/// Between two lines in a log.
const LINE: Duration = Duration::from_secs(5);

/// Where a campaign is.
pub struct Status<'a> {
    /// The only kernel; `None` for a pair.
    pub kernel: Option<&'a str>,
    /// Scenarios that were run.
    pub executions: u64,
    /// Since the start.
    pub seconds: f64,
    /// Scenarios in the corpus.
    pub corpus: u64,
    /// What came of the executions.
    pub counts: Counts,
    /// Those that say nothing, by reason.
    pub inconclusive: &'a Tally,
    /// What was found.
    pub findings: &'a [FindingSummary],
    /// What was found and is known.
    pub known: &'a [KnownSummary],
    /// What was kept to be looked at.
    pub trouble: &'a [TroubleSummary],
    /// What came from others, if there are any.
    pub shared: Option<SharedCounts>,
    /// The coverage map: not zero where it was ever hit.
    pub covered: &'a [u8],
    /// What the campaign's processes use.
    pub resources: Resources,
}

impl<'a> Status<'a> {
    /// Where a campaign was that has this summary; its coverage map and its processes are not in
    /// it.
    pub fn of(summary: &'a Summary) -> Status<'a> {
        Status {
            kernel: summary.kernel.as_deref(),
            executions: summary.executions,
            seconds: summary.seconds,
            corpus: summary.corpus,
            counts: summary.counts,
            inconclusive: &summary.inconclusive,
            findings: &summary.findings,
            known: &summary.known,
            trouble: &summary.trouble,
            shared: summary.shared,
            covered: &[],
            resources: Resources::default(),
        }
    }

    /// What a campaign has to say that ends here.
    pub fn summary(&self) -> Summary {
        Summary {
            kernel: self.kernel.map(str::to_owned),
            executions: self.executions,
            interrupted: false,
            seconds: self.seconds,
            scenarios_per_second: self.executions as f64 / self.seconds.max(f64::EPSILON),
            corpus: self.corpus,
            findings: self.findings.to_vec(),
            known: self.known.to_vec(),
            trouble: self.trouble.to_vec(),
            workers: None,
            shared: self.shared,
            counts: self.counts,
            inconclusive: self.inconclusive.clone(),
        }
    }
}

/// Share of the scenarios run twice that covered the same, 1 if none was.
pub fn stability(counts: &Counts) -> f64 {
    match counts.run_twice {
        0 => 1.0,
        all => counts.stable as f64 / all as f64,
    }
}

/// Somebody who watches.
pub trait Progress {
    /// Whether it is time to show something.
    fn due(&mut self) -> bool;
    /// Shows where the campaign is.
    fn show(&mut self, status: &Status<'_>);
    /// A new finding.
    fn found(&mut self, finding: &FindingSummary);
    /// Something that a person should know.
    fn note(&mut self, line: &str);
    /// Nothing more will come; this is where it ended.
    fn finish(&mut self, status: &Status<'_>);
}

/// What fits stderr: a redrawn line on a terminal, plain lines elsewhere.
pub fn on_stderr() -> Box<dyn Progress> {
    if io::stderr().is_terminal() {
        Box::new(Redrawn::new())
    } else {
        Box::new(Lines {
            timer: Timer::new(LINE),
        })
    }
}

/// Says when it is time again.
pub struct Timer {
    every: Duration,
    last: Instant,
}

impl Timer {
    /// The first time is one interval from now.
    pub fn new(every: Duration) -> Timer {
        Timer {
            every,
            last: Instant::now(),
        }
    }

    /// Whether it is time.
    pub fn passed(&self) -> bool {
        self.last.elapsed() >= self.every
    }

    /// The same, and the next time is one interval later.
    pub fn due(&mut self) -> bool {
        let due = self.passed();
        if due {
            self.last = Instant::now();
        }
        due
    }
}

struct Redrawn {
    bar: ProgressBar,
    timer: Timer,
}

impl Redrawn {
    fn new() -> Redrawn {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        Redrawn {
            bar,
            timer: Timer::new(REDRAW),
        }
    }
}

impl Progress for Redrawn {
    fn due(&mut self) -> bool {
        self.timer.due()
    }

    fn show(&mut self, status: &Status<'_>) {
        self.bar.set_message(line(status));
    }

    fn found(&mut self, finding: &FindingSummary) {
        self.bar.println(news(finding));
    }

    fn note(&mut self, line: &str) {
        self.bar.println(format!("ctxfuzz: {line}"));
    }

    fn finish(&mut self, _: &Status<'_>) {
        self.bar.finish_and_clear();
    }
}

struct Lines {
    timer: Timer,
}

impl Progress for Lines {
    fn due(&mut self) -> bool {
        self.timer.due()
    }

    fn show(&mut self, status: &Status<'_>) {
        say(&line(status));
    }

    fn found(&mut self, finding: &FindingSummary) {
        say(&news(finding));
    }

    fn note(&mut self, line: &str) {
        say(&format!("ctxfuzz: {line}"));
    }

    fn finish(&mut self, _: &Status<'_>) {}
}

fn say(line: &str) {
    // A campaign goes on when nobody listens.
    let _ = writeln!(io::stderr(), "{line}");
}

fn line(status: &Status<'_>) -> String {
    let counts = &status.counts;
    let mut verdicts: Vec<(&str, usize)> = Vec::new();
    for finding in status.findings {
        let name = finding.verdict.name();
        match verdicts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => verdicts.push((name, 1)),
        }
    }
    let findings = match verdicts.is_empty() {
        true => "0".to_owned(),
        false => verdicts
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect::<Vec<String>>()
            .join(", "),
    };
    let silent = match status.kernel {
        Some(_) => "inconclusive",
        None => "not comparable",
    };
    let mut line = format!(
        "{:.0} s: {} executions ({:.0}/s), corpus {}, edges {}, stability {:.1} %, findings {findings}, {silent} {}",
        status.seconds,
        status.executions,
        status.executions as f64 / status.seconds.max(f64::EPSILON),
        status.corpus,
        counts.edges,
        100.0 * stability(counts),
        counts.not_comparable,
    );
    if let Some(bytes) = status.resources.bytes {
        line.push_str(&format!(", {} MB", bytes / 1_000_000));
    }
    for (count, what) in [
        (counts.budget, "out of budget"),
        (counts.emulator_fault, "emulator faults"),
        (counts.not_reproduced, "not reproduced"),
        (counts.other_place, "of another place"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {what} {count}"));
        }
    }
    line
}

fn news(finding: &FindingSummary) -> String {
    format!(
        "found {} ({}) at execution {}: {}{}",
        finding.signature,
        finding.verdict.name(),
        finding.first_seen_execution,
        finding.path,
        if finding.kept_earlier {
            " (report of an earlier campaign)"
        } else {
            ""
        }
    )
}
