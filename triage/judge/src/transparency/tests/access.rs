//! What the kernel does for user code, and for guests.

use ctxfuzz_outcome::arch::RegisterFile;
use ctxfuzz_outcome::capture::Observable;
use ctxfuzz_outcome::guest;
use ctxfuzz_outcome::values::accessed;
use ctxfuzz_outcome::values::traced;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::access::AccessOp;
use ctxfuzz_scenario::event::Syscall::{Abort, KvmRun};
use ctxfuzz_scenario::event::{Event, Pending};
use ctxfuzz_scenario::ptrace::{Ptrace, SetRegset};
use ctxfuzz_scenario::register::Register::{self, F, V, Vrsave, Vs};

use super::script::{Script, file, set, syscall};

/// What a load leaves is known: nothing else may be there afterwards, and no other register may
/// change. A store changes nothing.
#[test]
fn an_access_does_what_its_instruction_does_and_no_more() {
    let [first, second] = accessed(5);
    let run = |op, values: &[(Register, u64)]| {
        let mut script = Script::new(vec![Event::Access {
            op,
            register: 5,
            pending: Pending::NONE,
        }]);
        script.event(0, 0, &file());
        let mut after = file();
        for (register, value) in values {
            after.set(*register, (*value).into());
        }
        script.dump(0, &after);
        script.found()
    };
    let loaded = [(F(5), first), (Vs(5), second)];
    assert_eq!(run(AccessOp::Lxvd2x, &loaded), [""; 0]);
    assert_eq!(
        run(AccessOp::Lxvd2x, &[]),
        ["0: 0 register f5 live", "0: 0 register vs5 live"]
    );
    assert_eq!(run(AccessOp::Lfd, &[(F(5), first), (Vs(5), 0)]), [""; 0]);
    assert_eq!(run(AccessOp::Lfd, &loaded), ["0: 0 register vs5 dead"]);
    assert_eq!(
        run(AccessOp::Lxsdx, &[loaded[0], (Vs(5), 0), (F(0), 7)]),
        ["0: 0 register f0 live"]
    );
    assert_eq!(run(AccessOp::Stxvd2x, &[]), [""; 0]);
    assert_eq!(
        run(AccessOp::Stxvd2x, &[(F(5), 7)]),
        ["0: 0 register f5 live"]
    );
}

/// User code loads again what it has stored, also if a tracer wrote the register meanwhile.
#[test]
fn what_was_stored_comes_back() {
    let set = SetRegset {
        regset: Facility::Fp,
        pattern: 3,
        bytes: None,
    };
    let run = |f5: u128, f6: u128| {
        let mut script = Script::new(vec![Event::Access {
            op: AccessOp::Stxvd2x,
            register: 5,
            pending: Pending {
                ptrace: Some(Ptrace { set: Some(set) }),
                ..Pending::NONE
            },
        }]);
        script.event(0, 0, &file());
        script.traced(0, 0, &file());
        let mut after = traced(&set);
        for register in Register::all() {
            if !set.registers().any(|other| other == register) {
                after.set(register, file().get(register));
            }
        }
        after.set(F(5), f5);
        after.set(F(6), f6);
        script.end(0, &after);
        script.found()
    };
    let (stored, written) = (file().get(F(5)), traced(&set).get(F(6)));
    assert_eq!(run(stored, written), [""; 0]);
    assert_eq!(run(7, written), ["0: 0 register f5 live"]);
    assert_eq!(run(stored, 7), ["0: 0 register f6 live"]);
}

/// A guest has what it has computed.
#[test]
fn a_guest_has_its_own_registers() {
    let run = |guest: RegisterFile| {
        let mut script = Script::new(vec![syscall(KvmRun { pr: true })]);
        script.event(0, 0, &file());
        script.captured(0, Observable::Guest, &guest);
        script.dump(0, &file());
        script.found()
    };
    assert_eq!(run(guest::registers()), [""; 0]);
    let mut wrong = guest::registers();
    wrong.set(V(3), 7);
    assert_eq!(run(wrong), ["0: 0 vcpu v3 live"]);
}

/// A core dump has what the task had, of what the task may rely on. Its VRSAVE may be an old one.
#[test]
fn a_core_dump_has_what_the_task_had() {
    let run = |register, value| {
        let mut script = Script::new(vec![set(&[Vrsave]), syscall(Abort)]);
        let mut before = file();
        before.vrsave = 7;
        script.operation(0, 0, &before, &[Vrsave]);
        before.vrsave = 1;
        script.event(0, 1, &before);
        before.set(register, value);
        script.captured(0, Observable::CoreDump, &before);
        script.found()
    };
    assert_eq!(run(F(14), file().get(F(14))), [""; 0]);
    assert_eq!(run(F(14), 7), ["1: 0 core f14 live"]);
    assert_eq!(run(Vrsave, 7), ["1: 0 core vrsave dead"]);
    assert_eq!(run(Vrsave, 8), ["1: 0 core vrsave live"]);
}
