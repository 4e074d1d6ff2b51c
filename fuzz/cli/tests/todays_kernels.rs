//! Kernels that people run today are as truthful and as quiet as 6.1: every event happens on them,
//! the corpus says what it is about, and random scenarios end. As far as the kernels of `make
//! kernels` are there.

mod common;

use common::{call, json_lines, project};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::{End, LogEntry};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::transparency;

/// Versions and page sizes that differ in what the agent has to do; and one of our own builds for
/// each version and byte order.
const KERNELS: [&str; 11] = [
    "debian",
    "debian-6.12",
    "debian-6.12-64k",
    "debian-7.2",
    "debian-7.2-64k",
    "fixed-le",
    "fixed-be",
    "fixed-6.12-le",
    "fixed-7.2-le",
    "fixed-6.12-be",
    "fixed-7.2-be",
];

/// The agent has these of every kernel: that they are not applicable must never come to be for
/// another reason.
const NOT_APPLICABLE: [&str; 7] = [
    "interrupt system_reset",
    "execve",
    "abort",
    "enable_kernel",
    "kvm_run",
    "hibernate",
    "pending softirq",
];

fn each_kernel(test: &str, check: impl Fn(&str)) {
    let mut parts = common::Parts::of(test);
    for name in KERNELS {
        if let Some([kernel]) = parts.next(common::real([name])) {
            check(&kernel);
        }
    }
}

#[test]
fn every_event_happens_or_is_not_applicable() {
    each_kernel("what happens on a kernel", |kernel| {
        let called = call(&["kernels", "--prove", kernel, "--json"]);
        assert_eq!(called.status, Some(0), "{kernel}: {}", called.stdout);
        let told = &json_lines(&called.stdout)[0];
        assert_eq!(told["quiet"]["quiet"], true, "{kernel}");
        let proofs = told["proofs"].as_array().expect("a list");
        let not_applicable: Vec<&str> = proofs
            .iter()
            .filter(|proof| proof["answer"] == "not_applicable")
            .filter_map(|proof| proof["event"].as_str())
            .collect();
        assert_eq!(not_applicable, NOT_APPLICABLE, "{kernel}");
    });
}

#[test]
fn no_file_of_the_corpus_says_nothing() {
    let corpus = project().join("corpus").display().to_string();
    each_kernel("the corpus", |kernel| {
        let called = call(&["check", "--kernel", kernel, "--json", &corpus]);
        for line in json_lines(&called.stdout) {
            assert!(line.get("inconclusive").is_none(), "{kernel}: {line}");
            assert!(line.get("did_not_happen").is_none(), "{kernel}: {line}");
        }
    });
}

/// A budget that is spent by what the boot has left shows in one of six: 100 are enough.
#[test]
fn random_scenarios_end() {
    each_kernel("random scenarios", |kernel| {
        let called = call(&[
            "check", "--kernel", kernel, "--runs", "100", "--seed", "3", "--json",
        ]);
        let summary = &json_lines(&called.stdout)[0];
        assert_eq!(summary["executions"], 100, "{kernel}");
        assert_eq!(summary["inconclusive"], 0, "{kernel}: {summary}");
    });
}

/// On 7.2 a signal can be left undone and be delivered on top of a SIGFPE. What the upper handler
/// computes may raise another one, which must not kill the task.
#[test]
fn an_exception_in_a_handler_on_top_of_a_sigfpe_is_delivered() -> anyhow::Result<()> {
    const NESTED: &str = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
        {"syscall": {"call": "fork"}},
        {"syscall": {"call": "prctl", "fpexc": "nonrecoverable", "pending": {"switch": "any",
            "signal": 10, "at": {"function": "sys_prctl", "into": "20%", "past": 15}}}},
        {"syscall": {"call": "getppid", "pending": {"switch": "any"}}},
        {"set": {"fpscr": "0x84000010"}}, {"set": {"fpscr": "0x84000010"}}]}"#;
    let mut parts = common::Parts::of("an exception in a handler on top of a SIGFPE");
    let Some([kernel]) = parts.next(common::real(["debian-7.2"])) else {
        return Ok(());
    };
    let mut runner = Runner::new(&kernel.parse()?, Endian::Little)?;
    let outcome = runner.run(&Scenario::from_json(NESTED, "inline")?);
    assert_eq!(outcome.end, End::Completed);
    let delivered = outcome.log.iter().filter_map(|entry| match entry {
        LogEntry::SignalDelivered { at_entry, .. } => Some(*at_entry),
        _ => None,
    });
    // One on top of a SIGFPE, and one in its handler.
    let delivered: Vec<bool> = delivered.take(2).collect();
    assert_eq!(delivered, [true, false]);
    Ok(())
}

/// A signal may come between the host call of a `futex_wait` and its system call instruction. The
/// call sleeps after the handler, and its sleep is ended as that of any other.
#[test]
fn a_call_that_a_handler_was_before_is_ended_too() -> anyhow::Result<()> {
    const BEFORE: &str = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}], "io_uring": [0]}, "events": [
        {"syscall": {"call": "fork"}},
        {"syscall": {"call": "getppid", "pending": {"switch": "any",
            "at": {"function": "syscall_exit_prepare", "past": 5}}}},
        {"syscall": {"call": "getppid", "pending": {"io_worker": true}}},
        {"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}},
        {"interrupt": {"vector": "decrementer", "pending": {"switch": "any"}}},
        {"syscall": {"call": "futex_wait", "pending": {"signal": 10,
            "at": {"function": "interrupt_return_srr_user"}}}}]}"#;
    let mut parts = common::Parts::of("a signal before a futex_wait");
    let Some([kernel]) = parts.next(common::real(["debian-7.2"])) else {
        return Ok(());
    };
    let mut runner = Runner::new(&kernel.parse()?, Endian::Little)?;
    let outcome = runner.run(&Scenario::from_json(BEFORE, "inline")?);
    assert_eq!(outcome.end, End::Completed);
    // The handler came after the event had begun.
    let at = |is_it: fn(&LogEntry) -> bool| outcome.log.iter().position(is_it);
    let wait = at(|entry| matches!(entry, LogEntry::Event { index: 5, .. }));
    let handler = at(|entry| matches!(entry, LogEntry::SignalDelivered { frame: 1, .. }));
    assert!(wait.is_some() && wait < handler, "{:?}", outcome.log);
    Ok(())
}

/// What campaigns on Debian's 7.2 once called a finding: work that was left undone on the way to
/// user mode is done when the task has gone on.
#[test]
fn late_work_is_no_violation() -> anyhow::Result<()> {
    let cases = [
        // SIGUSR1 comes at once with a SIGFPE, and its handler turns exceptions off first.
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
            {"syscall": {"call": "prctl", "fpexc": "nonrecoverable", "pending": {"signal": 10,
                "at": {"function": "check_return_regs_valid"}}}},
            {"set": {"fpscr": "0x84000010"}}, {"syscall": {"call": "prctl", "fpexc": "disabled"}}]}"#,
        // A tracer stops a task when it has begun the next event, and writes then.
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {}, {}, {}]}, "events": [
            {"syscall": {"call": "fork"}},
            {"interrupt": {"vector": "decrementer", "pending": {"switch": "any"}}},
            {"syscall": {"call": "fork", "pending": {"switch": "any",
                "at": {"function": "dup_mmap", "into": "78%"}}}},
            {"interrupt": {"vector": "data_storage"}}, {"syscall": {"call": "sched_yield"}},
            {"syscall": {"call": "sched_yield"}}, {"interrupt": {"vector": "decrementer", "pending":
                {"ptrace": {"set": {"regset": "vsx", "pattern": "0xd0b586f974dcbb85"}}}}},
            {"syscall": {"call": "sched_yield"}}]}"#,
    ];
    let mut parts = common::Parts::of("late work");
    let Some([kernel]) = parts.next(common::real(["debian-7.2"])) else {
        return Ok(());
    };
    let mut runner = Runner::new(&kernel.parse()?, Endian::Little)?;
    runner.observe();
    for text in cases {
        let scenario = Scenario::from_json(text, "inline")?;
        let judgement = transparency::judge(&scenario, &runner.run(&scenario));
        assert_eq!(judgement.inconclusive, None, "{text}");
        assert_eq!(judgement.verdict, Verdict::None, "{text}");
    }
    Ok(())
}

/// What campaigns on Debian's 7.2 once named otherwise: each is one of the suspected bugs that the
/// pages tell of.
#[test]
fn suspected_bugs_have_their_names_however_they_are_met() -> anyhow::Result<()> {
    let cases: [(&str, &[&str]); 11] = [
        // Another task runs between the frame and the zero that the handler's FPSCR is to be.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "registers": {"fpscr": "0x1"}}, {}]},
                "events": [{"syscall": {"call": "kill", "signal": 10, "pending": {"switch": "any",
                    "at": {"function": "__copy_tofrom_user"}}}}]}"#,
            &["handle_rt_signal64.msr-facility"],
        ),
        // The frame is written before another handler runs, which begins first.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
                {"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}},
                {"fill": {"facility": "vmx", "pattern": "0x0"}},
                {"syscall": {"call": "getppid", "pending": {"signal": 10}}},
                {"syscall": {"call": "rt_sigreturn", "pending": {"signal": 12,
                    "at": {"function": "__unsafe_restore_sigcontext", "into": "64%"}}}}]}"#,
            &["restore_math.msr-facility"],
        ),
        // Another task's frame lies beside what was lost.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {"uses": ["vsx"], "load_vec": 0}]}, "events": [
                {"syscall": {"call": "fork", "pending": {"signal": 10,
                    "at": {"function": "msr_check_and_set"}}}},
                {"fill": {"facility": "vmx", "pattern": "0x0"}},
                {"syscall": {"call": "getppid", "pending": {"switch": "any"}}},
                {"syscall": {"call": "read", "bytes": 1}}, {"syscall": {"call": "read", "bytes": 1}},
                {"syscall": {"call": "write", "bytes": 1}},
                {"access": {"op": "lfd", "register": 0, "pending": {"switch": "any"}}},
                {"syscall": {"call": "getppid", "pending": {"switch": "any"}}},
                {"syscall": {"call": "getppid", "pending": {"switch": "any"}}},
                {"syscall": {"call": "write", "bytes": 1}}, {"syscall": {"call": "sched_yield"}},
                {"syscall": {"call": "rt_sigreturn", "pending": {"switch": "any",
                    "at": {"function": "__unsafe_restore_sigcontext", "into": "67%"}}}},
                {"syscall": {"call": "sched_yield"}}, {"syscall": {"call": "kill", "signal": 10}}]}"#,
            &["restore_math.msr-facility"],
        ),
        // A signal comes before a fork, which begins again after the handler: the child has what
        // its parent lost on the way back from there.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "registers": {"fpscr": "0x82004000"},
                "load_fp": 254}, {}], "io_uring": [1]}, "events": [
                {"interrupt": {"vector": "decrementer", "pending": {"io_worker": true}}},
                {"syscall": {"call": "fork", "pending": {"signal": 10}}},
                {"compute": {"op": "fmr", "register": 0}},
                {"syscall": {"call": "rt_sigreturn", "pending": {"switch": "any",
                    "at": {"function": "__unsafe_restore_sigcontext", "into": "51%"}}}}]}"#,
            &["restore_math.msr-facility"],
        ),
        // What swapcontext has lost is seen in a handler.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
                {"access": {"op": "lxvd2x", "register": 0}},
                {"syscall": {"call": "swapcontext", "small": true, "via": "scv", "pending": {
                    "signal": 10, "at": {"function": "__unsafe_restore_sigcontext", "into": "67%"}}}}]}"#,
            &["restore_math.msr-facility"],
        ),
        // The handler has the value of the frame, by another bug.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {"uses": ["vsx"], "registers": {"fpscr": "0x1"}}],
                "io_uring": [0]}, "events": [
                {"syscall": {"call": "getppid", "pending": {"switch": "any"}}},
                {"syscall": {"call": "kill", "signal": 10, "pending": {"switch": 1,
                    "at": {"function": "__unsafe_setup_sigcontext"}}}},
                {"syscall": {"call": "rt_sigreturn", "pending": {"io_worker": true,
                    "at": {"function": "__unsafe_restore_sigcontext", "past": 14}}}}]}"#,
            &[
                "handle_rt_signal64.msr-facility",
                "restore_math.msr-facility",
            ],
        ),
        // The frame lies where another one lay, with the same registers.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["vmx"], "pattern": "0x0"}]}, "events": [
                {"syscall": {"call": "getppid", "pending": {"signal": 12}}},
                {"syscall": {"call": "kill", "signal": 12}}, {"edit_frame": "drop_vmx"},
                {"syscall": {"call": "rt_sigreturn", "pending": {"switch": "any",
                    "at": {"function": "__unsafe_restore_sigcontext", "into": "67%"}}}}]}"#,
            &["restore_math.msr-facility"],
        ),
        // What copy_thread leaves is what was copied.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["vsx"], "load_fp": 0}]}, "events": [
                {"syscall": {"call": "prctl", "fpexc": "precise"}}, {"syscall": {"call": "fork"}},
                {"syscall": {"call": "getppid", "pending": {"switch": "any"}}},
                {"syscall": {"call": "fork"}}]}"#,
            &["copy_thread.msr-fe"],
        ),
        // The child is held to registers that its parent had got wrong before.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "load_fp": 0},
                {"uses": ["vsx"], "pattern": "0x0"}]}, "events": [
                {"syscall": {"call": "prctl", "fpexc": "async", "pending": {"switch": "any",
                    "at": {"function": "set_fpexc_mode", "into": "52%"}}}},
                {"syscall": {"call": "sched_yield"}},
                {"syscall": {"call": "fork", "pending": {"signal": 10}}},
                {"access": {"op": "lxvd2x", "register": 0}}]}"#,
            &["set_fpexc_mode.msr-facility"],
        ),
        // So is the frame of the child's handler: what its MSR says is there, and what is not.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "load_fp": 0},
                {"uses": ["vsx"], "pattern": "0x0"}]}, "events": [
                {"syscall": {"call": "prctl", "fpexc": "async", "pending": {"switch": "any",
                    "at": {"function": "set_fpexc_mode", "into": "52%"}}}},
                {"syscall": {"call": "read", "bytes": 1}}, {"syscall": {"call": "fork"}},
                {"syscall": {"call": "sched_yield"}},
                {"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}}]}"#,
            &["copy_thread.msr-fe", "set_fpexc_mode.msr-facility"],
        ),
        // A fork that was interrupted begins again with what its parent's frame had wrong.
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
                {"syscall": {"call": "fork", "pending": {"signal": 10}}}, {"set": {"fpscr": "0x1"}},
                {"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}},
                {"syscall": {"call": "rt_sigreturn", "pending": {"switch": "any",
                    "at": {"function": "__unsafe_restore_sigcontext", "into": "41%"}}}},
                {"set": {"fpscr": "0x1"}}, {"syscall": {"call": "futex_wait"}}]}"#,
            &["restore_math.msr-facility"],
        ),
    ];
    let mut parts = common::Parts::of("names of suspected bugs");
    let Some([kernel]) = parts.next(common::real(["debian-7.2"])) else {
        return Ok(());
    };
    let kernels = Kernels::One(kernel.parse()?);
    let mut explainer = Explainer::new(&kernels, Endian::Little)?;
    for (text, names) in cases {
        let explanation = explainer.explain(&Scenario::from_json(text, "inline")?);
        assert_eq!(explanation.signatures(), names, "{text}");
    }
    Ok(())
}

/// A call trace has the function that an interrupt has stopped, and its callers, and no return
/// address of a call that is over: what a kernel developer looks at first.
#[test]
fn a_call_trace_goes_on_behind_the_interrupt() -> anyhow::Result<()> {
    let mut parts = common::Parts::of("call traces");
    let path = project().join("corpus/preempted-in-sigreturn.json");
    for name in ["debian-7.2", "fixed-le"] {
        let Some([kernel]) = parts.next(common::real([name])) else {
            continue;
        };
        let kernels = Kernels::One(kernel.parse()?);
        let text = Explainer::new(&kernels, Endian::Little)?
            .explain(&Scenario::load(&path)?)
            .text();
        let stopped = "    --- interrupt at __unsafe_restore_sigcontext";
        assert!(text.contains(stopped), "{name}: {text}");
        // The same caller called it and is interrupted in it.
        let callers = text
            .lines()
            .filter(|line| line.contains("] sys_rt_sigreturn+"));
        let callers: std::collections::BTreeSet<&str> = callers.collect();
        assert_eq!(callers.len(), 1, "{name}: {text}");
    }
    Ok(())
}
