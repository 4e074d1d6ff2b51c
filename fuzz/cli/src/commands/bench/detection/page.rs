//! The table of `bench detection`, as Markdown.

use std::fmt::Write as _;

use ctxfuzz_emulator::kernel::defects::{self, Defect};

use super::one_kernel;
use super::state::{Record, State};

const INTRODUCTION: &str = "# What silence is worth

<!-- Made by `ctxfuzz bench detection`. -->

How many executions a campaign takes until it meets each [known defect](first-campaign.md#try-another-bug), little endian, the two kernels differing in that
defect alone; half of the seeds need no more than the *median*, 95 % no more than *p95*. Executions depend on the seed alone, seconds on the machine.
*empty*: from random scenarios. *corpus*: from the shipped corpus, which has a witness of each. One that is `abi` at worst is looked for with `--abi linux`, all others as the
ELF ABI has it.

Where a defect was not found with every seed, how many executions the others had is said; *not run* is not the same as *not found*.

A search at a time is kept in the state file, so the table can be made in several sittings, with more seeds, or for one defect. `--all --corpus corpus` does all that is on
this page; parts of it that were done elsewhere, such as on another core with a state file of its own, are taken over with `--also FILE`. Without options it compares two kernels
from nothing:

```console
$ ctxfuzz bench detection --state state.json --seeds 2 --defect vscr-not-restored
...
| `vscr-not-restored` | 2 of 2 | ... |
...
```

| defect | empty: found | median | p95 | seconds | corpus: found | median | p95 |
|---|---|---|---|---|---|---|---|
";

/// The page.
pub fn page(state: &State) -> String {
    let mut page = String::from(INTRODUCTION);
    let (mut all, mut found) = (0, 0);
    for defect in defects::all().filter(|defect| defect.witness.is_some()) {
        let [empty, corpus] = [false, true].map(|corpus| {
            state.like(&Record {
                defect: defect.id.to_owned(),
                corpus,
                ..Record::default()
            })
        });
        all += 1;
        found += usize::from(empty.iter().any(|record| record.found.is_some()));
        row(&mut page, defect, &empty, &corpus);
    }
    let _ = writeln!(
        page,
        "\nFrom nothing, {found} of {all} were found with some seed."
    );
    one_kernel::table(&mut page, state);
    page
}

fn row(page: &mut String, defect: &Defect, empty: &[&Record], corpus: &[&Record]) {
    let [median, p95] = quantiles(empty);
    let seconds = seconds(empty);
    let [corpus_median, corpus_p95] = quantiles(corpus);
    let _ = writeln!(
        page,
        "| `{}` | {} | {median} | {p95} | {seconds} | {} | {corpus_median} | {corpus_p95} |",
        defect.id,
        count(empty),
        count(corpus)
    );
}

/// The median of the seconds of those that found it.
pub fn seconds(records: &[&Record]) -> String {
    let found = records.iter().filter(|record| record.found.is_some());
    let mut seconds: Vec<f64> = found.map(|record| record.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2);
    median.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"))
}

/// `18 of 20`, and what the others had.
pub fn count(records: &[&Record]) -> String {
    if records.is_empty() {
        return "not run".to_owned();
    }
    let found = records
        .iter()
        .filter(|record| record.found.is_some())
        .count();
    let budget = records
        .iter()
        .filter(|record| record.found.is_none())
        .map(|record| record.executions)
        .min();
    match budget {
        None => format!("{found} of {}", records.len()),
        Some(budget) => format!("{found} of {} (budget {budget})", records.len()),
    }
}

/// Median and 95th percentile of the executions, those not found being later than all others: `-`
/// where it is one of these.
pub fn quantiles(records: &[&Record]) -> [String; 2] {
    numbers(records).map(|q| q.map_or_else(|| "-".to_owned(), |q| q.to_string()))
}

/// The same, as numbers.
pub fn numbers(records: &[&Record]) -> [Option<u64>; 2] {
    let mut found: Vec<u64> = records.iter().filter_map(|record| record.found).collect();
    found.sort_unstable();
    [50, 95].map(|percent| {
        let rank = (records.len() * percent).div_ceil(100);
        rank.checked_sub(1)
            .and_then(|index| found.get(index).copied())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(found: &[Option<u64>]) -> Vec<Record> {
        let record = |(index, found): (usize, &Option<u64>)| Record {
            defect: "vscr-not-restored".to_owned(),
            seed: index as u64,
            found: *found,
            executions: found.unwrap_or(1_000),
            seconds: 2.0,
            ..Record::default()
        };
        found.iter().enumerate().map(record).collect()
    }

    #[test]
    fn what_was_not_found_is_later_than_everything() {
        let all = records(&[Some(30), Some(10), Some(20), None]);
        let all: Vec<&Record> = all.iter().collect();
        assert_eq!(quantiles(&all), ["20", "-"]);
        assert_eq!(count(&all), "3 of 4 (budget 1000)");
        assert_eq!(quantiles(&[]), ["-", "-"]);
        assert_eq!(count(&[]), "not run");
        let many = records(&(1..=20).map(Some).collect::<Vec<_>>());
        let many: Vec<&Record> = many.iter().collect();
        assert_eq!(quantiles(&many), ["10", "19"]);
    }

    #[test]
    fn every_defect_has_a_row_run_or_not() {
        let state = State {
            searches: records(&[Some(5)]),
        };
        let page = page(&state);
        assert!(page.contains("| `vscr-not-restored` | 1 of 1 | 5 | 5 | 2.0 | not run | - | - |"));
        assert!(
            page.contains("| `save-fpu-clobbers-f0` | not run | - | - | - | not run | - | - |")
        );
        assert!(
            !page.contains("restore-math-declines"),
            "a control is not to be found"
        );
    }
}
