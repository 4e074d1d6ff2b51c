//! Reading and writing: what is accepted, what is refused and how that is said.

use proptest::prelude::*;

use crate::event::{Event, Interrupt, Pending, Switch, Syscall, Via};
use crate::facility::Facility;
use crate::register::Register;
use crate::scenario::{MAX_TASKS, Scenario, TaskStage};

fn message(text: &str) -> String {
    Scenario::from_json(text, "x.json")
        .expect_err(text)
        .to_string()
}

/// A scenario on one line with these events.
fn with_events(events: &str) -> String {
    format!(r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{}}]}}, "events": [{events}]}}"#)
}

fn event_message(event: &str) -> String {
    let text = message(&with_events(event));
    match text.split_once(": ") {
        Some((place, rest)) if place.starts_with("x.json:1:") => rest.to_owned(),
        _ => panic!("no place: {text}"),
    }
}

#[test]
fn the_example_of_the_format_reads() {
    let text = r#"{
  "ctxfuzz": 1,
  "name": "io-worker-on-interrupt-return",
  "stage": {"tasks": [{"uses": ["fp", "vmx", "vsx"], "pattern": "0x1234", "registers": {"fpscr": "0x8200_4000", "v3": "0x1"}}], "io_uring": [0]},
  "events": [
    {"set": {"f0": "0x4142434445464748", "vs0": 1}},
    {"interrupt": {"vector": "doorbell", "pending": {"io_worker": true, "switch": 1, "signal": 10}}},
    {"syscall": {"call": "read", "bytes": 16, "via": "scv", "pending": {"switch": "any"}}}
  ]
}"#;
    let scenario = Scenario::from_json(text, "x.json").expect("valid");
    let task = &scenario.stage.tasks[0];
    assert_eq!(task.uses, [Facility::Fp, Facility::Vmx, Facility::Vsx]);
    assert_eq!(task.pattern, Some(0x1234));
    assert_eq!(
        task.registers,
        [(Register::Fpscr, 0x8200_4000), (Register::V(3), 1)].into()
    );
    assert_eq!(scenario.stage.io_uring, [0]);
    assert_eq!(
        scenario.events,
        [
            Event::Set(
                [
                    (Register::F(0), 0x4142_4344_4546_4748),
                    (Register::Vs(0), 1)
                ]
                .into()
            ),
            Event::Interrupt {
                vector: Interrupt::Doorbell,
                pending: Pending {
                    io_worker: true,
                    switch: Some(Switch::To(1)),
                    signal: Some(10),
                    ptrace: None,
                    softirq: false,
                    after: 0,
                    at: None,
                },
            },
            Event::Syscall {
                call: Syscall::Read { bytes: 16 },
                via: Via::Scv,
                pending: Pending {
                    switch: Some(Switch::Any),
                    ..Pending::NONE
                },
            },
        ]
    );
}

#[test]
fn writing_is_canonical() {
    let text = r#"{
  "ctxfuzz": 1,
  "name": "a",
  "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x1234", "registers": {"f0": "0xab", "fpscr": "0x82004000"}}]},
  "events": [
    {"syscall": {"call": "clone", "fail": true}},
    {"syscall": {"call": "kill", "signal": 10, "via": "scv", "pending": {"io_worker": true, "switch": "any"}}}
  ],
  "expect": [
    {
      "a": "clobbering",
      "b": "fixed",
      "endian": "both",
      "abi": "elf",
      "verdict": "live",
      "reported": true,
      "differences": [{"task": 0, "where": "register", "register": "f0", "verdict": "live"}]
    }
  ]
}
"#;
    let scenario = Scenario::from_json(text, "x.json").expect("valid");
    assert_eq!(scenario.to_json(), text);
}

#[test]
fn errors_of_events_say_what_was_expected() {
    let registers = "expected f0..f31, vs0..vs31, v0..v31, fpscr, vscr or vrsave";
    let cases = [
        (r#"{"set": {"f32": "0x1"}}"#, format!("events[0].set: unknown register `f32`: {registers}")),
        (r#"{"set": {"f0": "0x1", "f0": "0x2"}}"#, "events[0].set: duplicate register `f0`".into()),
        (r#"{"set": {}}"#, "events[0].set: no register: expected at least one, like {\"f0\": \"0x1\"}".into()),
        (
            r#"{"set": {"vscr": "0x1_0000_0000"}}"#,
            "events[0].set.vscr: value 0x100000000 is too wide: vscr has 32 bits".into(),
        ),
        (
            r#"{"set": {"v1": "0x100000000000000000000000000000000"}}"#,
            "events[0].set.v1: value 0x100000000000000000000000000000000 is too wide: v1 has 128 bits".into(),
        ),
        (
            r#"{"set": {"f0": "12"}}"#,
            "events[0].set.f0: `12` is no number: expected a hexadecimal string like \"0x1f\" of at most 64 bits".into(),
        ),
        (
            r#"{"set": {"f0": -1}}"#,
            "events[0].set.f0: invalid type: integer `-1`, expected a hexadecimal string like \"0x1f\" of at most 64 bits".into(),
        ),
        (
            r#"{"set": ["f0"]}"#,
            "events[0].set: invalid type: sequence, expected an object from register names to values, like {\"f0\": \"0x1\"}"
                .into(),
        ),
        (
            r#"{"frob": {}}"#,
            "events[0]: unknown event `frob`: expected set, fill, compute, access, touch, edit_frame, fill_frame, set_frame, interrupt or syscall".into(),
        ),
        (
            r#"{"touch": "fp", "set": {}}"#,
            "events[0]: an event has one key, but `set` follows `touch`: write two events".into(),
        ),
        (
            "{}",
            "events[0]: invalid length 0, expected an event: an object with one key (set, fill, compute, access, touch, edit_frame, \
             fill_frame, set_frame, interrupt or syscall)"
                .into(),
        ),
        (r#"{"touch": "tm"}"#, "events[0].touch: unknown facility `tm`: expected fp, vmx or vsx".into()),
        (
            r#"{"compute": {"op": "fadd", "register": 32}}"#,
            "events[0].compute.register: invalid value: integer `32`, expected a register index from 0 to 31".into(),
        ),
        (r#"{"fill": {"facility": "fp"}}"#, "events[0].fill: missing field `pattern`".into()),
        (
            r#"{"access": {"op": "lfd", "register": 32}}"#,
            "events[0].access.register: no register 32: expected 0 to 31 with lfd".into(),
        ),
        (
            r#"{"access": {"op": "lxvd2x", "register": 64}}"#,
            "events[0].access.register: invalid value: integer `64`, expected a register index from 0 to 63".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "pr": true}}"#,
            "events[0].syscall: `pr` goes with kvm_run only, not with fork".into(),
        ),
        (
            r#"{"interrupt": {"vector": "nmi"}}"#,
            "events[0].interrupt.vector: unknown vector `nmi`: expected decrementer, external, doorbell, data_storage or system_reset".into(),
        ),
        (
            r#"{"interrupt": {"vector": "system_reset", "pending": {"signal": 10}}}"#,
            "events[0].interrupt.pending: a system reset interrupt returns without doing what is pending: expected nothing".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"sinal": 10}}}"#,
            "events[0].interrupt.pending: unknown field `sinal`, expected one of `io_worker`, `switch`, `signal`, `ptrace`, `softirq`, `after`, `at`".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"signal": 9}}}"#,
            "events[0].interrupt.pending.signal: invalid value: integer `9`, expected 10 (SIGUSR1) or 12 (SIGUSR2)".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": 8}}}"#,
            "events[0].interrupt.pending.switch: invalid value: integer `8`, expected \"any\" or a task index from 0 to 7".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": null}}}"#,
            "events[0].interrupt.pending.switch: invalid type: null, expected \"any\" or a task index from 0 to 7".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"signal": 10, "after": 1}}}"#,
            "events[0].interrupt.pending.after: what is pending at an interrupt comes with it: expected no `after`, which goes with system calls and accesses, or `at` instead".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "pending": {"switch": 1, "after": 4096}}}"#,
            "events[0].syscall.pending.after: invalid value: integer `4096`, expected a number of places from 0 to 4095".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "pending": {"switch": 1, "at": {"function": "copy_thread", "call": 0}}}}"#,
            "events[0].syscall.pending.at.call: invalid value: integer `0`, expected a number of a call from 1 to 1000".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "pending": {"switch": 1, "at": {"function": "copy_thread", "past": -8}}}}"#,
            "events[0].syscall.pending.at.past: invalid type: integer `-8`, expected a number of places from 0 to 4095".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "pending": {"switch": 1, "at": {"function": "a function"}}}}"#,
            "events[0].syscall.pending.at.function: invalid value: string \"a function\", expected the name of a function of the kernel: 1 to 64 letters, digits, `_`, `.` or `$`".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "pending": {"switch": 1, "after": 1, "at": {"function": "copy_thread"}}}}"#,
            "events[0].syscall.pending.at: the work comes once: expected `after` or `at`, not both".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "pending": {"at": {"function": "copy_thread"}}}}"#,
            "events[0].syscall.pending.at: nothing is pending that could be late: expected `io_worker`, `softirq`, `switch` or `signal` beside it".into(),
        ),
        (
            r#"{"syscall": {"call": "vfork", "pending": {"ptrace": {}}}}"#,
            "events[0].syscall.pending.ptrace: others run before the task can stop, or it is another program then: expected no `ptrace` with sched_yield, vfork, execve, abort and exit".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"ptrace": {}, "switch": 1}}}"#,
            "events[0].interrupt.pending.ptrace: the task stops at once, and whoever is next runs: expected none of `switch`, `after` and `at` beside it".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"ptrace": {"set": {"regset": "vmx", "pattern": "0x3", "bytes": 24}}}}}"#,
            "events[0].interrupt.pending.ptrace.set.bytes: 24 bytes: expected a multiple of 16 up to 544, as vmx has".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"ptrace": {"set": {"regset": "fp", "pattern": "0x3", "bytes": 272}}}}}"#,
            "events[0].interrupt.pending.ptrace.set.bytes: 272 bytes: expected a multiple of 8 up to 264, as fp has".into(),
        ),
        (
            r#"{"interrupt": {"vector": "doorbell", "pending": {"ptrace": "read"}}}"#,
            "events[0].interrupt.pending.ptrace: invalid type: string \"read\", expected an object".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "pending": {"after": 1}}}"#,
            "events[0].syscall.pending.after: nothing is pending that could be late: expected `io_worker`, `softirq`, `switch` or `signal` beside it".into(),
        ),
        (
            r#"{"syscall": {"call": "read", "bytes": 0}}"#,
            "events[0].syscall.bytes: invalid value: integer `0`, expected a number of bytes from 1 to 8192".into(),
        ),
        (
            r#"{"syscall": {"call": "read"}}"#,
            "events[0].syscall: missing field `bytes`: read needs 1 to 8192".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "bytes": 1}}"#,
            "events[0].syscall: `bytes` goes with read and write only, not with fork".into(),
        ),
        (
            r#"{"syscall": {"call": "fork", "fail": true}}"#,
            "events[0].syscall: `fail` goes with clone only, not with fork".into(),
        ),
        (
            r#"{"syscall": {"call": "kill"}}"#,
            "events[0].syscall: missing field `signal`: kill needs 10 or 12".into(),
        ),
    ];
    for (event, expected) in cases {
        assert_eq!(event_message(event), expected, "{event}");
    }
}

#[test]
fn errors_of_the_whole_have_exact_places() {
    let cases = [
        ("", "x.json:1:1: broken JSON: EOF while parsing a value"),
        (
            "[]",
            "x.json:1:1: invalid type: sequence, expected an object",
        ),
        (
            "{\"ctxfuzz\": 1, \"stage\": [[{}]], \"events\": []}",
            "x.json:1:24: stage: invalid type: sequence, expected an object",
        ),
        (
            "{\"ctxfuzz\": 1, \"stage\": {\"tasks\": [\n[]]}, \"events\": []}",
            "x.json:2:1: stage.tasks[0]: invalid type: sequence, expected an object",
        ),
        (
            "{\n  \"ctxfuzz\": 1,\n  \"stage\" {}\n}",
            "x.json:3:11: broken JSON: expected `:`",
        ),
        (
            "{\"ctxfuzz\": 1,\n \"stage\": {\"tasks\": [{}]},\n \"events\": [\n",
            "x.json:4:1: events: broken JSON: EOF while parsing a list",
        ),
        (
            "{\"ctxfuzz\": 2, \"stages\": []}",
            "x.json:1:13: ctxfuzz: unsupported version 2: this ctxfuzz reads version 1, get a newer ctxfuzz",
        ),
        (
            "{\"stages\": [],\n \"ctxfuzz\": 0}",
            "x.json:2:13: ctxfuzz: unsupported version 0: this ctxfuzz reads version 1, and there is none before it",
        ),
        (
            "{\"ctxfuzz\": \"1\"}",
            "x.json:1:13: ctxfuzz: \"1\" is no version: expected the number 1",
        ),
        (
            "{\"ctxfuzz\": 1.5}",
            "x.json:1:13: ctxfuzz: 1.5 is no version: expected the number 1",
        ),
        (
            "{\"stage\": {\"tasks\": [{}]}, \"events\": []}",
            "x.json:1:40: missing field `ctxfuzz`",
        ),
        (
            "{\"ctxfuzz\": 1,\n \"stage\": {\"tasks\": [{}]}}",
            "x.json:2:26: missing field `events`",
        ),
        (
            "{\"ctxfuzz\": 1, \"stage\": {\"tasks\": []}, \"events\": []}",
            "x.json:1:35: stage.tasks: no task: expected 1 to 8",
        ),
        (
            "{\"ctxfuzz\": 1, \"stage\": {\"tasks\": [{}],\n \"io_uring\": [0,\n 1]},\n \"events\": []}",
            "x.json:3:2: stage.io_uring[1]: no task 1: the stage has 1, counted from 0",
        ),
        (
            "{\"ctxfuzz\": 1, \"stage\": {\"tasks\": [\n {\"uses\": [\"fp\"],\n \"registers\": {\"v0\": \"0x1\"}}]}, \"events\": []}",
            "x.json:3:22: stage.tasks[0].registers.v0: the task does not use this register's facility: add vmx or vsx to `uses`",
        ),
        (
            "{\"ctxfuzz\": 1,\n \"evnts\": []}",
            "x.json:2:8: unknown field `evnts`, expected one of `ctxfuzz`, `name`, `about`, `needs`, `stage`, `events`, `expect`",
        ),
        (
            "{\"ctxfuzz\": 1, \"name\": 7}",
            "x.json:1:24: name: invalid type: integer `7`, expected a string",
        ),
        (
            "{\"ctxfuzz\": 1, \"name\": \"../x\", \"stage\": {\"tasks\": [{}]}, \"events\": []}",
            "x.json:1:24: name: expected 1 to 80 letters, digits, `.`, `_` or `-`, with a letter or digit first",
        ),
        (
            "{\"ctxfuzz\": 1, \"stage\": {\"tasks\": [{}]}, \"events\": []} x",
            "x.json:1:56: broken JSON: trailing characters",
        ),
        (
            "{\"ctxfuzz\": 1, \"ctxfuzz\": 1}",
            "x.json:1:24: duplicate field `ctxfuzz`",
        ),
    ];
    let said: Vec<(&str, String)> = cases
        .iter()
        .map(|(text, _)| (*text, message(text)))
        .collect();
    let expected: Vec<(&str, String)> = cases
        .iter()
        .map(|(text, expected)| (*text, (*expected).to_owned()))
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn errors_of_expectations() {
    let row = |row: &str| {
        let text = format!(
            r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{}}]}}, "events": [], "expect": [{row}]}}"#
        );
        let text = message(&text);
        text.split_once(": ")
            .map(|(_, rest)| rest.to_owned())
            .unwrap_or(text)
    };
    let f0 = r#"{"task": 0, "where": "register", "register": "f0", "verdict": "live"}"#;
    assert_eq!(
        row(&format!(
            r#"{{"a": "x", "b": "y", "verdict": "none", "reported": false, "differences": [{f0}, {f0}]}}"#
        )),
        "expect[0].differences[1]: this difference is listed twice"
    );
    assert_eq!(
        row(&format!(
            r#"{{"a": "x", "b": "y", "verdict": "none", "reported": false, "differences": [{f0}]}}"#
        )),
        "expect[0].verdict: `none` does not agree with `differences`: they are live"
    );
    assert_eq!(
        row(&format!(
            r#"{{"a": "x", "b": "y", "verdict": "live", "reported": false, "differences": [{f0}]}}"#
        )),
        "expect[0].reported: verdict `live` under `both` means true"
    );
    assert_eq!(
        row(
            r#"{"a": "x", "b": "y", "verdict": "live", "reported": true, "differences": [{"task": 0, "where": "child", "verdict": "live"}]}"#
        ),
        "expect[0].differences[0]: missing field `register`: `child` needs one"
    );
    assert_eq!(
        row(r#"{"a": "", "b": "y", "verdict": "none", "reported": false}"#),
        "expect[0].a: no kernel: expected a name like `fixed`"
    );
}

#[test]
fn too_much_is_refused() {
    let many = vec![r#"{"touch": "fp"}"#; 257].join(",\n");
    assert_eq!(
        message(&with_events(&many)),
        "x.json:257:1: events[256]: 257 events: expected at most 256"
    );
    let fills = vec![r#"{"fill": {"facility": "fp", "pattern": 1}}"#; 33].join(",\n");
    assert_eq!(
        message(&with_events(&fills)),
        "x.json:33:1: events[32]: more than 32 events that fill registers or write them into a frame"
    );

    let mut scenario = Scenario::default();
    assert_eq!(
        scenario.validate().expect_err("no task").to_string(),
        "stage.tasks: no task: expected 1 to 8"
    );
    scenario.stage.tasks = vec![TaskStage::default(); MAX_TASKS + 1];
    assert_eq!(
        scenario.validate().expect_err("9 tasks").to_string(),
        "stage.tasks[8]: 9 tasks: expected 1 to 8"
    );
    scenario.stage.tasks.truncate(1);
    scenario.events = vec![Event::Set(Register::all().map(|register| (register, 0)).collect()); 8];
    assert!(
        scenario
            .validate()
            .expect_err("8 * 67 operations")
            .message
            .contains("511 operations")
    );
}

#[test]
fn messages_are_one_bounded_line() {
    let text = format!(r#"{{"ctxfuzz": 1, "a\n{}": 1}}"#, "x".repeat(5000));
    let message = message(&text);
    assert!(!message.contains('\n') && message.len() < 600, "{message}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = Scenario::from_json(&text, "any");
    }

    /// Damaged scenarios read as scenarios or fail with a place; never with a panic.
    #[test]
    fn no_damage_panics(at in 0usize..2000, byte in 32u8..127) {
        let original = include_str!("../../../../corpus/io-worker-then-preempt.json");
        let mut bytes = original.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes)
            && let Err(error) = Scenario::from_json(&text, "damaged")
        {
            prop_assert!(error.line > 0);
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
