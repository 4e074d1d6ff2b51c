//! What a signal handler finds, what its frame has, and what comes back.

use ctxfuzz_outcome::values::traced;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::FpExceptions::{Disabled, Nonrecoverable};
use ctxfuzz_scenario::event::Syscall::{Fork, Getppid, Kill, Prctl, RtSigreturn};
use ctxfuzz_scenario::event::{Event, FrameEdit};
use ctxfuzz_scenario::ptrace::SetRegset;
use ctxfuzz_scenario::register::Register::{F, Fpscr, V, Vrsave, Vs, Vscr};

use super::script::{Script, file, interrupt, poked, set, syscall, touch};

/// An interrupt delivers a signal; the frame has `frame`, the handler starts with `handler`, and
/// finds `back` after its `rt_sigreturn`.
fn delivery(
    frame: ctxfuzz_outcome::arch::RegisterFile,
    handler: ctxfuzz_outcome::arch::RegisterFile,
    back: ctxfuzz_outcome::arch::RegisterFile,
) -> Vec<String> {
    let mut script = Script::new(vec![interrupt(), syscall(RtSigreturn), touch()]);
    script.event(0, 0, &poked(Fpscr, 1));
    script.handler(0, false, &frame, &handler);
    script.event(0, 1, &handler);
    script.returned(0);
    script.event(0, 2, &back);
    script.dump(0, &back);
    script.found()
}

#[test]
fn a_signal_keeps_everything_in_its_frame_and_brings_it_back() {
    let kept = || poked(Fpscr, 1);
    let mut frame = kept();
    assert_eq!(delivery(kept(), file(), kept()), [""; 0]);
    // Told once: what is in the frame has to come back.
    frame.set(F(7), 9);
    let found = delivery(frame.clone(), file(), frame);
    assert_eq!(found, ["0: 0 signal_frame f7 live"]);
    let mut back = kept();
    back.set(V(7), 9);
    let found = delivery(kept(), file(), back);
    assert_eq!(found, ["1: 0 register v7 live"]);
    // FPSCR of the handler comes back instead.
    let found = delivery(kept(), file(), file());
    assert_eq!(found, ["1: 0 register fpscr live"]);
}

#[test]
fn a_handler_starts_with_fpscr_0_and_may_rely_on_no_data_register() {
    let start =
        |register, value| delivery(poked(Fpscr, 1), poked(register, value), poked(Fpscr, 1));
    assert_eq!(start(F(3), 9), ["0: 0 register f3 dead"]);
    assert_eq!(start(V(30), 9), ["0: 0 register v30 dead"]);
    assert_eq!(start(Fpscr, 1), ["0: 0 register fpscr live"]);
    assert_eq!(start(Fpscr, 0x8000_0000), ["0: 0 register fpscr live"]);
    assert_eq!(start(Vscr, 1), ["0: 0 register vscr live"]);
    assert_eq!(start(Vrsave, 3), ["0: 0 register vrsave live"]);
}

/// Calls leave the status bits of FPSCR undefined; those of a handler are not.
#[test]
fn a_handler_has_fpscr_0_whatever_the_interrupted_code_may_rely_on() {
    let run = |fpscr| {
        let mut script = Script::new(vec![syscall(Getppid), syscall(Kill { signal: 10 })]);
        script.event(0, 0, &file());
        script.event(0, 1, &file());
        script.handler(0, false, &file(), &poked(Fpscr, fpscr));
        script.found()
    };
    assert_eq!(run(0), [""; 0]);
    assert_eq!(run(0x8000_0000), ["1: 0 register fpscr live"]);
}

#[test]
fn the_frame_of_a_call_is_judged_by_what_the_call_left_defined() {
    let run = |register| {
        let mut script = Script::new(vec![syscall(Kill { signal: 10 })]);
        script.event(0, 0, &file());
        script.handler(0, false, &poked(register, 9), &file());
        script.found()
    };
    assert_eq!(run(F(0)), ["0: 0 signal_frame f0 abi"]);
    assert_eq!(run(F(14)), ["0: 0 signal_frame f14 live"]);
}

#[test]
fn an_area_that_is_not_in_the_frame_was_zero() {
    let run = |register, msr| {
        let mut script = Script::new(vec![interrupt()]);
        let mut before = ctxfuzz_outcome::arch::RegisterFile::default();
        before.set(register, 1 << 20);
        script.event(0, 0, &before);
        let empty = ctxfuzz_outcome::arch::RegisterFile::default();
        let mut stored = before.clone();
        if matches!(register, V(_) | Vs(_)) {
            stored = empty;
        }
        script.frame(0, msr, &stored);
        script.handler_after_frame(0, false, &before);
        script.found()
    };
    let all = 0x0280_0000;
    assert_eq!(run(F(1), 0), [""; 0], "nothing was in the areas");
    assert_eq!(run(V(1), 0x0080_0000), ["0: 0 signal_frame msr live"]);
    assert_eq!(run(Vs(1), 0x0200_0000), ["0: 0 signal_frame msr live"]);
    assert_eq!(run(V(1), all), ["0: 0 signal_frame v1 live"]);
}

/// The kernel delivers two signals before it returns. The handler of the second one runs first; its
/// frame has the start of the other's.
#[test]
fn two_signals_at_once() {
    let run = |at_entry, inner_frame, outer_frame| {
        let mut script = Script::new(vec![syscall(Kill { signal: 10 }), syscall(RtSigreturn)]);
        script.event(0, 0, &poked(Fpscr, 1));
        script.handler(0, at_entry, &inner_frame, &file());
        script.event(0, 1, &file());
        script.returned(0);
        script.handler(0, false, &outer_frame, &file());
        script.end(0, &file());
        script.returned(0);
        script.end(0, &poked(Fpscr, 1));
        script.dump(0, &poked(Fpscr, 1));
        script.found()
    };
    assert_eq!(run(true, file(), poked(Fpscr, 1)), [""; 0]);
    // Were it not for the start of another handler, FPSCR 0 in the frame would be a loss.
    let found = run(false, file(), poked(Fpscr, 1));
    assert_eq!(found[0], "0: 0 signal_frame fpscr live");
    let mut wrong = poked(Fpscr, 1);
    wrong.set(F(14), 9);
    let found = run(true, file(), wrong);
    assert!(
        found.contains(&"0: 0 signal_frame f14 live".to_owned()),
        "{found:?}"
    );
    // The first handler may not rely on data registers, so neither may its frame.
    let found = run(true, poked(F(14), 9), poked(Fpscr, 1));
    assert!(found.iter().all(|line| line.ends_with("dead")), "{found:?}");
}

/// An exception is raised, and SIGUSR1 comes at once with its SIGFPE. The handler of SIGUSR1 runs
/// first, and turns exceptions off (or on) before anybody looks at the other frame: that one's
/// `si_code` is from before.
#[test]
fn si_code_is_that_of_the_exception_whatever_another_handler_does_before_it_is_seen() {
    let run = |first, then, code| {
        let call = |fpexc| syscall(Prctl { fpexc });
        let mut script = Script::new(vec![call(first), touch(), call(then), syscall(RtSigreturn)]);
        let raised = poked(Fpscr, 0xc400_0010);
        script.event(0, 0, &raised);
        script.event(0, 1, &raised);
        script.handler(0, true, &file(), &file());
        script.event(0, 2, &file());
        script.event(0, 3, &file());
        script.returned(0);
        script.exception(0, code, &raised, &file());
        script.found()
    };
    assert_eq!(run(Nonrecoverable, Disabled, 3), [""; 0]);
    assert_eq!(
        run(Nonrecoverable, Disabled, 0),
        ["1: 0 siginfo si_code live"]
    );
    assert_eq!(run(Disabled, Nonrecoverable, 0), [""; 0]);
    assert_eq!(
        run(Disabled, Nonrecoverable, 3),
        ["1: 0 siginfo si_code live"]
    );
}

/// A signal interrupts a fork, which begins again after the handler. The frame is wrong, and told;
/// the child then has what came back. One that was made before has what was there then.
#[test]
fn a_child_of_a_fork_that_begins_again_has_what_came_back() {
    let run = |frame: u128, child: u128| {
        let mut script = Script::new(vec![syscall(Fork), syscall(RtSigreturn)]);
        script.fork(0, 0, &file(), 1);
        script.handler(0, false, &poked(F(14), frame), &file());
        script.event(0, 1, &file());
        script.returned(0);
        script.end(0, &poked(F(14), frame));
        script.started(1, Some(0), &poked(F(14), child));
        script.found()
    };
    let right = file().get(F(14));
    assert_eq!(run(right, right), [""; 0]);
    assert_eq!(run(right, 9), ["0: 1 child f14 live"]);
    assert_eq!(run(9, 9), ["0: 0 signal_frame f14 live"]);
    let made_before = ["0: 0 signal_frame f14 live", "0: 1 child f14 dead"];
    assert_eq!(run(9, right), made_before);
}

/// A handler has interrupted a fork, or has not, and turns exceptions on. The child of the fork
/// that may begin again may hear of its exceptions or not; the other one must not.
#[test]
fn a_child_of_a_fork_that_begins_again_may_hear_of_exceptions_as_its_parent_does_then() {
    let run = |interrupted: u16, code| {
        let fpexc = Nonrecoverable;
        let calls = [Fork, Getppid, Prctl { fpexc }, RtSigreturn, Getppid];
        let mut script = Script::new(calls.map(syscall).to_vec());
        script.fork(0, 0, &file(), 1);
        if interrupted == 1 {
            script.event(0, 1, &file());
        }
        script.handler(0, false, &file(), &file());
        script.event(0, 2, &file());
        script.event(0, 3, &file());
        script.returned(0);
        script.end(0, &file());
        let raised = poked(Fpscr, 0xc400_0010);
        script.started(1, Some(0), &file());
        script.operation(1, 4, &file(), &[Fpscr]);
        script.exception(1, code, &raised, &file());
        script.found()
    };
    assert_eq!(run(0, 3), [""; 0]);
    assert_eq!(run(0, 0), [""; 0]);
    assert_eq!(run(1, 0), [""; 0]);
    assert_eq!(run(1, 3), ["4: 1 siginfo si_code live"]);
}

/// A parent that has done more since does not fork again.
#[test]
fn a_child_is_held_to_its_fork_when_its_parent_is_interrupted_later() {
    let mut script = Script::new(vec![syscall(Fork), set(&[F(15)]), interrupt()]);
    let after = poked(F(15), 1);
    script.fork(0, 0, &file(), 1);
    script.operation(0, 1, &file(), &[F(15)]);
    script.event(0, 2, &after);
    let mut wrong = after.clone();
    wrong.set(F(14), 9);
    script.handler(0, false, &wrong, &after);
    script.started(1, Some(0), &poked(F(14), 9));
    let found = script.found();
    assert_eq!(found, ["2: 0 signal_frame f14 live", "0: 1 child f14 live"]);
}

/// What comes back from a handler that does these edits, where this was interrupted.
fn after_edits(
    edits: &[Event],
    frame: ctxfuzz_outcome::arch::RegisterFile,
    back: ctxfuzz_outcome::arch::RegisterFile,
) -> Vec<String> {
    let mut events = vec![interrupt()];
    events.extend_from_slice(edits);
    events.push(touch());
    let mut script = Script::new(events);
    script.event(0, 0, &frame);
    script.handler(0, false, &frame, &file());
    for index in 1..script.events() - 1 {
        script.event(0, index, &file());
    }
    script.returned(0);
    script.event(0, script.events() - 1, &back);
    script.dump(0, &back);
    script.found()
}

#[test]
fn what_a_handler_writes_into_its_frame_comes_back_and_nothing_else_does() {
    let set = |register, value| Event::SetFrame([(register, value)].into());
    for (register, value) in [(F(3), 9), (Vs(4), 8), (V(5), 7), (Fpscr, 2), (Vrsave, 6)] {
        let edits = [set(register, value)];
        assert_eq!(after_edits(&edits, file(), poked(register, value)), [""; 0]);
        let lost = after_edits(&edits, file(), file());
        assert_eq!(lost, [format!("1: 0 register {register} live")]);
    }
    // The processor has two bits of VSCR.
    let edits = [set(Vscr, 0xffff_ffff)];
    assert_eq!(after_edits(&edits, file(), poked(Vscr, 0x1_0001)), [""; 0]);
    // What is out of the frame again is not read.
    let edits = [Event::EditFrame(FrameEdit::DropVmx), set(V(5), 7)];
    let mut without = file();
    (0..32).for_each(|n| without.set(V(n), 0));
    assert_eq!(after_edits(&edits, file(), without.clone()), [""; 0]);
    without.set(V(5), 7);
    let read = after_edits(&edits, file(), without);
    assert_eq!(read, ["2: 0 register v5 live"]);
}

#[test]
fn what_a_handler_gives_its_task_comes_back_whole() {
    for facility in [Facility::Fp, Facility::Vmx, Facility::Vsx] {
        let pattern = 0x2d;
        let edits = [Event::FillFrame { facility, pattern }];
        let set = SetRegset::whole(facility, pattern);
        let values = traced(&set);
        let mut back = file();
        set.registers().for_each(|r| back.set(r, values.get(r)));
        assert_eq!(after_edits(&edits, file(), back.clone()), [""; 0]);
        let lost = after_edits(&edits, file(), file());
        assert_eq!(lost.len(), set.registers().count(), "{lost:?}");
        // Nothing else may come with it.
        let other = if facility == Facility::Fp { V(1) } else { F(1) };
        back.set(other, 3);
        let found = after_edits(&edits, file(), back);
        assert_eq!(found, [format!("1: 0 register {other} live")]);
    }
}
