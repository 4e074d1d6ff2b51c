//! A cheap key for divergences, so that a campaign looks for a root cause once a kind and not once
//! a sighting.
//!
//! Two divergences of one bug should usually have one key; two bugs may share one only if they hit
//! the same registers in the same places after the same kinds of event. Not a signature: nothing on
//! disk depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ctxfuzz_outcome::outcome::LogEntry;
use ctxfuzz_scenario::event::{Event, Pending};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};
use ctxfuzz_scenario::work::Work;

use crate::compare::{Comparison, Difference, What};
use crate::paired::Paired;

/// From this many registers of a class on, which ones they are depends on the values of the day.
const MANY: usize = 4;

/// Registers that go wrong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// VSR n (0..=31), either half.
    Vsr(u8),
    /// Several VSRs.
    ManyVsr,
    /// VR n.
    Vr(u8),
    /// Several VRs.
    ManyVr,
    /// A register that is the only one of its class, such as FPSCR.
    Control(Register),
    /// Facility bits of a stored MSR.
    Msr,
    /// What is no register of FP, VMX or VSX.
    Beside,
    /// How the run ended.
    End,
}

impl Group {
    /// Whether the register, or what else it is, is one of these.
    pub fn holds(self, what: What) -> bool {
        match (self, group(what)) {
            (Group::ManyVsr, Group::Vsr(_)) | (Group::ManyVr, Group::Vr(_)) => true,
            (this, other) => this == other,
        }
    }
}

/// How the kernel was entered. `sc` and `scv` share their exit path as far as FP is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// By an interrupt.
    Interrupt,
    /// By a system call.
    Syscall,
    /// By an access that is not aligned.
    Alignment,
}

/// The key. Its `Display` is one word for logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey {
    verdict: Verdict,
    places: BTreeSet<Place>,
    registers: BTreeSet<Group>,
    kinds: BTreeSet<(Entry, Work)>,
}

impl BucketKey {
    /// The key of what a pair did.
    pub fn of_pair(scenario: &Scenario, paired: &Paired) -> Option<BucketKey> {
        // A run that broke off did fewer events than the one it is held against.
        let log = [&paired.a.log, &paired.b.log]
            .into_iter()
            .max_by_key(|log| log.len())?;
        BucketKey::of(scenario, log, &paired.comparison)
    }

    /// The key of a divergence; `None` if nothing differs. Dead differences count only when there
    /// are no others.
    pub fn of(scenario: &Scenario, log: &[LogEntry], comparison: &Comparison) -> Option<BucketKey> {
        if !comparison.divergent() {
            return None;
        }
        let dead_only = comparison.verdict == Verdict::Dead;
        let counted: Vec<&Difference> = comparison
            .differences
            .iter()
            .filter(|d| dead_only || d.verdict > Verdict::Dead)
            .collect();
        Some(BucketKey {
            verdict: comparison.verdict,
            places: counted.iter().map(|d| d.place).collect(),
            registers: groups(counted.iter().map(|d| d.what)),
            kinds: kinds(scenario, log, &counted),
        })
    }
}

/// The groups of what went wrong in one place.
pub(crate) fn groups(whats: impl Iterator<Item = What>) -> BTreeSet<Group> {
    let all: BTreeSet<Group> = whats.map(group).collect();
    let vsrs = all.iter().filter(|g| matches!(g, Group::Vsr(_))).count();
    let vrs = all.iter().filter(|g| matches!(g, Group::Vr(_))).count();
    all.into_iter()
        .map(|group| match group {
            Group::Vsr(_) if vsrs >= MANY => Group::ManyVsr,
            Group::Vr(_) if vrs >= MANY => Group::ManyVr,
            other => other,
        })
        .collect()
}

fn group(what: What) -> Group {
    match what {
        What::Register(Register::F(n) | Register::Vs(n)) => Group::Vsr(n),
        What::Register(Register::V(n)) => Group::Vr(n),
        What::Register(control) => Group::Control(control),
        What::Msr => Group::Msr,
        What::Gpr(_) | What::SiCode | What::RedZone | What::Data => Group::Beside,
        What::End => Group::End,
    }
}

/// What happened to the tasks that show a difference, and to their ancestors before they were born.
fn kinds(
    scenario: &Scenario,
    log: &[LogEntry],
    differences: &[&Difference],
) -> BTreeSet<(Entry, Work)> {
    let parents: BTreeMap<u8, u8> = log
        .iter()
        .filter_map(|entry| match *entry {
            LogEntry::TaskStarted {
                task,
                parent: Some(parent),
            } => Some((task, parent)),
            _ => None,
        })
        .collect();
    let mut involved = BTreeSet::new();
    for difference in differences {
        if difference.place == Place::End {
            involved.extend(log.iter().filter_map(doer));
        }
        let mut next = difference.task;
        while let Some(task) = next.filter(|&task| involved.insert(task)) {
            next = parents.get(&task).copied();
        }
    }
    log.iter()
        .filter_map(|entry| match *entry {
            LogEntry::Event { index, task } if involved.contains(&task) => {
                scenario.events.get(usize::from(index))
            }
            _ => None,
        })
        .flat_map(kinds_of)
        .collect()
}

fn doer(entry: &LogEntry) -> Option<u8> {
    match *entry {
        LogEntry::Event { task, .. } => Some(task),
        _ => None,
    }
}

fn kinds_of(event: &Event) -> Vec<(Entry, Work)> {
    let (entry, pending, mut works) = match event {
        Event::Interrupt { pending, .. } => (Entry::Interrupt, pending, Vec::new()),
        Event::Syscall { call, pending, .. } => {
            let work = call.facts().work;
            (Entry::Syscall, pending, work.into_iter().collect())
        }
        Event::Access { pending, .. } => (Entry::Alignment, pending, vec![Work::Emulation]),
        Event::Set(_)
        | Event::Fill { .. }
        | Event::Compute { .. }
        | Event::Touch(_)
        | Event::EditFrame(_)
        | Event::FillFrame { .. }
        | Event::SetFrame(_) => {
            return Vec::new();
        }
    };
    works.extend(works_pending(pending));
    works.into_iter().map(|work| (entry, work)).collect()
}

fn works_pending(pending: &Pending) -> impl Iterator<Item = Work> {
    let switch = pending.switch.map(|_| Work::Switch);
    let signal = pending.signal.map(|_| Work::Signal);
    let io = pending.io_worker.then_some(Work::IoWorker);
    let softirq = pending.softirq.then_some(Work::Softirq);
    [switch, signal, io, softirq].into_iter().flatten()
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Group::Vsr(n) => write!(f, "vsr{n}"),
            Group::ManyVsr => f.write_str("vsr*"),
            Group::Vr(n) => write!(f, "v{n}"),
            Group::ManyVr => f.write_str("v*"),
            Group::Control(register) => register.fmt(f),
            Group::Msr => f.write_str("msr"),
            Group::Beside => f.write_str("beside"),
            Group::End => f.write_str("end"),
        }
    }
}

impl fmt::Display for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        list(f, '/', self.places.iter())?;
        list(f, '/', self.registers.iter())?;
        list(
            f,
            '/',
            self.kinds
                .iter()
                .map(|&(entry, work)| kind_name(entry, work)),
        )
    }
}

fn kind_name(entry: Entry, work: Work) -> String {
    let entry = match entry {
        Entry::Interrupt => "interrupt",
        Entry::Syscall => "syscall",
        Entry::Alignment => "alignment",
    };
    format!("{entry}-{work}")
}

/// Writes `mark` and then the items, joined by commas.
fn list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    mark: char,
    items: impl Iterator<Item = T>,
) -> fmt::Result {
    write!(f, "{mark}")?;
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ctxfuzz_scenario::event::{Interrupt, Syscall, Via};

    use super::*;
    use crate::fixtures::{comparison, difference};

    fn interrupt(io_worker: bool) -> Event {
        let pending = Pending {
            io_worker,
            ..Pending::default()
        };
        Event::Interrupt {
            vector: Interrupt::Doorbell,
            pending,
        }
    }

    fn scenario(events: Vec<Event>) -> (Scenario, Vec<LogEntry>) {
        let log = (0..events.len())
            .map(|i| LogEntry::Event {
                index: i as u16,
                task: 0,
            })
            .collect();
        (
            Scenario {
                events,
                ..Scenario::default()
            },
            log,
        )
    }

    #[test]
    fn nothing_has_no_key() {
        let (scenario, log) = scenario(vec![]);
        assert_eq!(BucketKey::of(&scenario, &log, &comparison(vec![])), None);
    }

    #[test]
    fn halves_and_plain_events_do_not_matter() {
        let (short, short_log) = scenario(vec![interrupt(true)]);
        let (long, long_log) = scenario(vec![interrupt(false), interrupt(true), interrupt(true)]);
        let one = comparison(vec![difference(Register::F(0), Verdict::Live)]);
        let both = comparison(vec![
            difference(Register::F(0), Verdict::Live),
            difference(Register::Vs(0), Verdict::Live),
            difference(Register::F(3), Verdict::Dead),
        ]);
        let key = BucketKey::of(&short, &short_log, &one).unwrap();
        assert_eq!(Some(&key), BucketKey::of(&long, &long_log, &both).as_ref());
        assert_eq!(key.to_string(), "live/register/vsr0/interrupt-io_worker");
    }

    #[test]
    fn a_fork_is_not_an_interrupt() {
        let fork = Event::Syscall {
            call: Syscall::Fork,
            via: Via::Scv,
            pending: Pending::default(),
        };
        let (a, a_log) = scenario(vec![interrupt(true)]);
        let (b, b_log) = scenario(vec![fork]);
        let one = comparison(vec![difference(Register::V(0), Verdict::Abi)]);
        let (a, b) = (
            BucketKey::of(&a, &a_log, &one),
            BucketKey::of(&b, &b_log, &one),
        );
        assert_ne!(a, b);
        assert_eq!(b.unwrap().to_string(), "abi/register/v0/syscall-fork");
    }

    #[test]
    fn many_registers_are_one_group() {
        let (scenario, log) = scenario(vec![]);
        let wrong = |range: std::ops::Range<u8>| {
            comparison(
                range
                    .map(|n| difference(Register::F(n), Verdict::Live))
                    .collect(),
            )
        };
        let (a, b) = (wrong(0..9), wrong(3..20));
        assert_eq!(
            BucketKey::of(&scenario, &log, &a),
            BucketKey::of(&scenario, &log, &b)
        );
        let few = wrong(0..2);
        assert_ne!(
            BucketKey::of(&scenario, &log, &few),
            BucketKey::of(&scenario, &log, &b)
        );
    }
}
