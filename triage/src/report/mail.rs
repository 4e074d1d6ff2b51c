//! A finding as a mail to the kernel's developers: plain text, wrapped at 72 columns.
//!
//! Not responsible for any fact in it: what a run shows and why is the judge's and `cause`'s, what
//! a program does on a booted kernel is the confirm crate's, and what a page of docs/findings says
//! comes as it is written there.

mod prose;
#[cfg(test)]
mod tests;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::describe::describe;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};

use super::{Lines, hex};
use crate::blame::Candidate;
use crate::cause::{Cause, Explanation};
use crate::compare::What;
use crate::transparency::{Violation, When};
use crate::untrusted::shown;

/// Columns of a mail, so that it survives being quoted. Code and call traces stay as they are.
const COLUMNS: usize = 72;

/// Registers whose values are told.
const VALUES: usize = 3;

/// A kernel in the table of versions.
#[derive(Clone, Debug)]
pub struct Version {
    /// As `uname -r` says it; the name of one of the models.
    pub release: String,
    /// What ctxfuzz saw, in the words of `matrix`.
    pub seen: String,
    /// What the program did, test by test.
    pub program: Vec<String>,
}

/// What the pages of docs/findings say of a finding.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The subject of the mail, without a prefix in brackets.
    pub subject: &'a str,
    /// The page, in Markdown.
    pub page: &'a str,
    /// The suspected repair, as a diff.
    pub repair: Option<&'a str>,
}

/// What a mail is made of.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// The release of the kernel that it is about.
    pub release: &'a str,
    /// Its byte order.
    pub endian: Endian,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// What ctxfuzz saw on it.
    pub violations: &'a [Violation],
    /// Why, where it is known; of the kernel itself, or of another one with line numbers that has
    /// the same cause.
    pub explained: Option<(&'a Explanation, &'a Cause)>,
    /// The release of the kernel that this is of.
    pub explained_on: &'a str,
    /// The page about it.
    pub known: Option<Known<'a>>,
    /// How the program disturbs its tasks.
    pub ways: &'a [&'static str],
    /// Whether the program showed it on the kernel, unmodified.
    pub confirmed: bool,
    /// What the program was run on.
    pub machine: &'a str,
    /// The release of a repaired kernel, on which the program shows nothing.
    pub repaired: Option<&'a str>,
    /// The kernel itself, and others.
    pub versions: &'a [Version],
    /// Commits that last changed the lines of the cause.
    pub candidates: &'a [Candidate],
    /// The file's name for the program.
    pub program_name: &'a str,
    /// The program.
    pub program: &'a str,
}

/// The mail, from its subject to the program.
pub fn text(mail: &Mail<'_>) -> String {
    let mut out = Lines::of(COLUMNS);
    out.add(&format!("Subject: {}", mail.subject()));
    out.add("");
    mail.what_is_seen(&mut out);
    mail.what_happens(&mut out);
    mail.versions(&mut out);
    mail.cause(&mut out);
    mail.repair(&mut out);
    mail.fixes(&mut out);
    mail.program(&mut out);
    out.text
}

impl Mail<'_> {
    /// What was seen first, and with it at the same event. Facility bits are no register that a
    /// program can read, so they come last.
    fn first(&self) -> Vec<&Violation> {
        let seen = self.violations.iter();
        let mut seen = seen.filter(|one| one.verdict > Verdict::Dead);
        let of_program = seen.clone().find(|one| one.what != What::Msr);
        let Some(first) = of_program.or_else(|| seen.next()) else {
            return Vec::new();
        };
        let with_it = |one: &&Violation| {
            one.verdict > Verdict::Dead
                && (one.what == What::Msr) == (first.what == What::Msr)
                && (one.when, one.task, one.place) == (first.when, first.task, first.place)
        };
        self.violations.iter().filter(with_it).collect()
    }

    fn registers(&self) -> String {
        let what: Vec<What> = self.first().iter().map(|one| one.what).collect();
        names(&what)
    }

    fn subject(&self) -> String {
        if let Some(known) = self.known {
            return known.subject.to_owned();
        }
        let event = self.first().first().and_then(|one| self.event(one.when));
        let event = event.map_or_else(String::new, |event| {
            let what = event.split(", with ").next().unwrap_or(&event);
            format!(" across {what}")
        });
        format!("powerpc: {} not preserved{event}", self.registers())
    }

    /// In words, without what is said of it in the scenario below.
    fn event(&self, when: When) -> Option<String> {
        match when {
            When::Event(index) => {
                let event = self.scenario.events.get(usize::from(index))?;
                Some(describe(event))
            }
            When::Start | When::End => None,
        }
    }

    fn what_is_seen(&self, out: &mut Lines) {
        if let Some(known) = self.known {
            prose::section(out, known.page, "What a program sees");
        }
        let endian = match self.endian {
            Endian::Little => "little",
            Endian::Big => "big",
        };
        let release = shown(self.release);
        let how = match self.confirmed {
            true => "A program, which is at the end of this mail, shows it on",
            false => {
                "This is suspected: ctxfuzz, which runs the kernel in an emulator, sees it, and no program has shown it yet. It is about"
            }
        };
        out.paragraph(&format!(
            "{how} Linux {release} ({endian} endian), unmodified. Nothing was run on real hardware."
        ));
    }

    fn what_happens(&self, out: &mut Lines) {
        out.heading("What happens");
        let tasks = self.scenario.stage.tasks.len();
        let s = if tasks == 1 { "" } else { "s" };
        out.wrapped("  ", &format!("{tasks} task{s} on one processor. Events:"));
        for (number, event) in self.scenario.events.iter().enumerate() {
            out.wrapped("  ", &format!("{number}: {}", describe(event)));
        }
        out.add("");
        let seen = self.first();
        let Some(first) = seen.first() else {
            return;
        };
        let when = match first.when {
            When::Event(index) => format!("After event {index}"),
            When::Start => "From the start".to_owned(),
            When::End => "At its end".to_owned(),
        };
        let place = match first.place {
            Place::Register | Place::Child => String::new(),
            place => format!(" in its {place}"),
        };
        let task = first.task;
        out.paragraph(&format!(
            "{when} task {task} finds other values{place} than it had:"
        ));
        for one in seen.iter().take(VALUES) {
            let [had, has] = [one.before, one.after].map(|value| hex(one.what, value));
            out.add(&format!(
                "  {:<8} had {had}, has {has}",
                one.what.to_string()
            ));
        }
        if seen.len() > VALUES {
            let rest: Vec<What> = seen[VALUES..].iter().map(|one| one.what).collect();
            out.wrapped("  ", &format!("and other values in {}", names(&rest)));
        }
        out.add("");
        if let Some(kept) = not_volatile(&seen) {
            out.paragraph(&format!("{kept} among them are not volatile."));
        }
    }

    fn versions(&self, out: &mut Lines) {
        out.heading("Versions");
        for version in self.versions {
            out.wrapped("  ", &shown(&version.release));
            for test in &version.program {
                out.wrapped("    ", &shown(test));
            }
            out.wrapped("    ", &format!("in ctxfuzz's emulator: {}", version.seen));
        }
        out.add("");
        out.paragraph(&format!(
            "The program stops when ten attempts differ. One that was disturbed before or after the event says nothing and is not counted. It was run by {}.",
            self.machine
        ));
        let late = match self.versions.iter().any(|v| v.seen.ends_with('*')) {
            true => ", which is no answer where a * stands, as the work did not come there",
            false => "",
        };
        out.paragraph(&format!(
            "In ctxfuzz's emulator work comes exactly as the events above have it, and in no other way. There live means that any program can notice, and silent that registers were kept{late}."
        ));
    }

    fn cause(&self, out: &mut Lines) {
        let prose = self.known.map(|known| known.page);
        if prose.is_none() && self.explained.is_none() {
            return;
        }
        out.heading("Cause");
        if let Some(page) = prose {
            prose::section(out, page, "Cause");
        }
        let Some((explanation, cause)) = self.explained else {
            return;
        };
        let rule = cause.rule.map(|rule| format!(": {rule}"));
        let on = shown(self.explained_on);
        out.paragraph(&format!(
            "As ctxfuzz has recorded it on Linux {on}{} ({}).",
            rule.unwrap_or_default(),
            cause.signature
        ));
        out.fitted(&explanation.journey(cause));
        out.add("");
    }

    fn repair(&self, out: &mut Lines) {
        let Some(repair) = self.known.and_then(|known| known.repair) else {
            return;
        };
        out.heading("Possible fix, to show the cause");
        if let Some(known) = self.known {
            prose::first_paragraph(out, known.page, "Repair tried");
        }
        if let Some(release) = self.repaired {
            out.paragraph(&format!(
                "Linux {}, which has this and the repairs of ctxfuzz's other findings, does not show it.",
                shown(release)
            ));
        }
        out.as_it_is(repair);
        out.add("");
    }

    fn fixes(&self, out: &mut Lines) {
        if self.candidates.is_empty() {
            return;
        }
        out.paragraph(
            "Candidates for Fixes:, the commits that last changed these lines. Nobody has looked whether they are at fault.",
        );
        for candidate in self.candidates {
            out.add(&format!("  {}", shown(&candidate.place)));
            let subject = shown(&candidate.subject);
            out.add(&format!("  Fixes: {} (\"{subject}\")", candidate.commit));
            out.add("");
        }
    }

    fn program(&self, out: &mut Lines) {
        out.heading("The program");
        let ways = match self.ways {
            [] => String::new(),
            ways => format!(" Its ways to disturb a task: {}.", ways.join("; ")),
        };
        out.paragraph(&format!(
            "It is C and assembly for POWER9 and later, needs root, keeps to one processor, and speaks TAP.{ways}"
        ));
        let name = shown(self.program_name);
        out.add(&format!("  gcc -O1 -static -o test {name} && ./test"));
        out.add("");
        out.paragraph(&format!(
            "This was found, and the program written, by ctxfuzz {} ({}).",
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_REPOSITORY"),
        ));
        out.add(&format!("---8<--- {name}"));
        out.as_it_is(self.program);
        out.add("---8<---");
    }
}

/// Registers by their names: `f0-f31, fpscr`.
fn names(what: &[What]) -> String {
    let mut what = what.to_vec();
    what.sort();
    what.dedup();
    let mut runs: Vec<(What, What)> = Vec::new();
    for one in what {
        match runs.last_mut() {
            Some((_, last)) if follows(*last, one) => *last = one,
            _ => runs.push((one, one)),
        }
    }
    let run = |(first, last): &(What, What)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

fn follows(last: What, next: What) -> bool {
    match (last, next) {
        (What::Register(last), What::Register(next)) => match (last, next) {
            (Register::F(a), Register::F(b))
            | (Register::Vs(a), Register::Vs(b))
            | (Register::V(a), Register::V(b)) => b == a + 1,
            _ => false,
        },
        (What::Gpr(a), What::Gpr(b)) => b == a + 1,
        _ => false,
    }
}

/// What the ELF ABI has callees keep: f14-f31 and v20-v31.
fn not_volatile(seen: &[&Violation]) -> Option<String> {
    let is_kept = |what: &What| {
        matches!(
            what,
            What::Register(Register::F(14..=31) | Register::V(20..=31))
        )
    };
    let kept = seen.iter().map(|one| one.what).filter(is_kept);
    let kept: Vec<What> = kept.collect();
    (!kept.is_empty()).then(|| names(&kept))
}
