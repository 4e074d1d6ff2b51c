//! Measures where the emulator keeps its registers, by a small guest program (see `state`).

use unicorn_engine::{Prot, RegisterPPC, TlbEntry, Unicorn};

use super::MachineError;
use super::engine::{Ground, bare};
use super::memory::{MODEL_SIZE, Memory};
use super::state::{Marks, SavedState, StateLayout};
use crate::arch::Endian;
use crate::arch::msr;

/// Physical and effective address of the measuring program; its data is a page further on.
const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
const SECOND: u64 = CODE + 0x800;

const VSR_MARK: u64 = 0x6d65_6173_7572_6500;
const VRSAVE: u32 = 0x5652_5356;
const SPRG3: u64 = 0x5350_5247_3333_3333;
/// Sticky bits, a rounding mode, and a decimal rounding mode in the high word.
const FPSCR: u64 = 0x0000_0005_8200_4001;

/// The programs, as build.rs has assembled them.
mod programs {
    include!(concat!(env!("OUT_DIR"), "/measure.rs"));
}

/// Runs the measuring program in an engine of its own.
pub(super) fn layout(endian: Endian) -> Result<StateLayout, MachineError> {
    let engine = |what: &'static str| move |error| MachineError::Engine { what, error };
    let memory = Memory::new(endian, MODEL_SIZE);
    write_program(&memory);
    let mut uc = bare(Ground::new(memory.clone()))?;
    uc.add_tlb_hook(1, 0, |_, ea, _| {
        let perms = if ea < DATA {
            Prot::READ | Prot::EXEC
        } else {
            Prot::READ | Prot::WRITE
        };
        Some(TlbEntry {
            paddr: ea & !0xfff,
            perms,
        })
    })
    .map_err(engine("add the translation hook"))?;
    uc.add_intr_hook(|uc, _| {
        let _ = uc.emu_stop();
    })
    .map_err(engine("add the exception hook"))?;
    let little = if endian == Endian::Little { msr::LE } else { 0 };
    let mut run = |start: u64| -> Result<SavedState, MachineError> {
        let _ = uc.reg_write(
            RegisterPPC::MSR,
            msr::SF | msr::ME | msr::IR | msr::DR | msr::FP | msr::VEC | msr::VSX | little,
        );
        for (register, value) in [
            (RegisterPPC::R3, DATA),
            (RegisterPPC::R4, u64::from(VRSAVE)),
            (RegisterPPC::R5, SPRG3),
            (RegisterPPC::R6, DATA + 0x800),
        ] {
            let _ = uc.reg_write(register, value);
        }
        // Ends at the host call with an error or without; what counts is what is found in the
        // state.
        let _ = Unicorn::emu_start(&mut uc, start, u64::MAX - 3, 0, 0);
        let mut state = SavedState::new(&uc).map_err(engine("save state"))?;
        state.save(&uc).map_err(engine("save state"))?;
        Ok(state)
    };
    let quiet = run(CODE)?;
    let state = run(SECOND)?;
    let marks = Marks {
        vsr: VSR_MARK,
        fpscr: memory.read_u64(DATA + 0x820),
        vrsave: VRSAVE,
        sprg3: SPRG3,
    };
    if marks.fpscr != FPSCR {
        return Err(MachineError::UnknownState("FPSCR did not take its mark"));
    }
    StateLayout::measure(&state, &quiet, marks)
        .ok_or(MachineError::UnknownState("a mark was not found"))
}

fn write_program(memory: &Memory) {
    for n in 0..64u64 {
        memory.write_u64(DATA + 16 * n, VSR_MARK + 2 * n);
        memory.write_u64(DATA + 16 * n + 8, VSR_MARK + 2 * n + 1);
    }
    memory.write_u64(DATA + 0x800, FPSCR);
    // VSCR with NJ and SAT, in the low word of a VR loaded by lxvd2x.
    memory.write_u64(DATA + 0x818, 0x1_0001);
    for (start, code) in [(CODE, programs::QUIET), (SECOND, programs::MARKED)] {
        for (i, word) in code.iter().enumerate() {
            memory.write_u32(start + 4 * i as u64, *word);
        }
    }
}
