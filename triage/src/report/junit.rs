//! The index as JUnit XML, for continuous integration: one test case a signature.
//!
//! A finding is a failure, what is known is a test that was left out for its reason, and what was
//! skipped is an error.

use std::fmt::Write;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::index::{Entry, Index, Kernel, Standing};
use crate::untrusted::{self, escaped};

/// The whole document.
pub fn junit(index: &Index) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new(index.name());
    suite.add_property(("ctxfuzz", env!("CARGO_PKG_VERSION")));
    for entry in &index.entries {
        suite.add_test_case(case(index, entry));
    }
    for skipped in &index.skipped {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status
            .set_type("skipped")
            .set_message(escaped(&skipped.reason));
        let mut case = TestCase::new(untrusted::path(&index.name_of(skipped)), status);
        case.set_classname("ctxfuzz");
        suite.add_test_case(case);
    }
    let mut report = Report::new("ctxfuzz");
    report.add_test_suite(suite);
    report.to_string()
}

fn case(index: &Index, entry: &Entry) -> TestCase {
    let status = match index.standing(entry) {
        Standing::Reported => {
            let what = match entry.is_of_one() {
                true => "did not survive",
                false => "differs",
            };
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type(entry.verdict.name())
                .set_message(escaped(&format!("{what}: {}", entry.registers.join(", "))))
                .set_description(details(entry));
            status
        }
        Standing::Below => TestCaseStatus::success(),
        Standing::Known(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(escaped(reason));
            status
        }
    };
    let mut case = TestCase::new(escaped(&entry.signature), status);
    case.set_classname(escaped(entry.function.as_deref().unwrap_or("unknown")));
    case
}

/// XML has no way to write some characters, so nothing goes into it as it is.
fn details(entry: &Entry) -> String {
    let mut text = String::new();
    let kernel = |kernel: &Kernel| format!("{} (image {})", kernel.kernel, kernel.image);
    let kernels = entry.kernels().into_iter();
    let kernels = kernels.map(|(word, named)| (word.to_lowercase(), Some(kernel(named))));
    let seed = entry.seed.map(|seed| seed.to_string());
    let found = [
        ("telling instruction in", entry.writer.clone()),
        ("source", entry.source.clone()),
    ];
    let origin = [
        ("ctxfuzz", entry.version.clone()),
        ("seed", seed),
        ("found by", Some(entry.command.clone())),
        ("show again", entry.reproduce.clone()),
        ("finding", Some(entry.path.display().to_string())),
    ];
    let owned = |(what, value): (&str, Option<String>)| (what.to_owned(), value);
    let found = found.into_iter().map(owned).chain(kernels);
    for (what, value) in found.chain(origin.into_iter().map(owned)) {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{what}: {}", escaped(&value));
        }
    }
    for other in &entry.also {
        let path = format!("{}{}", other.path.display(), entry.other_oracle(other));
        let _ = writeln!(text, "also in: {}", escaped(&path));
    }
    text
}
