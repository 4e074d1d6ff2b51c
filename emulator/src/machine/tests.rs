//! What cannot be read is an emulator fault, and never a zero that somebody judges.

use unicorn_engine::{RegisterPPC, uc_error};

use super::address::{KERNEL, USER_DATA};
use super::engine::{self, Engine};
use super::instruction::HOST_CALL;
use super::*;

const CODE: u64 = 0x8000;
/// Nobody has memory there.
const NOWHERE: u64 = 0x5000_0000;
const PC: i32 = RegisterPPC::PC as i32;
/// As if the engine did not say: it knows all registers that the machine asks for.
const REFUSED: Result<u64, uc_error> = Err(uc_error::ARG);

/// Looks at one address at each host call.
struct Looks {
    load: u64,
    follow: u64,
}

impl Host for Looks {
    fn host_call(&mut self, view: &View<'_>) -> Reply {
        assert_eq!(view.load(self.load), 0);
        assert_eq!(view.follow(self.follow), 0);
        Reply::Stop
    }
}

fn machine(load: u64, follow: u64) -> Machine<Looks> {
    let endian = Endian::Little;
    let code = [HOST_CALL, HOST_CALL].map(|word| endian.bytes_u32(word));
    let program = Program {
        endian,
        segments: vec![(CODE, code.concat())],
        kernel_text: vec![(KERNEL + CODE, 8)],
        user_text: Vec::new(),
        watched: Vec::new(),
        guest: Guest::Model {
            kernel_read_only_end: 0x1_0000,
            entry: KERNEL + CODE,
        },
    };
    let options = Options::default();
    Machine::new(&program, options, Looks { load, follow }).expect("it starts")
}

fn refused(stop: &Stop, what: &str) -> bool {
    matches!(stop, Stop::EmulatorFault(told) if told.contains("refused to read") && told.contains(what))
}

#[test]
fn memory_that_has_to_be_there_and_is_not_is_an_emulator_fault() {
    let stop = machine(NOWHERE, USER_DATA).go();
    assert!(refused(&stop, "0x50000000"), "{stop:?}");
    assert_eq!(machine(USER_DATA, USER_DATA).go(), Stop::Host);
    let stop = machine(USER_DATA, NOWHERE).go();
    assert_eq!(stop, Stop::Host, "the guest made that address");
}

#[test]
fn a_register_that_the_engine_does_not_give_is_an_emulator_fault_of_that_run_alone() {
    let mut machine = machine(USER_DATA, USER_DATA);
    machine.rewind();
    assert_eq!(engine::answered(&machine.uc, PC, REFUSED), 0);
    engine::refuse(&machine.uc, "something later".into());
    let stop = machine.go();
    assert!(refused(&stop, "ARG"), "the first is told: {stop:?}");
    machine.rewind();
    assert_eq!(machine.go(), Stop::Host);
}

#[test]
fn a_refusal_in_the_middle_of_a_run_counts_whatever_ended_it() {
    let mut machine = machine(USER_DATA, USER_DATA);
    machine.rewind();
    let added = machine.uc.add_code_hook(
        KERNEL + CODE + 4,
        KERNEL + CODE + 4,
        |uc: &mut Engine<'_, Looks>, _, _| {
            engine::answered(uc, PC, REFUSED);
        },
    );
    let hook = added.expect("it hooks");
    let stop = machine.go();
    assert!(refused(&stop, "ARG"), "{stop:?}");
    machine.uc.remove_hook(hook).expect("it unhooks");
    machine.rewind();
    assert_eq!(engine::read(&machine.uc, RegisterPPC::R1), 0);
    assert_eq!(machine.go(), Stop::Host);
}
