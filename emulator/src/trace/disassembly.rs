//! Disassembly of instructions, for reports.
//!
//! A table of our own knows the instructions that move FP, VMX and VSX state, and those around them
//! that reports have shown from the start: reports write VSRs as `vs32` where capstone writes `v0`,
//! displacements in decimal and targets of branches relative, and stay as they are. Of Debian's
//! kernels that is 78 % of the code. Capstone knows the rest; what it does not know either is a
//! word, as `objdump` shows data.

use capstone::arch::ppc::ArchMode;
use capstone::arch::{BuildsCapstone, BuildsCapstoneEndian};
use capstone::{Capstone, Endian};

use crate::machine::instruction::{BLR, HOST_CALL};

const NOP: u32 = 0x6000_0000;

/// Text of an instruction word in GNU syntax.
pub fn disassemble(word: u32) -> String {
    known(word)
        .or_else(|| by_capstone(word))
        .unwrap_or_else(|| format!(".long {word:#010x}"))
}

/// What capstone calls an instruction, without its blanks after commas.
fn by_capstone(word: u32) -> Option<String> {
    let capstone = Capstone::new().ppc().mode(ArchMode::Mode64);
    let capstone = capstone.endian(Endian::Big).build().ok()?;
    let instructions = capstone.disasm_all(&word.to_be_bytes(), 0).ok()?;
    let instruction = instructions.first()?;
    let (mnemonic, operands) = (instruction.mnemonic()?, instruction.op_str()?);
    let text = format!("{mnemonic} {}", operands.replace(", ", ","));
    Some(text.trim_end().to_owned())
}

/// What the table calls an instruction, if it is in there.
fn known(word: u32) -> Option<String> {
    let field = |shift: u32| (word >> shift) & 31;
    let (t, a, b) = (field(21), field(16), field(11));
    let extended = (word >> 1) & 0x3ff;
    let base = |r: u32| {
        if r == 0 {
            "0".to_owned()
        } else {
            format!("r{r}")
        }
    };
    Some(match word >> 26 {
        _ if word == HOST_CALL => "sc 63".into(),
        48 => format!("lfs f{t},{}(r{a})", word as i16),
        50 => format!("lfd f{t},{}(r{a})", word as i16),
        52 => format!("stfs f{t},{}(r{a})", word as i16),
        54 => format!("stfd f{t},{}(r{a})", word as i16),
        14 if a == 0 => format!("li r{t},{}", word as i16),
        14 => format!("addi r{t},r{a},{}", word as i16),
        15 if a == 0 => format!("lis r{t},{}", word as i16),
        16 => format!("bc {t},{a},.{:+}", (word & 0xfffc) as i16),
        18 => format!(
            "{} .{:+}",
            if word & 1 == 1 { "bl" } else { "b" },
            ((word & 0x03ff_fffc) << 6) as i32 >> 6
        ),
        19 if word == BLR => "blr".into(),
        24 if word == NOP => "nop".into(),
        24 => format!("ori r{a},r{t},{}", word & 0xffff),
        32 => format!("lwz r{t},{}(r{a})", word as i16),
        40 => format!("lhz r{t},{}(r{a})", word as i16),
        58 if word & 3 == 0 => format!("ld r{t},{}(r{a})", (word & 0xfffc) as i16),
        62 if word & 3 == 0 => format!("std r{t},{}(r{a})", (word & 0xfffc) as i16),
        62 if word & 3 == 1 => format!("stdu r{t},{}(r{a})", (word & 0xfffc) as i16),
        36 => format!("stw r{t},{}(r{a})", word as i16),
        4 => return vmx(word, t, a, b),
        31 => return memory_or_move(word, extended, t, &base(a), b),
        60 => return vsx(word, t, a, b),
        63 => return fp(word, extended, t, a, b),
        _ => return None,
    })
}

fn vmx(word: u32, t: u32, a: u32, b: u32) -> Option<String> {
    Some(match word & 0x7ff {
        1540 => format!("mfvscr v{t}"),
        1604 => format!("mtvscr v{b}"),
        1156 => format!("vor v{t},v{a},v{b}"),
        1220 => format!("vxor v{t},v{a},v{b}"),
        512 => format!("vaddubs v{t},v{a},v{b}"),
        _ => return None,
    })
}

fn memory_or_move(word: u32, extended: u32, t: u32, a: &str, b: u32) -> Option<String> {
    let vsr = t | (word & 1) << 5;
    Some(match extended {
        103 => format!("lvx v{t},{a},r{b}"),
        231 => format!("stvx v{t},{a},r{b}"),
        844 => format!("lxvd2x vs{vsr},{a},r{b}"),
        972 => format!("stxvd2x vs{vsr},{a},r{b}"),
        268 => format!("lxvx vs{vsr},{a},r{b}"),
        396 => format!("stxvx vs{vsr},{a},r{b}"),
        599 => format!("lfdx f{t},{a},r{b}"),
        727 => format!("stfdx f{t},{a},r{b}"),
        435 => format!("mtvsrdd vs{vsr},{a},r{b}"),
        179 => format!("mtvsrd vs{vsr},{a}"),
        444 if t == b && word & 1 == 0 => format!("mr {a},r{t}"),
        266 if word & 1 == 0 => format!("add r{t},{a},r{b}"),
        83 => format!("mfmsr r{t}"),
        178 => format!("mtmsrd r{t}"),
        339 => format!("mfspr r{t},{}", (word >> 16) & 31 | (word >> 6) & 0x3e0),
        467 if (word >> 11) & 0x3ff == 0x008 => format!("mtspr 256,r{t}"),
        467 => format!("mtspr {},r{t}", (word >> 16) & 31 | (word >> 6) & 0x3e0),
        _ => return None,
    })
}

fn vsx(word: u32, t: u32, a: u32, b: u32) -> Option<String> {
    let (t, a, b) = (
        t | (word & 1) << 5,
        a | (word & 4) << 3,
        b | (word & 2) << 4,
    );
    Some(match (word >> 3) & 0xff {
        0x0a | 0x2a | 0x4a | 0x6a => match (word >> 8) & 3 {
            2 if a == b => format!("xxswapd vs{t},vs{a}"),
            dm => format!("xxpermdi vs{t},vs{a},vs{b},{dm}"),
        },
        0x92 => format!("xxlor vs{t},vs{a},vs{b}"),
        0x9a => format!("xxlxor vs{t},vs{a},vs{b}"),
        0x60 => format!("xvadddp vs{t},vs{a},vs{b}"),
        _ => return None,
    })
}

fn fp(word: u32, extended: u32, t: u32, a: u32, b: u32) -> Option<String> {
    Some(match extended {
        583 => format!("mffs f{t}"),
        711 if word & (1 << 25) != 0 => format!("mtfsf 255,f{b},1,0"),
        711 => format!("mtfsf {},f{b}", (word >> 17) & 0xff),
        134 => format!("mtfsfi {},{}", (word >> 23) & 7, (word >> 12) & 15),
        72 => format!("fmr f{t},f{b}"),
        _ if extended & 31 == 21 => format!("fadd f{t},f{a},f{b}"),
        _ if extended & 31 == 18 => format!("fdiv f{t},f{a},f{b}"),
        _ if extended & 31 == 25 => format!("fmul f{t},f{a},f{}", (word >> 6) & 31),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::disassemble;

    #[test]
    fn the_instructions_of_the_save_paths_are_known() {
        for (word, text) in [
            (0xfc00_048e, "mffs f0"),
            (0x1000_0604, "mfvscr v0"),
            (0x7c00_1e98, "lxvd2x vs0,0,r3"),
            (0x7c00_1f98, "stxvd2x vs0,0,r3"),
            (0xf000_0250, "xxswapd vs0,vs0"),
            (0x7c00_20ce, "lvx v0,0,r4"),
            (0xfe00_058e, "mtfsf 255,f0,1,0"),
            (0xd803_0200, "stfd f0,512(r3)"),
            (0x7c60_43a6, "mtspr 256,r3"),
            (0x3880_0000, "li r4,0"),
            (0x6000_0000, "nop"),
            (0x4bff_fff0, "b .-16"),
            (0x4800_0011, "bl .+16"),
            // Not in the table.
            (0x7c63_2215, "add. r3,r3,r4"),
            (0x2c23_0010, "cmpdi r3,0x10"),
            (0x4d82_0020, "beqlr"),
            (0x7863_07c6, "sldi r3,r3,0x20"),
            (0x4c00_012c, "isync"),
            (0, ".long 0x00000000"),
        ] {
            assert_eq!(disassemble(word), text);
        }
    }
}
