use std::fs;

use ctxfuzz_emulator::run::outcome::End;

use super::*;
use crate::compare::What;
use crate::report::html::matrix_page;
use crate::shortfall::EffectsReport;
use crate::transparency::{Violation, When};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Place;

fn column(kernel: &str, endian: &str) -> Column {
    Column {
        kernel: Identity {
            kernel: kernel.to_owned(),
            release: None,
            image: None,
        },
        endian: endian.to_owned(),
    }
}

fn cell(state: State) -> Cell {
    Cell {
        state,
        registers: Vec::new(),
        reason: None,
        not_reached: Vec::new(),
    }
}

fn matrix(columns: &[Column], rows: &[(&str, &[State])]) -> Matrix {
    let row = |(name, states): &(&str, &[State])| Row {
        scenario: (*name).to_owned(),
        file: format!("corpus/{name}.json"),
        hash: format!("hash of {name}"),
        cells: states.iter().map(|&state| cell(state)).collect(),
    };
    Matrix {
        schema: SCHEMA,
        version: "0".to_owned(),
        kernels: columns.to_vec(),
        scenarios: rows.iter().map(row).collect(),
    }
}

fn judgement(verdict: Verdict) -> Judgement {
    let violation = |verdict| Violation {
        when: When::Start,
        task: 0,
        place: Place::Register,
        what: What::Register(Register::F(3)),
        verdict,
        before: 1,
        after: 2,
    };
    Judgement {
        inconclusive: None,
        violations: match verdict {
            Verdict::None => Vec::new(),
            verdict => vec![violation(verdict)],
        },
        verdict,
        end: End::Completed,
        spent: None,
        effects: EffectsReport::default(),
    }
}

#[test]
fn a_cell_says_what_check_says() {
    for (verdict, state, registers) in [
        (Verdict::None, State::Silent, 0),
        (Verdict::Dead, State::Dead, 0),
        (Verdict::Abi, State::Abi, 1),
        (Verdict::Live, State::Live, 1),
    ] {
        let cell = Cell::of(&judgement(verdict));
        assert_eq!((cell.state, cell.registers.len()), (state, registers));
        assert_eq!(cell.reason, None);
        let withdrawn = judgement(verdict).withdrawn(Inconclusive::NotSeenAgain);
        let cell = Cell::of(&withdrawn);
        assert_eq!(cell.state, State::Inconclusive);
        assert!(cell.reason.is_some() && cell.registers.is_empty());
    }
}

#[test]
fn what_got_worse_is_named_and_what_did_not_is_not() -> Result<(), BadBaseline> {
    use State::*;
    let kernels = [column("fixed", "le"), column("mine", "be")];
    let before = matrix(
        &kernels,
        &[
            ("a", &[Silent, Live]),
            ("b", &[Abi, Inconclusive]),
            ("c", &[Dead, Silent]),
            ("gone", &[Live, Live]),
        ],
    );
    let same = before.since(&before)?;
    assert_eq!(same, Since::default());
    // The columns of the newer one are the other way round.
    let turned = [column("mine", "be"), column("fixed", "le")];
    let now = matrix(
        &turned,
        &[
            ("a", &[Abi, Silent]),
            ("b", &[Inconclusive, Live]),
            ("c", &[NotApplicable, Dead]),
            ("new", &[Live, Live]),
        ],
    );
    let since = now.since(&before)?;
    let told = |changes: &[Change]| -> Vec<String> {
        let told = changes
            .iter()
            .map(|c| format!("{} {}: {}, {}", c.scenario, c.kernel, c.before, c.now));
        told.collect()
    };
    assert_eq!(
        told(&since.worse),
        ["b fixed: abi, live", "c mine: silent, not applicable"]
    );
    assert_eq!(told(&since.better), ["a mine: live, abi"]);
    assert_eq!(since.new, ["new"]);
    assert_eq!(since.gone, ["gone"]);
    assert!(
        since
            .text()
            .contains("2 cells got worse, 1 cell got better")
    );
    // A scenario that does something else now is another one.
    let mut changed = now.clone();
    changed.scenarios[1].hash = "another".to_owned();
    let since = changed.since(&before)?;
    assert_eq!(told(&since.worse), ["c mine: silent, not applicable"]);
    assert_eq!(since.new, ["b", "new"]);
    Ok(())
}

#[test]
fn the_order_is_the_documented_one() {
    let page = include_str!("../../../docs/kernels.md");
    let names: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
    assert!(State::ALL.is_sorted());
    let order = format!("`{}`", names.join("`, `"));
    let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&order), "{order}");
}

#[test]
fn another_matrix_is_no_baseline() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("b.json");
    let read = |text: &str| {
        fs::write(&file, text).expect("it is written");
        Matrix::read(&file).expect_err("it is none").to_string()
    };
    assert!(read(r#"{"ctxfuzz_matrix": 7}"#).starts_with("is a matrix of version 7: this ctxfuzz"));
    assert!(read("{}").contains("ctxfuzz_matrix"));
    assert!(!read("x").is_empty());
    let kernels = [column("fixed", "le")];
    let mut short = matrix(&kernels, &[("a", &[])]);
    let text = |matrix: &Matrix| serde_json::to_string(matrix).expect("it is JSON");
    assert_eq!(
        read(&text(&short)),
        "scenarios[0].cells: 0 cells for 1 kernels"
    );
    short.scenarios[0].cells.push(cell(State::Live));
    fs::write(&file, text(&short)).expect("it is written");
    assert_eq!(Matrix::read(&file), Ok(short.clone()));

    let other = matrix(&[column("fixed", "be"), column("fixed", "le")], &[]);
    let told = other.since(&short).expect_err("other kernels").to_string();
    assert_eq!(told, "is about other kernels: it lacks fixed (be)");
    let told = short.since(&other).expect_err("other kernels").to_string();
    assert_eq!(told, "is about other kernels: it has fixed (be)");
}

#[test]
fn the_text_fits_a_terminal_whatever_names_are_like() {
    let long = "a-name-".repeat(9);
    let columns: Vec<Column> = (0..20)
        .map(|n| column(&format!("{long}{n}"), "le"))
        .collect();
    let states = [State::DidNotHappen; 20];
    let mut matrix = matrix(&columns, &[("short", &states), (&long, &states)]);
    matrix.scenarios[0].cells[0].reason = Some("word ".repeat(40));
    matrix.scenarios[0].cells[1].not_reached = vec![2];
    let text = matrix.text();
    let words = |line: &str| line.split_whitespace().count();
    for line in text.lines().filter(|line| words(line) > 3) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(
        text.contains("lack did not happen, * the place of late"),
        "{text}"
    );
    assert!(
        text.contains("\nshort                          lack  lack* lack"),
        "{text}"
    );
    assert!(!text.contains("n/a not applicable"), "{text}");
}

#[test]
fn what_is_silent_on_every_kernel_is_listed_and_has_no_line_in_the_table() {
    use State::*;
    let kernels = [column("fixed", "le"), column("fixed", "be")];
    let rows: [(&str, &[State]); 3] = [
        ("quiet", &[Silent, Silent]),
        ("loud", &[Silent, Dead]),
        ("late", &[Silent, Silent]),
    ];
    let mut matrix = matrix(&kernels, &rows);
    matrix.scenarios[2].cells[1].not_reached = vec![1];
    let text = matrix.text();
    assert!(
        text.contains("\n1 silent on every kernel: quiet\n"),
        "{text}"
    );
    assert!(!text.contains("\nquiet"), "{text}");
    assert!(
        text.contains("\nloud                           .     dead\n"),
        "{text}"
    );
    assert!(
        text.contains("\nlate                           .     .*\n"),
        "{text}"
    );
    matrix.scenarios.truncate(1);
    assert!(!matrix.text().contains("\nscenario"), "{}", matrix.text());
}

#[test]
fn nothing_hostile_gets_into_text_or_page() {
    let name = "<script>\u{1b}[2J";
    let mut matrix = matrix(&[column(name, "le")], &[(name, &[State::Inconclusive])]);
    matrix.scenarios[0].cells[0].reason = Some(name.to_owned());
    let page = matrix_page(&matrix, None, "ctxfuzz matrix");
    for shown in [page, matrix.text()] {
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
    assert!(!matrix_page(&matrix, None, "x").contains("<script>"));
}
