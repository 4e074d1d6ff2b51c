//! The scenarios that try one thing each.

use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::scenario::Scenario;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The event or pending work, in words of the scenario language.
    pub event: &'static str,
    /// The effect that it must have.
    pub effect: Option<Effect>,
    /// The scenario's events, in JSON.
    events: &'static str,
}

/// Two tasks that use everything, and a ring of the first.
const STAGE: &str = r#"{"tasks": [
    {"uses": ["fp", "vmx", "vsx"], "pattern": "0x1111", "registers": {"fpscr": "0x82004000", "vscr": "0x10001"}},
    {"uses": ["fp", "vmx", "vsx"], "pattern": "0x2222", "registers": {"fpscr": "0x82000001", "vscr": "0x10000"}}],
    "io_uring": [0]}"#;

impl Probe {
    /// The scenario.
    pub fn scenario(&self) -> Scenario {
        let Probe { event, events, .. } = self;
        let text = format!(r#"{{"ctxfuzz": 1, "stage": {STAGE}, "events": [{events}]}}"#);
        // A unit test reads all of them.
        Scenario::from_json(&text, event).unwrap_or_default()
    }
}

/// A task that sleeps, so that whoever else has something to do can do it.
pub(super) fn idle() -> Scenario {
    let futex_wait = r#"{"syscall": {"call": "futex_wait"}}"#;
    probe("idle", None, futex_wait).scenario()
}

const fn probe(event: &'static str, effect: Option<Effect>, events: &'static str) -> Probe {
    Probe {
        event,
        effect,
        events,
    }
}

/// Everything there is in the language: user instructions, interrupts, system calls, accesses,
/// pending work.
pub const PROBES: &[Probe] = &[
    probe("set", None, r#"{"set": {"f1": "0x1", "v2": "0x2"}}"#),
    probe(
        "fill",
        None,
        r#"{"fill": {"facility": "vsx", "pattern": "0x3"}}"#,
    ),
    probe(
        "compute",
        None,
        r#"{"compute": {"op": "fadd", "register": 1}}"#,
    ),
    probe("touch", None, r#"{"touch": "vmx"}"#),
    probe(
        "edit_frame",
        Some(Effect::Signal),
        r#"{"syscall": {"call": "kill", "signal": 10}}, {"edit_frame": "drop_vmx"}"#,
    ),
    probe(
        "fill_frame",
        Some(Effect::Signal),
        r#"{"syscall": {"call": "kill", "signal": 10}}, {"fill_frame": {"facility": "vmx", "pattern": "0x3"}}"#,
    ),
    probe(
        "set_frame",
        Some(Effect::Signal),
        r#"{"syscall": {"call": "kill", "signal": 10}}, {"set_frame": {"f1": "0x1", "vrsave": "0x2"}}"#,
    ),
    probe(
        "interrupt decrementer",
        None,
        r#"{"interrupt": {"vector": "decrementer"}}"#,
    ),
    probe(
        "interrupt external",
        None,
        r#"{"interrupt": {"vector": "external"}}"#,
    ),
    probe(
        "interrupt doorbell",
        None,
        r#"{"interrupt": {"vector": "doorbell"}}"#,
    ),
    probe(
        "interrupt data_storage",
        Some(Effect::PageCopy),
        r#"{"interrupt": {"vector": "data_storage"}}"#,
    ),
    probe(
        "interrupt system_reset",
        Some(Effect::SystemReset),
        r#"{"interrupt": {"vector": "system_reset"}}"#,
    ),
    probe(
        "access",
        Some(Effect::Alignment),
        r#"{"access": {"op": "lxvd2x", "register": 40}}"#,
    ),
    probe(
        "getppid",
        None,
        r#"{"syscall": {"call": "getppid"}}, {"syscall": {"call": "getppid", "via": "scv"}}"#,
    ),
    probe(
        "sched_yield",
        Some(Effect::Switch),
        r#"{"syscall": {"call": "sched_yield"}}"#,
    ),
    probe(
        "fork",
        Some(Effect::Child),
        r#"{"syscall": {"call": "fork"}}"#,
    ),
    probe(
        "vfork",
        Some(Effect::Child),
        r#"{"syscall": {"call": "vfork"}}"#,
    ),
    probe(
        "clone",
        Some(Effect::Child),
        r#"{"syscall": {"call": "clone"}}"#,
    ),
    probe(
        "clone that fails",
        None,
        r#"{"syscall": {"call": "clone", "fail": true}}"#,
    ),
    probe(
        "read",
        Some(Effect::Sleep),
        r#"{"syscall": {"call": "read", "bytes": 16}}"#,
    ),
    probe(
        "write",
        Some(Effect::VmxCopy),
        r#"{"syscall": {"call": "write", "bytes": 8192}}"#,
    ),
    probe(
        "futex_wait",
        Some(Effect::Sleep),
        r#"{"syscall": {"call": "futex_wait"}}"#,
    ),
    probe("futex_wake", None, r#"{"syscall": {"call": "futex_wake"}}"#),
    probe(
        "kill",
        Some(Effect::Signal),
        r#"{"syscall": {"call": "kill", "signal": 12}}"#,
    ),
    probe(
        "rt_sigreturn",
        Some(Effect::Signal),
        r#"{"syscall": {"call": "kill", "signal": 10}}, {"syscall": {"call": "rt_sigreturn"}}"#,
    ),
    probe(
        "prctl",
        None,
        r#"{"syscall": {"call": "prctl", "fpexc": "precise"}}"#,
    ),
    probe(
        "swapcontext",
        None,
        r#"{"syscall": {"call": "swapcontext"}}"#,
    ),
    probe(
        "execve",
        Some(Effect::Exec),
        r#"{"syscall": {"call": "execve"}}"#,
    ),
    probe(
        "abort",
        Some(Effect::CoreDump),
        r#"{"syscall": {"call": "abort"}}"#,
    ),
    probe(
        "enable_kernel",
        Some(Effect::KernelUse),
        r#"{"syscall": {"call": "enable_kernel", "facility": "vmx"}}"#,
    ),
    probe(
        "kvm_run",
        Some(Effect::Guest),
        r#"{"syscall": {"call": "kvm_run"}}"#,
    ),
    probe(
        "hibernate",
        Some(Effect::Hibernation),
        r#"{"syscall": {"call": "hibernate"}}"#,
    ),
    probe("exit", None, r#"{"syscall": {"call": "exit"}}"#),
    probe(
        "pending io_worker",
        Some(Effect::IoWorker),
        r#"{"interrupt": {"vector": "doorbell", "pending": {"io_worker": true}}}"#,
    ),
    probe(
        "pending io_worker, again",
        Some(Effect::IoWorker),
        r#"{"interrupt": {"vector": "doorbell", "pending": {"io_worker": true}}},
           {"syscall": {"call": "getppid", "pending": {"io_worker": true}}}"#,
    ),
    probe(
        "pending signal",
        Some(Effect::Signal),
        r#"{"interrupt": {"vector": "external", "pending": {"signal": 10}}}"#,
    ),
    probe(
        "pending switch",
        Some(Effect::Switch),
        r#"{"interrupt": {"vector": "decrementer", "pending": {"switch": 1}}}"#,
    ),
    probe(
        "pending ptrace",
        Some(Effect::Ptrace),
        r#"{"syscall": {"call": "getppid", "pending": {"ptrace": {}}}}"#,
    ),
    probe(
        "pending softirq",
        Some(Effect::Softirq),
        r#"{"syscall": {"call": "getppid", "pending": {"softirq": true}}}"#,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_is_a_scenario_that_asks_for_its_effect() {
        for probe in PROBES {
            let scenario = probe.scenario();
            assert!(
                !scenario.events.is_empty(),
                "{} is no scenario",
                probe.event
            );
        }
    }
}
