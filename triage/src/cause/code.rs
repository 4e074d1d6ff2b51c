//! The code of one kernel: places, source lines and disassembly for reports.

use std::collections::HashSet;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::code::KernelCode;
use ctxfuzz_emulator::kernel::image;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::symbols::Symbols;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_emulator::machine::instruction::{loaded_vsr, stores_vsr};
use ctxfuzz_emulator::run::{RunnerError, kernel_symbols};
use ctxfuzz_emulator::trace::{Site, Write, disassembly::disassemble};

use super::Writer;

/// Instructions shown before and after the one that matters.
const AROUND: u64 = 3;

/// Whether an instruction of the common forms puts a value into a register: addi, addis, lbz, lhz,
/// lwz, ld, and `mr`, add, mfspr and what else has its target in RT of an X-form.
fn loads_gpr(word: u32, register: u8) -> bool {
    let target = (word >> 21 & 31) as u8;
    let logical_target = (word >> 16 & 31) as u8;
    match word >> 26 {
        14 | 15 | 32 | 34 | 40 | 58 => target == register,
        31 => match word >> 1 & 0x3ff {
            // and, or, xor, extsw: they have their target in RA.
            28 | 444 | 316 | 986 => logical_target == register,
            // add, subf, ldx, lwzx, mfspr, mfmsr
            266 | 40 | 21 | 23 | 339 | 83 => target == register,
            _ => false,
        },
        _ => false,
    }
}

/// `std` or `stdu` of a register, to wherever.
fn stores_gpr(word: u32, register: u8) -> bool {
    word >> 26 == 62 && (word >> 21 & 31) as u8 == register
}

/// Whether an instruction stores a VR: `stvx` or `stvxl`.
fn stores_vr(word: u32) -> bool {
    word >> 26 == 31 && matches!(word >> 1 & 0x3ff, 231 | 487)
}

/// `mfspr` (339) or `mtspr` (467) of VRSAVE, SPR 256, whose halves are swapped in the instruction.
fn moves_vrsave(word: u32, opcode: u32) -> bool {
    word >> 26 == 31 && word >> 1 & 0x3ff == opcode && word >> 11 & 0x3ff == 8
}

/// A function's name as its source has it.
pub fn without_suffix(function: &str) -> &str {
    match function.find('.') {
        None | Some(0) => function,
        Some(end) => &function[..end],
    }
}

/// A kernel's image and symbols.
pub struct Code {
    text: KernelCode,
    kernel: Symbols,
    user: Symbols,
}

impl Code {
    /// The code of a kernel.
    pub fn of(name: &KernelName, endian: Endian) -> Result<Self, RunnerError> {
        Ok(Code {
            text: KernelCode::of(name, endian)?,
            kernel: kernel_symbols(name, endian)?,
            user: image::user_symbols(endian)?,
        })
    }

    fn symbols(&self, pc: u64) -> &Symbols {
        if pc >= KERNEL {
            &self.kernel
        } else {
            &self.user
        }
    }

    /// The instruction at an address of the kernel.
    pub fn word(&self, pc: u64) -> Option<u32> {
        self.text.word(pc)
    }

    /// Name of the function at an address.
    pub fn function(&self, pc: u64) -> Option<String> {
        self.symbols(pc).function_at(pc).map(|f| f.name.to_string())
    }

    /// The instruction of a function that an address in a call trace stands for. A return address
    /// may belong to the next line already, or the next function: the call is before it. (What an
    /// interrupt has stopped at the begin of a function is no return address.)
    pub fn caller(&self, address: u64) -> u64 {
        let call = address.wrapping_sub(4);
        let start = self.symbols(address).function_at(address);
        match start.is_some_and(|function| function.address == address) {
            true => address,
            false => call,
        }
    }

    /// The functions that an address is a part of, as a signature may name them, innermost first:
    /// with those of the same source file that the compiler put there, so that a bug has one name
    /// whether they have code of their own or not. The last is the one of the symbol table, without
    /// what compilers append to names (`.isra.0`, `.constprop.0`, `.part.0`).
    pub fn source_functions(&self, pc: u64) -> Vec<String> {
        let Some(function) = self.function(pc) else {
            return Vec::new();
        };
        let inlined = self.symbols(pc).inlined(pc).into_iter();
        let of_file = inlined.filter(|f| !f.is_of_header && !f.name.is_empty());
        let mut names: Vec<String> = of_file.map(|f| f.name).collect();
        names.push(without_suffix(&function).to_owned());
        names
    }

    /// Whether a kernel function writes a nonvolatile register and never stores it: its caller
    /// finds another value in it.
    pub fn loses(&self, function: &str, register: u8) -> bool {
        let Some(function) = self
            .kernel
            .functions()
            .iter()
            .find(|f| &*f.name == function)
        else {
            return false;
        };
        let code = (function.address..function.address + function.size).step_by(4);
        let words: Vec<u32> = code.filter_map(|at| self.text.word(at)).collect();
        let writes = words.iter().any(|word| loads_gpr(*word, register));
        writes && !words.iter().any(|word| stores_gpr(*word, register))
    }

    /// Whether a kernel function loads every register of FP, or of VMX, from memory.
    pub fn loads_a_facility(&self, function: &str) -> bool {
        [false, true]
            .into_iter()
            .any(|vmx| self.loads(function, vmx))
    }

    /// Whether a kernel function loads every register of VMX from memory, or every one of FP.
    pub fn loads(&self, function: &str, vmx: bool) -> bool {
        let loaded = self.words(function).filter_map(loaded_vsr);
        let of_facility = loaded.filter(|vsr| (*vsr >= 32) == vmx);
        of_facility.collect::<HashSet<u8>>().len() >= 32
    }

    /// Whether a kernel function stores every register of FP, or of VMX, to memory.
    pub fn saves_a_facility(&self, function: &str, vmx: bool) -> bool {
        let words = self.words(function).filter(|word| stores_vsr(*word));
        let of_vmx = words.filter(|word| stores_vr(*word) == vmx);
        of_vmx.count() >= 32
    }

    /// Whether a kernel function reads VRSAVE.
    pub fn reads_vrsave(&self, function: &str) -> bool {
        self.words(function).any(|word| moves_vrsave(word, 339))
    }

    /// Whether a kernel function writes VRSAVE.
    pub fn writes_vrsave(&self, function: &str) -> bool {
        self.words(function).any(|word| moves_vrsave(word, 467))
    }

    /// Address of a kernel function.
    pub fn address(&self, function: &str) -> Option<u64> {
        let mut functions = self.kernel.functions().iter();
        let found = functions.find(|f| &*f.name == function)?;
        Some(found.address)
    }

    /// The instructions of a kernel function.
    fn words(&self, function: &str) -> impl Iterator<Item = u32> {
        let mut functions = self.kernel.functions().iter();
        let found = functions.find(|f| &*f.name == function).into_iter();
        let code = found.flat_map(|f| (f.address..f.address + f.size).step_by(4));
        code.filter_map(|at| self.text.word(at))
    }

    fn place(&self, pc: u64) -> String {
        self.symbols(pc)
            .locate(pc)
            .map_or_else(|| format!("{pc:#x}"), |l| l.to_string())
    }

    /// A write, for people.
    pub fn writer(&self, write: &Write) -> Writer {
        self.at(write.pc, write.word, &write.trace)
    }

    /// A place, for people.
    pub fn site(&self, site: &Site) -> Writer {
        let word = self.text.word(site.pc).unwrap_or(0);
        self.at(site.pc, word, &site.trace)
    }

    fn at(&self, pc: u64, word: u32, trace: &[u64]) -> Writer {
        let source = self
            .symbols(pc)
            .source_outside_headers(pc)
            .map(|(file, line)| format!("{file}:{line}"));
        Writer {
            place: self.place(pc),
            function: self.function(pc).unwrap_or_default(),
            source,
            instruction: disassemble(word),
            around: self.around(pc),
            trace: self.trace(trace),
        }
    }

    /// The call trace with what the compiler inlined.
    fn trace(&self, addresses: &[u64]) -> Vec<(u64, String)> {
        let mut trace = Vec::new();
        for (depth, &pc) in addresses.iter().enumerate() {
            let at = if depth == 0 { pc } else { self.caller(pc) };
            let inlined = self.symbols(pc).inlined(at).into_iter();
            trace.extend(inlined.map(|f| (pc, format!("{} [inlined]", f.name))));
            trace.push((pc, self.place(pc)));
        }
        trace
    }

    fn around(&self, pc: u64) -> Vec<String> {
        let Some(function) = self.symbols(pc).function_at(pc) else {
            return Vec::new();
        };
        let from = pc.saturating_sub(4 * AROUND).max(function.address);
        let to = (pc + 4 * AROUND).min(function.address + function.size - 4);
        (from..=to)
            .step_by(4)
            .filter_map(|at| {
                let word = self.text.word(at)?;
                let mark = if at == pc { '>' } else { ' ' };
                Some(format!(
                    "{mark} {}+{:#x}  {}",
                    function.name,
                    at - function.address,
                    disassemble(word)
                ))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_saves_of_a_register_are_seen() {
        // mfspr r14,8; ld r14,0(r1); mr r14,r3
        assert!(
            [0x7dc8_02a6, 0xe9c1_0000, 0x7c6e_1b78]
                .iter()
                .all(|w| loads_gpr(*w, 14))
        );
        // std r14,16(r1); mtspr 8,r14; mr r3,r14
        let others = [0xf9c1_0010, 0x7dc8_03a6, 0x7dc3_7378];
        assert!(!others.iter().any(|w| loads_gpr(*w, 14)));
        assert!(stores_gpr(others[0], 14) && !stores_gpr(others[0], 15));
    }
}
