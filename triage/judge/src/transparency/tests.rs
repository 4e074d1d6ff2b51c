//! Scripted runs: each rule has one that must be found and one that must stay silent.

mod access;
mod script;
mod signals;

use ctxfuzz_outcome::arch::RegisterFile;
use ctxfuzz_outcome::outcome::End;
use ctxfuzz_outcome::ownership::Rule;
use ctxfuzz_outcome::values::traced;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::Event;
use ctxfuzz_scenario::event::Syscall::{Fork, Getppid};
use ctxfuzz_scenario::ptrace::{Ptrace, SetRegset};
use ctxfuzz_scenario::register::Register::{self, F, Fpscr, V, Vrsave, Vs, Vscr};
use ctxfuzz_scenario::scenario::Verdict;

use crate::inconclusive::Inconclusive;

use self::script::{Script, file, interrupt, poked, set, syscall, touch};
use super::{When, judge, keys};

/// Task 0 does the events, and register `r` has another value after the last one.
fn changed(events: Vec<ctxfuzz_scenario::Event>, register: Register, value: u128) -> Vec<String> {
    let mut script = Script::new(events);
    let last = script.events() - 1;
    for index in 0..=last {
        script.event(0, index, &file());
    }
    script.dump(0, &poked(register, value));
    script.found()
}

#[test]
fn an_undisturbed_run_is_silent() {
    let mut script = Script::new(vec![interrupt(), syscall(Getppid), touch()]);
    for index in 0..3 {
        script.event(0, index, &file());
    }
    script.end(0, &file());
    script.dump(0, &file());
    assert_eq!(script.found(), [""; 0]);
}

#[test]
fn a_read_delivers_what_was_written() {
    let read = |data: Vec<u8>| {
        let mut script = Script::new(vec![syscall(Getppid), touch()]);
        script.event(0, 0, &file());
        script.read(0, 0, data);
        script.event(0, 1, &file());
        script.dump(0, &file());
        script.found()
    };
    let written: Vec<u8> = (1..=64).collect();
    assert_eq!(read(written.clone()), [""; 0]);
    let clobbered = [&written[..16], &[0xfc; 16], &written[32..]].concat();
    assert_eq!(read(clobbered), ["0: 0 memory data live"]);
}

/// What a task has done before the read was over is told before what the read delivered.
#[test]
fn reads_are_looked_at_when_they_are_over() {
    let mut script = Script::new(vec![interrupt(), syscall(Getppid)]);
    script.event(0, 0, &file());
    script.event(0, 1, &poked(F(14), 7));
    script.read(0, 1, vec![252]);
    script.dump(0, &poked(F(14), 7));
    assert_eq!(
        script.found(),
        ["0: 0 register f14 live", "1: 0 memory data live"]
    );
}

/// A rule that does not hold is told at the event after which it did not, once for as long as that
/// lasts, and of the task it is about.
#[test]
fn rules_of_ownership_are_told_once() {
    let mut script = Script::new(vec![interrupt(), interrupt(), touch(), touch()]);
    script.event(0, 0, &file());
    script.event(0, 1, &file());
    script.breach(0, Rule::WholeVsx);
    script.breach(3, Rule::SwitchedOut);
    script.event(0, 2, &file());
    script.breach(0, Rule::WholeVsx);
    script.event(0, 3, &file());
    script.breach(3, Rule::SwitchedOut);
    script.dump(0, &file());
    let expected = [
        "0: 0 msr msr live",
        "0: 3 msr msr live",
        "2: 3 msr msr live",
    ];
    assert_eq!(script.found(), expected);
}

#[test]
fn an_interrupt_may_change_nothing_and_a_call_only_what_is_volatile() {
    for (register, after_call) in [
        (F(0), "abi"),
        (F(13), "abi"),
        (F(14), "live"),
        (Vs(14), "abi"),
        (V(19), "abi"),
        (V(20), "live"),
        (Vrsave, "live"),
    ] {
        let found = changed(vec![interrupt()], register, 7);
        assert_eq!(found, [format!("0: 0 register {register} live")]);
        let found = changed(vec![touch()], register, 7);
        assert_eq!(found, [format!("0: 0 register {register} live")]);
        let found = changed(vec![syscall(Getppid)], register, 7);
        assert_eq!(found, [format!("0: 0 register {register} {after_call}")]);
    }
}

#[test]
fn control_bits_survive_a_call_and_status_bits_need_not() {
    for (value, verdict) in [(0x8000_0000, "abi"), (1, "live"), (1 << 32, "live")] {
        let found = changed(vec![syscall(Getppid)], Fpscr, value);
        assert_eq!(found, [format!("0: 0 register fpscr {verdict}")]);
    }
}

#[test]
fn what_an_earlier_call_left_undefined_is_not_live_until_it_is_written() {
    let found = changed(vec![syscall(Getppid), interrupt()], F(0), 7);
    assert_eq!(found, ["1: 0 register f0 abi"]);
    let found = changed(vec![syscall(Getppid), set(&[F(0)]), interrupt()], F(0), 7);
    assert_eq!(found, ["2: 0 register f0 live"]);
}

#[test]
fn user_code_may_write_what_its_operation_writes() {
    let run = |register| {
        let mut script = Script::new(vec![set(&[F(1)])]);
        script.operation(0, 0, &file(), &[F(1), Vs(1)]);
        script.dump(0, &poked(register, 7));
        script.found()
    };
    assert_eq!(run(F(1)), [""; 0]);
    assert_eq!(run(Vs(1)), [""; 0]);
    assert_eq!(run(F(2)), ["0: 0 register f2 live"]);
}

/// The log has an event once, before its first operation: what its last one defines is not defined
/// at its second.
#[test]
fn operations_of_one_event_define_one_after_the_other() {
    let run = |before: Vec<ctxfuzz_scenario::Event>, lost| {
        let index = before.len() as u16;
        let mut events = before;
        events.push(set(&[F(0), V(1), V(2)]));
        let mut script = Script::new(events);
        for earlier in 0..index {
            script.event(0, earlier, &file());
        }
        script.operation(0, index, &file(), &[F(0), Vs(0)]);
        script.more(0, index, &file(), &[V(1)]);
        script.more(0, index, &poked(lost, 7), &[V(2)]);
        script.dump(0, &poked(lost, 7));
        script.found()
    };
    assert_eq!(run(vec![], V(2)), ["0: 0 register v2 live"]);
    let called = || vec![syscall(Getppid)];
    assert_eq!(run(called(), V(2)), ["1: 0 register v2 abi"]);
    // What an earlier one has written is defined already.
    assert_eq!(run(called(), F(0)), ["1: 0 register f0 live"]);
}

#[test]
fn vrsave_0_and_all_ones_are_the_same() {
    let found = |before, after| {
        let mut script = Script::new(vec![interrupt()]);
        script.event(0, 0, &poked(Vrsave, before));
        script.dump(0, &poked(Vrsave, after));
        script.found()
    };
    assert_eq!(found(0, 0xffff_ffff), [""; 0]);
    assert_eq!(found(0xffff_ffff, 0), [""; 0]);
    assert_eq!(found(0, 1), ["0: 0 register vrsave live"]);
}

#[test]
fn vscr_counts_once_vmx_was_used() {
    let run = |facilities| {
        let mut script = Script::new(vec![interrupt()]);
        script.facilities = facilities;
        script.event(0, 0, &file());
        script.dump(0, &poked(Vscr, 0x1_0000));
        script.found()
    };
    assert_eq!(run(0), [""; 0]);
    assert_eq!(run(0x0200_0000), ["0: 0 register vscr live"]);
}

#[test]
fn a_change_is_told_once_where_it_happened() {
    let mut script = Script::new(vec![interrupt(), interrupt(), interrupt()]);
    script.event(0, 0, &file());
    script.event(0, 1, &poked(F(3), 1));
    script.event(0, 2, &poked(F(3), 1));
    script.dump(0, &poked(F(3), 2));
    let expected = ["0: 0 register f3 live", "2: 0 register f3 live"];
    assert_eq!(script.found(), expected);
}

#[test]
fn a_task_that_slept_finds_its_registers_whatever_others_did() {
    let run = |found_by_0| {
        let mut script = Script::new(vec![interrupt(), set(&[F(5)]), interrupt()]);
        script.started(1, None, &file());
        script.event(0, 0, &file());
        script.operation(1, 1, &file(), &[F(5), Vs(5)]);
        script.event(1, 2, &poked(F(5), 9));
        script.end(0, &found_by_0);
        script.dump(0, &found_by_0);
        script.dump(1, &poked(F(5), 9));
        script.found()
    };
    assert_eq!(run(file()), [""; 0]);
    assert_eq!(run(poked(F(5), 9)), ["0: 0 register f5 live"]);
}

#[test]
fn the_first_load_writes_what_it_loads_and_the_last_dump_counts() {
    let mut script = Script::bare(vec![]);
    script.observe_start(0, None, &file(), &[F(0)]);
    script.end(0, &poked(F(0), 5));
    script.dump(0, &poked(F(0), 5));
    assert_eq!(script.found(), [""; 0]);

    let mut script = Script::bare(vec![]);
    script.observe_start(0, None, &file(), &[F(0)]);
    script.end(0, &poked(V(0), 5));
    script.dump(0, &poked(V(0), 6));
    let judgement = judge(&script.scenario, &script.told.outcome);
    let when: Vec<When> = judgement.violations.iter().map(|v| v.when).collect();
    assert_eq!(when, [When::Start, When::End]);
}

#[test]
fn a_child_starts_with_what_its_parent_had_at_the_fork() {
    let run = |child| {
        let mut script = Script::new(vec![syscall(Fork), set(&[F(20)])]);
        script.fork(0, 0, &file(), 1);
        script.operation(0, 1, &file(), &[F(20), Vs(20)]);
        script.end(0, &poked(F(20), 9));
        script.started(1, Some(0), &child);
        script.end(1, &child);
        script.dump(1, &child);
        script.dump(0, &poked(F(20), 9));
        script.found()
    };
    assert_eq!(run(file()), [""; 0]);
    assert_eq!(run(poked(F(20), 9)), ["0: 1 child f20 live"]);
    assert_eq!(run(poked(F(2), 9)), ["0: 1 child f2 abi"]);
    assert_eq!(run(poked(Fpscr, 1)), ["0: 1 child fpscr live"]);
}

#[test]
fn the_vrsave_of_a_child_may_be_an_old_one_of_its_parent_but_nobody_elses() {
    let run = |child| {
        let mut script = Script::bare(vec![set(&[Vrsave]), set(&[Vrsave]), syscall(Fork)]);
        script.observe_start(0, None, &file(), &[Vrsave]);
        script.operation(0, 0, &poked(Vrsave, 5), &[Vrsave]);
        script.operation(0, 1, &poked(Vrsave, 6), &[Vrsave]);
        script.fork(0, 2, &poked(Vrsave, 7), 1);
        script.started(1, Some(0), &poked(Vrsave, child));
        script.found()
    };
    assert_eq!(run(7), [""; 0]);
    for old in [0, 5, 6] {
        assert_eq!(run(old), ["2: 1 child vrsave dead"]);
    }
    assert_eq!(run(8), ["2: 1 child vrsave live"]);
}

#[test]
fn an_index_that_a_failed_fork_gave_back_belongs_to_the_next() {
    let mut script = Script::new(vec![syscall(Fork), syscall(Fork)]);
    script.started(1, None, &poked(F(20), 9));
    script.fork(0, 0, &file(), 2);
    script.fork(1, 1, &poked(F(20), 9), 2);
    script.started(2, Some(1), &poked(F(20), 9));
    assert_eq!(script.found(), [""; 0]);
}

#[test]
fn a_dead_kernel_is_live_and_a_run_that_was_cut_off_says_nothing() {
    let ended = |end: End| {
        let mut script = Script::new(vec![interrupt()]);
        script.event(0, 0, &file());
        script.dump(0, &poked(F(1), 7));
        script.told.outcome.end = end;
        let judgement = judge(&script.scenario, &script.told.outcome);
        (
            judgement.inconclusive.is_some(),
            judgement.verdict,
            script.found(),
        )
    };
    let seen = "0: 0 register f1 live".to_owned();
    let died = "0: 0 end end live".to_owned();
    let fault = End::KernelFault("x".into());
    assert_eq!(
        ended(fault),
        (false, Verdict::Live, vec![seen.clone(), died.clone()])
    );
    assert_eq!(ended(End::Hang), (false, Verdict::Live, vec![seen, died]));
    for end in [End::Budget, End::EmulatorFault("x".into())] {
        assert_eq!(ended(end), (true, Verdict::None, vec![]));
    }
}

#[test]
fn silence_of_a_run_that_nobody_watched_is_not_silence() {
    let mut script = Script::new(vec![interrupt()]);
    script.event(0, 0, &file());
    script.told.outcome.observations.clear();
    let judgement = judge(&script.scenario, &script.told.outcome);
    assert_eq!(judgement.inconclusive, Some(Inconclusive::NotObserved));
}

#[test]
fn keys_tell_who_where_how_and_which() {
    let mut script = Script::new(vec![interrupt(), touch(), syscall(Getppid)]);
    let mut many = file();
    for n in 0..9 {
        many.set(V(n), 1);
    }
    script.event(0, 0, &file());
    script.event(0, 1, &poked(F(0), 1));
    script.event(0, 2, &many);
    many.set(F(20), 4);
    script.dump(0, &many);
    let violations = judge(&script.scenario, &script.told.outcome).violations;
    let names: Vec<String> = keys(&script.scenario, &violations)
        .keys()
        .map(|key| key.to_string())
        .collect();
    let expected = [
        "live.register.interrupt.vsr0",
        "live.register.syscall.vsr20",
        "live.register.unavailable.vsr0",
        "live.register.unavailable.many-v",
    ];
    for name in expected {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
    }
    assert_eq!(names.len(), expected.len());
}

/// A tracer reads what the task left; what it writes is what the task has to find. Task 0 is
/// stopped at an event by a tracer that reads `read` and writes f0, which is `after` afterwards.
fn stopped(mut event: Event, read: RegisterFile, after: Option<u128>) -> Vec<String> {
    let set = SetRegset {
        regset: Facility::Fp,
        pattern: 1,
        bytes: Some(8),
    };
    if let Event::Interrupt { pending, .. } | Event::Syscall { pending, .. } = &mut event {
        pending.ptrace = Some(Ptrace { set: Some(set) });
    }
    let mut script = Script::new(vec![event]);
    script.event(0, 0, &file());
    script.traced(0, 0, &read);
    let written = traced(&set).get(F(0));
    script.dump(0, &poked(F(0), after.unwrap_or(written)));
    script.found()
}

#[test]
fn a_tracer_reads_what_is_there_and_its_writes_arrive() {
    let run = |read, after| stopped(interrupt(), read, after);
    assert_eq!(run(file(), None), [""; 0]);
    assert_eq!(run(poked(F(5), 1), None), ["0: 0 ptrace f5 live"]);
    let old = file().get(F(0));
    assert_eq!(run(file(), Some(old)), ["0: 0 register f0 live"]);
}

/// It reads before it writes.
#[test]
fn what_a_tracer_writes_is_not_yet_defined_where_it_reads() {
    let found = stopped(syscall(Getppid), poked(F(0), 1), None);
    assert_eq!(found, ["0: 0 ptrace f0 abi"]);
    let found = stopped(interrupt(), poked(F(0), 1), None);
    assert_eq!(found, ["0: 0 ptrace f0 live"]);
}
