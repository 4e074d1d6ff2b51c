//! What `check` does, as it is kept for other programs (`--junit`, `--sarif`).

use std::path::Path;

use ctxfuzz_triage::report::checked::{Case, CaseResult, Checked, Problem};
use ctxfuzz_triage::transparency::report::{Subject, text};
use ctxfuzz_triage::transparency::{Judgement, keys};

use crate::commands::expect::{NO_ROWS, RowReport};
use crate::commands::input::Input;

/// What a row that does not hold is called, whatever is wrong.
const ROW: &str = "expectation";

/// A scenario on one kernel. Each kind of violation that is reported is a problem.
pub fn judgement(checked: &mut Checked, file: &Path, subject: &Subject<'_>, judgement: &Judgement) {
    let result = match &judgement.inconclusive {
        Some(reason) => CaseResult::Trouble(reason.to_string()),
        None if judgement.reported(subject.abi) => CaseResult::Wrong {
            problems: problems(subject, judgement),
            report: text(subject, judgement),
        },
        None => match judgement.effects.needs_not_applicable() {
            [] => CaseResult::Good,
            cannot => {
                let cannot: Vec<String> = cannot.iter().map(ToString::to_string).collect();
                CaseResult::NotApplicable(cannot.join(", "))
            }
        },
    };
    checked.cases.push(Case {
        class: subject.kernel.kernel.clone(),
        name: format!("{} ({})", subject.name, subject.endian.name()),
        file: Some(file.to_owned()),
        result,
    });
}

fn problems(subject: &Subject<'_>, judgement: &Judgement) -> Vec<Problem> {
    let violations = judgement.violations.iter();
    let reported = violations.filter(|violation| subject.abi.reports(violation.verdict));
    keys(subject.scenario, reported)
        .into_iter()
        .map(|(key, whats)| {
            let whats: Vec<String> = whats.iter().map(ToString::to_string).collect();
            Problem {
                rule: key.to_string(),
                message: format!("{} did not survive ({})", whats.join(", "), key.verdict()),
            }
        })
        .collect()
}

/// A row of a scenario.
pub fn row(checked: &mut Checked, input: &Input, row: &RowReport<'_>) {
    let problem = |message: &String| Problem {
        rule: ROW.to_owned(),
        message: message.clone(),
    };
    let result = match row.violations {
        [] => CaseResult::Good,
        violations => CaseResult::Wrong {
            problems: violations.iter().map(problem).collect(),
            report: row.text(),
        },
    };
    checked.cases.push(Case {
        class: format!("{} against {}", row.a, row.b),
        name: row.name(),
        file: Some(input.path.clone()),
        result,
    });
}

/// A scenario that was to be held to its rows and has none.
pub fn without_rows(checked: &mut Checked, input: &Input) {
    checked.cases.push(Case {
        class: ROW.to_owned(),
        name: input.name(),
        file: Some(input.path.clone()),
        result: CaseResult::Trouble(NO_ROWS.to_owned()),
    });
}
