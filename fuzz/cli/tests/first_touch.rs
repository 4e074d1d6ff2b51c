//! What a child touches first is not there yet: the kernel is entered for it, on the way to the
//! call that is tested, and the host finds what the child does not. Neither is anything that a
//! kernel did wrong: `check` is silent on all real kernels that are there, whatever a child does.

mod common;

use std::fs;
use std::path::Path;

use common::{Parts, call, json_lines, kernels, real, real_kernels};
use serde_json::{Value, json};

/// Work that comes while a child does something.
fn pending() -> [(&'static str, Value); 3] {
    [
        ("signal", json!({"signal": 10})),
        ("switch", json!({"switch": "any"})),
        ("tracer", json!({"ptrace": {}})),
    ]
}

/// What a child does, with work pending in its last event: each operation of the interpreter that
/// stores to memory before it enters the kernel, or that the host prepares memory for.
fn operations(work: &str, pending: &Value) -> Vec<(String, Value)> {
    let with = |mut arguments: Value| {
        arguments["pending"] = pending.clone();
        json!({ "syscall": arguments })
    };
    let write = json!({"syscall": {"call": "write", "bytes": 4096}});
    let signal = json!({"syscall": {"call": "kill", "signal": 10}});
    let mut all = vec![
        ("swapcontext", json!([with(json!({"call": "swapcontext"}))])),
        (
            "small",
            json!([with(json!({"call": "swapcontext", "small": true}))]),
        ),
        ("fork", json!([with(json!({"call": "fork"}))])),
        (
            "failing",
            json!([with(json!({"call": "clone", "fail": true}))]),
        ),
        (
            "read",
            json!([write, with(json!({"call": "read", "bytes": 4096}))]),
        ),
        (
            "write",
            json!([with(json!({"call": "write", "bytes": 4096}))]),
        ),
        ("kill", json!([with(json!({"call": "kill", "signal": 12}))])),
        (
            "return",
            json!([signal, with(json!({"call": "rt_sigreturn"}))]),
        ),
        (
            "store",
            json!([{"interrupt": {"vector": "data_storage", "pending": pending}}]),
        ),
    ];
    for op in ["lfd", "stfd", "lxvd2x", "stxvd2x", "lxsdx", "stxsdx"] {
        let access = json!({"op": op, "register": 3, "pending": pending});
        all.push((op, json!([{ "access": access }])));
    }
    // Nobody traces a task that ends.
    if work != "tracer" {
        all.push(("exit", json!([with(json!({"call": "exit"}))])));
    }
    let named = all.into_iter();
    named
        .map(|(name, events)| (format!("{name}-{work}"), events))
        .collect()
}

/// What the first tasks of the scenarios have: registers to lose, or nothing that would be in use.
fn tasks() -> [(&'static str, Value); 2] {
    let used = json!({"uses": ["vsx"], "pattern": "0xf7f71661dc7330b", "registers": {"fpscr": "0x82004000"}});
    [("used", used), ("unused", json!({}))]
}

fn scenario(name: &str, task: &Value, events: &[Value]) -> Value {
    json!({"ctxfuzz": 1, "name": name, "stage": {"tasks": [task]}, "events": events})
}

/// A scenario for each operation: task 0 makes a child, which does it.
fn children() -> Vec<Value> {
    let mut all = Vec::new();
    for (uses, task) in tasks() {
        for (work, pending) in pending() {
            for (name, own) in operations(work, &pending) {
                let mut events = vec![
                    json!({"syscall": {"call": "fork"}}),
                    json!({"syscall": {"call": "sched_yield"}}),
                ];
                events.extend(own.as_array().into_iter().flatten().cloned());
                events.push(json!({"touch": "vsx"}));
                all.push(scenario(&format!("{name}-{uses}"), &task, &events));
            }
        }
    }
    all
}

/// The child reads less than it asks for, and its parent has read more to the same place before.
fn short_read() -> Value {
    let [call, bytes] = ["call", "bytes"];
    let pipe = |name: &str, n: u64| json!({"syscall": {call: name, bytes: n}});
    let task = json!({"uses": ["vmx"], "pattern": "0x5eed0000a11ce000"});
    let events = [
        pipe("write", 4096),
        pipe("read", 4096),
        pipe("write", 24),
        pipe("read", 8),
        json!({"syscall": {"call": "fork"}}),
        json!({"syscall": {"call": "sched_yield"}}),
        pipe("read", 32),
    ];
    scenario("short-read", &task, &events)
}

fn write(folder: &Path, scenarios: &[Value]) {
    for (nth, scenario) in scenarios.iter().enumerate() {
        fs::write(folder.join(format!("{nth:03}.json")), scenario.to_string())
            .expect("it is written");
    }
}

/// What `check` says of each scenario: its name and the verdict, or why there is none.
fn checked(kernel: &str, folder: &Path) -> Vec<(String, String)> {
    let folder = folder.display().to_string();
    let called = call(&[
        "check", "--json", "--abi", "linux", "--kernel", kernel, &folder,
    ]);
    let reports = json_lines(&called.stdout);
    let text = |report: &Value, key: &str| report[key].as_str().map(str::to_owned);
    let said = reports.iter().map(|report| {
        let why = &report["inconclusive"];
        let said = (!why.is_null()).then(|| why.to_string());
        let said = said.or_else(|| text(report, "verdict"));
        (
            text(report, "scenario").unwrap_or_default(),
            said.unwrap_or_default(),
        )
    });
    said.collect()
}

/// Kernels without the bug that this program was written for.
fn sound_kernels() -> Vec<String> {
    let entries = fs::read_dir(kernels()).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let built = |name: &String| kernels().join(name).join("vmlinux").exists();
    let sound = names.filter(|name| !name.contains("clobbering") && built(name));
    let mut names: Vec<String> = sound.collect();
    names.sort();
    match names.is_empty() {
        // It is said that there is none.
        true => vec!["debian".to_owned()],
        false => names,
    }
}

#[test]
fn nothing_that_a_child_touches_first_is_held_against_the_kernel() {
    let test = "nothing_that_a_child_touches_first_is_held_against_the_kernel";
    let mut scenarios = children();
    scenarios.push(short_read());
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &scenarios);
    let names = sound_kernels();
    let mut parts = Parts::of(test);
    for name in names {
        let Some([kernel]) = parts.next(real([&*name])) else {
            continue;
        };
        let said = checked(&kernel, folder.path());
        assert_eq!(said.len(), scenarios.len(), "{name}");
        let loud = said.into_iter().filter(|(_, said)| said != "none");
        assert_eq!(loud.collect::<Vec<_>>(), [], "{name}");
    }
}

/// The context that is swapped is read by a preemptible kernel, which owns the registers again
/// before it has read it all. Where that is depends on the build.
#[test]
fn a_swapcontext_that_is_preempted_is_still_found() {
    let test = "a_swapcontext_that_is_preempted_is_still_found";
    let Some([kernel]) = real_kernels(test, ["debian-7.2"]) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let at = |after: u64| {
        let pending = json!({"switch": 1, "after": after});
        let swap = json!({"call": "swapcontext", "small": true, "via": "scv", "pending": pending});
        let tasks = json!([
            {"uses": ["fp", "vmx"], "pattern": "0x32a37dc63d9f801d", "registers": {"fpscr": "0x82004000"}},
            {"uses": ["fp"], "pattern": "0x8ab417833d65a2bb", "registers": {"fpscr": "0x82000001"}}
        ]);
        json!({"ctxfuzz": 1, "stage": {"tasks": tasks},
            "events": [{"set": {"vs24": "0xcf1dc39eec551aa0"}}, {"syscall": swap}]})
    };
    write(
        folder.path(),
        &(200..480).step_by(8).map(at).collect::<Vec<_>>(),
    );
    let said = checked(&kernel, folder.path());
    let verdicts: Vec<&str> = said.iter().map(|(_, said)| &**said).collect();
    assert!(verdicts.contains(&"abi"), "{verdicts:?}");
    assert!(verdicts.contains(&"none"), "{verdicts:?}");
}
