//! One finding, read from the directory it is in.
//!
//! Its `report.json` says what it is. A scenario that cannot be read is named; the finding itself
//! is still reported.

use std::fs;
use std::path::{Path, PathBuf};

use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use serde::Deserialize;
use serde_json::Value;

use super::is_hidden;
use crate::command;
use crate::findings::directory_name;
use crate::json_file;
use crate::untrusted;

/// Files of a finding beside its report, which is read first, and the `seen-PLACE.json`.
const TEXTS: [&str; 2] = ["report.txt", "report.html"];
const SCENARIOS: [&str; 2] = ["minimized.json", "scenario.json"];
/// No signature is longer: one that is unexplained names places, registers and kinds of events.
const MAX_SIGNATURE: usize = 4096;

/// A kernel, as the report has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Kernel {
    /// Its name on the command line.
    pub kernel: String,
    /// Hash of its image.
    pub image: String,
    /// What `uname -r` says there, of a real kernel.
    #[serde(default)]
    pub release: Option<String>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the cause.
    pub signature: String,
    /// Who can notice.
    pub verdict: Verdict,
    /// The registers that are wrong.
    pub registers: Vec<String>,
    /// The places where they were seen to be, also later.
    pub places: Vec<String>,
    /// The command that found it.
    pub command: String,
    /// Version of the ctxfuzz that found it.
    pub version: Option<String>,
    /// The campaign's seed.
    pub seed: Option<u64>,
    /// Byte order.
    pub endian: Option<String>,
    /// Kernel A.
    pub a: Option<Kernel>,
    /// Kernel B.
    pub b: Option<Kernel>,
    /// Function at fault, as the signature has it.
    pub function: Option<String>,
    /// Function of the telling instruction: the last write, or where the run ended.
    pub writer: Option<String>,
    /// `file:line` of the telling instruction, where the image says so.
    pub source: Option<String>,
    /// Its directory.
    pub path: PathBuf,
    /// The command that shows it again; `None` if neither of its scenarios can be read, or if the
    /// report does not say which kernels.
    pub reproduce: Option<String>,
    /// Whether it has a page for a browser.
    pub html: bool,
    /// Why it is known, if it is.
    pub known: Option<String>,
    /// The findings of the same signature in other directories, none of which has a stronger
    /// verdict.
    pub also: Vec<Entry>,
}

impl Entry {
    /// Whether it is of one kernel, judged by itself.
    pub fn is_of_one(&self) -> bool {
        self.a.is_some() && self.b.is_none()
    }

    /// The kernels, as reports call them.
    pub fn kernels(&self) -> Vec<(&'static str, &Kernel)> {
        let words = match self.is_of_one() {
            true => ["kernel", ""],
            false => ["kernel A", "kernel B"],
        };
        let kernels = words.into_iter().zip([&self.a, &self.b]);
        kernels
            .filter_map(|(word, kernel)| Some((word, kernel.as_ref()?)))
            .collect()
    }

    /// What is said of the same finding in another directory if it was judged otherwise.
    pub fn other_oracle(&self, other: &Entry) -> &'static str {
        match (self.is_of_one(), other.is_of_one()) {
            (false, true) => ", of one kernel",
            (true, false) => ", of two kernels",
            _ => "",
        }
    }

    /// Adds the finding of the same signature in another directory. The one that says more comes
    /// first.
    pub fn merge(&mut self, mut other: Entry) {
        if other.verdict > self.verdict {
            std::mem::swap(self, &mut other);
        }
        let union = |mine: &mut Vec<String>, more: &[String]| {
            mine.extend_from_slice(more);
            mine.sort();
            mine.dedup();
        };
        union(&mut self.registers, &other.registers);
        union(&mut self.places, &other.places);
        let more = std::mem::take(&mut other.also);
        self.also.push(other);
        self.also.extend(more);
    }
}

/// `report.json`, as far as it is needed here. What only a campaign knows may be missing.
#[derive(Deserialize)]
struct Report {
    signature: String,
    verdict: Verdict,
    registers: Vec<String>,
    places: Vec<String>,
    command: String,
    version: Option<String>,
    seed: Option<u64>,
    endian: Option<String>,
    a: Option<Kernel>,
    b: Option<Kernel>,
    #[serde(default)]
    explanation: Value,
}

/// Reads the finding in `path`, which is called `name` in the findings directory; the reason if it
/// is none. What is wrong with its other files is told to `skip`.
pub fn read(
    path: &Path,
    name: &Path,
    skip: &mut impl FnMut(PathBuf, String),
) -> Result<Entry, String> {
    let about =
        fs::symlink_metadata(path).map_err(|error| format!("cannot be looked at: {error}"))?;
    if about.file_type().is_symlink() {
        return Err("is a symbolic link, which is not followed".into());
    }
    if !about.is_dir() {
        return Err("is not a directory: expected a finding's".into());
    }
    if is_hidden(name.as_os_str()) {
        return Err(
            "was left behind by a campaign that was cut off, or belongs to one that still writes"
                .into(),
        );
    }
    let file = path.join("report.json");
    json_file::plain(&file).map_err(|reason| format!("report.json {reason}"))?;
    let report: Report = json_file::read(&file).map_err(|error| format!("report.json{error}"))?;
    if report.signature.is_empty() || report.signature.len() > MAX_SIGNATURE {
        return Err(format!(
            "report.json: signature: expected 1 to {MAX_SIGNATURE} bytes"
        ));
    }
    if report
        .endian
        .as_ref()
        .is_some_and(|endian| endian != "le" && endian != "be")
    {
        return Err("report.json: endian: expected `le` or `be`".into());
    }
    if Path::new(&directory_name(&report.signature)) != name {
        return Err(format!(
            "report.json: signature: `{}` does not belong into a directory of this name",
            untrusted::shown(&report.signature)
        ));
    }
    let files = Files::look(path, name, skip);
    Ok(entry(report, path, files))
}

fn entry(report: Report, path: &Path, files: Files) -> Entry {
    let (writer, source) = cause(&report.explanation, &report.signature);
    // A campaign of one kernel has no B.
    let kernels = [&report.a, &report.b].into_iter().flatten();
    let kernels: Vec<&str> = kernels.map(|kernel| kernel.kernel.as_str()).collect();
    let reproduce = match (&report.a, &report.endian, files.scenario) {
        (Some(_), Some(endian), Some(scenario)) => {
            Some(command::explain(&kernels, endian, &path.join(scenario)))
        }
        _ => None,
    };
    let at_fault = report
        .signature
        .rsplit_once('.')
        .map(|(function, _)| function);
    let function = at_fault.filter(|_| writer.is_some()).map(str::to_owned);
    let mut places = report.places;
    places.extend(files.places);
    places.sort();
    places.dedup();
    Entry {
        signature: report.signature,
        verdict: report.verdict,
        registers: report.registers,
        places,
        command: report.command,
        version: report.version,
        seed: report.seed,
        endian: report.endian,
        a: report.a,
        b: report.b,
        function,
        writer,
        source,
        path: path.to_owned(),
        reproduce,
        html: files.html,
        known: None,
        also: Vec::new(),
    }
}

/// Function and source line of the telling instruction of the cause with this signature.
fn cause(explanation: &Value, signature: &str) -> (Option<String>, Option<String>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut causes = explanation["causes"].as_array().into_iter().flatten();
    let Some(cause) = causes.find(|cause| cause["signature"] == signature) else {
        return (None, None);
    };
    let cause = &cause["cause"];
    let writers = &cause["last_writer"];
    let source = text(&writers["a"]["source"]).or_else(|| text(&writers["b"]["source"]));
    (text(&cause["function"]), source)
}

/// What lies beside the report.
#[derive(Default)]
struct Files {
    /// The scenario to show: the smallest one that can be read.
    scenario: Option<&'static str>,
    /// Places of the scenarios that were seen later.
    places: Vec<String>,
    html: bool,
}

impl Files {
    fn look(path: &Path, name: &Path, skip: &mut impl FnMut(PathBuf, String)) -> Files {
        let mut files = Files::default();
        let mut skip = |file: &Path, reason: String| skip(name.join(file), reason);
        let listed = fs::read_dir(path).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| PathBuf::from(entry.file_name())))
                .collect::<Result<Vec<_>, _>>()
        });
        let mut names = listed.unwrap_or_else(|error| {
            skip(Path::new(""), format!("cannot be listed: {error}"));
            Vec::new()
        });
        names.sort();
        for file in names
            .iter()
            .filter(|file| !file.as_os_str().eq("report.json"))
        {
            if let Err(reason) = files.take(&path.join(file), file.to_str()) {
                skip(file, reason);
            }
        }
        if !names
            .iter()
            .any(|file| file.as_os_str().eq("scenario.json"))
        {
            skip(Path::new("scenario.json"), "is missing".into());
        }
        files
    }

    fn take(&mut self, path: &Path, name: Option<&str>) -> Result<(), String> {
        let name = name.unwrap_or_default();
        let place = name
            .strip_prefix("seen-")
            .and_then(|name| name.strip_suffix(".json"));
        if !TEXTS.contains(&name) && !SCENARIOS.contains(&name) && place.is_none() {
            return Err("is not a file of a finding".into());
        }
        json_file::plain(path)?;
        if TEXTS.contains(&name) {
            self.html |= name == "report.html";
            return Ok(());
        }
        Scenario::load(path).map_err(|error| without_path(&error.to_string(), path))?;
        // `minimized.json` is the first in order of names, and the one to show.
        let known = SCENARIOS.into_iter().find(|scenario| *scenario == name);
        self.scenario = self.scenario.or(known);
        self.places.extend(place.map(str::to_owned));
        Ok(())
    }
}

/// An error about a file, whose name is said already.
fn without_path(error: &str, path: &Path) -> String {
    let rest = error
        .strip_prefix(&*path.to_string_lossy())
        .unwrap_or(error);
    match rest.strip_prefix(": ") {
        Some(rest) => rest.to_owned(),
        None => format!("line {}", rest.trim_start_matches(':')),
    }
}
