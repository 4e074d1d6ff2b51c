//! One task while a log is followed: what it may rely on, and what its events and signals do to
//! that.

use std::collections::BTreeSet;

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::access::{self, AccessOp};
use ctxfuzz_scenario::event::{ComputeOp, Event, FrameEdit, RegisterValues, Syscall};
use ctxfuzz_scenario::ptrace::SetRegset;
use ctxfuzz_scenario::register::Register;

use super::exceptions::{is_arithmetic, knows_operands};
use super::mask::Mask;
use super::{Abi, makes_a_child};

/// One task while the log is followed.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// What it may rely on.
    pub now: Mask,
    /// What `rt_sigreturn` brings back, innermost handler last.
    pub interrupted: Vec<Interrupted>,
    /// At the start of a handler that has not begun yet, as another signal came at once: what that
    /// one has interrupted, which is in its frame.
    entering: Option<Mask>,
    /// What a child of each of its forks starts with.
    pub forks: Vec<Heritage>,
    /// Facilities that it has used for certain, VSX as all three.
    used: BTreeSet<Facility>,
}

/// What a signal has interrupted.
#[derive(Clone, Debug)]
pub(super) struct Interrupted {
    pub mask: Mask,
    /// As [`Task::entering`].
    entering: Option<Mask>,
    /// Facilities whose registers its frame has for certain.
    in_frame: BTreeSet<Facility>,
}

impl Interrupted {
    /// Its handler changes the frame.
    fn is_edited(&mut self, event: &Event) {
        match event {
            // What is left out of a frame is zero after the return, but for VSCR: whether it is
            // depends on whether the kernel holds that VMX was used.
            Event::EditFrame(FrameEdit::DropVmx) => {
                self.in_frame.remove(&Facility::Vmx);
                self.mask.put(Register::Vscr, false);
            }
            Event::EditFrame(FrameEdit::DropVsx) => {
                self.in_frame.remove(&Facility::Vsx);
            }
            Event::FillFrame { facility, .. } => {
                self.in_frame.insert(*facility);
                for register in event.registers_in_frame() {
                    self.mask.put(register, true);
                }
            }
            // What the frame perhaps has nothing of is as defined as before: if the kernel reads
            // it, it reads the same everywhere.
            Event::SetFrame(values) => {
                for register in values.keys().copied() {
                    let area = register.frame_area();
                    if area.is_none_or(|area| self.in_frame.contains(&area)) {
                        self.mask.put(register, true);
                    }
                }
                // What status bits become is up to the processor.
                if values.contains_key(&Register::Fpscr) {
                    self.mask.lose_fp_status();
                }
            }
            _ => {}
        }
    }
}

impl Task {
    /// One that has just started.
    pub fn new(now: Mask, interrupted: Vec<Interrupted>, used: BTreeSet<Facility>) -> Self {
        Task {
            now,
            interrupted,
            entering: None,
            forks: Vec::new(),
            used,
        }
    }
}

/// What a fork hands to the child.
#[derive(Clone, Debug)]
pub(super) struct Heritage {
    pub mask: Mask,
    pub interrupted: Vec<Interrupted>,
    pub used: BTreeSet<Facility>,
}

impl Task {
    /// What the code may rely on that a signal interrupts which is delivered now: `at_entry`, the
    /// start of a handler.
    pub fn interruptible(&self, at_entry: bool) -> Mask {
        match (at_entry, self.entering) {
            (false, None) => self.now,
            (false, Some(interrupted)) => interrupted,
            (true, None) => self.now.in_handler(),
            (true, Some(_)) => self.now,
        }
    }

    /// A signal is delivered. Of several that come at once the handler of the last one runs first,
    /// and its frame has the start of the one before.
    pub fn is_interrupted(&mut self, at_entry: bool) -> Mask {
        let mask = self.interruptible(at_entry);
        let entering = match (at_entry, self.entering.take()) {
            (true, None) => Some(self.now),
            (true, outer @ Some(_)) => outer,
            (false, _) => None,
        };
        self.interrupted.push(Interrupted {
            mask,
            entering,
            in_frame: self.used.clone(),
        });
        self.now = self.now.in_handler();
        mask
    }

    /// It becomes a new program.
    pub fn becomes_another(&mut self) {
        self.now = Mask::EVERYTHING;
        self.interrupted.clear();
        self.entering = None;
        self.used.clear();
    }

    /// `rt_sigreturn`.
    pub fn returns(&mut self) {
        let back = self.interrupted.pop();
        // What a frame has, the kernel holds to be used.
        if let Some(back) = &back {
            self.used.extend(&back.in_frame);
        }
        self.now = back.as_ref().map_or(Mask::NOTHING, |back| back.mask);
        self.entering = back.and_then(|back| back.entering);
    }

    pub fn uses(&mut self, facility: Facility) {
        self.used.insert(facility);
        if facility == Facility::Vsx {
            self.used.extend([Facility::Fp, Facility::Vmx]);
        }
    }

    /// A tracer writes. What it writes of a facility that the task has not used yet is in no signal
    /// frame: it may be lost on the way back from a handler, or outlive the handler that it was
    /// meant for.
    pub fn is_written(&mut self, set: &SetRegset) {
        let known = set.regset == Facility::Fp || self.used.contains(&set.regset);
        for register in set.registers() {
            self.now.put(register, known);
            let frames = self.interrupted.iter_mut();
            let masks = frames.flat_map(|frame| [Some(&mut frame.mask), frame.entering.as_mut()]);
            let masks = masks.chain([self.entering.as_mut()]).flatten();
            for mask in masks.filter(|_| !known) {
                mask.put(register, false);
            }
            // A fork that a signal or the tracer itself interrupted is made again later: its child
            // may be born before or after this.
            for fork in &mut self.forks {
                fork.mask.put(register, false);
            }
        }
    }

    /// User code loads again what an access has stored before the tracer came.
    pub fn loads_again(&mut self, op: AccessOp, register: u8, stored: &Mask) {
        let registers = access::vsr(register).into_iter();
        for register in registers.filter(|register| !op.is_load() && stored.lacks(*register)) {
            self.now.put(register, false);
        }
    }

    /// An event.
    pub fn does(&mut self, event: &Event, policy: Abi, traps: bool) {
        if let Some(facility) = used_by(event) {
            self.uses(facility);
        }
        match event {
            Event::Set(values) => set(&mut self.now, values),
            Event::Fill { facility, .. } => fill(&mut self.now, *facility),
            Event::Compute { op, register } => {
                compute(&mut self.now, *op, *register);
                if traps && is_arithmetic(*op) {
                    lose_result(&mut self.now, *register % 32);
                }
            }
            // A store changes nothing that was defined, and defines nothing: what it leaves out may
            // keep its value or lose it.
            Event::Access { op, register, .. } => {
                for (register, defined) in op.defines(*register) {
                    self.now.put(register, defined);
                }
            }
            Event::Touch(_) | Event::Interrupt { .. } => {}
            Event::EditFrame(_) | Event::FillFrame { .. } | Event::SetFrame(_) => {
                if let Some(interrupted) = self.interrupted.last_mut() {
                    interrupted.is_edited(event);
                }
            }
            Event::Syscall { call, .. } => {
                // `rt_sigreturn` acts when the log says `SigReturned`; `exit` comes after the
                // registers were dumped.
                let returns = !matches!(call, Syscall::RtSigreturn | Syscall::Exit);
                if returns && policy == Abi::Elf {
                    self.now.lose_volatile();
                }
                if makes_a_child(event) {
                    let interrupted = self.interrupted.clone();
                    self.forks.push(Heritage {
                        mask: self.now,
                        interrupted,
                        used: self.used.clone(),
                    });
                }
            }
        }
    }
}

/// The facility whose instructions an event runs for certain. `set` is left out: which ones it runs
/// depends on the registers, and to know less is safe.
fn used_by(event: &Event) -> Option<Facility> {
    match event {
        Event::Fill { facility, .. } | Event::Touch(facility) => Some(*facility),
        Event::Access { op, .. } if op.is_load() => Some(op.facility()),
        Event::Compute { op, .. } => Some(match op {
            ComputeOp::Fadd | ComputeOp::Fmul | ComputeOp::Fdiv | ComputeOp::Fmr => Facility::Fp,
            ComputeOp::Xxlor | ComputeOp::Xvadddp => Facility::Vsx,
            ComputeOp::Vaddubs | ComputeOp::Vor => Facility::Vmx,
        }),
        _ => None,
    }
}

/// Writing defines. `lfd` also writes doubleword 1 of its VSR: zero as ISA 3.1 says.
fn set(mask: &mut Mask, values: &RegisterValues) {
    for &register in values.keys() {
        mask.put(register, true);
        if let Register::F(n) = register {
            mask.put(Register::Vs(n), true);
        }
    }
}

/// A fill writes the data registers of a facility; FPSCR, VSCR and VRSAVE stay.
fn fill(mask: &mut Mask, facility: Facility) {
    for n in 0..32 {
        if facility != Facility::Vmx {
            mask.put(Register::F(n), true);
            mask.put(Register::Vs(n), true);
        }
        if facility != Facility::Fp {
            mask.put(Register::V(n), true);
        }
    }
}

/// Computing on something undefined gives something undefined.
fn compute(mask: &mut Mask, op: ComputeOp, register: u8) {
    let target = register % 32;
    let other = (target + 1) % 32;
    match op {
        ComputeOp::Fadd | ComputeOp::Fmul | ComputeOp::Fdiv => arithmetic(mask, op, target),
        ComputeOp::Xvadddp => arithmetic(mask, op, target),
        ComputeOp::Fmr => {
            let known = !mask.lacks(Register::F(other));
            mask.put(Register::F(target), known);
            mask.put(Register::Vs(target), true);
        }
        ComputeOp::Xxlor => {
            spread(mask, Register::F(target), Register::F(other));
            spread(mask, Register::Vs(target), Register::Vs(other));
        }
        ComputeOp::Vor => {
            spread(mask, Register::V(target), Register::V(other));
        }
        ComputeOp::Vaddubs => {
            if spread(mask, Register::V(target), Register::V(other)) {
                mask.lose_saturation();
            }
        }
    }
}

/// FP arithmetic. An enabled exception suppresses the whole result, so anything unknown among the
/// inputs (FPSCR's control bits are inputs) makes both doublewords unknown; and a known result
/// still leaves doubleword 1 as it was, because it may not have been written.
fn arithmetic(mask: &mut Mask, op: ComputeOp, target: u8) {
    if !knows_operands(mask, op, target) {
        lose_result(mask, target);
    }
}

fn lose_result(mask: &mut Mask, target: u8) {
    mask.put(Register::F(target), false);
    mask.put(Register::Vs(target), false);
    mask.lose_fp_status();
}

/// `target <- target op other`, bit by bit; tells whether the target is undefined now.
fn spread(mask: &mut Mask, target: Register, other: Register) -> bool {
    let unknown = mask.lacks(target) || mask.lacks(other);
    if unknown {
        mask.put(target, false);
    }
    unknown
}
