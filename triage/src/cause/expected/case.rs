//! A register of a task in one recorded run: the cells that can hold it, the steps that its rules
//! look at, and the writes that a rule says were to be made. Not responsible for any rule: it only
//! answers what was written, when, and what was at work.

use std::ops::Range;

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_emulator::trace::{Cell, Recording, Slot, Step, Write};
use ctxfuzz_scenario::register::Register;

use super::rewrite::Fix;
use super::rules::Moment;
use super::{Fixes, Window};
use crate::cause::code::Code;
use crate::cause::signature::moved_control;
use crate::cause::state::Walk;
use crate::cause::stay::name;
use crate::transparency::Seen;

/// What is looked for: a register of a task, and when.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The run.
    pub run: &'a Recording,
    /// The kernel's code.
    pub code: &'a Code,
    /// When, and whose.
    pub window: Window,
    /// Which.
    pub register: Register,
    /// What it had to be.
    pub right: u128,
}

impl<'a> Case<'a> {
    /// What a violation is about; of one that is about no register, FPSCR.
    pub fn of(run: &'a Recording, code: &'a Code, seen: &Seen) -> Option<Case<'a>> {
        Some(Case {
            run,
            code,
            window: Window::of(run, seen)?,
            register: seen.violation.what.register().unwrap_or(Register::Fpscr),
            right: seen.violation.before,
        })
    }

    /// Where the register is when the processor has it.
    pub fn hardware(&self) -> Cell {
        Cell::Hardware(self.register)
    }

    /// Where it is when it does not.
    pub fn image(&self) -> Cell {
        Cell::Image(self.window.slot, self.register)
    }

    /// The task's facility bits.
    pub fn bits(&self) -> Cell {
        Cell::Facilities(self.window.slot)
    }

    /// The bit of the register's facility; 0 for VRSAVE, which has none.
    pub fn owner(&self) -> u64 {
        msr::owner(self.register)
    }

    /// All steps of the window.
    pub fn steps(&self) -> Range<usize> {
        self.window.from..self.window.to
    }

    /// The run after a step.
    pub fn after(&self, step: usize) -> Walk<'a> {
        let mut walk = Walk::new(self.run);
        walk.advance(step);
        walk
    }

    /// The write at a step.
    pub fn write(&self, at: usize) -> Option<&'a Write> {
        match self.run.steps.get(at)? {
            Step::Write(write) => Some(write),
            _ => None,
        }
    }

    /// The steps of the window before one since the kernel was entered or the task came to run.
    pub fn stay(&self, before: usize) -> Range<usize> {
        let slot = u128::from(self.window.slot.0);
        let begins = |at: &usize| match &self.run.steps[*at] {
            Step::KernelEntry(_) => true,
            Step::Write(write) => write.cell == Cell::Current && write.value == slot,
            _ => false,
        };
        let from = (self.window.from..before).rev().find(begins);
        from.unwrap_or(self.window.from)..before
    }

    /// Where the stay in the kernel ends that a step is part of: user code goes on, or another
    /// task.
    pub fn stay_end(&self, at: usize) -> usize {
        let ends = |at: &usize| match &self.run.steps[*at] {
            Step::UserReturn => true,
            Step::Write(write) => write.cell == Cell::Current,
            _ => false,
        };
        let end = (at + 1..self.window.to).find(ends);
        end.unwrap_or(self.window.to)
    }

    /// A write as that of the innermost function that was at work at another one, too.
    pub fn common_caller(&self, write: &Write, other: Option<&Write>) -> Write {
        let functions = |write: &Write| -> Vec<Option<String>> {
            let trace = write.trace.iter();
            trace.map(|pc| self.code.function(*pc)).collect()
        };
        let others = other.map(functions).unwrap_or_default();
        let mut own = functions(write).into_iter();
        let common = own.position(|name| name.is_some() && others.contains(&name));
        self.outer(write, common.unwrap_or(0))
    }

    /// Whether the function that made one write, or had it made, was at work at another one.
    pub fn is_called_by(&self, write: &Write, caller: &Write) -> bool {
        let functions = caller.trace.iter().take(2);
        let mut functions = functions.filter_map(|pc| self.code.function(*pc));
        functions.any(|function| {
            let mut trace = write.trace.iter();
            trace.any(|pc| self.code.function(*pc).as_ref() == Some(&function))
        })
    }

    /// A write as that of the function that had it copied.
    pub fn without_copiers(&self, write: &Write) -> Write {
        let copies = |pc: &&u64| {
            let function = self.code.function(**pc);
            function.is_some_and(|f| f.contains("copy_"))
        };
        self.outer(write, write.trace.iter().take_while(copies).count())
    }

    /// The last write of such a cell in these steps; or of one in memory, with what it had.
    pub fn last_write(
        &self,
        steps: Range<usize>,
        is_it: impl Fn(Cell) -> bool,
    ) -> Option<(usize, &'a Write)> {
        self.last_such(steps, |write| is_it(write.cell))
    }

    /// The last such write in these steps, also with what a cell in memory had.
    pub fn last_such(
        &self,
        steps: Range<usize>,
        is_it: impl Fn(&Write) -> bool,
    ) -> Option<(usize, &'a Write)> {
        let written = steps.clone().rev().find_map(|at| {
            let write = self.write(at)?;
            is_it(write).then_some((at, write))
        });
        // Such a write came before the step that has its number.
        let mut kept = self.run.kept.iter().rev();
        let kept = kept.find(|(at, write)| steps.contains(at) && is_it(write));
        let kept = kept.map(|(at, write)| (at.saturating_sub(1), write));
        match (written, kept) {
            (Some((at, _)), Some((before, _))) if before >= at => kept,
            (None, kept) => kept,
            (written, _) => written,
        }
    }

    /// The first write of such a cell from a step on, also with what it had.
    pub fn next_write(
        &self,
        steps: Range<usize>,
        is_it: impl Fn(Cell) -> bool,
    ) -> Option<(usize, &'a Write)> {
        self.next_such(steps, |write| is_it(write.cell))
    }

    /// The first such write from a step on, also with what a cell in memory had.
    pub fn next_such(
        &self,
        steps: Range<usize>,
        is_it: impl Fn(&Write) -> bool,
    ) -> Option<(usize, &'a Write)> {
        let written = steps.clone().find_map(|at| {
            let write = self.write(at)?;
            is_it(write).then_some((at, write))
        });
        let mut kept = self.run.kept.iter();
        let kept = kept.find(|(at, write)| steps.contains(at) && is_it(write));
        let kept = kept.map(|(at, write)| (at.saturating_sub(1), write));
        match (written, kept) {
            (Some((at, _)), Some((before, _))) if before < at => kept,
            (None, kept) => kept,
            (written, _) => written,
        }
    }

    /// Whether a cell is an image of the register's facility, of the task.
    pub fn is_image_of_facility(&self, cell: Cell) -> bool {
        matches!(cell, Cell::Image(of, r) if of == self.window.slot && msr::owner(r) == self.owner())
    }

    /// Whether a cell is the same kind of register, of the task or the processor as the other.
    pub fn is_beside(&self, copy: Cell, cell: Cell) -> bool {
        let same = |a: Register, b: Register| {
            msr::owner(a) == msr::owner(b)
                && std::mem::discriminant(&a) == std::mem::discriminant(&b)
        };
        match (cell, copy) {
            (Cell::Hardware(a), Cell::Hardware(b)) => same(a, b),
            (Cell::Image(slot, a), Cell::Image(of, b)) => slot == of && same(a, b),
            _ => false,
        }
    }

    /// The last function that was left in these steps of which this is true, and where.
    pub fn last_left(
        &self,
        steps: Range<usize>,
        is_it: impl Fn(&str) -> bool,
    ) -> Option<(usize, &'a str)> {
        steps.rev().find_map(|at| match self.run.steps.get(at)? {
            Step::Exit(function) => {
                let name = name(self.run, *function);
                is_it(name).then_some((at, name))
            }
            _ => None,
        })
    }

    /// The right value, where the instruction wrote a wrong one.
    pub fn instead(&self, at: usize, write: &Write) -> Fixes {
        vec![self.with(at, write.cell, write)]
    }

    /// The right value in a cell, written where another write was made.
    pub fn with(&self, at: usize, cell: Cell, like: &Write) -> Fix {
        self.with_value(at, (cell, self.right), like)
    }

    /// A value in a cell, written where another write was made.
    pub fn with_value(&self, at: usize, (cell, value): (Cell, u128), like: &Write) -> Fix {
        let write = Write {
            cell,
            value,
            ..like.clone()
        };
        Fix {
            at,
            write,
            class: None,
            rule: "",
            journey: None,
            made: self.window.made,
            seen: Vec::new(),
        }
    }

    /// A write that a function of the kernel should have made, called as another write was.
    pub fn by(&self, function: &str, like: &Write) -> Write {
        let Some(address) = self.code.address(function) else {
            return like.clone();
        };
        let is_inner = |pc: &&u64| self.code.function(**pc).as_deref() == Some(function);
        let callers = like.trace.iter().copied();
        let known = like.trace.iter().position(|pc| is_inner(&pc));
        let callers = callers.skip(known.map_or(1, |at| at + 1));
        Write {
            pc: address,
            word: self.code.word(address).unwrap_or(0),
            trace: std::iter::once(address).chain(callers).collect(),
            ..like.clone()
        }
    }

    /// A write that a function of the kernel should have made, where nothing was written that would
    /// tell how it was called.
    pub fn made_by(&self, function: &str) -> Option<Write> {
        let pc = self.code.address(function)?;
        Some(Write {
            cell: self.hardware(),
            value: self.right,
            pc,
            word: self.code.word(pc).unwrap_or(0),
            msr: 0,
            trace: [pc].into(),
        })
    }

    /// Whether a write leaves the right value in a cell: not FPSCR in f0 or VSCR in v0 on their way
    /// to memory, which may be the same number.
    pub fn is_right_value(&self, write: &Write) -> bool {
        let on_its_way = match write.cell {
            Cell::Hardware(register) => moved_control(write.word, register).is_some(),
            _ => false,
        };
        write.value == self.right && !on_its_way
    }

    /// Whether the kernel made a write.
    pub fn in_kernel(&self, write: &Write) -> bool {
        write.pc >= KERNEL
    }

    /// Whether a write is of a function that takes registers from a task: Linux's __giveup_fpu and
    /// its like.
    pub fn gives_up(&self, write: &Write) -> bool {
        let function = self.code.function(write.pc);
        function.is_some_and(|f| f.trim_start_matches('_').starts_with("giveup"))
    }

    /// Whether a write is of a function that loads a whole facility.
    pub fn loads(&self, write: &Write) -> bool {
        let function = self.code.function(write.pc);
        function.is_some_and(|f| self.code.loads_a_facility(&f))
    }

    /// Whether the function that makes a write loads the task's other registers from its images.
    pub fn is_part_of_a_load(&self, moment: &Moment<'_>) -> bool {
        let beside = |w: &Write| {
            let Cell::Hardware(register) = w.cell else {
                return false;
            };
            let image = Cell::Image(self.window.slot, register);
            self.is_beside(self.hardware(), w.cell)
                && w.trace == moment.write.trace
                && w.value != 0
                && w.value == moment.before.value(image)
        };
        let stay = self.stay(moment.at);
        self.last_such(stay.start..self.window.to, beside).is_some()
    }

    /// Whether a write saves a register of the processor.
    pub fn is_save(&self, write: &Write) -> bool {
        let function = self.code.function(write.pc);
        let saves = |f: &String| [false, true].map(|vmx| self.code.saves_a_facility(f, vmx));
        function.is_some_and(|f| saves(&f).contains(&true))
    }

    /// A write as that of a function that had called the ones that made it: so many calls out.
    pub fn outer(&self, write: &Write, calls: usize) -> Write {
        let trace: Vec<u64> = write.trace.iter().skip(calls).copied().collect();
        let pc = match (calls, trace.first()) {
            (1.., Some(address)) => self.code.caller(*address),
            _ => write.pc,
        };
        Write {
            pc,
            word: self.code.word(pc).unwrap_or(write.word),
            trace: trace.into(),
            ..write.clone()
        }
    }

    /// Whether the task had run before a step.
    pub fn has_run(&self, slot: Slot, before: usize) -> bool {
        let runs = |write: &Write| write.cell == Cell::Current && write.value == u128::from(slot.0);
        let first = self.run.initial.iter();
        let mut first = first.filter(|(cell, _)| *cell == Cell::Current);
        first.any(|(_, value)| *value == u128::from(slot.0))
            || (0..before).any(|at| self.write(at).is_some_and(runs))
    }
}
