//! Which cause a difference goes back to.
//!
//! Not responsible for finding causes (`analyse`), nor for their names (`signature`).

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::Cell;

use super::expected::Fix;
use super::raw::{Change, RawCause};
use super::signature;
use crate::compare::Difference;

/// The cause that a violation goes back to: the one in which the two runs part where the right
/// value was put in that it lacks. It knows better than what has the same values somewhere.
pub fn fixed(raw: &[RawCause], fixes: &[Fix], difference: &Difference) -> Option<usize> {
    let fixes = fixes.iter().filter(|fix| fix.seen.contains(difference));
    let fixes: Vec<&Fix> = fixes.collect();
    // The same may have been put in before, for registers that were there before.
    let is_it = |fix: &Fix, c: &Change| {
        let by = c.writer_b.as_ref().map(|w| w.pc);
        (c.cell, c.b) == (fix.write.cell, fix.write.value)
            && (!fix.made || by == Some(fix.write.pc))
    };
    let parts = |c: &Change| fixes.iter().any(|fix| is_it(fix, c));
    raw.iter().position(|raw| raw.changes.iter().any(parts))
}

/// The cause that a difference goes back to: the latest one with its values, if possible in a
/// register of the same facility; else the one that made owners uncertain; else the latest that
/// touched the facility.
pub fn responsible(raw: &[RawCause], difference: &Difference) -> Option<usize> {
    let class = difference.what.register().map(msr::owner);
    let of_class = |c: &Change| signature::register(c.cell).map(msr::owner) == class;
    let low = u128::from(u64::MAX);
    let same = |c: &Change| {
        let pairs = [(c.a, c.b), (c.a >> 64, c.b >> 64), (c.a & low, c.b & low)];
        pairs.contains(&(difference.a, difference.b))
    };
    let is_control = |c: &Change| {
        matches!(
            c.cell,
            Cell::Facilities(_) | Cell::Used(_) | Cell::UserMsr | Cell::Current
        )
    };
    let latest = |wanted: &dyn Fn(&Change) -> bool| {
        raw.iter().rposition(|r| {
            let copies = r.copies.iter().map(|copied| &copied.change);
            r.changes.iter().chain(copies).any(wanted)
        })
    };
    latest(&|c| same(c) && of_class(c))
        .or_else(|| latest(&same))
        .or_else(|| raw.iter().position(|r| r.changes.iter().any(is_control)))
        .or_else(|| latest(&of_class))
        .or_else(|| raw.len().checked_sub(1))
}
