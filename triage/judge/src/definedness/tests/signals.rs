//! What handlers, their frames, and those who come back from them may rely on.

use super::*;

const RETURNED: LogEntry = LogEntry::SigReturned { task: 0 };

fn delivered(frame: u16, at_entry: bool) -> LogEntry {
    LogEntry::SignalDelivered {
        task: 0,
        frame,
        at_entry,
    }
}

#[test]
fn handlers_rely_on_nothing_and_give_everything_back() {
    let events = vec![
        syscall(Syscall::Getppid),
        set(&[V(3)]),
        syscall(Syscall::RtSigreturn),
    ];
    let log = [START, delivered(0, false), event(1, 0)];
    let inside = definedness(&scenario(events.clone()), &log, Abi::Linux);
    assert_eq!(inside.mask(SignalFrame, 0), Mask::EVERYTHING);
    let mask = inside.task(0);
    assert!(mask.lacks(F(20)) && mask.lacks(V(2)) && !mask.lacks(V(3)));
    assert!(!mask.lacks(Fpscr) && !mask.lacks(Vscr) && !mask.lacks(Vrsave));

    let log = [
        START,
        delivered(0, false),
        event(0, 0),
        event(2, 0),
        RETURNED,
        DUMP,
    ];
    assert_eq!(
        definedness(&scenario(events), &log, Abi::Elf).task(0),
        Mask::EVERYTHING
    );
}

#[test]
fn a_signal_on_the_return_of_a_call_sees_what_the_call_left() {
    let events = vec![syscall(Syscall::Kill { signal: 10 })];
    let log = [START, event(0, 0), delivered(0, false), RETURNED, DUMP];
    let found = definedness(&scenario(events), &log, Abi::Elf);
    assert!(found.mask(SignalFrame, 0).lacks(F(0)) && !found.mask(SignalFrame, 0).lacks(F(14)));
    assert_eq!(found.task(0), found.mask(SignalFrame, 0));
}

#[test]
fn what_is_written_unused_may_outlive_the_handler_it_was_for() {
    let signal = || vec![delivered(0, false)];
    let back = || vec![RETURNED];
    let lacks = |uses| written(uses, signal(), back()).task(0).lacks(V(0));
    assert!(lacks(vec![]));
    assert!(!lacks(vec![Facility::Vmx]));
}

/// Three signals come at once, after a call. The last one's handler runs first: its frame, and the
/// next one's, have the start of a handler, and the third one's what was interrupted.
#[test]
fn of_signals_at_once_only_the_last_frame_has_what_was_interrupted() {
    let events = vec![syscall(Syscall::Getppid), traced(None)];
    let stopped = |view| LogEntry::Traced {
        task: 0,
        event: 1,
        view,
    };
    let log = [
        START,
        event(0, 0),
        delivered(0, true),
        stopped(0),
        RETURNED,
        delivered(1, true),
        RETURNED,
        stopped(1),
        delivered(2, false),
        RETURNED,
        DUMP,
    ];
    let found = definedness(&scenario(events), &log, Abi::Elf);
    for start in [
        found.mask(SignalFrame, 0),
        found.mask(SignalFrame, 1),
        found.mask(Traced, 0),
        found.mask(Traced, 1),
    ] {
        assert_eq!(start, found.task(0).in_handler());
    }
    assert!(found.mask(SignalFrame, 0).lacks(F(14)) && !found.mask(SignalFrame, 0).lacks(Fpscr));
    assert!(found.mask(SignalFrame, 2).lacks(F(13)) && !found.mask(SignalFrame, 2).lacks(F(14)));
    assert_eq!(found.task(0), found.mask(SignalFrame, 2));
}

/// The same where the signals come one after the other, the second one in the handler of the first.
#[test]
fn a_signal_in_a_handler_that_has_begun_finds_what_the_handler_has_written() {
    let log = [
        START,
        delivered(0, false),
        event(0, 0),
        delivered(1, false),
        RETURNED,
        RETURNED,
        DUMP,
    ];
    let found = definedness(&scenario(vec![set(&[F(14)])]), &log, Abi::Elf);
    assert_eq!(found.mask(SignalFrame, 0), Mask::EVERYTHING);
    assert!(!found.mask(SignalFrame, 1).lacks(F(14)) && found.mask(SignalFrame, 1).lacks(F(15)));
    assert_eq!(found.task(0), Mask::EVERYTHING);
}

/// What a tracer writes at the start of a handler, of a facility that the task has not used, may
/// outlive that handler too.
#[test]
fn what_is_written_unused_between_two_handlers_may_outlive_both() {
    let before = || vec![delivered(0, true), RETURNED];
    let after = || vec![delivered(1, false), RETURNED];
    let lacks = |uses| written(uses, before(), after()).task(0).lacks(V(0));
    assert!(lacks(vec![]));
    assert!(!lacks(vec![Facility::Vmx]));
}

/// A handler takes VMX out of its frame, which has the start of another handler: what that one has
/// interrupted is in its own frame, with VSCR.
#[test]
fn an_edit_is_of_one_frame() {
    let events = vec![Event::EditFrame(FrameEdit::DropVmx)];
    let log = |at_entry| {
        vec![
            START,
            delivered(0, at_entry),
            event(0, 0),
            RETURNED,
            delivered(1, false),
            RETURNED,
            DUMP,
        ]
    };
    let end = |at_entry| definedness(&scenario(events.clone()), &log(at_entry), Abi::Elf).task(0);
    assert!(!end(true).lacks(Vscr));
    assert!(end(false).lacks(Vscr));
}

/// What a handler writes into its frame is defined in what it returns to, where the frame has it
/// for certain: VRs of a task that has used VMX, or is given it.
#[test]
fn what_is_written_into_a_frame_is_defined_where_the_frame_has_it() {
    let values: RegisterValues = [(F(1), 1), (V(2), 2), (Fpscr, 1)].into();
    let give = Event::FillFrame {
        facility: Facility::Vmx,
        pattern: 1,
    };
    let end = |uses: &[Facility], edits: Vec<Event>| {
        let mut events = vec![syscall(Syscall::Getppid)];
        events.extend(edits);
        let mut log = vec![START, event(0, 0), delivered(0, false)];
        log.extend((1..events.len() as u16).map(|index| event(index, 0)));
        log.extend([RETURNED, DUMP]);
        let mut scenario = scenario(events);
        scenario.stage.tasks[0].uses = uses.to_vec();
        definedness(&scenario, &log, Abi::Elf).task(0)
    };
    let set = || Event::SetFrame(values.clone());
    // The call has left them undefined, and FPSCR's status.
    let none = end(&[Facility::Vmx], vec![]);
    assert!(none.lacks(F(1)) && none.lacks(V(2)) && none.lacks(Fpscr));
    let used = end(&[Facility::Vmx], vec![set()]);
    assert!(!used.lacks(F(1)) && !used.lacks(V(2)) && used.lacks(V(3)) && used.lacks(Fpscr));
    let unused = end(&[], vec![set()]);
    assert!(!unused.lacks(F(1)) && unused.lacks(V(2)));
    let given = end(&[], vec![give.clone(), set()]);
    assert!(!given.lacks(V(2)) && !given.lacks(V(3)) && !given.lacks(Vscr) && given.lacks(F(2)));
    let taken = end(
        &[Facility::Vmx],
        vec![Event::EditFrame(FrameEdit::DropVmx), set()],
    );
    assert!(taken.lacks(V(2)));
}
