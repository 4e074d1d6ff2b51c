//! Reading registers of the engine. What it refuses to read is an emulator fault, and never a 0.

use unicorn_engine::{RegisterPPC, uc_error};

use super::super::{Host, Stop};
use super::Engine;

/// A general purpose register.
pub(in super::super) fn gpr<H: Host>(uc: &Engine<'_, H>, n: u8) -> u64 {
    read(uc, RegisterPPC::R0 as i32 + i32::from(n & 31))
}

/// A register. If the engine refuses to read it, the run ends as an emulator fault, whatever
/// happens until then.
pub(in super::super) fn read<H: Host>(uc: &Engine<'_, H>, register: impl Into<i32>) -> u64 {
    let register = register.into();
    answered(uc, register, uc.reg_read(register))
}

/// What the engine answers when it is asked for this register.
pub(in super::super) fn answered<H: Host>(
    uc: &Engine<'_, H>,
    register: i32,
    answer: Result<u64, uc_error>,
) -> u64 {
    answer.unwrap_or_else(|error| {
        refuse(uc, format!("register {register} of Unicorn: {error:?}"));
        0
    })
}

/// Notes that something could not be read. The first of a run is kept.
#[cold]
pub(in super::super) fn refuse<H: Host>(uc: &Engine<'_, H>, what: String) {
    let _ = uc.get_data().refused.set(what);
}

/// The emulator fault that the run is, if something could not be read.
pub(in super::super) fn refusal<H: Host>(uc: &mut Engine<'_, H>) -> Option<Stop> {
    let what = uc.get_data_mut().refused.take()?;
    Some(Stop::EmulatorFault(format!(
        "the engine refused to read {what}"
    )))
}
