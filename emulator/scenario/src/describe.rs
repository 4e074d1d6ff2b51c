//! Events in words, for people who read reports and `ctxfuzz show`.

use crate::event::{ComputeOp, Event, FrameEdit, Pending, RegisterValues, Switch, Via};
use crate::facility::Facility;
use crate::ptrace::{Ptrace, SetRegset};

/// One short sentence, without a full stop.
pub fn describe(event: &Event) -> String {
    match event {
        Event::Set(values) => format!("set {}", registers(values)),
        Event::Fill { facility, pattern } => format!(
            "fill the {} registers from pattern {pattern:#x}",
            shown(*facility)
        ),
        Event::Compute { op, register } => {
            let letter = match op {
                ComputeOp::Fadd | ComputeOp::Fmul | ComputeOp::Fdiv | ComputeOp::Fmr => "f",
                ComputeOp::Xxlor | ComputeOp::Xvadddp => "vsr",
                ComputeOp::Vaddubs | ComputeOp::Vor => "v",
            };
            let next = register.wrapping_add(1) % 32;
            match op {
                ComputeOp::Fmr => format!("compute {op} {letter}{register} <- {letter}{next}"),
                _ => {
                    format!("compute {op} {letter}{register} <- {letter}{register}, {letter}{next}")
                }
            }
        }
        Event::Access {
            op,
            register,
            pending,
        } => {
            let letter = if op.last() == 31 { "f" } else { "vsr" };
            format!(
                "misaligned {op} of {letter}{register}, which the kernel does{}",
                then(pending)
            )
        }
        Event::Touch(facility) => format!("use {} without changing a register", shown(*facility)),
        Event::EditFrame(edit) => match edit {
            FrameEdit::ClaimFacilities => {
                "the handler sets facility bits in its frame's MSR".to_owned()
            }
            FrameEdit::DropVmx => "the handler takes the VRs out of its frame".to_owned(),
            FrameEdit::DropVsx => "the handler takes VSX out of its frame".to_owned(),
            FrameEdit::ClaimExceptions => {
                "the handler sets FE0 and FE1 in its frame's MSR".to_owned()
            }
        },
        Event::FillFrame { facility, pattern } => format!(
            "the handler puts the {} registers from pattern {pattern:#x} into its frame",
            shown(*facility)
        ),
        Event::SetFrame(values) => format!("the handler sets {} in its frame", registers(values)),
        Event::Interrupt { vector, pending } => format!("{vector} interrupt{}", then(pending)),
        Event::Syscall { call, via, pending } => {
            let via = match via {
                Via::Sc => "",
                Via::Scv => " through scv",
            };
            format!("{}{via}{}", call.words(), then(pending))
        }
    }
}

/// A facility by its name.
pub(crate) fn shown(facility: Facility) -> &'static str {
    match facility {
        Facility::Fp => "FP",
        Facility::Vmx => "VMX",
        Facility::Vsx => "VSX",
    }
}

fn registers(values: &RegisterValues) -> String {
    /// Registers shown before the rest is only counted.
    const SHOWN: usize = 4;
    let mut parts: Vec<String> = values
        .iter()
        .take(SHOWN)
        .map(|(register, value)| format!("{register} = {value:#x}"))
        .collect();
    if values.len() > SHOWN {
        parts.push(format!("and {} more", values.len() - SHOWN));
    }
    parts.join(", ")
}

/// A signal by its name.
pub(crate) fn signal_name(signal: u8) -> String {
    match signal {
        10 => "SIGUSR1".to_owned(),
        12 => "SIGUSR2".to_owned(),
        other => format!("signal {other}"),
    }
}

fn written(set: &SetRegset) -> String {
    let pattern = format!("from pattern {:#x}", set.pattern);
    match set.bytes {
        None => format!("the {} register set {pattern}", shown(set.regset)),
        Some(bytes) => format!(
            "{bytes} bytes of the {} register set {pattern}",
            shown(set.regset)
        ),
    }
}

fn then(pending: &Pending) -> String {
    let mut parts = Vec::new();
    if pending.io_worker {
        parts.push("task work that creates an io worker".to_owned());
    }
    if pending.softirq {
        parts.push("a softirq that could use VMX".to_owned());
    }
    match pending.switch {
        Some(Switch::Any) => parts.push("a switch to another task".to_owned()),
        Some(Switch::To(task)) => parts.push(format!("a switch to task {task}")),
        None => {}
    }
    if let Some(signal) = pending.signal {
        parts.push(signal_name(signal));
    }
    if let Some(Ptrace { set }) = pending.ptrace {
        parts.push(match set {
            None => "a tracer that reads the registers".to_owned(),
            Some(set) => format!("a tracer that writes {}", written(&set)),
        });
    }
    let late = match (pending.at, pending.after) {
        (Some(point), _) => format!(" {point}"),
        (None, 0) => String::new(),
        (None, 1) => " after 1 place in the kernel".to_owned(),
        (None, after) => format!(" after {after} places in the kernel"),
    };
    match parts.as_slice() {
        [] => String::new(),
        [one] => format!(", with {one} pending{late}"),
        [first @ .., last] => format!(", with {} and {last} pending{late}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Interrupt, Syscall};
    use crate::register::Register;

    #[test]
    fn events_read_as_sentences() {
        let pending = Pending {
            io_worker: true,
            switch: Some(Switch::To(1)),
            softirq: false,
            signal: Some(10),
            ptrace: None,
            after: 0,
            at: None,
        };
        let cases = [
            (Event::Set([(Register::F(0), 0x41)].into()), "set f0 = 0x41"),
            (
                Event::Fill {
                    facility: Facility::Vsx,
                    pattern: 0x5a,
                },
                "fill the VSX registers from pattern 0x5a",
            ),
            (
                Event::Compute {
                    op: ComputeOp::Fadd,
                    register: 31,
                },
                "compute fadd f31 <- f31, f0",
            ),
            (
                Event::Compute {
                    op: ComputeOp::Fmr,
                    register: 3,
                },
                "compute fmr f3 <- f4",
            ),
            (
                Event::Touch(Facility::Fp),
                "use FP without changing a register",
            ),
            (
                Event::Interrupt {
                    vector: Interrupt::Decrementer,
                    pending: Pending::NONE,
                },
                "decrementer interrupt",
            ),
            (
                Event::Interrupt {
                    vector: Interrupt::Doorbell,
                    pending,
                },
                "doorbell interrupt, with task work that creates an io worker, a switch to task 1 and SIGUSR1 pending",
            ),
            (
                Event::Syscall {
                    call: Syscall::Read { bytes: 16 },
                    via: Via::Scv,
                    pending: Pending::NONE,
                },
                "read 16 bytes from the pipe through scv",
            ),
            (
                Event::Syscall {
                    call: Syscall::RtSigreturn,
                    via: Via::Sc,
                    pending: Pending {
                        switch: Some(Switch::Any),
                        after: 3,
                        at: None,
                        ..Pending::NONE
                    },
                },
                "rt_sigreturn, with a switch to another task pending after 3 places in the kernel",
            ),
            (
                Event::Interrupt {
                    vector: Interrupt::Doorbell,
                    pending: Pending {
                        ptrace: Some(Ptrace::default()),
                        ..Pending::NONE
                    },
                },
                "doorbell interrupt, with a tracer that reads the registers pending",
            ),
            (
                Event::Interrupt {
                    vector: Interrupt::Doorbell,
                    pending: Pending {
                        ptrace: Some(Ptrace {
                            set: Some(SetRegset {
                                regset: Facility::Vmx,
                                pattern: 3,
                                bytes: Some(32),
                            }),
                        }),
                        ..Pending::NONE
                    },
                },
                "doorbell interrupt, with a tracer that writes 32 bytes of the VMX register set from pattern 0x3 pending",
            ),
        ];
        for (event, sentence) in cases {
            assert_eq!(describe(&event), sentence);
        }
        let all = Event::Set(Register::all().map(|register| (register, 1)).collect());
        assert_eq!(
            describe(&all),
            "set f0 = 0x1, f1 = 0x1, f2 = 0x1, f3 = 0x1, and 95 more"
        );
    }
}
