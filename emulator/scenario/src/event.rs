//! The event language: what can happen in a scenario, one event after the other.
//!
//! Events are taken in order by whichever task is running. One row an event: its type and how JSON
//! spells it (what a row becomes is said in `json/events.rs`). System calls have a table of their
//! own in `calls`; validation is in `validate`, total decoding of bytes in `decode`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::access::AccessOp;
pub use crate::calls::{Call, CallFacts, Draw, Syscall};
use crate::facility::Facility;
use crate::json::bounded::{Bounded, Places, RegisterIndex, VsrIndex};
use crate::json::events::{Values, events};
use crate::json::number::U64;
use crate::json::object;
use crate::json::optional::{self, SignalNumber};
use crate::json::syscall::CheckedSyscall;
use crate::point::PreemptionPoint;
use crate::ptrace::{Ptrace, SetRegset};
use crate::register::Register;

/// Register values by name. 64-bit registers use the low half; `fpscr` is 64 bits, `vscr` and
/// `vrsave` 32.
pub type RegisterValues = BTreeMap<Register, u128>;

events! {
    /// User instructions that give registers values.
    #[details = "`f<n>` alone is written with `lfd` (needs FP only, and makes doubleword 1 zero as \
        ISA 3.1 says); `f<n>` and `vs<n>` together, or `vs<n>` alone, with VSX instructions."]
    Set = "set", value(values: RegisterValues as Values);

    /// User instructions that load every register of a facility with values made from a seed.
    Fill = "fill", object
        /// Fields of a fill.
        Fill {
            /// Which registers.
            facility: Facility,
            /// Seed of the values; equal seeds give equal values.
            #[serde(
                serialize_with = "optional::write_pattern",
                deserialize_with = "optional::pattern"
            )]
            #[schemars(with = "U64")]
            pattern: u64,
        };

    /// One user computation.
    Compute = "compute", object
        /// Fields of a computation: `register <- op(register, next register)`.
        Compute {
            /// The instruction.
            op: ComputeOp,
            /// Index of the target: an FPR, VSR or VR as the instruction has it.
            #[serde(deserialize_with = "Bounded::<RegisterIndex>::one")]
            #[schemars(with = "Bounded<RegisterIndex>")]
            register: u8,
        };

    /// A load or store of user code that ends in an alignment interrupt.
    Access = "access", object
        /// Fields of an access.
        #[schemars(extend(
            "if" = json!({ "properties": { "op": { "enum": ["lfd", "stfd"] } } }),
            "then" = json!({ "properties": { "register": { "maximum": 31 } } })
        ))]
        Access {
            /// The instruction.
            op: AccessOp,
            /// Which FPR (0 to 31) or VSR (0 to 63).
            #[serde(deserialize_with = "Bounded::<VsrIndex>::one")]
            #[schemars(with = "Bounded<VsrIndex>")]
            register: u8,
            /// What becomes pending while the kernel does the instruction's work.
            #[serde(
                default,
                skip_serializing_if = "Pending::is_none",
                deserialize_with = "object::one"
            )]
            pending: Pending,
        };

    /// A user instruction of the facility that changes no register.
    #[details = "An unavailable facility is loaded for it."]
    Touch = "touch", value(facility: Facility as Facility);

    /// A signal handler changes its frame; nothing happens outside a handler.
    EditFrame = "edit_frame", value(edit: FrameEdit as FrameEdit);

    /// A signal handler writes a facility's registers into its frame, and says that they are there.
    #[details = "What is written are the values of a register set that a tracer writes \
        ([`SetRegset`]), and the facility's bit in the frame's MSR: the task has them when it has \
        returned, whether it has used the facility before or not, as a program that another \
        machine's checkpoint is restored into. Nothing happens outside a handler."]
    FillFrame = "fill_frame", object
        /// Fields of registers that a handler writes into its frame.
        FillFrame {
            /// Which registers.
            facility: Facility,
            /// Seed of the values; equal seeds give equal values. FPSCR gets a rounding mode only,
            /// VSCR NJ and SAT.
            #[serde(
                serialize_with = "optional::write_pattern",
                deserialize_with = "optional::pattern"
            )]
            #[schemars(with = "U64")]
            pattern: u64,
        };

    /// A signal handler changes registers in its frame.
    #[details = "Those of a facility of which the frame has nothing stay as they are: the kernel \
        does not read them. Nothing happens outside a handler."]
    SetFrame = "set_frame", value(values: RegisterValues as Values);

    /// An interrupt between two user instructions.
    Interrupt = "interrupt", object
        /// Fields of an interrupt.
        InterruptFields {
            /// Which one.
            vector: Interrupt,
            /// What is pending when its handler has run.
            #[serde(
                default,
                skip_serializing_if = "Pending::is_none",
                deserialize_with = "object::one"
            )]
            pending: Pending,
        };

    /// A system call.
    Syscall = "syscall", checked CheckedSyscall {
        /// Which one, with its arguments.
        call: Syscall,
        /// The instruction that makes it.
        via: Via,
        /// What becomes pending while it runs.
        pending: Pending,
    };
}

impl Event {
    /// Operations of the user side's interpreter that the event takes (see `docs/internals.md`,
    /// section 3).
    pub fn operations(&self) -> usize {
        match self {
            // f<n> and vs<n> of the same n are written by one instruction.
            Event::Set(values) => values
                .keys()
                .filter(|register| match register {
                    Register::Vs(n) => !values.contains_key(&Register::F(*n)),
                    _ => true,
                })
                .count(),
            // The control register of a set lies apart from the others.
            Event::FillFrame { facility, .. } => match facility {
                Facility::Fp | Facility::Vmx => 2,
                Facility::Vsx => 1,
            },
            Event::SetFrame(values) => values.len(),
            _ => 1,
        }
    }

    /// Whether it takes one of the images of registers that a run has room for.
    pub fn takes_an_image(&self) -> bool {
        matches!(
            self,
            Event::Fill { .. } | Event::FillFrame { .. } | Event::SetFrame(_)
        )
    }

    /// Whether a handler changes its frame in it.
    pub fn edits_frame(&self) -> bool {
        matches!(
            self,
            Event::EditFrame(_) | Event::FillFrame { .. } | Event::SetFrame(_)
        )
    }

    /// Registers that the event may change in what its handler returns to.
    pub fn registers_in_frame(&self) -> Vec<Register> {
        let class = |class: Register| (0..32).map(move |n| class.numbered(n));
        match self {
            Event::EditFrame(FrameEdit::DropVmx) => {
                class(Register::V(0)).chain([Register::Vscr]).collect()
            }
            Event::EditFrame(FrameEdit::DropVsx) => class(Register::Vs(0)).collect(),
            Event::FillFrame { facility, pattern } => {
                SetRegset::whole(*facility, *pattern).registers().collect()
            }
            Event::SetFrame(values) => values.keys().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether a task that a tracer wants to stop at this event does stop before anybody else runs.
    pub fn can_be_traced(&self) -> bool {
        match self {
            Event::Interrupt { vector, .. } => vector.does_pending_work(),
            Event::Access { .. } => true,
            Event::Syscall { call, .. } => call.can_be_traced(),
            _ => false,
        }
    }

    /// Drops pending work that does not go with the event or with the rest: for those who change
    /// one without the other.
    pub fn drop_unfit(&mut self) {
        if let Event::Interrupt { vector, pending } = self
            && !vector.does_pending_work()
        {
            *pending = Pending::NONE;
        }
        let traceable = self.can_be_traced();
        let Some(pending) = self.pending_mut() else {
            return;
        };
        if !traceable {
            pending.ptrace = None;
        }
        if pending.ptrace.is_some() {
            pending.switch = None;
        }
        if pending.ptrace.is_some() || pending.at_once().is_none() {
            *pending = pending.at_once();
        }
        if pending.at.is_some() {
            pending.after = 0;
        }
    }

    /// The work pending at this event, if it enters the kernel by itself and the kernel does such
    /// work on its way out.
    pub fn pending(&self) -> Option<&Pending> {
        match self {
            Event::Interrupt { vector, pending } => vector.does_pending_work().then_some(pending),
            Event::Access { pending, .. } | Event::Syscall { pending, .. } => Some(pending),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn pending_mut(&mut self) -> Option<&mut Pending> {
        match self {
            Event::Interrupt { vector, pending } => vector.does_pending_work().then_some(pending),
            Event::Access { pending, .. } | Event::Syscall { pending, .. } => Some(pending),
            _ => None,
        }
    }

    /// Whether pending work can come late: the kernel can be interrupted there.
    pub fn can_be_late(&self) -> bool {
        matches!(self, Event::Access { .. } | Event::Syscall { .. })
    }
}

/// Instructions of [`Event::Compute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComputeOp {
    /// `fadd` on FPRs.
    Fadd,
    /// `fmul` on FPRs.
    Fmul,
    /// `fdiv` on FPRs.
    Fdiv,
    /// `fmr` on FPRs.
    Fmr,
    /// `xxlor` on VSRs 0-31.
    Xxlor,
    /// `xvadddp` on VSRs 0-31.
    Xvadddp,
    /// `vaddubs` on VRs; can set VSCR\[SAT\].
    Vaddubs,
    /// `vor` on VRs.
    Vor,
}

/// What a signal handler does to the `ucontext` that its `rt_sigreturn` will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameEdit {
    /// Sets FP, VEC and VSX in `gp_regs[PT_MSR]`, as far as the frame has what they stand for: FP
    /// always, VEC and VSX if they are set already. The kernel may not believe it.
    ClaimFacilities,
    /// Clears VEC there: the frame's VRs do not count, and are zero after the return.
    DropVmx,
    /// Clears VSX there: doublewords 1 of VSR 0-31 are zero after the return.
    DropVsx,
    /// Sets FE0 and FE1 there. How FP exceptions are delivered is up to PR_SET_FPEXC alone, so the
    /// kernel may not believe them either.
    ClaimExceptions,
}

/// How FP exceptions are to be delivered: `PR_SET_FPEXC`, MSR\[FE0\] and MSR\[FE1\].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FpExceptions {
    /// Not at all (00).
    Disabled,
    /// PR_FP_EXC_NONRECOV (FE1).
    Nonrecoverable,
    /// PR_FP_EXC_ASYNC (FE0).
    Async,
    /// PR_FP_EXC_PRECISE (both).
    Precise,
}

/// Interrupts that user code does not cause by what it computes, by the name of their vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interrupt {
    /// 0x900.
    Decrementer,
    /// 0x500.
    External,
    /// 0xa00, the IPI that `kick_process` sends.
    Doorbell,
    /// 0x300: a store to a page that the task has not touched yet, of a private file mapping. The
    /// kernel makes a copy of the file's page, with VMX.
    DataStorage,
    /// 0x100, not maskable: a hypervisor or a debugger wants the CPU's attention. It has a stack of
    /// its own and returns without doing what is pending.
    SystemReset,
}

impl Interrupt {
    /// Whether the kernel does what is pending before it goes back: all but an NMI's handler do.
    pub fn does_pending_work(self) -> bool {
        self != Interrupt::SystemReset
    }
}

/// The instruction that enters the kernel for a system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// `sc`.
    #[default]
    Sc,
    /// `scv 0`.
    Scv,
}

impl Via {
    /// Whether it is the one that a file need not name.
    pub(crate) fn is_sc(&self) -> bool {
        *self == Via::Sc
    }
}

/// Work that is pending when the kernel is about to return to user space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The blocked io_uring worker queues `create_worker_cb` on its submitter (TWA_SIGNAL).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub io_worker: bool,
    /// TIF_NEED_RESCHED, and who is to run next.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::present"
    )]
    #[schemars(with = "Switch")]
    pub switch: Option<Switch>,
    /// A signal for the running task: 10 (SIGUSR1) or 12 (SIGUSR2).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::signal"
    )]
    #[schemars(with = "SignalNumber")]
    pub signal: Option<u8>,
    /// A tracer stops the task on its way back to user space, looks at its registers, perhaps
    /// changes some, and lets it go. The task's turn is over: whoever is next runs. Neither beside
    /// `switch` nor late, and not in a call after which others run before the task can stop
    /// (`sched_yield`, `vfork`, `exit`).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "object::present"
    )]
    #[schemars(with = "Ptrace")]
    pub ptrace: Option<Ptrace>,
    /// An interrupt of a device whose softirq would use VMX if it could (a network card's, whose
    /// packets are encrypted). In an interrupt of a kernel that may be using VMX itself it cannot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub softirq: bool,
    /// Of a system call or an access: how many places in the kernel at which an interrupt can come
    /// are passed before it comes that brings all this. 0: it comes at the start. Which places
    /// there are is up to the kernel: a step of a save path in the model, a basic block in a real
    /// one.
    #[serde(
        default,
        skip_serializing_if = "is_zero",
        deserialize_with = "Bounded::<Places>::one"
    )]
    #[schemars(with = "Bounded<Places>")]
    pub after: u16,
    /// The same by name, so that it means the same in every build: the interrupt comes in this
    /// function of the kernel. Goes with interrupts too. Not beside `after`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "object::present"
    )]
    #[schemars(with = "PreemptionPoint")]
    pub at: Option<PreemptionPoint>,
}

/// Most places that pending work can be late by.
pub const MAX_PLACES: u16 = 4095;

fn is_zero(after: &u16) -> bool {
    *after == 0
}

impl Pending {
    /// Nothing is pending.
    pub const NONE: Pending = Pending {
        io_worker: false,
        switch: None,
        signal: None,
        ptrace: None,
        softirq: false,
        after: 0,
        at: None,
    };

    /// Whether nothing is pending.
    pub fn is_none(&self) -> bool {
        *self == Pending::NONE
    }

    /// The same work without [`Pending::after`] and [`Pending::at`], or nothing at all if there is
    /// no work.
    pub fn at_once(&self) -> Pending {
        Pending {
            after: 0,
            at: None,
            ..*self
        }
    }

    /// Whether it comes late: in the middle of what the kernel does.
    pub fn is_late(&self) -> bool {
        self.after != 0 || self.at.is_some()
    }
}

/// Who runs after a reschedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Switch {
    /// The next runnable task in turn.
    Any,
    /// The task with this index, if it can run.
    To(u8),
}
