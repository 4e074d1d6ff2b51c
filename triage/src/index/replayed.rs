//! An index over scenarios that were just run, instead of a directory: the same reports for both.

use std::path::{Path, PathBuf};

use ctxfuzz_emulator::kernel::name::KernelName;

use super::{Entry, Index, Kernel, Skipped};
use crate::cause::{Cause, Explanation};
use crate::command;
use crate::definedness::Abi;
use crate::identity::release;
use crate::known::Known;

/// Who ran it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The scenario's file.
    pub scenario: &'a Path,
    /// Hashes of both kernels.
    pub hashes: [u64; 2],
    /// The command line.
    pub command: &'a str,
    /// Signatures that were reviewed.
    pub known: &'a Known,
}

impl Index {
    /// An index with nothing in it; `what` stands in the place of a directory's name.
    pub fn of_runs(what: &str, abi: Abi) -> Index {
        Index {
            dirs: vec![PathBuf::from(what)],
            abi,
            entries: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Adds the causes of a run. A signature is there once, with the strongest verdict and the
    /// first run that had it.
    pub fn add(&mut self, run: &Run<'_>, explanation: &Explanation) {
        for cause in &explanation.causes {
            let entry = entry(run, cause, explanation);
            let mut entries = self.entries.iter_mut();
            match entries.find(|known| known.signature == entry.signature) {
                Some(known) if known.verdict >= entry.verdict => {}
                Some(known) => *known = entry,
                None => self.entries.push(entry),
            }
        }
        self.sort();
    }

    /// Adds a scenario that says nothing, with the reason.
    pub fn skip(&mut self, scenario: &Path, reason: &str) {
        self.skipped.push(Skipped {
            dir: self.dirs.first().cloned().unwrap_or_default(),
            path: scenario.to_owned(),
            reason: reason.to_owned(),
        });
    }
}

fn entry(run: &Run<'_>, cause: &Cause, explanation: &Explanation) -> Entry {
    let kernel = |name: &KernelName, hash: u64| Kernel {
        kernel: name.to_string(),
        image: format!("{hash:016x}"),
        release: release(name),
    };
    let sorted = |mut texts: Vec<String>| {
        texts.sort();
        texts.dedup();
        texts
    };
    let differences = &cause.differences;
    let writer = cause.writer_a.as_ref().or(cause.writer_b.as_ref());
    let names = explanation.kernels.names();
    let side = |side: usize| Some(kernel(names.get(side)?, *run.hashes.get(side)?));
    let endian = explanation.endian.name();
    let at_fault = cause.signature.rsplit_once('.');
    Entry {
        signature: cause.signature.clone(),
        verdict: cause.verdict,
        registers: sorted(differences.iter().map(|d| d.what.to_string()).collect()),
        places: sorted(differences.iter().map(|d| d.place.to_string()).collect()),
        command: run.command.to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        seed: None,
        endian: Some(endian.to_owned()),
        a: side(0),
        b: side(1),
        function: at_fault.map(|(function, _)| function.to_owned()),
        writer: writer.map(|writer| writer.function.clone()),
        source: writer.and_then(|writer| writer.source.clone()),
        path: run.scenario.to_owned(),
        reproduce: Some(command::explain(names, endian, run.scenario)),
        html: false,
        known: run.known.reason(&cause.signature).map(str::to_owned),
        also: Vec::new(),
    }
}
