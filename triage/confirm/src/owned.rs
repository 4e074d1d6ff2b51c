//! Which registers a program has given values itself. What it has not, a C library may have used
//! before, and nothing is expected of it. Nor is of VRSAVE, on which no program relies, unless an
//! event sets it; and not in a child, which has that of its parent's last switch (docs/oracles.md).

use ctxfuzz_judge::definedness::Mask;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::{ComputeOp, Event};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::TaskStage;

/// What a task of the stage has loaded before its first event.
pub(crate) fn staged(task: &TaskStage) -> Mask {
    let mut owned = Mask::NOTHING;
    for facility in &task.uses {
        loads(&mut owned, *facility);
        if *facility != Facility::Vmx {
            owned.put(Register::Fpscr, true);
        }
        if *facility == Facility::Vmx {
            owned.put(Register::Vscr, true);
        }
    }
    owned
}

/// What a child has of its parent's.
pub(crate) fn inherited(parent: Mask) -> Mask {
    let mut owned = parent;
    owned.put(Register::Vrsave, false);
    owned
}

/// All data registers of a facility.
fn loads(owned: &mut Mask, facility: Facility) {
    for n in 0..32 {
        match facility {
            Facility::Fp => owned.put(Register::F(n), true),
            Facility::Vmx => owned.put(Register::V(n), true),
            Facility::Vsx => {
                for register in [Register::F(n), Register::Vs(n), Register::V(n)] {
                    owned.put(register, true);
                }
            }
        }
    }
}

/// What an event gives a value.
pub(crate) fn writes(owned: &mut Mask, event: &Event) {
    match event {
        Event::Set(values) => {
            for register in values.keys() {
                owned.put(*register, true);
                if let Register::Vs(n) = register {
                    owned.put(Register::F(*n), true);
                }
            }
        }
        Event::Fill { facility, .. } => loads(owned, *facility),
        Event::Compute { op, register } => {
            let n = *register & 31;
            let whole = match op {
                ComputeOp::Fadd | ComputeOp::Fmul | ComputeOp::Fdiv | ComputeOp::Fmr => {
                    vec![Register::F(n)]
                }
                ComputeOp::Xxlor | ComputeOp::Xvadddp => vec![Register::F(n), Register::Vs(n)],
                ComputeOp::Vaddubs | ComputeOp::Vor => vec![Register::V(n)],
            };
            // Its operands may be what nobody has set.
            let next = (n + 1) & 31;
            let known = |register: &Register| match register {
                Register::F(_) => !owned.lacks(Register::F(n)) && !owned.lacks(Register::F(next)),
                Register::Vs(_) => {
                    !owned.lacks(Register::Vs(n)) && !owned.lacks(Register::Vs(next))
                }
                _ => !owned.lacks(Register::V(n)) && !owned.lacks(Register::V(next)),
            };
            let known: Vec<bool> = whole.iter().map(known).collect();
            for (register, known) in whole.into_iter().zip(known) {
                owned.put(register, known);
            }
        }
        _ => {}
    }
}
