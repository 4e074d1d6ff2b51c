//! Scenarios from any bytes, for engines that mutate bytes.
//!
//! Bytes that start with `{` are JSON. All others decode totally: every byte string is some valid
//! scenario. That second form is no storage format: it may change with the language, so what is
//! worth keeping is written as JSON.

use arbitrary::{Arbitrary, Unstructured};

use crate::access::AccessOp;
use crate::calls::{Call, Draw, Syscall};
use crate::error::ScenarioError;
use crate::event::{
    ComputeOp, Event, FpExceptions, FrameEdit, Interrupt, MAX_PLACES, Pending, RegisterValues,
    Switch, Via,
};
use crate::facility::Facility;
use crate::ptrace::{Ptrace, SetRegset};
use crate::register::Register;
use crate::scenario::{Scenario, Stage, TaskStage};

/// Most events that bytes decode to.
pub const MAX_DECODED_EVENTS: usize = 32;
/// Most tasks that bytes decode to.
const MAX_DECODED_TASKS: usize = 4;

impl Scenario {
    /// Decodes any bytes; fails only for text that starts with `{` and is no scenario.
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Scenario, ScenarioError> {
        if bytes.first() != Some(&b'{') {
            return Ok(decode(&mut Unstructured::new(bytes)));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| ScenarioError {
            path: origin.to_owned(),
            line: 1 + bytes[..error.valid_up_to()]
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count(),
            column: 0,
            field: String::new(),
            message: "is not UTF-8 text".to_owned(),
        })?;
        Scenario::from_json(text, origin)
    }
}

impl<'a> Arbitrary<'a> for Scenario {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(decode(u))
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> arbitrary::Result<Self> {
        Scenario::from_bytes(u.take_rest(), "input").map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

/// A number below `count`; 0 when the bytes are used up, so 0 is the plainest choice everywhere.
fn below(u: &mut Unstructured<'_>, count: usize) -> usize {
    u.int_in_range(0..=count.saturating_sub(1)).unwrap_or(0)
}

fn one_of<T: Copy>(u: &mut Unstructured<'_>, choices: &[T]) -> T {
    choices[below(u, choices.len())]
}

fn number<T: for<'b> Arbitrary<'b> + Default>(u: &mut Unstructured<'_>) -> T {
    u.arbitrary().unwrap_or_default()
}

fn decode(u: &mut Unstructured<'_>) -> Scenario {
    let tasks: Vec<TaskStage> = (0..=below(u, MAX_DECODED_TASKS)).map(|_| task(u)).collect();
    let owners: u8 = number(u);
    let io_uring = (0..)
        .zip(&tasks)
        .filter(|(index, _)| owners >> index & 1 == 1)
        .map(|(index, _)| index)
        .collect();
    let mut events = Vec::new();
    while !u.is_empty() && events.len() < MAX_DECODED_EVENTS {
        events.push(event(u));
    }
    Scenario {
        name: None,
        about: None,
        needs: Vec::new(),
        stage: Stage { tasks, io_uring },
        events,
        expect: Vec::new(),
    }
}

fn task(u: &mut Unstructured<'_>) -> TaskStage {
    const SETS: [&[Facility]; 6] = [
        &[Facility::Fp],
        &[Facility::Vmx],
        &[Facility::Fp, Facility::Vmx],
        &[Facility::Fp, Facility::Vmx, Facility::Vsx],
        &[Facility::Vsx],
        &[],
    ];
    let uses = one_of(u, &SETS).to_vec();
    let pattern = number::<bool>(u).then(|| number(u));
    let named = below(u, 3);
    let mut task = TaskStage {
        uses,
        pattern,
        registers: values(u, named),
        load_fp: number::<bool>(u).then(|| number(u)),
        load_vec: number::<bool>(u).then(|| number(u)),
    };
    task.drop_unused();
    task
}

fn values(u: &mut Unstructured<'_>, count: usize) -> RegisterValues {
    (0..count)
        .map(|_| {
            let n = below(u, 32) as u8;
            let register = one_of(u, &Register::CLASSES).numbered(n);
            (register, number::<u128>(u) & register.mask())
        })
        .collect()
}

fn event(u: &mut Unstructured<'_>) -> Event {
    let mut event = untraced(u);
    if event.can_be_traced()
        && let Some(pending) = event.pending_mut()
        && pending.switch.is_none()
        && pending.after == 0
    {
        pending.ptrace = ptrace(u);
    }
    event.drop_unfit();
    event
}

fn ptrace(u: &mut Unstructured<'_>) -> Option<Ptrace> {
    let set = match below(u, 8) {
        0..=5 => return None,
        6 => None,
        _ => {
            let regset = one_of(u, Facility::ALL);
            let (element, size) = (SetRegset::element(regset), SetRegset::size(regset));
            let registers = below(u, usize::from(size / element)) as u16;
            Some(SetRegset {
                regset,
                pattern: number(u),
                bytes: (registers != 0).then_some(registers * element),
            })
        }
    };
    Some(Ptrace { set })
}

fn untraced(u: &mut Unstructured<'_>) -> Event {
    match below(u, 12) {
        11 => Event::FillFrame {
            facility: one_of(u, Facility::ALL),
            pattern: number(u),
        },
        10 => {
            let count = 1 + below(u, 4);
            Event::SetFrame(values(u, count))
        }
        9 => access(u),
        8 => Event::EditFrame(one_of(u, FrameEdit::ALL)),
        0 | 1 => Event::Interrupt {
            vector: one_of(u, Interrupt::ALL),
            pending: pending(u),
        },
        2 | 3 => {
            let call = syscall(u);
            Event::Syscall {
                call,
                via: one_of(u, Via::ALL),
                pending: late_pending(u),
            }
        }
        4 => {
            let count = 1 + below(u, 4);
            Event::Set(values(u, count))
        }
        5 => Event::Fill {
            facility: one_of(u, Facility::ALL),
            pattern: number(u),
        },
        6 => Event::Compute {
            op: one_of(u, ComputeOp::ALL),
            register: below(u, 32) as u8,
        },
        _ => Event::Touch(one_of(u, Facility::ALL)),
    }
}

fn access(u: &mut Unstructured<'_>) -> Event {
    let op = one_of(u, AccessOp::ALL);
    Event::Access {
        op,
        register: below(u, usize::from(op.last()) + 1) as u8,
        pending: late_pending(u),
    }
}

fn syscall(u: &mut Unstructured<'_>) -> Syscall {
    let call = Call::decoded(below(u, Call::ALL.len())).unwrap_or(Call::Getppid);
    call.draw(u)
}

impl Draw for Unstructured<'_> {
    fn flag(&mut self) -> bool {
        number(self)
    }

    fn bytes(&mut self) -> u16 {
        // Both sides of the limit above which a copy uses VMX, or any.
        match below(self, 4) {
            0 => 16,
            1 => 4096,
            2 => one_of(self, &[3327, 3328, 3329]),
            _ => 1 + below(self, 8192) as u16,
        }
    }

    fn signal(&mut self) -> u8 {
        one_of(self, &[10, 12])
    }

    fn facility(&mut self) -> Facility {
        one_of(self, Facility::ALL)
    }

    fn fpexc(&mut self) -> FpExceptions {
        one_of(self, FpExceptions::ALL)
    }
}

fn pending(u: &mut Unstructured<'_>) -> Pending {
    let switch = match below(u, 4) {
        0 | 1 => None,
        2 => Some(Switch::Any),
        _ => Some(Switch::To(below(u, MAX_DECODED_TASKS) as u8)),
    };
    let signal = match below(u, 4) {
        0..=2 => None,
        _ => Some(one_of(u, &[10, 12])),
    };
    Pending {
        io_worker: number(u),
        switch,
        signal,
        ptrace: None,
        softirq: below(u, 8) == 7,
        after: 0,
        at: None,
    }
}

/// Of a system call or an access: what is pending may be late.
fn late_pending(u: &mut Unstructured<'_>) -> Pending {
    let mut pending = pending(u);
    if !pending.is_none() {
        pending.after = match below(u, 4) {
            0 | 1 => 0,
            2 => below(u, 32) as u16,
            _ => below(u, usize::from(MAX_PLACES) + 1) as u16,
        };
    }
    pending
}

#[cfg(test)]
mod tests {
    use arbitrary::Arbitrary as _;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_byte_string_is_a_valid_scenario(mut bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            if bytes.first() == Some(&b'{') {
                bytes[0] = 0;
            }
            let scenario = Scenario::from_bytes(&bytes, "bytes").expect("decoding is total");
            prop_assert_eq!(scenario.validate(), Ok(()));
            prop_assert!(scenario.events.len() <= MAX_DECODED_EVENTS);
            let text = scenario.to_json();
            let read = Scenario::from_json(&text, "written").expect("what is written reads");
            prop_assert_eq!(&read, &scenario);
            prop_assert_eq!(read.to_json(), text.clone());
            let taken = Scenario::arbitrary_take_rest(Unstructured::new(text.as_bytes()));
            prop_assert_eq!(taken, Ok(scenario));
        }
    }

    #[test]
    fn no_bytes_are_the_plainest_scenario() {
        let scenario = Scenario::from_bytes(b"", "empty").expect("total");
        assert_eq!(scenario.stage.tasks.len(), 1);
        assert!(scenario.events.is_empty());
    }

    #[test]
    fn a_brace_means_json() {
        assert!(Scenario::from_bytes(b"{", "brace").is_err());
        assert!(Scenario::from_bytes(b"{\xff", "brace").is_err());
        assert_eq!(
            Scenario::arbitrary_take_rest(Unstructured::new(b"{")),
            Err(arbitrary::Error::IncorrectFormat)
        );
    }
}
