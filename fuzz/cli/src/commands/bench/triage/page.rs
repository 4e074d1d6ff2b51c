//! The tables of `bench triage`, as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_triage::renamed;

use super::{BUILDS, Finding, Row, TriageArgs, one_kernel};

const INTRODUCTION: &str = "# Does an explanation name the right place?

<!-- Made by `ctxfuzz bench triage`. -->

For each [known defect](first-campaign.md#try-another-bug) findings of campaigns, as they were met
and not minimized, the two kernels differing in that defect alone. `explain` knows neither the
defect nor the words that were patched; here it is held against what the catalogue says. A finding
counts only if *every* cause that is reported does.

* *from witness*: so many of the findings are mutations of the defect's witness, as a campaign from
  nothing did not meet it in time.
* *at fault*: names the very function that the catalogue says. *named*: that, or one that stands for
  it because what goes wrong in it is not tracked (`named_instead` in the catalogue says which and
  why).
* *kind*: is of the [kind](reading-a-finding.md#what-kind-of-fault) that the catalogue says.
* *shuffled*, *apart*: the same findings, named / of the right kind, where both kernels are of
  another build of the model (`shuffled:NAME`: built for size, functions in another order), and
  where kernel A is of the usual build and B of the other, so that they share no address.
* *signatures*: the function, and what became of which class of registers. More than one where a
  defect strikes in several functions, or where the sides part in another place, as in one run the
  same values are there already (FPSCR alone, with a load that was left out).
* With `--one-kernel` a table has what `explain` says of the same findings without the second
  kernel.

```console
$ ctxfuzz bench triage --findings 2 --minimize 0 --defect vscr-not-restored
...
| `vscr-not-restored` | le | 2 | 0 | 2 | 2 | 2 | 2 / 2 | 2 / 2 | `load_vr_state.vscr-changed` |
...
```

| defect | byte order | findings | from witness | at fault | named | kind | shuffled | apart | signatures |
|---|---|---|---|---|---|---|---|---|---|
";

/// The page.
pub fn page(rows: &[Row], args: &TriageArgs) -> String {
    let mut page = String::from(INTRODUCTION);
    for row in rows {
        let signatures: BTreeSet<&str> = signatures(row).collect();
        let build = |build: usize| {
            let named = row.count(|f| f.explained[build].named);
            format!("{named} / {}", row.count(|f| f.explained[build].class))
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.defect.id,
            row.endian.name(),
            row.findings.len(),
            row.count(|f| f.from_witness),
            row.count(|f| f.usual().at_fault),
            row.count(|f| f.usual().named),
            kind(row),
            build(1),
            build(2),
            list(&signatures)
        );
    }
    totals(&mut page, rows, args);
    one_kernel::table(&mut page, rows);
    names(&mut page);
    shared(&mut page, rows);
    minimized(&mut page, rows);
    page
}

/// How names are made, and what they were before.
fn names(page: &mut String) {
    page.push_str(
        "
## Names

A signature is the function at fault and what it did. The function is the innermost that both sides
were in; one that the compiler put into another counts if its lines stand in the same source file,
and what compilers append to a name (`.isra.0`, `.part.0`) does not. What it did:

| | |
|---|---|
| `msr-facility` | MSR\\[FP\\] or MSR\\[VEC\\], whichever the task had in use; `msr-vsx`, `msr-fe`: VSX, or FE0 and FE1, alone |
| `msr-not-taken` | user code went on with another MSR than `regs->msr` |
| `used-vr`, `used-vsr` | the task's account of what it has used |
| `f0-is-fpscr`, `v0-is-vscr` | the register that `mffs`, `mfvscr` filled; `vsrs-lost-low-half`: the FPR was put right after it, and doubleword 1 was not |
| `vsrs-changed`, `vrs-changed`, `gprs-changed` | VSRs 0 to 31 (all 64 where an instruction takes any), VRs, GPRs, however many; `-swapped`: the doublewords have changed places |
| `fpscr-changed`, `vscr-changed`, `vrsave-changed` | that register; `fpscr-lost-high-half`: its more significant word alone |
| `user-stack-changed`, `register-set-changed` | what a frame has, what a tracer or a core dump gets |
| `data`, `kernel-fault`, `hang`, `schedule-changed` | what was read from the pipe, how the run ended, who ran |

Before version 2 of the names a register had its own, with what its value happened to be, so one bug
had up to 23. `ctxfuzz migrate FILE` puts the names of today into files of known signatures and
SARIF logs, and a file with an old one is refused. `N` is a number, `*` any end:

| was | is |
|---|---|
",
    );
    for (old, new) in renamed::NAMES {
        let new: Vec<String> = new.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(page, "| `{old}` | {} |", new.join(", "));
    }
}

/// How many defects some rows are about.
fn distinct<'a>(rows: impl Iterator<Item = &'a Row>) -> usize {
    rows.map(|row| row.defect.id).collect::<BTreeSet<_>>().len()
}

/// How many are of the right kind, and which others there are.
fn kind(row: &Row) -> String {
    let right = row.count(|f| f.usual().class);
    let expected = row.defect.class.map(Class::name);
    let others: BTreeSet<&str> = row
        .findings
        .iter()
        .flat_map(|finding| finding.usual().classes.iter().copied())
        .filter(|name| Some(*name) != expected)
        .collect();
    match others.is_empty() {
        true => right.to_string(),
        false => format!(
            "{right} (expected {}; also {})",
            expected.unwrap_or("none"),
            Vec::from_iter(others).join(", ")
        ),
    }
}

fn signatures(row: &Row) -> impl Iterator<Item = &str> {
    let all = row
        .findings
        .iter()
        .flat_map(|finding| &finding.usual().signatures);
    all.map(String::as_str)
}

/// As code, with commas.
pub fn list(names: &BTreeSet<&str>) -> String {
    let quoted = names.iter().map(|name| format!("`{name}`"));
    quoted.collect::<Vec<_>>().join(", ")
}

/// Of the two kernels, in the order of [`BUILDS`].
const BUILD_NAMES: [&str; BUILDS.len()] = ["usual", "shuffled", "apart"];

fn totals(page: &mut String, rows: &[Row], args: &TriageArgs) {
    let all: usize = rows.iter().map(|row| row.findings.len()).sum();
    let met = distinct(rows.iter().filter(|row| !row.findings.is_empty()));
    let _ = writeln!(
        page,
        "\nSeeds from {}, {} executions a campaign. {met} of {} defects were met, with {all} findings.\n*Enough*: rows of \
         whose findings at least {} % are named rightly, and of the right kind.\n\n| kernels | at fault | named | kind | enough named | enough kind | the same signatures as usual |\n|---|---|---|---|---|---|---|",
        args.seed,
        args.runs,
        distinct(rows.iter()),
        super::WANTED,
    );
    for (build, name) in BUILD_NAMES.into_iter().enumerate() {
        let sum = |is: &dyn Fn(&Finding) -> bool| {
            let right: usize = rows.iter().map(|row| row.count(is)).sum();
            format!(
                "{right} ({:.1} %)",
                right as f64 * 100.0 / all.max(1) as f64
            )
        };
        let enough =
            |is: &dyn Fn(&Finding) -> bool| rows.iter().filter(|row| row.enough(is)).count();
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            sum(&|f| f.explained[build].at_fault),
            sum(&|f| f.explained[build].named),
            sum(&|f| f.explained[build].class),
            enough(&|f| f.explained[build].named),
            enough(&|f| f.explained[build].class),
            sum(&|f| f.explained[build].signatures == f.usual().signatures),
        );
    }
}

/// The confusion table.
fn shared(page: &mut String, rows: &[Row]) {
    let mut defects: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        for signature in signatures(row) {
            defects.entry(signature).or_default().insert(row.defect.id);
        }
    }
    let single = |row: &&Row| {
        let of_defect = rows.iter().filter(|other| other.defect.id == row.defect.id);
        of_defect
            .flat_map(signatures)
            .collect::<BTreeSet<_>>()
            .len()
            == 1
    };
    let _ = writeln!(
        page,
        "\n## Confusion\n\n{} of {} defects have one signature in all their findings. Signatures that more than one defect has:\n\n| signature | defects |\n|---|---|",
        distinct(rows.iter().filter(single)),
        distinct(rows.iter())
    );
    for (signature, defects) in defects.iter().filter(|(_, defects)| defects.len() > 1) {
        let _ = writeln!(page, "| `{signature}` | {} |", list(defects));
    }
}

fn minimized(page: &mut String, rows: &[Row]) {
    let all = || {
        rows.iter()
            .flat_map(|row| row.minimized.iter().map(move |m| (row, m)))
    };
    let count = all().count();
    if count == 0 {
        return;
    }
    let ratio =
        |(row, m): (&Row, &super::Reduced)| m.events as f64 / row.witness_events.max(1) as f64;
    let _ = writeln!(
        page,
        "\n## The minimizer\n\nOf {count} of these findings, minimized as a campaign does: {} keep the signature, {} are left as they are if minimized again. Median: {:.2} times the \
         events of the defect's witness, {:.0} executions (95 %: {:.2} times, {:.0}).",
        all().filter(|(_, m)| m.kept).count(),
        all().filter(|(_, m)| m.idempotent).count(),
        quantile(all().map(ratio), 50),
        quantile(all().map(|(_, m)| m.executions as f64), 50),
        quantile(all().map(ratio), 95),
        quantile(all().map(|(_, m)| m.executions as f64), 95),
    );
}

fn quantile(values: impl Iterator<Item = f64>, percent: usize) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    let value = rank.checked_sub(1).and_then(|index| values.get(index));
    value.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_end_of_a_list() {
        let values = || [4.0, 1.0, 3.0, 2.0].into_iter();
        assert_eq!(quantile(values(), 50), 2.0);
        assert_eq!(quantile(values(), 95), 4.0);
        assert_eq!(quantile([].into_iter(), 50), 0.0);
    }
}
