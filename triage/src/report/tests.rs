use std::sync::LazyLock;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::outcome::End;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Verdict};

use super::{RunReport, Subject, hex, text};
use crate::compare::{Comparison, Difference, Standing, What};
use crate::definedness::Abi;
use crate::identity::Identity;
use crate::inconclusive::{Inconclusive, Side};
use crate::shortfall::NOTHING_LACKS;

const fn model(kernel: String) -> Identity {
    Identity {
        kernel,
        release: None,
        image: None,
    }
}

static KERNELS: LazyLock<[Identity; 2]> =
    LazyLock::new(|| ["clobbering", "fixed"].map(|name| model(name.to_owned())));

/// A register of task 0 at its end, 1 on kernel A and 2 on kernel B.
fn difference(register: Register, verdict: Verdict) -> Difference {
    Difference {
        task: Some(0),
        place: Place::Register,
        what: What::Register(register),
        verdict,
        a: 1,
        b: 2,
        frame: None,
    }
}

fn comparison() -> Comparison {
    let (f0, v0) = (Register::F(0), Register::V(0));
    let differences = vec![
        Difference {
            a: 0x8200_4000,
            b: 0x3ff0 << 48,
            ..difference(f0, Verdict::Live)
        },
        Difference {
            task: Some(2),
            place: Place::Child,
            a: 1 << 16,
            b: 7 << 64,
            ..difference(v0, Verdict::Abi)
        },
        Difference {
            task: None,
            place: Place::ThreadStruct,
            ..difference(f0, Verdict::Dead)
        },
    ];
    Comparison {
        standing: Standing::Comparable,
        differences,
        verdict: Verdict::Live,
        end_a: End::Completed,
        end_b: End::Completed,
        spent: [None, None],
    }
}

fn subject<'a>(signatures: &'a [String], all: bool) -> Subject<'a> {
    Subject {
        scenario: "iothread",
        endian: Endian::Little,
        kernel_a: &KERNELS[0],
        kernel_b: &KERNELS[1],
        signatures,
        known: &[],
        excused: false,
        abi: Abi::Elf,
        all,
        effects: &NOTHING_LACKS,
    }
}

#[test]
fn json_has_exactly_the_promised_keys() {
    let signatures = ["save_fpu.f0-is-fpscr".to_owned()];
    let line = RunReport::new(&subject(&signatures, false), &comparison()).to_line();
    assert_eq!(
        line,
        concat!(
            r#"{"scenario":"iothread","endian":"le","divergent":true,"reported":true,"verdict":"live","#,
            r#""signatures":["save_fpu.f0-is-fpscr"],"differences":["#,
            r#"{"task":"0","where":"register","register":"f0","verdict":"live","#,
            r#""a":"0x0000000082004000","b":"0x3ff0000000000000"},"#,
            r#"{"task":"2","where":"child","register":"v0","verdict":"abi","#,
            r#""a":"0x00000000000000000000000000010000","b":"0x00000000000000070000000000000000"}],"#,
            r#""a":{"kernel":"clobbering","end":"completed"},"b":{"kernel":"fixed","end":"completed"}}"#,
        )
    );
}

#[test]
fn text_lists_what_somebody_can_see() {
    let signatures = ["save_fpu.f0-is-fpscr".to_owned()];
    let report = text(&subject(&signatures, false), &comparison());
    assert_eq!(
        report,
        "\
iothread (le): live
  a: clobbering, completed
  b: fixed, completed
  signatures: save_fpu.f0-is-fpscr
  task   where         register who   a                  b
  0      register      f0       live  0x0000000082004000 0x3ff0000000000000
  2      child         v0       abi
    0x00000000000000000000000000010000 0x00000000000000070000000000000000
  1 more that nobody can see (--all lists them)
"
    );
    let all = text(&subject(&signatures, true), &comparison());
    assert!(
        all.contains("  kernel thread_struct f0       dead  0x0000000000000001"),
        "{all}"
    );
    assert!(!all.contains("more that nobody"), "{all}");
    assert!(all.lines().all(|line| line.len() <= 78), "{all}");
}

#[test]
fn silence_is_said_in_words() {
    let none = Comparison {
        differences: vec![],
        verdict: Verdict::None,
        ..comparison()
    };
    let expected =
        "iothread (le): no difference\n  a: clobbering, completed\n  b: fixed, completed\n";
    assert_eq!(text(&subject(&[], false), &none), expected);
    let report = RunReport::new(&subject(&[], false), &none);
    assert!(!report.divergent && !report.reported && report.not_comparable.is_none());
}

#[test]
fn what_the_policy_hides_is_said() {
    let mut abi = comparison();
    abi.differences.remove(0);
    abi.verdict = Verdict::Abi;
    let elf = text(&subject(&[], false), &abi);
    assert!(elf.contains("not reported without --abi linux"), "{elf}");
    let linux = text(
        &Subject {
            abi: Abi::Linux,
            ..subject(&[], false)
        },
        &abi,
    );
    assert!(!linux.contains("not reported"), "{linux}");
}

#[test]
fn long_reasons_are_wrapped() {
    let fault = "an FP instruction at save_fpu+0x30 with MSR[FP] off ".repeat(5);
    let mut faulted = comparison();
    faulted.end_a = End::EmulatorFault(fault.clone());
    faulted.standing = Standing::Inconclusive(Inconclusive::EmulatorFault {
        side: Some(Side::A),
        what: fault,
        spent: None,
    });
    faulted.differences.clear();
    faulted.verdict = Verdict::None;
    let report = text(&subject(&[], false), &faulted);
    assert!(
        report.starts_with("iothread (le): not comparable\n"),
        "{report}"
    );
    assert!(report.lines().all(|line| line.len() <= 78), "{report}");
    let line = RunReport::new(&subject(&[], false), &faulted).to_line();
    assert!(
        line.contains(r#""end":"emulator-fault""#) && line.contains(r#""not_comparable":"run A"#),
        "{line}"
    );
}

#[test]
fn ends_are_words_in_text() {
    let mut faulted = comparison();
    faulted.end_a = End::KernelFault("FP unavailable in the kernel".to_owned());
    faulted.differences = vec![Difference {
        place: Place::End,
        what: What::End,
        a: 1,
        b: 0,
        ..difference(Register::F(0), Verdict::Live)
    }];
    let report = text(&subject(&[], false), &faulted);
    assert!(
        report.contains("  0      end           end      live  kernel-fault       completed\n"),
        "{report}"
    );
}

#[test]
fn digits_follow_the_register() {
    let digits = |register| hex(What::Register(register), 1).len() - 2;
    assert_eq!(
        [Register::F(0), Register::Vs(0), Register::Fpscr].map(digits),
        [16; 3]
    );
    assert_eq!([Register::Vscr, Register::Vrsave].map(digits), [8; 2]);
    assert_eq!(digits(Register::V(0)), 32);
}

/// The published schema of finding.json is written by hand.
#[test]
fn the_schema_of_findings_knows_every_place() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/report.schema.json");
    let schema = std::fs::read_to_string(path).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let words: Vec<&str> = Place::ALL.iter().map(|place| place.name()).collect();
    assert_eq!(schema["$defs"]["place"]["enum"], serde_json::json!(words));
}
