//! What `ctxfuzz check` did, for other programs: JUnit XML with a test case a scenario and byte
//! order, and SARIF 2.1.0 with a result for each way in which one failed, at the scenario's file.
//!
//! Not responsible for judging: what is wrong is told by the caller.

use std::path::PathBuf;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::{sarif, uri};
use crate::untrusted::escaped;

/// All that was checked, in order.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// A test case each.
    pub cases: Vec<Case>,
}

/// One scenario, held to one thing, in one byte order.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it was held to, as `repaired` or `clobbering against fixed`.
    pub class: String,
    /// The scenario and its byte order.
    pub name: String,
    /// Its file, if it has one.
    pub file: Option<PathBuf>,
    /// What came of it.
    pub result: CaseResult,
}

/// What came of a case.
#[derive(Clone, Debug)]
pub enum CaseResult {
    /// Nothing to report.
    Good,
    /// Something to report.
    Wrong {
        /// Each way in which it is wrong; at least one.
        problems: Vec<Problem>,
        /// The report for people.
        report: String,
    },
    /// The kernel cannot do what the scenario is about: what that is.
    NotApplicable(String),
    /// The case says nothing, and this is why.
    Trouble(String),
}

/// One way in which a case is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    /// A stable name for problems of this kind, safe as a file name.
    pub rule: String,
    /// What is wrong, in one line.
    pub message: String,
}

impl Checked {
    /// The JUnit document.
    pub fn junit(&self) -> Result<String, SerializeError> {
        let mut suite = TestSuite::new("ctxfuzz check");
        suite.add_property(("ctxfuzz", env!("CARGO_PKG_VERSION")));
        suite.add_test_cases(self.cases.iter().map(test_case));
        let mut report = Report::new("ctxfuzz");
        report.add_test_suite(suite);
        report.to_string()
    }

    /// The SARIF log.
    pub fn sarif(&self) -> Value {
        let mut rules: Vec<&str> = Vec::new();
        let mut results = Vec::new();
        let mut notifications = Vec::new();
        for case in &self.cases {
            match &case.result {
                CaseResult::Good | CaseResult::NotApplicable(_) => {}
                CaseResult::Trouble(reason) => notifications.push(json!({
                    "level": "error",
                    "message": sarif::text(&format!("{}, {}: {reason}", case.name, case.class)),
                    "locations": locations(case),
                })),
                CaseResult::Wrong { problems, .. } => {
                    for problem in problems {
                        let known = rules.iter().position(|rule| *rule == problem.rule);
                        let index = known.unwrap_or(rules.len());
                        if known.is_none() {
                            rules.push(&problem.rule);
                        }
                        results.push(result(case, problem, index));
                    }
                }
            }
        }
        let rules = rules.iter().map(|rule| json!({"id": rule})).collect();
        sarif::log(rules, notifications, results)
    }
}

fn test_case(case: &Case) -> TestCase {
    let status = match &case.result {
        CaseResult::Good => TestCaseStatus::success(),
        CaseResult::Wrong { problems, report } => {
            let messages: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
            let kind = problems.first().map_or("", |problem| &problem.rule);
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type(escaped(kind))
                .set_message(escaped(&messages.join("; ")))
                .set_description(lines(report));
            status
        }
        CaseResult::NotApplicable(what) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(escaped(&format!("not applicable: {what}")));
            status
        }
        CaseResult::Trouble(reason) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("trouble").set_message(escaped(reason));
            status
        }
    };
    let mut test = TestCase::new(escaped(&case.name), status);
    test.set_classname(escaped(&case.class));
    test
}

/// XML has no way to write some characters, and a name in a scenario may have them: only line feeds
/// stay as they are.
fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escaped).collect();
    lines.join("\n")
}

fn result(case: &Case, problem: &Problem, index: usize) -> Value {
    json!({
        "ruleId": problem.rule,
        "ruleIndex": index,
        "level": "error",
        "message": sarif::text(&format!("{}, {}: {}", case.name, case.class, problem.message)),
        "locations": locations(case),
        "partialFingerprints": {"case/v1": format!("{}|{}|{}", problem.rule, case.class, case.name)},
    })
}

fn locations(case: &Case) -> Vec<Value> {
    case.file
        .iter()
        .map(|file| json!({"physicalLocation": {"artifactLocation": {"uri": uri::of_path(file)}}}))
        .collect()
}
