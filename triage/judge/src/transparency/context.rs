//! What a task has when it leaves user mode, and by which rules that is compared with what it
//! finds.

use ctxfuzz_outcome::arch::{RegisterFile, msr};
use ctxfuzz_outcome::capture::Gprs;
use ctxfuzz_outcome::observe::Observation;
use ctxfuzz_outcome::values;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::access::{self, AccessOp};
use ctxfuzz_scenario::event::{Event, FrameEdit};
use ctxfuzz_scenario::ptrace::SetRegset;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Verdict;

use super::When;
use crate::compare::{same_vrsave, unequal, verdict};
use crate::definedness::Mask;

/// What is defined under both policies.
#[derive(Clone, Copy)]
pub(super) struct Masks {
    pub elf: Mask,
    pub linux: Mask,
}

impl Masks {
    /// What is defined in both.
    pub fn and(&self, other: &Masks) -> Masks {
        Masks {
            elf: self.elf.and(&other.elf),
            linux: self.linux.and(&other.linux),
        }
    }

    /// The same when these have been written, too.
    pub fn with(mut self, written: &[Register]) -> Masks {
        for register in written {
            self.elf.put(*register, true);
            self.linux.put(*register, true);
        }
        self
    }

    /// What a handler that interrupts it may rely on.
    pub fn in_handler(&self) -> Masks {
        Masks {
            elf: self.elf.in_handler(),
            linux: self.linux.in_handler(),
        }
    }
}

/// What a task has when it leaves user mode, and must have when it comes back to this place.
#[derive(Clone)]
pub(super) struct Context {
    pub when: When,
    pub registers: RegisterFile,
    /// r14 to r25.
    pub gprs: Gprs,
    pub masks: Masks,
    /// Whether it has used VMX. Before, its VSCR is whatever the kernel gives a new program.
    pub uses_vmx: bool,
    /// Registers that it may write before it is looked at again.
    pub writes: Vec<Register>,
    /// What an access has stored, and user code loads again afterwards, whatever a handler or a
    /// tracer did to the register meanwhile.
    pub stored: Vec<(Register, u128)>,
    /// Set at the entry of a handler: what that handler interrupted.
    pub entering: Option<Box<Context>>,
    /// Whether FP exceptions were delivered to it when it was interrupted. Of two signals that are
    /// delivered at once the handler of one runs before the other's frame is looked at, and may
    /// change that. None: it is not known.
    pub exceptions: Option<bool>,
    /// During `swapcontext`: what the context that it saves must have. A handler may come before
    /// anybody looks at that.
    pub saved: Option<Box<Context>>,
    /// What a handler interrupted: the MSR of its frame.
    pub frame_msr: u64,
}

impl Context {
    /// What a task has at a look.
    pub fn new(observation: &Observation, when: When, masks: Masks, used_vmx: bool) -> Context {
        Context {
            when,
            registers: observation.registers.clone(),
            gprs: observation.gprs,
            masks,
            uses_vmx: used_vmx || observation.facilities & msr::VEC != 0,
            writes: observation.writes.clone(),
            stored: Vec::new(),
            entering: None,
            exceptions: Some(false),
            saved: None,
            frame_msr: 0,
        }
    }

    /// The start of a handler that interrupts this.
    pub fn handler(&self) -> Context {
        let mut registers = self.registers.clone();
        registers.fpscr = 0;
        Context {
            registers,
            masks: self.masks.in_handler(),
            writes: Vec::new(),
            stored: Vec::new(),
            entering: None,
            saved: None,
            ..*self
        }
    }

    /// Registers that differ from what they must be, with both values, and who can notice: only
    /// what was defined then and is defined now counts.
    pub fn violated<'a>(
        &'a self,
        after: &'a RegisterFile,
        now: &Masks,
    ) -> impl Iterator<Item = (Register, (u128, u128), Verdict)> + 'a {
        let Masks { elf, linux } = self.masks.and(now);
        unequal(&self.registers, after)
            .map(|(register, before, after)| (register, (before, after)))
            .filter(|&(register, values)| !self.declared(register, values))
            .map(move |(register, values)| {
                (register, values, verdict(register, values, &elf, &linux))
            })
    }

    /// User code is back: it loads again what it has stored.
    pub fn loads_again(&mut self) {
        for (register, value) in std::mem::take(&mut self.stored) {
            self.registers.set(register, value);
        }
    }

    /// What is not in a frame is zero when it has been read.
    pub fn dropped(&mut self, area: Facility) {
        let absent = Register::all().filter(|register| register.frame_area() == Some(area));
        for register in absent.filter(|register| !register.is_control()) {
            self.registers.set(register, 0);
        }
    }

    /// A load puts into its register what is in memory, for the kernel as for the processor. A
    /// store takes nothing away.
    pub fn accesses(&mut self, op: AccessOp, register: u8) {
        if !op.is_load() {
            let kept = access::vsr(register).into_iter();
            let kept = kept.filter(|register| !self.writes.contains(register));
            let stored = kept.map(|register| (register, self.registers.get(register)));
            self.stored = stored.collect();
            return;
        }
        let [first, second] = values::accessed(register);
        let vsr = &mut self.registers.vsr[usize::from(register % 64)];
        match op {
            AccessOp::Lfd | AccessOp::Lxsdx => *vsr = [first, 0],
            _ => *vsr = [first, second],
        }
        for mask in [&mut self.masks.elf, &mut self.masks.linux] {
            for (register, defined) in op.defines(register) {
                mask.put(register, defined);
            }
        }
    }

    /// A handler changes the frame that this comes back from.
    pub fn edited(&mut self, event: &Event) {
        match event {
            Event::EditFrame(FrameEdit::DropVmx) => self.left_out(Facility::Vmx),
            Event::EditFrame(FrameEdit::DropVsx) => self.left_out(Facility::Vsx),
            Event::FillFrame { facility, pattern } => {
                let set = SetRegset::whole(*facility, *pattern);
                let values = values::traced(&set);
                for register in set.registers() {
                    self.registers.set(register, values.get(register));
                }
                self.frame_msr |= msr::of(*facility);
                self.uses_vmx |= *facility == Facility::Vmx;
            }
            // Of an area that the MSR does not name the kernel reads nothing.
            Event::SetFrame(values) => {
                for (&register, &value) in values {
                    let area = msr::frame(register);
                    if self.frame_msr & area == area {
                        self.registers.set(register, value & implemented(register));
                    }
                }
            }
            _ => {}
        }
    }

    /// A handler takes an area out of its frame, if it is in there.
    fn left_out(&mut self, area: Facility) {
        if self.frame_msr & msr::of(area) != 0 {
            self.dropped(area);
            self.frame_msr &= !msr::of(area);
        }
    }

    /// Whether it still has what an event changes in a frame is not known.
    pub fn forget(&mut self, event: &Event) {
        for register in event.registers_in_frame() {
            for mask in [&mut self.masks.elf, &mut self.masks.linux] {
                mask.put(register, false);
            }
        }
    }

    /// Of what a child must have: its parent was interrupted in the fork, and goes on with what is
    /// `in_frame` for what it had then. The child may be made before or after that, so what was
    /// wrong in the frame, which was told, is undefined. A parent that has done something else with
    /// its registers since is behind the fork.
    pub fn begins_again(&mut self, parent: &Context, in_frame: &RegisterFile) {
        if self.registers != parent.registers {
            return;
        }
        for (register, _, _) in unequal(&parent.registers, in_frame) {
            for mask in [&mut self.masks.elf, &mut self.masks.linux] {
                mask.put(register, false);
            }
        }
        self.registers = in_frame.clone();
    }

    /// Whether the change of a register is nobody's fault.
    fn declared(&self, register: Register, values: (u128, u128)) -> bool {
        self.writes.contains(&register)
            || same_vrsave(register, values)
            || register == Register::Vscr && !self.uses_vmx
    }
}

/// The bits of a register that the processor keeps when it is loaded: of VSCR NJ and SAT (ISA 3.1,
/// Book I, 6.3.2).
fn implemented(register: Register) -> u128 {
    match register {
        Register::Vscr => 0x0001_0001,
        other => other.mask(),
    }
}
