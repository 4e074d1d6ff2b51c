//! The table of `bench detection --one-kernel`, beside that of two kernels.

use std::fmt::Write as _;

use ctxfuzz_emulator::kernel::defects;

use super::page::{count, numbers, quantiles, seconds};
use super::state::{Record, State};
use crate::commands::bench::UNSEEN;

const INTRODUCTION: &str = "
## With one kernel

What `fuzz --kernel` finds, from random scenarios: a campaign on the kernel that has the defect, judged by itself, with no second kernel to compare it with.
That kernel may have other bugs (`fixed` has those that [Linux 6.1 is suspected of](kernels.md)), so a violation has found the defect only if

* it is one that a campaign looks into: of a kind that it has not seen yet;
* the kernel without the defect runs the same scenario to its end, and the same oracle does not report the same register, of the same task, in the same place there;
* a fresh machine shows it too.

*without feedback*: random scenarios one after the other, as `check --runs` makes them, in place of a campaign with coverage. What *cannot be seen* by one
kernel is not searched for, and counts as missed.

| defect | two kernels: found | median | one kernel: found | median | p95 | seconds | without feedback: found | median |
|---|---|---|---|---|---|---|---|---|
";

/// Searches of a defect.
struct Row<'a> {
    id: &'static str,
    pair: Vec<&'a Record>,
    one: Vec<&'a Record>,
    random: Vec<&'a Record>,
}

/// Adds the table, if there is anything to be said in it.
pub fn table(page: &mut String, state: &State) {
    let rows: Vec<Row<'_>> = defects::all()
        .filter(|defect| defect.witness.is_some())
        .map(|defect| row(state, defect.id))
        .collect();
    if rows
        .iter()
        .all(|row| row.one.is_empty() && row.random.is_empty())
    {
        return;
    }
    page.push_str(INTRODUCTION);
    for row in &rows {
        let [pair_median, _] = quantiles(&row.pair);
        let [median, p95] = quantiles(&row.one);
        let [random_median, _] = quantiles(&row.random);
        let _ = writeln!(
            page,
            "| `{}` | {} | {pair_median} | {} | {median} | {p95} | {} | {} | {random_median} |",
            row.id,
            count(&row.pair),
            found(row.id, &row.one),
            seconds(&row.one),
            found(row.id, &row.random)
        );
    }
    totals(page, &rows);
}

fn row<'a>(state: &'a State, id: &'static str) -> Row<'a> {
    let like = |one_kernel, no_feedback| {
        state.like(&Record {
            defect: id.to_owned(),
            one_kernel,
            no_feedback,
            ..Record::default()
        })
    };
    Row {
        id,
        pair: like(false, false),
        one: like(true, false),
        random: like(true, true),
    }
}

/// How often it was found, or why it was not looked for.
fn found(id: &str, records: &[&Record]) -> String {
    let unseen = UNSEEN.iter().find(|(unseen, _)| *unseen == id);
    match (unseen, records.is_empty()) {
        (Some((_, why)), true) => format!("cannot be seen: {why}"),
        (Some((_, why)), false) => format!("{}; cannot be seen: {why}", count(records)),
        (None, _) => count(records),
    }
}

/// Percentage of the seeds that is nearly all.
const NEARLY_ALL: usize = 90;

fn totals(page: &mut String, rows: &[Row<'_>]) {
    let _ = writeln!(
        page,
        "\n| of {} | each seed | {NEARLY_ALL} % of the seeds | some seed | none | cannot be seen | not run |\n|---|---|---|---|---|---|---|",
        rows.len()
    );
    total(page, "one kernel", rows, |row| &row.one);
    total(page, "without feedback", rows, |row| &row.random);
    let ratio = |row: &Row<'_>| {
        let median = |records| numbers(records)[0].map(|median| median as f64);
        Some(median(&row.random)? / median(&row.one)?)
    };
    let mut ratios: Vec<f64> = rows.iter().filter_map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    if let Some(middle) = ratios.get(ratios.len() / 2) {
        let _ = writeln!(
            page,
            "\nOf the {} that have a median both with feedback and without, half need at least {middle:.1} times as many executions without.",
            ratios.len()
        );
    }
}

fn total<'a>(
    page: &mut String,
    name: &str,
    rows: &'a [Row<'a>],
    records: impl Fn(&'a Row<'a>) -> &'a Vec<&'a Record>,
) {
    let found = |row| {
        let records = records(row);
        let found = records.iter().filter(|record| record.found.is_some());
        (found.count(), records.len())
    };
    let of = |is: &dyn Fn(usize, usize) -> bool| {
        let are = rows
            .iter()
            .map(found)
            .filter(|&(found, all)| is(found, all));
        are.count()
    };
    let unseen = |row: &&Row<'_>| UNSEEN.iter().any(|(id, _)| *id == row.id);
    let skipped = rows.iter().filter(unseen).filter(|row| found(row).1 == 0);
    let skipped = skipped.count();
    let _ = writeln!(
        page,
        "| {name} | {} | {} | {} | {} | {skipped} | {} |",
        of(&|found, all| all > 0 && found == all),
        of(&|found, all| all > 0 && found * 100 >= all * NEARLY_ALL),
        of(&|found, _| found > 0),
        of(&|found, all| all > 0 && found == 0),
        of(&|_, all| all == 0) - skipped,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(defect: &str, no_feedback: bool, found: &[Option<u64>]) -> State {
        let record = |(index, found): (usize, &Option<u64>)| Record {
            defect: defect.to_owned(),
            one_kernel: true,
            no_feedback,
            seed: index as u64,
            found: *found,
            executions: found.unwrap_or(1_000),
            seconds: 2.0,
            ..Record::default()
        };
        State {
            searches: found.iter().enumerate().map(record).collect(),
        }
    }

    /// Defects that a task can notice.
    fn noticeable() -> usize {
        let all = defects::all().filter(|defect| defect.witness.is_some());
        all.count()
    }

    fn shown(states: Vec<State>) -> String {
        let mut all = State::default();
        states.into_iter().for_each(|state| all.merge(state));
        let mut page = String::new();
        table(&mut page, &all);
        page
    }

    #[test]
    fn what_was_found_is_counted_and_what_was_not_run_is_not() {
        let page = shown(vec![
            state("vscr-not-restored", false, &[Some(5), Some(9)]),
            state("vscr-not-restored", true, &[Some(50), None]),
            state(
                "vrsave-not-saved",
                false,
                &[[Some(3); 9].as_slice(), &[None]].concat(),
            ),
            state("le-fpr-offset", false, &[None, None]),
        ]);
        let all = noticeable();
        for line in [
            "| `vscr-not-restored` | not run | - | 2 of 2 | 5 | 9 | 2.0 | 1 of 2 (budget 1000) | 50 |",
            "| `le-fpr-offset` | not run | - | 0 of 2 (budget 1000) | - | - | - | not run | - |",
            &format!("| one kernel | 1 | 2 | 2 | 1 | 4 | {} |", all - 3 - 4),
            &format!("| without feedback | 0 | 0 | 1 | 0 | 4 | {} |", all - 1 - 4),
            "Of the 1 that have a median both with feedback and without, half need at least 10.0 times",
        ] {
            assert!(page.contains(line), "{line}: {page}");
        }
        assert!(
            page.contains("| `repair-vrsave-in-fork` | not run | - | cannot be seen: no rule ")
        );
    }

    #[test]
    fn what_cannot_be_seen_is_missed_when_it_is_searched_for_all_the_same() {
        let page = shown(vec![state("repair-vrsave-in-fork", false, &[None])]);
        assert!(page.contains("| 0 of 1 (budget 1000); cannot be seen: no rule "));
        assert!(
            page.contains(&format!(
                "| one kernel | 0 | 0 | 0 | 1 | 3 | {} |",
                noticeable() - 1 - 3
            )),
            "{page}"
        );
    }

    #[test]
    fn without_such_searches_the_page_is_that_of_two_kernels() {
        let mut pair = state("vscr-not-restored", false, &[Some(5)]);
        pair.searches[0].one_kernel = false;
        assert_eq!(shown(vec![pair]), "");
    }
}
