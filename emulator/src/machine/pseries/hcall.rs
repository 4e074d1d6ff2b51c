//! Hypercalls (Linux on Power Architecture Reference, 14; numbers as in
//! arch/powerpc/include/asm/hvcall.h): those a running guest makes, honestly answered. Any other
//! ends the run as an emulator fault that names it.

use super::super::memory::Memory;
use super::{Pseries, Unserved};

const H_SUCCESS: u64 = 0;
const H_FUNCTION: u64 = -2_i64 as u64;

/// Characters of console output that are kept.
const CONSOLE_LIMIT: usize = 64 << 10;

impl Pseries {
    /// Serves a hypercall: arguments are r3 (the number) to r12, and so are results.
    pub(in super::super) fn hypercall(
        &mut self,
        memory: &Memory,
        gprs: &mut [u64; 10],
    ) -> Result<(), Unserved> {
        let [number, r4, r5, r6, r7, ..] = *gprs;
        gprs[0] = H_SUCCESS;
        match number {
            // H_EOI, H_CPPR, H_IPI, H_CONFER, H_PROD: nothing is pending and nobody else is there.
            0x64 | 0x68 | 0x6c | 0xe4 | 0xe8 => {}
            // H_IPOLL, H_XIRR, H_XIRR_X: no interrupt is pending, so an external interrupt is
            // spurious.
            0x70 | 0x74 | 0x2fc => gprs[1] = 0,
            // H_GET_TERM_CHAR: nothing typed.
            0x54 => gprs[1] = 0,
            // H_PUT_TERM_CHAR: r4 the terminal, r5 the length, r6 and r7 up to 16 bytes, big
            // endian.
            0x58 => self.print(r5, [r6, r7]),
            // H_RANDOM: SplitMix64, the same in every run.
            0x300 => {
                self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = self.random;
                let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                gprs[1] = z ^ z >> 27;
            }
            // H_REGISTER_VPA, H_SET_DABR, H_SET_XDABR, H_SET_MODE, H_VIO_SIGNAL: accepted; none of
            // them changes what a run can see.
            0xdc | 0x28 | 0x134 | 0x31c | 0x104 => {}
            // H_CEDE.
            0xe0 => {
                return Err(Unserved(
                    "H_CEDE (the kernel is idle, and nothing can wake it)".into(),
                ));
            }
            // H_RPT_INVALIDATE: QEMU's partition does not have it either; the kernel uses tlbie.
            0x448 => gprs[0] = H_FUNCTION,
            // KVMPPC_H_RTAS: QEMU's firmware passes each RTAS call on like this; r4 points at the
            // arguments.
            0xf000 => rtas(memory, r4)?,
            other => return Err(Unserved(format!("{other:#x}"))),
        }
        Ok(())
    }

    fn print(&mut self, length: u64, words: [u64; 2]) {
        let bytes = words.map(u64::to_be_bytes).concat();
        let length = (length as usize).min(bytes.len());
        if self.console.len() + length <= CONSOLE_LIMIT {
            self.console.extend(&bytes[..length]);
        }
    }
}

/// Runs a call of the Run-Time Abstraction Services: big-endian words at `args`, the token, the
/// numbers of arguments and of results, then these.
fn rtas(memory: &Memory, args: u64) -> Result<(), Unserved> {
    /// check-exception and event-scan, as QEMU numbers them.
    const NOTHING_HAPPENED: [u32; 2] = [0x200e, 0x200f];
    const NO_ERRORS_FOUND: u32 = 1;
    let word = |index: u64| {
        let mut bytes = [0; 4];
        memory.read(args + 4 * index, &mut bytes);
        u32::from_be_bytes(bytes)
    };
    let token = word(0);
    if !NOTHING_HAPPENED.contains(&token) {
        return Err(Unserved(format!("H_RTAS with token {token:#x}")));
    }
    let status = args + 4 * (3 + u64::from(word(1)));
    memory.write(status, &NO_ERRORS_FOUND.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Boot, Pseries, Unserved};
    use super::*;
    use crate::arch::Endian;
    use crate::machine::Registers;

    const ARGS: u64 = 0x1000;

    fn pseries() -> Pseries {
        Pseries::new(&Boot {
            guest_size: 1 << 20,
            process_table: 0,
            registers: Registers::default(),
            fatal: Vec::new(),
        })
    }

    fn memory() -> Memory {
        Memory::new(Endian::Little, 1 << 16)
    }

    /// The results of a call with these arguments, or what ended the run.
    fn call(pseries: &mut Pseries, memory: &Memory, args: &[u64]) -> Result<[u64; 10], String> {
        let mut gprs = [0; 10];
        gprs[..args.len()].copy_from_slice(args);
        match pseries.hypercall(memory, &mut gprs) {
            Ok(()) => Ok(gprs),
            Err(Unserved(what)) => Err(what),
        }
    }

    #[test]
    fn what_is_printed_is_kept_up_to_a_limit() {
        let (mut pseries, memory) = (pseries(), memory());
        let words = [*b"01234567", *b"89abcdef"].map(u64::from_be_bytes);
        let put = |pseries: &mut Pseries, length| {
            let done = call(pseries, &memory, &[0x58, 0, length, words[0], words[1]]);
            assert!(done.is_ok_and(|gprs| gprs[0] == H_SUCCESS));
        };
        put(&mut pseries, 10);
        put(&mut pseries, u64::MAX);
        assert_eq!(pseries.console(), "01234567890123456789abcdef");
        for _ in 0..CONSOLE_LIMIT {
            put(&mut pseries, 16);
        }
        assert!(pseries.console().len() <= CONSOLE_LIMIT);
        pseries.reset();
        assert_eq!(pseries.console(), "");
    }

    #[test]
    fn no_interrupt_is_ever_pending_and_nothing_is_typed() {
        let (mut pseries, memory) = (pseries(), memory());
        for number in [0x54, 0x70, 0x74, 0x2fc] {
            let gprs = call(&mut pseries, &memory, &[number, 7]).expect("it is served");
            assert_eq!(gprs[..2], [H_SUCCESS, 0], "{number:#x}");
        }
    }

    #[test]
    fn random_numbers_are_those_of_the_run_before() {
        let (mut pseries, memory) = (pseries(), memory());
        let draw = |pseries: &mut Pseries| call(pseries, &memory, &[0x300]).map(|g| g[1]);
        let first = [draw(&mut pseries), draw(&mut pseries)];
        assert_ne!(first[0], first[1]);
        pseries.reset();
        assert_eq!([draw(&mut pseries), draw(&mut pseries)], first);
    }

    #[test]
    fn a_call_that_is_not_served_is_named() {
        let (mut pseries, memory) = (pseries(), memory());
        let mut fails = |number| call(&mut pseries, &memory, &[number]).expect_err("not served");
        assert_eq!(fails(0x1234), "0x1234");
        assert!(fails(0xe0).starts_with("H_CEDE"));
    }

    #[test]
    fn of_rtas_only_questions_about_errors_are_answered() {
        let (mut pseries, memory) = (pseries(), memory());
        let ask = |pseries: &mut Pseries, token: u32| {
            // Two arguments, one result.
            for (at, word) in (ARGS..).step_by(4).zip([token, 2, 1, 0, 0, 99]) {
                memory.write(at, &u32::to_be_bytes(word));
            }
            let done = call(pseries, &memory, &[0xf000, ARGS]);
            let mut status = [0; 4];
            memory.read(ARGS + 20, &mut status);
            (done.map(|gprs| gprs[0]), u32::from_be_bytes(status))
        };
        assert_eq!(ask(&mut pseries, 0x200f), (Ok(H_SUCCESS), 1));
        let (refused, status) = ask(&mut pseries, 0x2000);
        assert_eq!(refused, Err("H_RTAS with token 0x2000".to_owned()));
        assert_eq!(status, 99, "and nothing is written");
    }
}
