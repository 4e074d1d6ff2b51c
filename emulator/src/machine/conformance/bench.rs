//! The machine that the conformance checks run on: its memory, its data and its host.

use super::super::address::{KERNEL, USER_TEXT};
use super::super::{
    Guest, Host, Machine, MachineError, Options, Program, Reply, Stop, Vector, View,
};
use super::programs::{HOST_CALL, SETUP};
use crate::arch::Endian;
use crate::arch::msr;

/// Physical address of the checks' kernel code.
const CODE: u64 = 0x8000;
/// Physical address of the data that the kernel code of the checks has in r3.
pub const DATA: u64 = 0x10_0000;
/// The first doubleword of the data.
const A: u64 = 0x4142_4344_4546_4748;
/// The second doubleword of the data.
pub const B: u64 = 0x5152_5354_5556_5758;
/// FPSCR with a decimal rounding mode, sticky bits (FX, XX) and a binary rounding mode.
pub const FPSCR: u64 = 0x0000_0005_8200_0001;
/// FPSCR with FI and a decimal rounding mode.
pub const INEXACT: u64 = 0x0000_0003_0002_0000;
/// The FPSCR with ZE, the enable bit of zero divides.
const ZERO_DIVIDE_ENABLED: u64 = 0x10;
/// 1.0.
const ONE: u64 = 0x3ff0_0000_0000_0000;
/// The MSR that user code starts with, without LE and without facilities.
pub const USER_MSR: u64 = msr::SF | msr::EE | msr::PR | msr::ME | msr::IR | msr::DR | msr::RI;

/// Takes an interrupt at the first host call in user mode if told to, and stops at any other.
pub struct CheckHost {
    interrupt: Option<Vector>,
}

impl Host for CheckHost {
    fn host_call(&mut self, view: &View<'_>) -> Reply {
        match self.interrupt.take_if(|_| view.user()) {
            Some(vector) => Reply::interrupt(vector),
            None => Reply::Stop,
        }
    }
}

/// Runs the programs of the checks.
pub struct Bench {
    /// Byte order of the machine.
    pub endian: Endian,
    /// How the machine runs.
    pub options: Options,
}

impl Bench {
    /// Runs kernel code (then user code, vectors) up to the second host call.
    pub fn run(
        &self,
        code: &[u32],
        user: &[u32],
        vectors: &[(u64, &[u32])],
        interrupt: Option<Vector>,
    ) -> Result<Machine<CheckHost>, MachineError> {
        let bytes = |words: &[u32]| -> Vec<u8> {
            words
                .iter()
                .flat_map(|w| self.endian.bytes_u32(*w))
                .collect()
        };
        let kernel = [SETUP, code, HOST_CALL].concat();
        let little = self.little();
        let data: Vec<u8> = [
            A,
            B,
            FPSCR,
            0,
            0,
            0x1_0001,
            USER_MSR | little,
            USER_MSR | msr::FP | little,
            0x1122_3344_5566_7788,
            0x99aa_bbcc_ddee_ff00,
            INEXACT,
            ZERO_DIVIDE_ENABLED,
            USER_MSR | msr::FP | msr::FE0 | msr::FE1 | little,
            ONE,
        ]
        .iter()
        .flat_map(|v| self.endian.bytes_u64(*v))
        .collect();
        let mut segments = vec![
            (CODE, bytes(&kernel)),
            (DATA, data.clone()),
            (0x20_0000, bytes(user)),
            (0x30_0000, data),
        ];
        segments.extend(vectors.iter().map(|(at, words)| (*at, bytes(words))));
        let program = Program {
            endian: self.endian,
            segments,
            kernel_text: vec![(KERNEL + CODE, 4 * kernel.len() as u64)],
            user_text: vec![(USER_TEXT, 4 * user.len() as u64)],
            watched: Vec::new(),
            guest: Guest::Model {
                kernel_read_only_end: 0x1_0000,
                entry: KERNEL + CODE,
            },
        };
        let mut machine = Machine::new(&program, self.options, CheckHost { interrupt })?;
        match machine.go() {
            Stop::Host => Ok(machine),
            other => Err(MachineError::NotStaged(other)),
        }
    }

    /// The bit LE of the machine's MSR, as a number.
    pub fn little(&self) -> u64 {
        u64::from(self.endian == Endian::Little)
    }
}
