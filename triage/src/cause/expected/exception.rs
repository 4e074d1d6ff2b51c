//! Where it was lost that a task hears of its FP exceptions: FE0 and FE1 are not on, or what the
//! signal says was made of a stale image of FPSCR.

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::trace::Write;

use super::Fixes;
use super::case::Case;
use super::ownership;
use crate::transparency::Violation;

/// What was to be written.
pub fn of(case: &Case<'_>, violation: &Violation) -> Fixes {
    match violation.after {
        0 => not_enabled(case),
        _ => left_fe_on(case)
            .or_else(|| (violation.before == 0).then(|| not_asked_for(case))?)
            .or_else(|| ownership::to_be_saved(case)),
    }
    .unwrap_or_default()
}

/// The task was to hear of it: FE0 and FE1 had to be on with FP. Who turned FP on last forgot them,
/// or whoever changed what the task wants since.
fn not_enabled(case: &Case<'_>) -> Option<Fixes> {
    let fp_on = |at: usize| case.after(at).value(case.bits()) as u64 & msr::FP != 0;
    let before = 0..case.window.from + 1;
    let (at, write) = case.last_such(before.clone(), |w| {
        w.cell == case.bits() && w.value as u64 & msr::FP != 0
    })?;
    let changes = |name: &str| name.starts_with("set_fpexc");
    let told = case
        .last_left(before, changes)
        .filter(|(told, _)| *told > at);
    let (at, like) = match told {
        Some((told, function)) if fp_on(told) => (told, case.by(function, write)),
        _ => (at, write.clone()),
    };
    let bits = case.after(at).value(case.bits()) | u128::from(msr::FE0 | msr::FE1);
    let fix = case.with_value(at, (case.bits(), bits), &like);
    Some(vec![fix.of(Class::ControlBits)])
}

/// The task has a SIGFPE that it has not asked for: FE0 or FE1 were on. Whoever left them on
/// without FP since they came, or turned them on.
fn not_asked_for(case: &Case<'_>) -> Option<Fixes> {
    let fe = u128::from(msr::FE0 | msr::FE1);
    let turns_on = |at: &usize| {
        let write = case.write(*at).filter(|write| write.cell == case.bits());
        let before = || case.after(at.saturating_sub(1)).value(case.bits());
        write.is_some_and(|write| write.value & fe != 0 && before() & fe == 0)
    };
    let came = (0..case.window.to).rev().find(turns_on)?;
    let is_left = |w: &Write| {
        w.cell == case.bits() && w.value & fe != 0 && w.value & u128::from(msr::FP) == 0
    };
    let left = case.next_such(came..case.window.to, is_left);
    let (at, write) = left.or_else(|| Some((came, case.write(came)?)))?;
    let fix = case.with_value(at, (case.bits(), write.value & !fe), write);
    Some(vec![fix.of(Class::ControlBits)])
}

/// FE0 and FE1 were on without FP when the reason for a SIGFPE was made: whoever left them on.
fn left_fe_on(case: &Case<'_>) -> Option<Fixes> {
    let (told, _) = ownership::handed_over(case)?;
    let at = ownership::broken_since(case, told)?;
    let bits = case.after(at).value(case.bits()) as u64;
    let whole = match bits & msr::FP {
        0 => bits & !(msr::FE0 | msr::FE1),
        _ => return None,
    };
    let write = case.write(at)?;
    Some(vec![case.with_value(
        at,
        (case.bits(), u128::from(whole)),
        write,
    )])
}
