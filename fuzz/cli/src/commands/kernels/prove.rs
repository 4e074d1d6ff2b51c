//! `ctxfuzz kernels --prove`: which events and effects happen on a kernel.

use std::io::{self, Write};
use std::process::ExitCode;

use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::Quiet;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::prove::{Answer, Proof, Proven};
use serde::Serialize;

use crate::commands::arguments::{EndianArgument, endians_of};
use crate::commands::proof::{proven, unquiet};
use crate::commands::{Status, complain};

/// What `--json` prints.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    kernel: Identity,
    endian: &'static str,
    quiet: &'a Option<Quiet>,
    proofs: &'a [Proof],
}

/// Tries, and prints a table.
pub fn prove(kernel: &KernelName, endian: EndianArgument, json: bool) -> anyhow::Result<ExitCode> {
    let endians = match endians_of(kernel, None)? {
        Some(own) => vec![own],
        None => endian.endians().to_vec(),
    };
    let mut out = io::stdout().lock();
    let mut status = Status::Nothing;
    for endian in endians {
        let proven = proven(kernel, endian)?;
        if let Some(warning) = unquiet(kernel, &proven) {
            complain(&warning);
        }
        match json {
            true => {
                let line = Line {
                    kernel: Identity::of(kernel)?,
                    endian: endian.name(),
                    quiet: &proven.quiet,
                    proofs: &proven.proofs,
                };
                let line = serde_json::to_string(&line)?;
                writeln!(out, "{line}")?;
            }
            false => table(
                &mut out,
                &format!("{} ({})", Identity::of(kernel)?, endian.name()),
                &proven,
            )?,
        }
        status.add(meaning(&proven));
    }
    out.flush()?;
    Ok(status.into())
}

fn meaning(proven: &Proven) -> Status {
    match proven.answered(Answer::DidNotHappen).is_empty() {
        true => Status::Nothing,
        false => Status::Trouble,
    }
}

fn table(out: &mut impl Write, name: &str, proven: &Proven) -> io::Result<()> {
    let [seen, cannot, missing] = [Answer::Seen, Answer::NotApplicable, Answer::DidNotHappen]
        .map(|answer| proven.answered(answer).len());
    writeln!(
        out,
        "{name}: {seen} seen, {cannot} not applicable, {missing} did not happen"
    )?;
    if let Some(quiet) = &proven.quiet {
        let threads = match quiet.busy.is_empty() {
            true => String::new(),
            false => format!(", for {}", quiet.threads()),
        };
        let how = if quiet.quiet { "quiet" } else { "not quiet" };
        writeln!(
            out,
            "{how} after {} ms of virtual time{threads}",
            quiet.waited_ms
        )?;
    }
    writeln!(out, "\n{:<26} {:<12} answer", "event", "effect")?;
    for proof in &proven.proofs {
        line(out, proof)?;
    }
    Ok(())
}

fn line(out: &mut impl Write, proof: &Proof) -> io::Result<()> {
    let effect = proof.effect.map_or("", |effect| effect.name());
    let reason = match proof.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    writeln!(
        out,
        "{:<26} {effect:<12} {}{reason}",
        proof.event,
        proof.answer.words()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_is_trouble_and_what_cannot_is_none() {
        let of = |answer| Proven {
            proofs: vec![Proof {
                event: "fork".into(),
                effect: None,
                answer,
                reason: "a reason".into(),
            }],
            ..Proven::default()
        };
        assert_eq!(meaning(&of(Answer::Seen)), Status::Nothing);
        assert_eq!(meaning(&of(Answer::NotApplicable)), Status::Nothing);
        assert_eq!(meaning(&of(Answer::DidNotHappen)), Status::Trouble);
        let mut text = Vec::new();
        let proven = of(Answer::DidNotHappen);
        assert!(table(&mut text, "k (le)", &proven).is_ok());
        let text = String::from_utf8_lossy(&text);
        assert!(text.starts_with("k (le): 0 seen, 0 not applicable, 1 did not happen\n"));
        assert!(text.ends_with("did not happen: a reason\n"), "{text}");
    }
}
