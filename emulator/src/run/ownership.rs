//! The kernel's own rules about who owns the FP, VMX and VSX registers, checked each time user code
//! calls the host.
//!
//! What `regs->msr` says of a task has to be true, whether or not a register is wrong yet. Each
//! rule is a pure function of the bits; that a set bit means the right values is what the
//! observations are for.

pub use ctxfuzz_outcome::ownership::{Breach, Rule};

use super::images::KnownTask;
use crate::arch::msr;
use crate::kernel::image::Layout;
use crate::machine::View;

const FACILITIES: u64 = msr::FP | msr::VEC | msr::VSX;
const EXCEPTIONS: u64 = msr::FE0 | msr::FE1;

/// The rules that do not hold when `running` makes a host call.
pub(super) fn breaches(
    view: &View<'_>,
    layout: &Layout,
    running: u8,
    tasks: &[KnownTask],
) -> Vec<Breach> {
    let current = view.load(layout.current);
    let mut found = Vec::new();
    for known in tasks {
        let Some(bits) = bits(view, layout, known.address) else {
            continue;
        };
        if known.address == current {
            found.extend(of_running(running, bits, view.msr));
        } else if let Some(task) = known.task {
            found.extend(of_others(task, bits));
        }
    }
    found
}

/// Facility bits of a task's `regs->msr`; `None` for a kernel thread.
fn bits(view: &View<'_>, layout: &Layout, task: u64) -> Option<u64> {
    let thread = view.map.physical(task)? + layout.task_thread;
    let regs = view.memory.read_u64(thread + layout.thread.regs);
    let at = view.map.physical(regs).filter(|_| regs != 0)?;
    Some(view.memory.read_u64(at + layout.regs_msr) & (FACILITIES | EXCEPTIONS))
}

fn of_running(task: u8, bits: u64, used: u64) -> impl Iterator<Item = Breach> {
    let mask = FACILITIES | EXCEPTIONS;
    let in_use = (bits != used & mask).then_some((Rule::InUse, bits, used & mask));
    let both = msr::FP | msr::VEC;
    let whole_vsx = (bits & msr::VSX != 0 && bits & both != both).then_some((
        Rule::WholeVsx,
        bits & !msr::VSX,
        bits,
    ));
    let exceptions = (bits & EXCEPTIONS != 0 && bits & msr::FP == 0).then_some((
        Rule::ExceptionsNeedFp,
        bits & !EXCEPTIONS,
        bits,
    ));
    [in_use, whole_vsx, exceptions]
        .into_iter()
        .flatten()
        .map(move |(rule, expected, found)| Breach {
            task,
            rule,
            expected,
            found,
        })
}

fn of_others(task: u8, bits: u64) -> Option<Breach> {
    (bits & FACILITIES != 0).then_some(Breach {
        task,
        rule: Rule::SwitchedOut,
        expected: bits & !FACILITIES,
        found: bits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(bits: u64, used: u64) -> Vec<Rule> {
        of_running(0, bits, used)
            .map(|breach| breach.rule)
            .collect()
    }

    #[test]
    fn every_rule_is_broken_by_what_it_forbids_and_by_nothing_else() {
        let (fp, vec, vsx, fe) = (msr::FP, msr::VEC, msr::VSX, msr::FE0 | msr::FE1);
        for good in [0, fp, vec, fp | vec, fp | vec | vsx, fp | fe] {
            assert_eq!(rules(good, good | msr::PR), []);
        }
        assert_eq!(rules(fp, 0), [Rule::InUse]);
        assert_eq!(rules(0, vec), [Rule::InUse]);
        for half in [vsx, vsx | fp, vsx | vec] {
            assert_eq!(rules(half, half), [Rule::WholeVsx]);
        }
        assert_eq!(rules(fe, fe), [Rule::ExceptionsNeedFp]);
        assert_eq!(rules(msr::FE0, 0), [Rule::InUse, Rule::ExceptionsNeedFp]);
        assert_eq!(of_others(1, 0), None);
        assert_eq!(of_others(1, fe), None, "copy_thread leaves FE in a child");
        for bit in [fp, vec, vsx] {
            let breach = of_others(1, bit | fe);
            assert_eq!(
                breach.map(|b| (b.rule, b.expected)),
                Some((Rule::SwitchedOut, fe))
            );
        }
    }
}
