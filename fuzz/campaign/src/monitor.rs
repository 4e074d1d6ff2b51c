//! A campaign as other programs watch it: a file of JSON, and one in Prometheus' text format as its
//! node exporter collects them.
//!
//! Both are rewritten whole now and then, and at the end. Display only, as `progress`: where a file
//! cannot be written the campaign says so once and goes on.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::inconclusive::Tally;
use serde_json::{Map, Value, json};

use super::Config;
use super::corpus::write_whole;
use super::progress::{Progress, Status, Timer, stability};
use super::summary::FindingSummary;

/// Between two times that the files are written.
const EVERY: Duration = Duration::from_secs(5);

/// Where the files go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The one of JSON.
    pub json: Option<PathBuf>,
    /// The one for Prometheus; its name must end in `.prom` for the node exporter.
    pub prometheus: Option<PathBuf>,
}

/// Writes the files, and passes everything on to somebody else who watches.
pub struct Monitor<'a> {
    files: Files,
    /// What tells this campaign from others.
    labels: Vec<(&'static str, String)>,
    other: &'a mut dyn Progress,
    timer: Timer,
    other_due: bool,
    refused: bool,
}

impl<'a> Monitor<'a> {
    /// Nothing is written yet.
    pub fn new(files: Files, config: &Config, other: &'a mut dyn Progress) -> Self {
        let keys: &[_] = match config.kernels.only() {
            Some(_) => &["kernel"],
            None => &["a", "b"],
        };
        let kernels = keys.iter().copied().zip(config.kernels.names());
        let kernels = kernels.map(|(key, name)| (key, name.to_string()));
        let campaign = [
            ("endian", config.endian.name().to_owned()),
            ("seed", config.seed.to_string()),
        ];
        let labels = kernels.chain(campaign).collect();
        Monitor {
            files,
            labels,
            other,
            timer: Timer::new(EVERY),
            other_due: false,
            refused: false,
        }
    }

    fn write(&mut self, status: &Status<'_>, running: bool) {
        let values = Values::new(status, running);
        let texts = [
            (&self.files.json, values.json(&self.labels)),
            (&self.files.prometheus, values.prometheus(&self.labels)),
        ];
        for (file, text) in texts {
            let written = file
                .as_ref()
                .map_or(Ok(()), |file| write_whole(file, &text));
            if let Err(error) = written
                && !self.refused
            {
                self.refused = true;
                self.other.note(&format!("{error}; the campaign goes on"));
            }
        }
    }
}

impl Progress for Monitor<'_> {
    fn due(&mut self) -> bool {
        self.other_due = self.other.due();
        self.other_due || self.timer.passed()
    }

    fn show(&mut self, status: &Status<'_>) {
        if self.other_due {
            self.other.show(status);
        }
        if self.timer.due() {
            self.write(status, true);
        }
    }

    fn found(&mut self, finding: &FindingSummary) {
        self.other.found(finding);
    }

    fn note(&mut self, line: &str) {
        self.other.note(line);
    }

    fn finish(&mut self, status: &Status<'_>) {
        self.write(status, false);
        self.other.finish(status);
    }
}

/// What the numbers mean that depend on how many kernels there are.
struct Words {
    executions: &'static str,
    reported: &'static str,
    not_comparable: &'static str,
    kernel_fault: &'static str,
    budget: &'static str,
    emulator_fault: &'static str,
    not_reproduced: &'static str,
    silent: &'static str,
}

const ONE: Words = Words {
    executions: "Scenarios run.",
    reported: "Runs with violations that are reported.",
    not_comparable: "Runs that say nothing about the kernel.",
    kernel_fault: "Runs with a kernel fault or a hang.",
    budget: "Runs that were cut off.",
    emulator_fault: "Runs that were more than the emulator can do.",
    not_reproduced: "Runs with violations that a fresh machine did not show again.",
    silent: "Runs that say nothing, by reason.",
};

const TWO: Words = Words {
    executions: "Scenarios run, each on both kernels.",
    reported: "Divergences that are reported.",
    not_comparable: "Pairs of runs that cannot be compared.",
    kernel_fault: "Pairs with a kernel fault or a hang.",
    budget: "Pairs of which a run was cut off.",
    emulator_fault: "Pairs of which a run was more than the emulator can do.",
    not_reproduced: "Divergences that fresh machines did not show again.",
    silent: "Pairs of runs that say nothing, by reason.",
};

/// What is written, with what it means.
struct Values {
    running: bool,
    /// Name, whether it only ever grows, meaning, value.
    numbers: Vec<(&'static str, bool, &'static str, f64)>,
    inconclusive: Tally,
    /// What is counted there.
    silent: &'static str,
    findings: Vec<(&'static str, usize)>,
}

impl Values {
    fn new(status: &Status<'_>, running: bool) -> Values {
        let counts = &status.counts;
        let words = match status.kernel {
            Some(_) => &ONE,
            None => &TWO,
        };
        let rate = status.executions as f64 / status.seconds.max(f64::EPSILON);
        let of = |verdict: Verdict| {
            let findings = status.findings.iter();
            let count = findings.filter(|f| f.verdict == verdict).count();
            (verdict.name(), count)
        };
        let mut numbers = vec![
            ("seconds", true, "Seconds since the start.", status.seconds),
            (
                "executions",
                true,
                words.executions,
                status.executions as f64,
            ),
            (
                "scenarios_per_second",
                false,
                "Scenarios a second since the start.",
                rate,
            ),
            (
                "corpus",
                false,
                "Scenarios in the corpus.",
                status.corpus as f64,
            ),
            (
                "edges",
                false,
                "Coverage map bytes that were ever hit.",
                counts.edges as f64,
            ),
            ("reported", true, words.reported, counts.reported as f64),
            (
                "not_comparable",
                true,
                words.not_comparable,
                counts.not_comparable as f64,
            ),
            (
                "kernel_fault",
                true,
                words.kernel_fault,
                counts.kernel_fault as f64,
            ),
            ("budget", true, words.budget, counts.budget as f64),
            (
                "emulator_fault",
                true,
                words.emulator_fault,
                counts.emulator_fault as f64,
            ),
            (
                "not_reproduced",
                true,
                words.not_reproduced,
                counts.not_reproduced as f64,
            ),
        ];
        numbers.push((
            "stability",
            false,
            "Share of the scenarios run twice that covered the same.",
            stability(counts),
        ));
        if let Some(shared) = status.shared {
            let of_others = [
                (
                    "shared_tried",
                    "Scenarios of others that were tried.",
                    shared.tried,
                ),
                (
                    "shared_findings",
                    "Scenarios of findings of others that were tried.",
                    shared.findings,
                ),
                (
                    "shared_refused",
                    "Files of others that are no scenario.",
                    shared.refused,
                ),
            ];
            numbers.extend(of_others.map(|(name, help, value)| (name, true, help, value as f64)));
        }
        if let Some(bytes) = status.resources.bytes {
            numbers.push((
                "resident_bytes",
                false,
                "Memory of all processes of the campaign.",
                bytes as f64,
            ));
        }
        if let Some(open) = status.resources.descriptors {
            numbers.push((
                "open_descriptors",
                false,
                "Open files of all processes of the campaign.",
                open as f64,
            ));
        }
        Values {
            running,
            numbers,
            inconclusive: status.inconclusive.clone(),
            silent: words.silent,
            findings: [Verdict::Live, Verdict::Abi].map(of).to_vec(),
        }
    }

    fn json(&self, labels: &[(&'static str, String)]) -> String {
        let mut object = Map::new();
        object.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
        object.extend(
            labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value))),
        );
        object.insert("running".into(), json!(self.running));
        for (name, _, _, value) in &self.numbers {
            // Counts are whole numbers, and no reader should have to wonder.
            let value = match value.fract() == 0.0 {
                true => json!(*value as u64),
                false => json!(value),
            };
            object.insert((*name).to_owned(), value);
        }
        // Maps of numbers have no way to fail.
        if let Ok(Value::Object(reasons)) = serde_json::to_value(&self.inconclusive) {
            object.extend(reasons);
        }
        let findings: Map<String, Value> = self
            .findings
            .iter()
            .map(|(verdict, count)| ((*verdict).to_owned(), json!(count)))
            .collect();
        object.insert("findings".into(), Value::Object(findings));
        format!("{}\n", Value::Object(object))
    }

    fn prometheus(&self, labels: &[(&'static str, String)]) -> String {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = labels.join(",");
        let mut text = String::new();
        let mut add = |name: &str, kind: &str, help: &str, samples: &[(String, f64)]| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{{{labels}}} {value}");
            }
        };
        for &(name, grows, help, value) in &self.numbers {
            let sample = [(labels.clone(), value)];
            match grows {
                true => add(&format!("ctxfuzz_{name}_total"), "counter", help, &sample),
                false => add(&format!("ctxfuzz_{name}"), "gauge", help, &sample),
            }
        }
        let running = if self.running { 1.0 } else { 0.0 };
        let help = "Whether the campaign still runs.";
        add(
            "ctxfuzz_running",
            "gauge",
            help,
            &[(labels.clone(), running)],
        );
        let reasons = self.inconclusive.inconclusive_by_reason.iter();
        let samples: Vec<_> = reasons
            .map(|(reason, count)| (format!("{labels},reason=\"{reason}\""), *count as f64))
            .collect();
        let silent = self.silent;
        add("ctxfuzz_inconclusive_total", "counter", silent, &samples);
        let findings = self
            .findings
            .iter()
            .map(|(verdict, count)| (format!("{labels},verdict=\"{verdict}\""), *count as f64));
        let samples: Vec<_> = findings.collect();
        add(
            "ctxfuzz_findings",
            "gauge",
            "What was found, by who can notice.",
            &samples,
        );
        text
    }
}

/// A label's value: a kernel's name may have a path in it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use ctxfuzz_triage::inconclusive::Inconclusive;

    use super::super::resources::Resources;
    use super::super::summary::Summary;
    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally::default();
        tally.add_times(&Inconclusive::NotSeenAgain, 2);
        tally
    }

    fn values() -> Values {
        Values::new(
            &Status {
                resources: Resources::now(),
                ..Status::of(&Summary {
                    executions: 100,
                    seconds: 0.5,
                    corpus: 7,
                    inconclusive: tally(),
                    ..Summary::default()
                })
            },
            true,
        )
    }

    #[test]
    fn every_metric_has_its_help_type_and_labels() {
        let labels = [("a", "vmlinux:a\"\\b\nc".to_owned())];
        let text = values().prometheus(&labels);
        let lines: Vec<&str> = text.lines().collect();
        let metric = r#"ctxfuzz_executions_total{a="vmlinux:a\"\\b\nc"} 100"#;
        assert!(lines.contains(&metric), "{text}");
        assert!(text.contains(r#"c",verdict="live"} 0"#), "{text}");
        let reason =
            r#"ctxfuzz_inconclusive_total{a="vmlinux:a\"\\b\nc",reason="not seen again"} 2"#;
        assert!(text.lines().any(|line| line == reason), "{text}");
        let mut described = "";
        for line in lines {
            match line
                .strip_prefix("# ")
                .map(|line| line.split(' ').collect::<Vec<_>>())
            {
                Some(words) => described = words[1],
                None => assert_eq!(line.split('{').next(), Some(described), "{text}"),
            }
        }
    }

    #[test]
    fn json_has_whole_counts_and_the_labels() {
        let text = values().json(&[("seed", "3".to_owned())]);
        assert!(text.ends_with("}\n") && text.contains(r#""seed":"3","running":true"#));
        assert!(text.contains(r#""seconds":0.5,"executions":100,"scenarios_per_second":200,"#));
        assert!(text.contains(r#""findings":{"live":0,"abi":0}"#), "{text}");
        assert!(text.contains(r#""inconclusive_by_reason":{"not seen again":2}"#));
        #[cfg(target_os = "linux")]
        assert!(text.contains(r#""resident_bytes":"#) && text.contains(r#""open_descriptors":"#));
    }
}
