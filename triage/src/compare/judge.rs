//! Pairs of values, judged by what is defined under both policies.

use ctxfuzz_emulator::arch::{RegisterFile, msr};
use ctxfuzz_emulator::run::outcome::{RED_ZONE, SignalFrame, ThreadImage};
use ctxfuzz_scenario::scenario::{Place, Verdict};

use super::{Difference, What, unequal, verdict};
use crate::definedness::{Definedness, Mask};

/// Judges pairs of values by what is defined under both policies.
pub struct Judge {
    pub elf: Definedness,
    pub linux: Definedness,
}

impl Judge {
    pub fn task(
        &self,
        task: u8,
        place: Place,
        a: &RegisterFile,
        b: &RegisterFile,
        found: &mut Vec<Difference>,
    ) {
        if a == b {
            return;
        }
        let (elf, linux) = (self.elf.task(task), self.linux.task(task));
        for (register, x, y) in unequal(a, b) {
            let verdict = verdict(register, (x, y), &elf, &linux);
            let what = What::Register(register);
            found.push(Difference {
                task: Some(task),
                place,
                what,
                verdict,
                a: x,
                b: y,
                frame: None,
            });
        }
    }

    /// What a tracer reads is what the task has, and so is what a core dump has: `place`, and which one of that.
    pub fn read(
        &self,
        task: u8,
        (place, nth): (Place, u16),
        a: &RegisterFile,
        b: &RegisterFile,
    ) -> Vec<Difference> {
        let mask = |defined: &Definedness| match place {
            Place::Core => defined.core(nth),
            _ => defined.traced(nth),
        };
        let (elf, linux) = (mask(&self.elf), mask(&self.linux));
        let differ = unequal(a, b).map(|(register, x, y)| Difference {
            task: Some(task),
            place,
            what: What::Register(register),
            verdict: verdict(register, (x, y), &elf, &linux),
            a: x,
            b: y,
            frame: (place == Place::Ptrace).then_some(nth),
        });
        differ.collect()
    }

    /// An area that only one of the frames has is one difference, not 32: the MSR bit that says so. Its absence means zeros to
    /// `rt_sigreturn`, so what matters is whether the area of the other frame holds anything else.
    pub fn frame(
        &self,
        index: u16,
        a: &SignalFrame,
        b: &SignalFrame,
        exception: Verdict,
        found: &mut Vec<Difference>,
    ) {
        let (elf, linux) = (self.elf.frame(index), self.linux.frame(index));
        let areas = msr::VEC | msr::VSX;
        let difference = |what, verdict, x, y| Difference {
            task: Some(a.task),
            place: Place::SignalFrame,
            what,
            verdict,
            a: x,
            b: y,
            frame: Some(index),
        };
        if a.code != b.code {
            found.push(Difference {
                place: Place::Siginfo,
                ..difference(What::SiCode, exception, a.code as u128, b.code as u128)
            });
        }
        if a.red_zone != b.red_zone {
            let left = |frame: &SignalFrame| frame.red_zone.unwrap_or(RED_ZONE).into();
            found.push(Difference {
                place: Place::Memory,
                ..difference(What::RedZone, Verdict::Live, left(a), left(b))
            });
        }
        let mut lost = Verdict::Dead;
        for (register, x, y) in unequal(&a.registers, &b.registers) {
            let verdict = verdict(register, (x, y), &elf, &linux);
            match msr::frame(register) {
                bit if bit & (a.msr ^ b.msr) != 0 => lost = lost.max(verdict),
                bit if bit & !(a.msr & b.msr) != 0 => {}
                _ => found.push(difference(What::Register(register), verdict, x, y)),
            }
        }
        if (a.msr ^ b.msr) & areas != 0 {
            let (x, y) = (a.msr & areas, b.msr & areas);
            found.push(difference(What::Msr, lost, x.into(), y.into()));
        }
    }

    /// An image matters by itself only if its owner never showed its registers, and if the image and not the processor has them.
    pub fn image(
        &self,
        dumped: bool,
        a: &ThreadImage,
        b: &ThreadImage,
        found: &mut Vec<Difference>,
    ) {
        let mask = |defined: &Definedness| a.task.map_or(Mask::NOTHING, |task| defined.task(task));
        let (elf, linux) = match dumped {
            true => (Mask::NOTHING, Mask::NOTHING),
            false => (mask(&self.elf), mask(&self.linux)),
        };
        let live = a.msr | b.msr;
        let mut push = |what, verdict, x, y| {
            let place = Place::ThreadStruct;
            found.push(Difference {
                task: a.task,
                place,
                what,
                verdict,
                a: x,
                b: y,
                frame: None,
            });
        };
        for (register, x, y) in unequal(&a.registers, &b.registers) {
            let authoritative = live & msr::owner(register) == 0;
            let verdict = match authoritative {
                true => verdict(register, (x, y), &elf, &linux),
                false => Verdict::Dead,
            };
            push(What::Register(register), verdict, x, y);
        }
        let facilities = msr::FP | msr::VEC | msr::VSX;
        let (x, y) = (a.msr & facilities, b.msr & facilities);
        if x != y {
            push(What::Msr, Verdict::Dead, x.into(), y.into());
        }
    }
}
