//! How a machine stops: each end is told from the others, and a paired program that must not end
//! that way does not.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::machine::address::{KERNEL, USER_TEXT};
use ctxfuzz_emulator::machine::instruction::HOST_CALL;
use ctxfuzz_emulator::machine::{
    Guest, Host, Machine, MachineError, Options, Program, Reply, Stop, View,
};

const CODE: u64 = 0x8000;

struct StopAtOnce;

impl Host for StopAtOnce {
    fn host_call(&mut self, _: &View<'_>) -> Reply {
        Reply::Stop
    }
}

/// A machine whose kernel code (after the staging call) is `code`, and whose user code is `user`.
fn machine(
    endian: Endian,
    code: &[u32],
    user: &[u32],
) -> Result<Machine<StopAtOnce>, MachineError> {
    let bytes = |words: &[u32]| {
        words
            .iter()
            .flat_map(|w| endian.bytes_u32(*w))
            .collect::<Vec<u8>>()
    };
    let kernel: Vec<u32> = [HOST_CALL].iter().chain(code).copied().collect();
    let program = Program {
        endian,
        segments: vec![(CODE, bytes(&kernel)), (0x20_0000, bytes(user))],
        kernel_text: vec![(KERNEL + CODE, 4 * kernel.len() as u64)],
        user_text: vec![(USER_TEXT, 4 * user.len() as u64)],
        watched: Vec::new(),
        guest: Guest::Model {
            kernel_read_only_end: 0x1_0000,
            entry: KERNEL + CODE,
        },
    };
    let options = Options {
        budget: 2_000,
        ..Options::default()
    };
    Machine::new(&program, options, StopAtOnce)
}

fn stop(code: &[u32]) -> Result<[Stop; 2], MachineError> {
    let run = |endian| machine(endian, code, &[]).map(|mut m| m.go());
    Ok([run(Endian::Little)?, run(Endian::Big)?])
}

const BRANCH_TO_SELF: u32 = 0x4800_0000;
/// `lis r4,0x7fff; mtctr r4; bdnz .`: long, but its state never recurs in the time it is watched.
const COUNT_DOWN: [u32; 3] = [0x3c80_7fff, 0x7c89_03a6, 0x4200_0000];

#[test]
fn a_state_that_recurs_is_a_hang_and_one_that_does_not_is_out_of_budget() -> Result<(), MachineError>
{
    assert_eq!(stop(&[BRANCH_TO_SELF])?, [Stop::Hang, Stop::Hang]);
    assert_eq!(stop(&COUNT_DOWN)?, [Stop::Budget, Stop::Budget]);
    assert_eq!(stop(&[HOST_CALL])?, [Stop::Host, Stop::Host]);
    Ok(())
}

#[test]
fn a_facility_that_is_off_in_the_kernel_is_a_fault() -> Result<(), MachineError> {
    const LFD: u32 = 0xc803_0000;
    const LVX: u32 = 0x7c00_18ce;
    for (word, name) in [(LFD, "FP unavailable"), (LVX, "VMX unavailable")] {
        for end in stop(&[word, HOST_CALL])? {
            let Stop::Fault { what, user: false } = end else {
                panic!("{end:?}")
            };
            assert!(what.contains(name), "{what}");
        }
    }
    // `mfmsr r5; ori r5,r5,0x2000; mtmsrd r5` makes the first of them legal.
    assert_eq!(
        stop(&[
            0x7ca0_00a6,
            0x60a5_2000,
            0x7ca0_0164,
            0xfc00_048e,
            HOST_CALL
        ])?,
        [Stop::Host, Stop::Host]
    );
    Ok(())
}

#[test]
fn a_wild_access_says_who_made_it() -> Result<(), MachineError> {
    // `lis r3,0x5000; ld r3,0(r3)` in the kernel.
    for end in stop(&[0x3c60_5000, 0xe863_0000, HOST_CALL])? {
        assert!(matches!(end, Stop::Fault { user: false, .. }), "{end:?}");
    }
    // `rfid` to user text, which does the same; it may not reach the kernel either.
    let enter = [
        0x3cc0_1000,
        0x7cda_03a6,
        0x7ca0_00a6,
        0x60a5_4000,
        0x7cbb_03a6,
        0x4c00_0024,
    ];
    for load in [[0x3c60_5000, 0xe863_0000], [0x3c60_c000, 0xe863_0000]] {
        let mut machine = machine(Endian::Little, &enter, &load)?;
        let end = machine.go();
        assert!(matches!(end, Stop::Fault { user: true, .. }), "{end:?}");
    }
    Ok(())
}

#[test]
fn a_rewound_machine_does_the_same_again() -> Result<(), MachineError> {
    // `addi r7,r7,1; nop; host call`.
    let mut machine = machine(Endian::Big, &[0x38e7_0001, 0x6000_0000, HOST_CALL], &[])?;
    let mut seen = Vec::new();
    for _ in 0..3 {
        machine.rewind();
        assert_eq!(machine.go(), Stop::Host);
        seen.push((
            machine.gpr(7)?,
            machine.blocks(),
            machine.coverage().hits().to_vec(),
        ));
    }
    assert_eq!(seen[0].0, 1);
    assert!(seen.iter().all(|s| *s == seen[0]));
    Ok(())
}
