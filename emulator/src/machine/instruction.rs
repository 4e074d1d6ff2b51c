//! The few facts about Power instruction words that the machine needs: encodings it emits, and
//! which instructions write what.
//!
//! Field positions follow Power ISA 3.1, Book I, 1.6. Not a disassembler (see `disassembly` in the
//! trace module).

/// `sc 63`: a call to the host (docs/internals.md, section 2).
pub const HOST_CALL: u32 = 0x4400_07e2;
/// `scv 0`.
pub const SCV_0: u32 = 0x4400_0001;
/// `rfscv`.
pub const RFSCV: u32 = 0x4c00_00a4;
/// `blr`.
pub const BLR: u32 = 0x4e80_0020;

/// `b` from one address to another, or `None` if it is out of reach.
pub fn branch(from: u64, to: u64) -> Option<u32> {
    let distance = to.wrapping_sub(from) as i64;
    ((-0x200_0000..0x200_0000).contains(&distance) && distance & 3 == 0)
        .then_some(0x4800_0000 | (distance as u32 & 0x03ff_fffc))
}

/// `ld rt,displacement(0)`: an absolute address in the lowest 32 KiB.
pub fn ld_absolute(rt: u32, displacement: u16) -> u32 {
    0xe800_0000 | rt << 21 | u32::from(displacement & 0x7ffc)
}

/// `std rs,displacement(0)`.
pub fn std_absolute(rs: u32, displacement: u16) -> u32 {
    0xf800_0000 | rs << 21 | u32::from(displacement & 0x7ffc)
}

/// `mtspr spr,rs`.
pub fn mtspr(spr: u32, rs: u32) -> u32 {
    0x7c00_03a6 | rs << 21 | (spr & 31) << 16 | (spr >> 5) << 11
}

/// `mfvsrd ra,vs<n>` (n in 0..=31).
pub fn mfvsrd(ra: u32, vsr: u32) -> u32 {
    0x7c00_0066 | vsr << 21 | ra << 16
}

/// `mtvsrdd vs<n>,0,rb`: doubleword 0 becomes zero, doubleword 1 the GPR.
pub fn mtvsrdd_low(vsr: u32, rb: u32) -> u32 {
    0x7c00_0366 | vsr << 21 | rb << 11
}

/// `xxswapd vs<n>,vs<n>` (`xxpermdi` with DM=2).
pub fn xxswapd(vsr: u32) -> u32 {
    0xf000_0250 | vsr << 21 | vsr << 16 | vsr << 11
}

/// Where, in the machine's page, a real kernel finds the time base.
pub const TIME_BASE: u16 = 0x7080;

/// SPR number of `mtspr`/`mfspr` (its halves are swapped in the word).
fn spr(word: u32) -> u32 {
    (word >> 16) & 31 | (word >> 6) & 0x3e0
}

fn extended(word: u32) -> u32 {
    (word >> 1) & 0x3ff
}

/// Whether a word in kernel text is data that looks like an FP instruction no kernel has. Compilers
/// put the offsets of `switch` tables there: a short way back looks like an operation on f31 whose
/// operand is f30 or f31. Assembly has kernel addresses there: their upper half looks like `lfs
/// f0,0(0)`.
pub fn is_data_in_text(word: u32) -> bool {
    // `mtfsf` of all fields (L=1) is the exception.
    word == 0xc000_0000 || word >= 0xfffe_0000 && word & 0xffff_07ff != 0xfffe_058e
}

/// Whether an instruction is a trap: `tdi`, `twi`, `tw`, `td`.
pub fn is_trap(word: u32) -> bool {
    matches!(primary(word), 2 | 3) || primary(word) == 31 && matches!(extended(word), 4 | 68)
}

/// The GPR that an instruction writes to PIDR (SPR 48), if it does.
pub fn written_process_id(word: u32) -> Option<u8> {
    (primary(word) == 31 && extended(word) == 467 && spr(word) == 48)
        .then_some(((word >> 21) & 31) as u8)
}

/// What stands for an instruction of a real kernel that the machine must not leave to the emulator:
/// priority hints, reads of the time base and of what counts it, writes of the decrementer (see
/// `errata`).
pub fn replaced_in_place(word: u32) -> Option<u32> {
    const NOP: u32 = 0x6000_0000;
    match word {
        0x7c21_0b78 | 0x7c42_1378 | 0x7c63_1b78 | 0x7ca5_2b78 | 0x7cc6_3378 | 0x7ce7_3b78
        | 0x7fff_fb78 => return Some(NOP),
        _ if primary(word) != 31 => return None,
        _ => {}
    }
    match (extended(word), spr(word)) {
        // mftb, mfspr TBL, TBU, SPURR, PURR, VTB
        (371, 268) | (339, 268 | 308 | 309 | 849) => {
            Some(ld_absolute((word >> 21) & 31, TIME_BASE))
        }
        (467, 22) => Some(NOP),
        _ => None,
    }
}

fn primary(word: u32) -> u32 {
    word >> 26
}

/// The FPR that an instruction writes through the floating-point facility, if it does.
///
/// From ISA 3.1 on (and in hardware before), such a write makes doubleword 1 of the VSR zero. VSX
/// instructions are not meant here: they write both halves themselves.
pub fn written_fpr(word: u32) -> Option<u32> {
    let target = (word >> 21) & 31;
    let extended = (word >> 1) & 0x3ff;
    let writes = match primary(word) {
        48..=51 => true, // lfs, lfsu, lfd, lfdu
        // lfsx, lfsux, lfdx, lfdux, lfiwax, lfiwzx
        31 => matches!(extended, 535 | 567 | 599 | 631 | 855 | 887),
        59 => {
            matches!(extended & 31, 18 | 20 | 21 | 22 | 24 | 25 | 26 | 28..=31)
                || matches!(extended, 846 | 974)
        } // single arithmetic, fcfids[u]
        63 => {
            matches!(extended & 31, 18 | 20..=26 | 28..=31)
                || matches!(
                    extended,
                    8 | 12
                        | 14
                        | 15
                        | 40
                        | 72
                        | 136
                        | 142
                        | 143
                        | 264
                        | 392
                        | 424
                        | 456
                        | 488
                        | 583
                        | 814
                        | 815
                        | 838
                        | 846
                        | 942
                        | 943
                        | 966
                        | 974
                )
        }
        _ => false,
    };
    writes.then_some(target)
}

/// Whether an instruction writes FPSCR but not FI as the status of a computation: `mtfsf`,
/// `mtfsfi`, `mtfsb0`, `mtfsb1`, and the double-precision VSX vector arithmetic of this project
/// (`xvadddp`), which sets exception bits but leaves FI and FR alone (Power ISA 3.1, Book I, 7.4).
pub fn keeps_or_moves_inexact(word: u32) -> bool {
    match primary(word) {
        63 => matches!((word >> 1) & 0x3ff, 38 | 70 | 134 | 711),
        60 => (word >> 3) & 0xff == 0x60,
        _ => false,
    }
}

/// What FPSCR\[FI\] (bit 46) becomes by an instruction that [`keeps_or_moves_inexact`]: from
/// `source` (the FPR of `mtfsf`), or what it was if the instruction does not select it (Power ISA
/// 3.1, Book I, 4.6.10).
pub fn inexact_after(word: u32, before: bool, source: impl Fn(u32) -> u64) -> bool {
    const FI: u64 = 0x2_0000;
    let low_word = (word >> 16) & 1 == 0;
    if primary(word) != 63 {
        return before;
    }
    match (word >> 1) & 0x3ff {
        711 if word & (1 << 25) != 0 || low_word && (word >> 17) & 0x10 != 0 => {
            source((word >> 11) & 31) & FI != 0
        }
        134 if low_word && (word >> 23) & 7 == 3 => (word >> 12) & 2 != 0,
        38 if (word >> 21) & 31 == 14 => true,
        70 if (word >> 21) & 31 == 14 => false,
        _ => before,
    }
}

/// Whether an instruction may change a VSR, FPSCR, VSCR or VRSAVE. May say yes too often, never no
/// wrongly (for instructions the machine has).
pub fn touches_vector_state(word: u32) -> bool {
    const VRSAVE: u32 = 256;
    match primary(word) {
        // mtspr, of which kernels do many: of LR, of CTR
        31 if extended(word) == 467 => spr(word) == VRSAVE,
        4 | 48..=51 | 56 | 57 | 59..=61 | 63 => true,
        31 => matches!(
            (word >> 1) & 0x3ff,
            // lvsl, lve*x, lvx, lvxl
            6 | 7 | 38 | 39 | 71 | 103 | 359
            // lfsx, lfsux, lfdx, lfdux, lfiwax, lfiwzx
            | 535 | 567 | 599 | 631 | 855 | 887
            // lxsiwzx, lxsiwax, lxvx, lxvl, lxvll, lxvdsx, lxvwsx, lxsspx, lxsdx, lxvw4x, lxsibzx,
            // lxvh8x, lxsihzx, lxvd2x, lxvb16x
            | 12 | 76 | 268 | 269 | 301 | 332 | 364 | 524 | 588 | 780 | 781 | 812 | 813 | 844 | 876
            // mtvsrd, mtvsrwa, mtvsrwz, mtvsrws, mtvsrdd
            | 179 | 211 | 243 | 403 | 435
        ),
        _ => false,
    }
}

/// The VSR that an instruction loads, if that is all it changes, whatever the values are: `lfs`,
/// `lfd`, `lvx`, `lxvd2x` and their like that leave their address alone. May say no too often.
pub fn loaded_vsr(word: u32) -> Option<u8> {
    let target = ((word >> 21) & 31) as u8;
    match (primary(word), extended(word)) {
        // lfs, lfd; lfsx, lfdx
        (48 | 50, _) | (31, 535 | 599) => Some(target),
        // lvx, lvxl
        (31, 103 | 359) => Some(32 + target),
        // lxvd2x, lxvw4x; the last bit is the first of the number
        (31, 844 | 780) => Some(((word & 1) as u8) << 5 | target),
        _ => None,
    }
}

/// Whether an instruction stores a VSR: `stfs`, `stfd`, `stvx`, `stxvd2x` and their like. May say
/// no too often.
pub fn stores_vsr(word: u32) -> bool {
    match (primary(word), extended(word)) {
        // stfs, stfd; stfsx, stfdx
        (52 | 54, _) | (31, 663 | 727) => true,
        // stvx, stvxl
        (31, 231 | 487) => true,
        // stxvd2x, stxvw4x, stxvx; stxv
        (31, 972 | 908 | 396) => true,
        (61, _) => word & 7 == 5,
        _ => false,
    }
}

/// The VSR whose doublewords an instruction swaps, if that is all it does: `xxswapd` in place.
pub fn swapped_vsr(word: u32) -> Option<u8> {
    let vsr = (word >> 21) & 31;
    // The last three bits are the first ones of the numbers.
    match word & 7 {
        0 => (word == xxswapd(vsr)).then_some(vsr as u8),
        7 => (word == xxswapd(vsr) | 7).then_some(32 + vsr as u8),
        _ => None,
    }
}

/// Whether an instruction changes a GPR other than the stack pointer and nothing else: `addi`,
/// `addis`, as between loads whose offset is in a register. May say no too often.
pub fn sets_gpr_only(word: u32) -> bool {
    matches!(primary(word), 14 | 15) && (word >> 21) & 31 != 1
}

#[cfg(test)]
mod tests {
    use object::{Object, ObjectSection};

    use super::*;

    /// What clang, which the model is built with, makes of a line of assembly.
    fn assembled(line: &str) -> u32 {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, result) = (folder.path().join("a.s"), folder.path().join("a.o"));
        std::fs::write(&source, format!("{line}\n")).expect("it is written");
        let clang = std::env::var("CTXFUZZ_CLANG").unwrap_or_else(|_| "clang".to_owned());
        let mut command = std::process::Command::new(clang);
        command.args(["--target=powerpc64-linux-gnu", "-mcpu=pwr9", "-c", "-o"]);
        let output = command.arg(&result).arg(&source).output();
        let output = output.expect("clang runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {told}");
        let bytes = std::fs::read(result).expect("there is a result");
        let file = object::File::parse(&*bytes).expect("it is an object");
        let text = file.section_by_name(".text").expect("it has text");
        let word = text.data().expect("it reads").try_into();
        u32::from_be_bytes(word.expect("one instruction"))
    }

    #[test]
    fn fpr_writers_are_told_from_the_rest() {
        for (line, expected) in [
            ("mffs 0", Some(0)),
            ("lfd 7, 0(3)", Some(7)),
            ("fadd 1, 2, 3", Some(1)),
            ("fmr 7, 8", Some(7)),
            ("mtfsf 0, 0, 1, 0", None),
            ("fcmpu 0, 0, 0", None),
            ("stfd 7, 0(3)", None),
            ("lxvd2x 0, 0, 3", None),
            ("mtfsfi 7, 0", None),
        ] {
            assert_eq!(written_fpr(assembled(line)), expected, "{line}");
        }
    }

    #[test]
    fn loads_are_told_from_what_changes_more() {
        for (word, expected) in [
            (0xc8e3_0000, Some(7)),  // lfd f7,0(r3)
            (0xcce3_0008, None),     // lfdu f7,8(r3)
            (0x7ce5_20ce, Some(39)), // lvx v7,r5,r4
            (0x7c05_2699, Some(32)), // lxvd2x vs32,r5,r4
            (0x7c05_2698, Some(0)),  // lxvd2x vs0,r5,r4
            (0xfc00_048e, None),     // mffs f0
            (0xfc22_182a, None),     // fadd f1,f2,f3
            (0xd8e3_0000, None),     // stfd
        ] {
            assert_eq!(loaded_vsr(word), expected, "{word:#010x}");
            assert!(expected.is_none() || touches_vector_state(word));
        }
        assert_eq!(swapped_vsr(0xf021_0a50), Some(1)); // xxswapd vs1,vs1
        assert_eq!(swapped_vsr(0xf021_0a57), Some(33)); // xxswapd vs33,vs33
        assert_eq!(swapped_vsr(0xf021_1250), None); // xxpermdi vs1,vs1,vs2,2
        assert_eq!(swapped_vsr(0xf021_0a51), None); // xxswapd vs33,vs1
        assert!(touches_vector_state(0x7ca0_43a6)); // mtspr VRSAVE,r5
        assert!(!touches_vector_state(0x7ca8_03a6)); // mtlr r5
        assert!(sets_gpr_only(0x38a0_0010)); // li r5,16
        assert!(!sets_gpr_only(0x3821_0020)); // addi r1,r1,32
        assert!(!sets_gpr_only(0x7c05_2698)); // lxvd2x
    }

    #[test]
    fn stores_of_registers_are_told_from_the_rest() {
        for word in [
            0xd803_0200, // stfd f0,512(r3)
            0x7c04_31ce, // stvx v0,r4,r6
            0x7c04_3798, // stxvd2x vs0,r4,r6
            0xf403_0005, // stxv vs0,0(r3)
        ] {
            assert!(stores_vsr(word), "{word:#x}");
        }
        for word in [
            0xf803_0000, // std r0,0(r3)
            0xc803_0200, // lfd f0,512(r3)
            0x7c04_30ce, // lvx v0,r4,r6
            0xf403_0001, // lxv vs0,0(r3)
            0x7c03_212a, // stdx r0,r3,r4
        ] {
            assert!(!stores_vsr(word), "{word:#x}");
        }
    }

    #[test]
    fn fraction_inexact_is_written_when_it_is_selected() {
        let inexact = |_| 0x2_0000;
        let exact = |_| 0;
        assert!(inexact_after(0xfe00_058e, false, inexact)); // mtfsf with L=1
        assert!(!inexact_after(0xfe00_058e, true, exact));
        assert!(inexact_after(0xfc02_058e, true, exact)); // mtfsf 1,f0 does not select it
        assert!(!inexact_after(0xfc20_058e, true, exact)); // mtfsf 16,f0 does
        assert!(inexact_after(0xfd80_210c, false, exact)); // mtfsfi 3,2
        assert!(inexact_after(0xff80_010c, true, exact)); // mtfsfi 7,0
    }

    #[test]
    fn what_a_real_kernel_must_not_leave_to_the_emulator() {
        for (line, instead) in [
            ("mfspr 3, 268", Some("ld 3, 0x7080(0)")), // TBL
            ("mftb 5", Some("ld 5, 0x7080(0)")),
            ("mfspr 6, 309", Some("ld 6, 0x7080(0)")), // PURR
            ("mtdec 3", Some("nop")),
            ("or 1, 1, 1", Some("nop")),
            ("mr. 3, 3", None),
            ("mtsrr0 3", None),
        ] {
            let instead = instead.map(assembled);
            assert_eq!(replaced_in_place(assembled(line)), instead, "{line}");
        }
        assert_eq!(written_process_id(assembled("mtspr 48, 9")), Some(9));
        assert_eq!(written_process_id(assembled("mtsrr0 3")), None);
    }

    #[test]
    fn data_in_text_is_not_code() {
        assert!(is_data_in_text(0xffff_fe40) && is_data_in_text(0xc000_0000));
        // mtfsf 255,f31,1; fmr f31,f30; lfs f0,0(r3)
        for word in [0xfffe_fd8e, 0xffe0_f090, 0xc003_0000] {
            assert!(!is_data_in_text(word), "{word:#x}");
        }
    }

    #[test]
    fn branches_reach_what_they_can() {
        assert_eq!(branch(0x1000, 0x1010), Some(assembled("b .+16")));
        assert_eq!(branch(0x1010, 0x1000), Some(assembled("b .-16")));
        assert_eq!(branch(0, 0x400_0000), None);
    }
}
