//! `bench detection --kernel`: what is found first in any kernel, judged by itself.

use std::fmt::Write as _;

use anyhow::bail;
use ctxfuzz_campaign::detection::{Search, Target};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;

use super::Sitting;
use super::page::{count, quantiles};
use super::state::Record;
use crate::commands::arguments::{AbiArgument, endians_of};

/// Searches it with each seed, and makes the table.
pub fn search(sitting: &mut Sitting<'_>, kernel: &KernelName) -> anyhow::Result<String> {
    let args = sitting.args;
    let target = Target {
        kernels: Kernels::One(kernel.clone()),
        without: args.without.clone(),
        endian: endian(kernel, args.without.as_ref())?,
        abi: args.abi.unwrap_or(AbiArgument::Elf).into(),
        corpus: None,
        feedback: true,
        seed: 1,
        runs: args.runs,
    };
    let mut table = String::new();
    for way in args.ways() {
        let wanted = Record {
            kernel: Some(kernel.to_string()),
            without: args.without.as_ref().map(ToString::to_string),
            linux_abi: target.abi == Abi::Linux,
            ..way
        };
        sitting.search(&target, &wanted, |search| signatures(&target, search))?;
        show(&mut table, &sitting.state.like(&wanted));
    }
    Ok(table)
}

/// The only one that a real kernel has.
fn endian(kernel: &KernelName, without: Option<&KernelName>) -> anyhow::Result<Endian> {
    let own = endians_of(kernel, None)?;
    if let Some(without) = without {
        let other = endians_of(without, None)?;
        if own.is_some() && other.is_some() && own != other {
            bail!("{kernel} and {without} have different byte orders: they cannot be compared");
        }
        return Ok(own.or(other).unwrap_or(Endian::Little));
    }
    Ok(own.unwrap_or(Endian::Little))
}

/// What the first finding is called: the causes that the kernel without the bug has not, too.
fn signatures(target: &Target<'_>, search: &Search) -> anyhow::Result<Vec<String>> {
    let Some(scenario) = &search.scenario else {
        return Ok(Vec::new());
    };
    let reported = |kernels: &Kernels| -> anyhow::Result<Vec<String>> {
        let explained = Explainer::new(kernels, target.endian)?.explain(scenario);
        Ok(explained.reported(target.abi))
    };
    let mut signatures = reported(&target.kernels)?;
    if let Some(without) = &target.without {
        let there = reported(&Kernels::One(without.clone()))?;
        signatures.retain(|signature| !there.contains(signature));
    }
    Ok(signatures)
}

/// There is one way for a kernel.
fn show(table: &mut String, records: &[&Record]) {
    table.push_str("| seed | found after | signatures |\n|---|---|---|\n");
    for record in records {
        let found = match record.found {
            Some(execution) => execution.to_string(),
            None => format!("not in {}", record.executions),
        };
        let quoted = record.signatures.iter().map(|name| format!("`{name}`"));
        let names = match (record.found, record.signatures.is_empty()) {
            (Some(_), true) => "unexplained".to_owned(),
            _ => quoted.collect::<Vec<_>>().join(", "),
        };
        let _ = writeln!(table, "| {} | {found} | {names} |", record.seed);
    }
    let [median, p95] = quantiles(records);
    let found = count(records);
    let _ = writeln!(table, "\nFound {found}; median {median}, p95 {p95}.");
}
