//! `ctxfuzz bench triage`: does an explanation name the right place, and what does the minimizer
//! make of a finding?
//!
//! The findings are those of campaigns, not minimized, the two kernels differing in one defect of
//! the catalogue. What the catalogue says of the defect is what an explanation should find out by
//! itself.

mod one_kernel;
mod page;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{Class, Defect};
use ctxfuzz_emulator::kernel::name::{Build, KernelName};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::cause::{Cause, Explainer};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;

use self::one_kernel::{OneKernel, Single};
use super::chosen;
use crate::commands::Status;
use crate::commands::arguments::EndianArgument;
use crate::commands::input::{check_output, write_whole};
use crate::shipped;
use ctxfuzz_campaign::collect::{Reduced, Wanted, collect, reduced};

/// Percentage of the findings of each defect that must be explained rightly.
const WANTED: usize = 95;

/// Arguments of `ctxfuzz bench triage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 0: every defect was met, and at least 95 % of its findings are explained as the catalogue says, in each build of the model; 1: some are not.")]
pub struct TriageArgs {
    /// Where the table goes, as Markdown. Without it, to stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Findings of each defect, each from a campaign of its own.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    findings: u64,
    /// How many of them to minimize, which takes longer than all the rest.
    #[arg(long, value_name = "N", default_value_t = 1)]
    minimize: u64,
    /// Seed of the first campaign of each defect.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Executions after which a campaign starts again from the defect's witness.
    #[arg(long, value_name = "N", default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Only these defects.
    #[arg(long = "defect", value_name = "DEFECT")]
    defects: Vec<String>,
    /// Byte orders to run. A defect that only one of them can have is left out of the other.
    #[arg(long, value_enum, default_value_t = EndianArgument::Le)]
    endian: EndianArgument,
    /// Explain the same findings from the kernel that has the defect alone, too. Does not change
    /// the exit status.
    #[arg(long)]
    one_kernel: bool,
    /// Directory for the findings that are not explained as the catalogue says.
    #[arg(long, value_name = "DIR")]
    wrong: Option<PathBuf>,
}

/// What came of a defect in a byte order.
#[derive(Clone, Debug)]
struct Row {
    defect: &'static Defect,
    endian: Endian,
    /// Events of its witness.
    witness_events: usize,
    findings: Vec<Finding>,
    minimized: Vec<Reduced>,
}

/// What came of a finding.
#[derive(Clone, Debug, Default)]
struct Finding {
    /// Whether it is a mutation of the witness.
    from_witness: bool,
    /// By builds of the two kernels, as in [`BUILDS`].
    explained: [Explained; 3],
    /// From the kernel that has the defect alone, if that was asked for.
    one_kernel: Option<OneKernel>,
}

impl Finding {
    /// As it was found.
    fn usual(&self) -> &Explained {
        &self.explained[0]
    }
}

/// Builds of the two kernels that a finding is explained with: the one it was found with, the other
/// one, and two kernels that share no address.
const BUILDS: [[Build; 2]; 3] = [
    [Build::Usual, Build::Usual],
    [Build::Shuffled, Build::Shuffled],
    [Build::Usual, Build::Shuffled],
];

/// What an explanation says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Explained {
    /// Whether each cause is the function at fault.
    at_fault: bool,
    /// Whether each is that, or one that stands for it.
    named: bool,
    /// Whether each is of the kind that the catalogue says.
    class: bool,
    /// Of the reported causes.
    signatures: BTreeSet<String>,
    /// Their kinds.
    classes: BTreeSet<&'static str>,
}

/// Does it.
pub fn triage(args: &TriageArgs) -> anyhow::Result<ExitCode> {
    if let Some(output) = &args.output {
        check_output(output)?;
    }
    let mut rows = Vec::new();
    let chosen = chosen(&args.defects)?;
    for endian in args.endian.endians() {
        let here = chosen.iter().filter(|defect| defect.applies(*endian));
        for defect in here {
            rows.push(row(args, defect, *endian)?);
        }
    }
    if rows.is_empty() {
        bail!(
            "--endian: no kernel of that byte order can have these defects: expected the other one"
        );
    }
    let table = page::page(&rows, args);
    match &args.output {
        Some(output) => write_whole(output, &table)?,
        None => print!("{table}"),
    }
    let right = rows.iter().all(|row| {
        (0..BUILDS.len()).all(|build| {
            row.enough(|f| f.explained[build].named) && row.enough(|f| f.explained[build].class)
        })
    });
    Ok(match right {
        true => ExitCode::SUCCESS,
        false => Status::Found.into(),
    })
}

impl Row {
    fn count(&self, is: impl Fn(&Finding) -> bool) -> usize {
        self.findings.iter().filter(|finding| is(finding)).count()
    }

    fn enough(&self, is: impl Fn(&Finding) -> bool) -> bool {
        !self.findings.is_empty() && self.count(is) * 100 >= self.findings.len() * WANTED
    }
}

fn row(args: &TriageArgs, defect: &'static Defect, endian: Endian) -> anyhow::Result<Row> {
    let witness = shipped::scenario(defect.witness.unwrap_or_default())?;
    let witness = witness.with_context(|| format!("{}: its witness is not there", defect.id))?;
    let wanted = Wanted {
        endian,
        count: args.findings,
        seed: args.seed,
        runs: args.runs,
    };
    let [mut usual, mut shuffled, mut apart] = explainers(defect, endian)?;
    let mut single = match args.one_kernel {
        true => Some(Single::new(defect, endian)?),
        false => None,
    };
    let mut row = Row {
        defect,
        endian,
        witness_events: witness.events.len(),
        findings: Vec::new(),
        minimized: Vec::new(),
    };
    for (index, found) in collect(defect, &witness, wanted)?.into_iter().enumerate() {
        let explained = [&mut usual, &mut shuffled, &mut apart]
            .map(|explainer| explained(defect, &explainer.explain(&found.scenario).causes));
        if explained.iter().any(|e| !e.named || !e.class) {
            keep(args, &row, index, &found.scenario)?;
        }
        row.findings.push(Finding {
            from_witness: found.from_witness,
            explained,
            one_kernel: single.as_mut().map(|one| one.explain(&found.scenario)),
        });
        if (index as u64) < args.minimize {
            row.minimized
                .extend(reduced(defect, endian, &found.scenario)?);
        }
    }
    Ok(row)
}

/// The defect's two kernels in the builds of [`BUILDS`].
fn explainers(defect: &Defect, endian: Endian) -> anyhow::Result<[Explainer; 3]> {
    let [a, b] = defect.pair();
    let (a, b): (KernelName, KernelName) = (a.parse()?, b.parse()?);
    let [first, second, third] = BUILDS.map(|[of_a, of_b]| {
        Explainer::new(&Kernels::pair(&a.in_build(of_a), &b.in_build(of_b)), endian)
    });
    Ok([first?, second?, third?])
}

/// What the reported causes come to; all false if there is none.
fn explained(defect: &Defect, causes: &[Cause]) -> Explained {
    let least = match Abi::that_shows(defect) {
        Abi::Elf => Verdict::Live,
        Abi::Linux => Verdict::Abi,
    };
    let reported: Vec<&Cause> = causes
        .iter()
        .filter(|cause| cause.verdict >= least)
        .collect();
    let each = |is: &dyn Fn(&Cause) -> bool| !reported.is_empty() && reported.iter().all(|c| is(c));
    let class = |class: Class| defect.class == Some(class);
    Explained {
        at_fault: each(&|c| function(c) == defect.function),
        named: each(&|c| defect.is_named_by(function(c))),
        class: each(&|c| class(c.class)),
        signatures: reported.iter().map(|c| c.signature.clone()).collect(),
        classes: reported.iter().map(|c| c.class.name()).collect(),
    }
}

fn function(cause: &Cause) -> &str {
    cause.signature.split('.').next().unwrap_or_default()
}

fn keep(args: &TriageArgs, row: &Row, index: usize, scenario: &Scenario) -> anyhow::Result<()> {
    let Some(folder) = &args.wrong else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let name = format!("{}-{}-{index}.json", row.defect.id, row.endian.name());
    let path = folder.join(name);
    write_whole(&path, &scenario.to_json())
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::kernel::defects;

    use super::*;

    fn of(id: &str, a: &str, b: &str) -> anyhow::Result<Explained> {
        let defect = defects::find(id).context("no such defect")?;
        let witness = shipped::scenario("io-worker-on-interrupt-return")?.context("no witness")?;
        let explained = Explainer::new(&Kernels::pair(&a.parse()?, &b.parse()?), Endian::Little)?
            .explain(&witness);
        Ok(super::explained(defect, &explained.causes))
    }

    /// Whether at fault, named, of the right kind.
    fn right(explained: &Explained) -> [bool; 3] {
        [explained.at_fault, explained.named, explained.class]
    }

    #[test]
    fn every_cause_has_to_be_right_and_there_has_to_be_one() -> anyhow::Result<()> {
        let id = "save-fpu-clobbers-f0";
        let own = of(id, "fixed+save-fpu-clobbers-f0", "fixed")?;
        assert_eq!(right(&own), [true; 3], "{own:?}");
        let with_another = of(id, "clobbering", "fixed")?;
        assert_eq!(
            right(&with_another),
            [false, false, true],
            "{with_another:?}"
        );
        let of_another = of(
            "le-missing-swap-back",
            "fixed+save-fpu-clobbers-f0",
            "fixed",
        )?;
        assert_eq!(right(&of_another), [true, true, false], "{of_another:?}");
        assert_eq!(right(&of(id, "fixed", "fixed")?), [false; 3]);
        Ok(())
    }

    #[test]
    fn a_defect_that_was_not_met_is_not_explained_enough() -> anyhow::Result<()> {
        let defect = defects::find("save-fpu-clobbers-f0").context("no such defect")?;
        let named = |named| {
            let explained = Explained {
                named,
                ..Explained::default()
            };
            Finding {
                from_witness: false,
                explained: [0; 3].map(|_| explained.clone()),
                one_kernel: None,
            }
        };
        let row = |right, wrong| Row {
            defect,
            endian: Endian::Little,
            witness_events: 1,
            findings: [vec![named(true); right], vec![named(false); wrong]].concat(),
            minimized: Vec::new(),
        };
        assert!(row(19, 1).enough(|f| f.usual().named) && !row(18, 1).enough(|f| f.usual().named));
        assert!(!row(0, 0).enough(|f| f.usual().named));
        Ok(())
    }
}
