//! FP exceptions: whether a scenario enables any, and who may notice one.

use ctxfuzz_outcome::outcome::LogEntry;
use ctxfuzz_scenario::event::{ComputeOp, Event};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};

use super::{Abi, Mask, Walk};

/// Who may notice an FP exception that comes or does not come, or comes as another one, where `log`
/// ends: whoever may rely on all that the task's last event computes with.
pub fn fp_exception(scenario: &Scenario, log: &[LogEntry], task: u8) -> Verdict {
    let last = log
        .iter()
        .rposition(|entry| matches!(entry, LogEntry::Event { task: t, .. } if *t == task));
    let Some((at, LogEntry::Event { index, .. })) = last.and_then(|at| Some((at, log.get(at)?)))
    else {
        return Verdict::Live;
    };
    let Some(Event::Compute { op, register }) = scenario.events.get(usize::from(*index)) else {
        return Verdict::Live;
    };
    let known = |policy| {
        let mut walk = Walk::new(scenario, log, policy);
        log[..at].iter().for_each(|entry| walk.step(entry));
        knows_operands(&walk.now(task), *op, *register)
    };
    match (known(Abi::Elf), known(Abi::Linux)) {
        (true, _) => Verdict::Live,
        (false, true) => Verdict::Abi,
        (false, false) => Verdict::Dead,
    }
}

/// Whether all that FP arithmetic computes with is defined.
pub(super) fn knows_operands(mask: &Mask, op: ComputeOp, register: u8) -> bool {
    let (target, other) = (register % 32, (register + 1) % 32);
    let mut sources = vec![Register::F(target), Register::F(other)];
    if op == ComputeOp::Xvadddp {
        sources.extend([Register::Vs(target), Register::Vs(other)]);
    }
    mask.has_fp_control() && !sources.iter().any(|&source| mask.lacks(source))
}

pub(super) fn is_arithmetic(op: ComputeOp) -> bool {
    matches!(
        op,
        ComputeOp::Fadd | ComputeOp::Fmul | ComputeOp::Fdiv | ComputeOp::Xvadddp
    )
}

/// Whether any FPSCR of the scenario enables an exception (VE, OE, UE, ZE, XE). An enabled
/// exception keeps or changes the result of the instruction, and the emulator does not do that
/// (`machine/errata.rs`): such results are undefined rather than wrong.
pub(super) fn enables_exceptions(scenario: &Scenario) -> bool {
    const ENABLES: u128 = 0xf8;
    let at_start = scenario.stage.tasks.iter().map(|task| &task.registers);
    let later = scenario.events.iter().filter_map(|event| match event {
        Event::Set(values) | Event::SetFrame(values) => Some(values),
        _ => None,
    });
    at_start
        .chain(later)
        .filter_map(|values| values.get(&Register::Fpscr))
        .any(|fpscr| fpscr & ENABLES != 0)
}
