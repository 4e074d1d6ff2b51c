//! Pairs of captures, judged by what is defined under both policies.

use std::collections::BTreeSet;

use ctxfuzz_outcome::arch::msr;
use ctxfuzz_outcome::capture::{
    Capture, Data, Details, FIRST_GPR, Gprs, Observable, RED_ZONE, SignalFrame,
};
use ctxfuzz_outcome::outcome::{LogEntry, Outcome};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};

use super::reads::delivered;
use super::{Difference, What, unequal, verdict};
use crate::definedness::{Abi, Definedness, Mask, definedness, fp_exception};
use crate::observable::{Owner, rule};

/// Judges pairs of captures of two runs with the same schedule.
pub struct Judge<'a> {
    scenario: &'a Scenario,
    /// Kernel A's run.
    run: &'a Outcome,
    elf: Definedness,
    linux: Definedness,
    children: BTreeSet<u8>,
    found: Vec<Difference>,
}

impl<'a> Judge<'a> {
    /// For the run on kernel A and one with the same schedule.
    pub fn new(scenario: &'a Scenario, run: &'a Outcome) -> Self {
        let children = run.log.iter().filter_map(|entry| match *entry {
            LogEntry::TaskStarted { task, parent } => parent.map(|_| task),
            _ => None,
        });
        Judge {
            scenario,
            run,
            elf: definedness(scenario, &run.log, Abi::Elf),
            linux: definedness(scenario, &run.log, Abi::Linux),
            children: children.collect(),
            found: Vec::new(),
        }
    }

    /// What differs between this run and the other one, capture by capture.
    pub fn against(mut self, other: &Outcome) -> Vec<Difference> {
        for a in &self.run.captures {
            match other.capture(a.observable, a.number) {
                Some(b) if a != b => self.pair(a, b),
                _ => {}
            }
        }
        self.found
    }

    /// What is compared depends on what there is beside the registers.
    fn pair(&mut self, a: &Capture, b: &Capture) {
        match (&a.details, &b.details) {
            (Details::Frame(x), Details::Frame(y)) => self.frames((a, x), (b, y)),
            (Details::Thread { msr: x }, Details::Thread { msr: y }) if a.task == b.task => {
                self.thread_images((a, *x), (b, *y));
            }
            (Details::Data(x), Details::Data(y)) if a.task == b.task => self.data(a, x, y),
            (Details::Gprs(x), Details::Gprs(y)) => {
                self.registers(a, b);
                self.gprs(a, x, y);
            }
            (Details::None, Details::None) => self.registers(a, b),
            _ => {}
        }
    }

    /// A difference in a capture, at the place of its kind.
    fn difference(
        &self,
        capture: &Capture,
        what: What,
        verdict: Verdict,
        values: (u128, u128),
    ) -> Difference {
        let rule = rule(capture.observable);
        let final_of_child = capture.observable == Observable::Final
            && capture
                .task
                .is_some_and(|task| self.children.contains(&task));
        Difference {
            task: capture.task,
            place: if final_of_child {
                Place::Child
            } else {
                rule.place
            },
            what,
            verdict,
            a: values.0,
            b: values.1,
            frame: rule.numbered.then_some(capture.number),
        }
    }

    /// What is defined in a capture under the ELF ABI and under Linux's.
    fn masks(&self, capture: &Capture) -> (Mask, Mask) {
        let of = |defined: &Definedness| defined.mask(capture.observable, capture.number);
        (of(&self.elf), of(&self.linux))
    }

    /// Registers, of which the owner relies on some or on all.
    fn registers(&mut self, a: &Capture, b: &Capture) {
        let (elf, linux) = self.masks(a);
        for (register, x, y) in unequal(&a.registers, &b.registers) {
            let verdict = match rule(a.observable).owner {
                Owner::Task { .. } => verdict(register, (x, y), &elf, &linux),
                Owner::Guest => Verdict::Live,
            };
            let difference = self.difference(a, What::Register(register), verdict, (x, y));
            self.found.push(difference);
        }
    }

    /// Nobody but the kernel can have changed them.
    fn gprs(&mut self, capture: &Capture, a: &Gprs, b: &Gprs) {
        for (n, (x, y)) in (FIRST_GPR..).zip(a.iter().zip(b)) {
            if x != y {
                let values = ((*x).into(), (*y).into());
                let gpr = self.difference(capture, What::Gpr(n), Verdict::Live, values);
                let place = Place::Gpr;
                self.found.push(Difference { place, ..gpr });
            }
        }
    }

    /// Whoever reads can rely on what was written. Reads of different events have nothing in
    /// common.
    fn data(&mut self, capture: &Capture, a: &Data, b: &Data) {
        if let Some(values) = delivered(a, b) {
            let difference = self.difference(capture, What::Data, Verdict::Live, values);
            self.found.push(difference);
        }
    }

    /// An area that only one of the frames has is one difference, not 32: the MSR bit that says so.
    /// Its absence means zeros to `rt_sigreturn`, so what matters is whether the area of the other
    /// frame holds anything else.
    fn frames(&mut self, (a, x): (&Capture, &SignalFrame), (b, y): (&Capture, &SignalFrame)) {
        self.beside_frames(a, x, y);
        let (elf, linux) = self.masks(a);
        let mut lost = Verdict::Dead;
        for (register, from, to) in unequal(&a.registers, &b.registers) {
            let verdict = verdict(register, (from, to), &elf, &linux);
            match msr::frame(register) {
                bit if bit & (x.msr ^ y.msr) != 0 => lost = lost.max(verdict),
                bit if bit & !(x.msr & y.msr) != 0 => {}
                _ => {
                    let what = What::Register(register);
                    let difference = self.difference(a, what, verdict, (from, to));
                    self.found.push(difference);
                }
            }
        }
        let areas = msr::VEC | msr::VSX;
        if (x.msr ^ y.msr) & areas != 0 {
            let values = ((x.msr & areas).into(), (y.msr & areas).into());
            let difference = self.difference(a, What::Msr, lost, values);
            self.found.push(difference);
        }
    }

    /// `si_code` and the red zone. Who can notice another FP exception depends on what the task
    /// computes with.
    fn beside_frames(&mut self, capture: &Capture, a: &SignalFrame, b: &SignalFrame) {
        if a.code != b.code {
            let before = &self.run.log[..capture.log];
            let task = capture.task.unwrap_or(0);
            let verdict = fp_exception(self.scenario, before, task);
            let values = (a.code as u128, b.code as u128);
            let code = self.difference(capture, What::SiCode, verdict, values);
            let place = Place::Siginfo;
            self.found.push(Difference { place, ..code });
        }
        if a.red_zone != b.red_zone {
            let left = |frame: &SignalFrame| frame.red_zone.unwrap_or(RED_ZONE).into();
            let values = (left(a), left(b));
            let zone = self.difference(capture, What::RedZone, Verdict::Live, values);
            let place = Place::Memory;
            self.found.push(Difference { place, ..zone });
        }
    }

    /// An image matters by itself only if its owner never showed its registers, and if the image
    /// and not the processor has them.
    fn thread_images(&mut self, (a, x): (&Capture, u64), (b, y): (&Capture, u64)) {
        let hidden = a.task.filter(|task| !self.run.has_dumped(*task));
        let mask = |defined: &Definedness| hidden.map_or(Mask::NOTHING, |task| defined.task(task));
        let (elf, linux) = (mask(&self.elf), mask(&self.linux));
        let in_image = |register: Register| (x | y) & msr::owner(register) == 0;
        for (register, from, to) in unequal(&a.registers, &b.registers) {
            let verdict = match in_image(register) {
                true => verdict(register, (from, to), &elf, &linux),
                false => Verdict::Dead,
            };
            let what = What::Register(register);
            let difference = self.difference(a, what, verdict, (from, to));
            self.found.push(difference);
        }
        let (x, y) = (x & msr::FACILITIES, y & msr::FACILITIES);
        if x != y {
            let values = (x.into(), y.into());
            let difference = self.difference(a, What::Msr, Verdict::Dead, values);
            self.found.push(difference);
        }
    }
}
