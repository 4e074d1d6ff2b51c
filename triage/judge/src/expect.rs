//! Holds a comparison against a scenario's `expect` row.
//!
//! The caller picks the rows that fit its kernels and byte order; the policies of a row are all
//! tried here.

use std::collections::BTreeSet;

use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Abis, Expect, Place, Verdict};

use crate::compare::Comparison;
use crate::definedness::Abi;

/// What a difference is to an expectation. Values and frame numbers are none of its business.
type Key = (u8, Place, Option<Register>, Verdict);

/// Every way in which the comparison is not what the row says, in plain words; empty if the row
/// holds.
pub fn check_row(row: &Expect, comparison: &Comparison) -> Vec<String> {
    if let Some(reason) = comparison.reason() {
        return vec![format!("the two runs cannot be compared: {reason}")];
    }
    let mut violations = Vec::new();
    if comparison.verdict != row.verdict && !both_silent(comparison.verdict, row.verdict) {
        violations.push(format!(
            "the verdict is {}, expected {}",
            comparison.verdict, row.verdict
        ));
    }
    check_reported(row, comparison, &mut violations);
    check_differences(row, comparison, &mut violations);
    violations
}

/// Dead differences are left out of rows, so a row that says `none` also holds when only dead ones
/// are there.
fn both_silent(a: Verdict, b: Verdict) -> bool {
    a <= Verdict::Dead && b == Verdict::None
}

fn check_reported(row: &Expect, comparison: &Comparison, violations: &mut Vec<String>) {
    let policies: &[(Abi, &str)] = match row.abi {
        Abis::Elf => &[(Abi::Elf, "elf")],
        Abis::Linux => &[(Abi::Linux, "linux")],
        Abis::Both => &[(Abi::Elf, "elf"), (Abi::Linux, "linux")],
    };
    for &(abi, name) in policies {
        match (comparison.reported(abi), row.reported) {
            (true, false) => {
                violations.push(format!("reported under --abi {name}, expected silence"))
            }
            (false, true) => violations.push(format!("not reported under --abi {name}")),
            _ => {}
        }
    }
}

fn check_differences(row: &Expect, comparison: &Comparison, violations: &mut Vec<String>) {
    let expected: BTreeSet<Key> = row
        .differences
        .iter()
        .filter(|d| d.verdict > Verdict::Dead)
        .map(|d| (d.task, d.place, d.register, d.verdict))
        .collect();
    let actual: BTreeSet<Key> = comparison
        .visible()
        .filter_map(|d| {
            d.task
                .map(|task| (task, d.place, d.what.register(), d.verdict))
        })
        .collect();
    for missing in expected.difference(&actual) {
        violations.push(format!("missing: {}", describe(missing)));
    }
    for surplus in actual.difference(&expected) {
        violations.push(format!("not expected: {}", describe(surplus)));
    }
}

fn describe(&(task, place, register, verdict): &Key) -> String {
    format!("{verdict} difference in {}", place.phrase(register, task))
}

#[cfg(test)]
mod tests {
    use ctxfuzz_scenario::scenario::{Endians, ExpectedDifference};

    use super::*;
    use crate::compare::Standing;
    use crate::fixtures::{comparison, difference};
    use crate::inconclusive::{Inconclusive, Side};

    fn row(verdict: Verdict, abi: Abis, reported: bool, registers: &[Register]) -> Expect {
        let differences = registers
            .iter()
            .map(|&r| ExpectedDifference {
                task: 0,
                place: Place::Register,
                register: Some(r),
                verdict,
            })
            .collect();
        let (a, b) = ("clobbering".to_owned(), "fixed".to_owned());
        Expect {
            a,
            b,
            endian: Endians::Both,
            abi,
            verdict,
            reported,
            differences,
        }
    }

    #[test]
    fn a_row_that_holds_is_silent() {
        let actual = comparison(vec![
            difference(Register::F(0), Verdict::Abi),
            difference(Register::F(1), Verdict::Dead),
        ]);
        let silence: Vec<String> = Vec::new();
        assert_eq!(
            check_row(
                &row(Verdict::Abi, Abis::Linux, true, &[Register::F(0)]),
                &actual
            ),
            silence
        );
        assert_eq!(
            check_row(
                &row(Verdict::Abi, Abis::Elf, false, &[Register::F(0)]),
                &actual
            ),
            silence
        );
        let dead = comparison(vec![difference(Register::F(1), Verdict::Dead)]);
        assert_eq!(
            check_row(&row(Verdict::None, Abis::Both, false, &[]), &dead),
            silence
        );
        assert_eq!(
            check_row(&row(Verdict::Dead, Abis::Both, false, &[]), &dead),
            silence
        );
    }

    #[test]
    fn every_violation_is_told() {
        let actual = comparison(vec![difference(Register::F(0), Verdict::Live)]);
        assert_eq!(
            check_row(
                &row(Verdict::Abi, Abis::Both, false, &[Register::V(0)]),
                &actual
            ),
            [
                "the verdict is live, expected abi",
                "reported under --abi elf, expected silence",
                "reported under --abi linux, expected silence",
                "missing: abi difference in v0 of task 0",
                "not expected: live difference in f0 of task 0",
            ]
        );
        let nothing = comparison(Vec::new());
        assert_eq!(
            check_row(&row(Verdict::Dead, Abis::Elf, true, &[]), &nothing),
            [
                "the verdict is none, expected dead",
                "not reported under --abi elf"
            ]
        );
    }

    #[test]
    fn what_cannot_be_compared_never_passes() {
        let mut actual = comparison(Vec::new());
        actual.standing = Standing::Inconclusive(Inconclusive::Budget {
            side: Some(Side::A),
            spent: None,
        });
        let violations = check_row(&row(Verdict::None, Abis::Both, false, &[]), &actual);
        assert_eq!(
            violations,
            ["the two runs cannot be compared: run A ended with budget"]
        );
    }
}
