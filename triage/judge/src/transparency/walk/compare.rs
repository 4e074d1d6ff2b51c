//! Holds what was found against what had to be there, and notes each violation.

use std::collections::BTreeSet;

use ctxfuzz_outcome::arch::{RegisterFile, msr};
use ctxfuzz_outcome::capture::{
    Capture, Details, FIRST_GPR, Observable, RED_ZONE, SIGFPE, SignalFrame,
};
use ctxfuzz_outcome::guest;
use ctxfuzz_outcome::observe::Observation;
use ctxfuzz_outcome::outcome::{End, LogEntry, Outcome};
use ctxfuzz_outcome::pipe::{beginnings, unwritten};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Verdict};

use super::task::Task;
use super::{Heritage, Walk};
use crate::compare::{What, end_code, quadword, unequal};
use crate::observable::{Owner, rule};
use crate::transparency::context::{Context, Masks};
use crate::transparency::{Look, Violation, When, exceptions};

/// Linux 6.1 takes an image of VRSAVE that only switches and signals refresh. So a value that the
/// task once had says nothing about this kernel.
pub(super) fn excuse_vrsave(found: &mut [Violation], had: &BTreeSet<u32>) {
    for violation in found {
        let value = u32::try_from(violation.after).ok();
        if violation.what == What::Register(Register::Vrsave)
            && value.is_some_and(|value| had.contains(&value))
        {
            violation.verdict = Verdict::Dead;
        }
    }
}

/// The kernel did not come to the end of the run.
pub(super) fn died(outcome: &Outcome) -> Violation {
    let last = outcome.log.iter().rev().find_map(|entry| match *entry {
        LogEntry::Event { index, task } => Some((When::Event(index), task)),
        _ => None,
    });
    let (when, task) = last.unwrap_or((When::Start, 0));
    Violation {
        when,
        task,
        place: Place::End,
        what: What::End,
        verdict: Verdict::Live,
        before: end_code(&End::Completed),
        after: end_code(&outcome.end),
    }
}

impl Walk<'_> {
    pub(super) fn compare_gprs(&mut self, before: &Context, observation: &Observation) {
        let pairs = (FIRST_GPR..).zip(before.gprs.iter().zip(&observation.gprs));
        let wrong = pairs.filter(|(_, (before, after))| before != after);
        self.found.extend(wrong.map(|(n, (x, y))| Violation {
            when: before.when,
            task: observation.task,
            place: Place::Gpr,
            what: What::Gpr(n),
            verdict: Verdict::Live,
            before: (*x).into(),
            after: (*y).into(),
        }));
    }

    /// Compares what was left with what is found.
    pub(super) fn compare(
        &mut self,
        task: u8,
        place: Place,
        before: &Context,
        after: &RegisterFile,
        now: &Masks,
    ) {
        for (register, values, verdict) in before.violated(after, now) {
            self.found.push(Violation {
                when: before.when,
                task,
                place,
                what: What::Register(register),
                verdict,
                before: values.0,
                after: values.1,
            });
        }
    }

    /// What a frame says besides registers: its `si_code` is the exception that FPSCR has, and it
    /// leaves the red zone alone.
    pub(super) fn compare_beside(
        &mut self,
        task: u8,
        interrupted: &Context,
        (capture, frame): (&Capture, &SignalFrame),
    ) {
        let violation = |place, what, before: u128, after: u128| Violation {
            when: interrupted.when,
            task,
            place,
            what,
            verdict: Verdict::Live,
            before,
            after,
        };
        let code = match (frame.signal, interrupted.exceptions) {
            (SIGFPE, Some(true)) => exceptions::code(capture.registers.fpscr),
            (SIGFPE, None) => frame.code,
            _ => 0,
        };
        if frame.code != code {
            self.found.push(violation(
                Place::Siginfo,
                What::SiCode,
                code as u128,
                frame.code as u128,
            ));
        }
        if let Some(left) = frame.red_zone {
            self.found.push(violation(
                Place::Memory,
                What::RedZone,
                RED_ZONE.into(),
                left.into(),
            ));
        }
    }

    /// Looks at what was read by the time that the log had so many entries: it must be what
    /// somebody has written.
    pub(super) fn read(&mut self, entries: usize) {
        let reads = self.outcome.captures_of(Observable::Read);
        let mut reads = reads.skip(self.read).peekable();
        if reads.peek().is_none() {
            return;
        }
        let beginnings = beginnings(self.scenario);
        for read in reads.take_while(|read| read.log <= entries) {
            self.read += 1;
            let (Some(task), Details::Data(data)) = (read.task, &read.details) else {
                continue;
            };
            let Some((at, right)) = unwritten(&data.bytes, &beginnings) else {
                continue;
            };
            let mut expected = data.bytes.clone();
            expected[at] = right;
            self.found.push(Violation {
                when: When::Event(data.event),
                task,
                place: rule(read.observable).place,
                what: What::Data,
                verdict: Verdict::Live,
                before: quadword(&expected, at),
                after: quadword(&data.bytes, at),
            });
            self.seen(Look::Capture(read.observable, read.number));
        }
    }

    /// A child's VRSAVE is the parent's image of it, which Linux 6.1 refreshes at a context switch
    /// and at a signal, but not at a fork. So an older value of the parent's says nothing about
    /// this kernel. A value that the parent never had does.
    pub(super) fn compare_child(
        &mut self,
        task: u8,
        parent: &Heritage,
        child: &RegisterFile,
        now: &Masks,
    ) {
        let found = self.found.len();
        self.compare(task, Place::Child, &parent.context, child, now);
        excuse_vrsave(&mut self.found[found..], &parent.vrsaves);
    }

    /// To `rt_sigreturn` an area that is not there means zeros, so it matters only if something
    /// else had to be in it: one violation, not 32.
    pub(super) fn compare_frame(
        &mut self,
        interrupted: &Context,
        (capture, frame): (&Capture, &SignalFrame),
        now: &Masks,
    ) {
        let violation = |what, verdict, before, after| Violation {
            when: interrupted.when,
            task: capture.task.unwrap_or(0),
            place: rule(capture.observable).place,
            what,
            verdict,
            before,
            after,
        };
        let (mut missing, mut lost) = (0, Verdict::Dead);
        for (register, (before, after), verdict) in interrupted.violated(&capture.registers, now) {
            let absent = msr::frame(register) & !frame.msr;
            if absent == 0 {
                self.found
                    .push(violation(What::Register(register), verdict, before, after));
            } else {
                missing |= absent;
                lost = lost.max(verdict);
            }
        }
        if missing != 0 {
            let there = frame.msr & (msr::VEC | msr::VSX);
            self.found.push(violation(
                What::Msr,
                lost,
                (there | missing).into(),
                there.into(),
            ));
        }
    }

    /// The kernel has handed over registers: they are what their owner had.
    pub(super) fn captured(&mut self, task: u8, observable: Observable, number: u16) {
        let Some(found) = self.outcome.capture(observable, number) else {
            return;
        };
        match rule(observable).owner {
            Owner::Task { old_vrsave } => self.handed_over(task, found, old_vrsave),
            Owner::Guest => self.guest_left(task, found),
        }
    }

    fn handed_over(&mut self, task: u8, found: &Capture, old_vrsave: bool) {
        let now = self.masks(task);
        let Some(state) = self.tasks.remove(&task) else {
            return;
        };
        let first = self.found.len();
        if let Some(before) = &state.before {
            let place = rule(found.observable).place;
            self.compare(task, place, before, &found.registers, &now);
        }
        if old_vrsave {
            excuse_vrsave(&mut self.found[first..], &state.vrsaves);
        }
        if !found.observable.ends_task() {
            self.tasks.insert(task, state);
        }
    }

    /// A guest has what it has computed, whoever used the processor meanwhile.
    fn guest_left(&mut self, task: u8, found: &Capture) {
        let state = self.tasks.get(&task);
        let when = state.and_then(|state| state.before.as_ref());
        let when = when.map_or(When::Start, |before| before.when);
        let expected = guest::registers();
        let wrong = unequal(&expected, &found.registers);
        self.found
            .extend(wrong.map(|(register, before, after)| Violation {
                when,
                task,
                place: rule(found.observable).place,
                what: What::Register(register),
                verdict: Verdict::Live,
                before,
                after,
            }));
    }

    /// A task that is to hear of FP exceptions has caused one, and has not heard of it.
    pub(super) fn missed_exception(&mut self, before: &Context, observation: &Observation) {
        let When::Event(index) = before.when else {
            return;
        };
        let (fpscr, task) = (observation.registers.fpscr, observation.task);
        let event = self.scenario.events.get(usize::from(index));
        let raised =
            event.is_some_and(|event| exceptions::raised(event, before.registers.fpscr, fpscr));
        let hears = |task: &Task| task.exceptions == Some(true);
        if raised && self.tasks.get(&task).is_some_and(hears) {
            self.found.push(Violation {
                when: before.when,
                task,
                place: Place::Siginfo,
                what: What::SiCode,
                verdict: Verdict::Live,
                before: exceptions::code(fpscr) as u128,
                after: 0,
            });
        }
    }
}
