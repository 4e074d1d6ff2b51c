//! `ctxfuzz defects`: what is known to go wrong, and how it shows.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Class, Defect};
use ctxfuzz_scenario::scenario::Expect;
use serde_json::{Value, json};

use super::text::{expectation, wrap};
use crate::shipped;

/// Arguments of `ctxfuzz defects`.
#[derive(Debug, Args)]
pub struct DefectsArgs {
    /// Defects to explain. Without one all are listed.
    #[arg(value_name = "DEFECT")]
    defects: Vec<String>,
    /// One object in JSON, with all that is known.
    #[arg(long)]
    json: bool,
}

/// Lists or explains them.
pub fn defects(args: &DefectsArgs) -> anyhow::Result<ExitCode> {
    let chosen = chosen(&args.defects)?;
    let mut out = io::stdout().lock();
    if args.json {
        let all = chosen
            .iter()
            .map(|defect| to_json(defect))
            .collect::<anyhow::Result<Vec<Value>>>()?;
        writeln!(out, "{}", json!({ "defects": all }))?;
    } else if args.defects.is_empty() {
        out.write_all(list(&chosen).as_bytes())?;
    } else {
        for defect in chosen {
            out.write_all(explanation(defect)?.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Defect>> {
    if names.is_empty() {
        return Ok(defects::all().collect());
    }
    names
        .iter()
        .map(|name| match defects::find(name) {
            Some(defect) => Ok(defect),
            None => bail!("unknown defect `{name}`: `ctxfuzz defects` lists them"),
        })
        .collect()
}

/// The rows of its witness that are about this defect alone.
fn rows(defect: &Defect) -> anyhow::Result<Vec<Expect>> {
    let witness = defect.witness.map(shipped::scenario).transpose()?.flatten();
    let [a, b] = defect.pair();
    Ok(witness.map_or_else(Vec::new, |scenario| {
        let mut rows = scenario.expect;
        rows.retain(|row| row.a == a && row.b == b);
        rows
    }))
}

fn byte_order(defect: &Defect) -> Option<&'static str> {
    defect.endian.map(Endian::name)
}

fn to_json(defect: &Defect) -> anyhow::Result<Value> {
    let [a, b] = defect.pair();
    Ok(json!({
        "id": defect.id,
        "title": defect.title,
        "mechanism": defect.mechanism,
        "function": defect.function,
        "class": defect.class.map(Class::name),
        "origin": defect.origin.name(),
        "origin_detail": defect.origin.to_string(),
        "severity": defect.severity.name(),
        "endian": byte_order(defect),
        "a": a,
        "b": b,
        "witness": defect.witness,
        "expect": rows(defect)?,
    }))
}

fn list(defects: &[&Defect]) -> String {
    let mut text = String::new();
    for defect in defects {
        let (severity, origin) = (defect.severity.name(), defect.origin.name());
        let order = byte_order(defect).map_or_else(String::new, |order| format!(", {order} only"));
        let _ = writeln!(text, "{:<28} {severity:<8} {origin}{order}", defect.id);
        wrap(&mut text, "    ", 0, defect.title);
    }
    text.push('\n');
    wrap(
        &mut text,
        "",
        0,
        "`ctxfuzz defects NAME` explains one. `fixed+NAME` is a kernel that has it, `fixed+NAME+NAME` one that has two; `clobbering` has the four \
         of the bug that started it. Entries named repair-... take out what Linux 6.1 is suspected of; `repaired` has all of them.",
    );
    text
}

fn explanation(defect: &Defect) -> anyhow::Result<String> {
    let mut text = format!("{}\n", defect.id);
    let [a, b] = defect.pair();
    let mut line = |name: &str, words: &str| wrap(&mut text, &format!("  {name:<9} "), 0, words);
    line("what", defect.title);
    line("how", defect.mechanism);
    if let Some(class) = defect.class {
        line("kind", &class.to_string());
    }
    line("where", defect.function);
    line("from", &defect.origin.to_string());
    if let Some(order) = byte_order(defect) {
        line("only", order);
    }
    match defect.witness {
        Some(witness) => line("witness", &format!("corpus/{witness}.json")),
        None => line("witness", "none: ctxfuzz must stay silent about it"),
    }
    for row in rows(defect)? {
        line("expect", &expectation(&row));
    }
    line("try", &format!("--a {a} --b {b}"));
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use ctxfuzz_scenario::scenario::{Endians, Verdict};

    use super::*;

    /// `run --expect` holds the rows; here is held that there are some, for each byte order.
    #[test]
    fn every_witness_says_what_its_defect_does() -> anyhow::Result<()> {
        for defect in defects::all().filter(|defect| defect.witness.is_some()) {
            let rows = rows(defect)?;
            for endian in Endian::BOTH {
                let wanted = match endian {
                    Endian::Little => Endians::Le,
                    Endian::Big => Endians::Be,
                };
                let row = rows
                    .iter()
                    .find(|row| row.endian == wanted || row.endian == Endians::Both);
                let loud = row.is_some_and(|row| row.verdict >= Verdict::Abi);
                assert_eq!(loud, defect.applies(endian), "{} {endian:?}", defect.id);
            }
        }
        Ok(())
    }
}
