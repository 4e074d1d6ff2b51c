//! Which special-purpose registers QEMU tells of, and by what names.

/// Special-purpose registers by the names that QEMU gives them. LR, CTR and XER are among the
/// others.
pub(super) const SPRS: &[(&str, u16)] = &[
    ("uamr", 13),
    ("spr_dscr", 17),
    ("dsisr", 18),
    ("dar", 19),
    ("decr", 22),
    ("srr0", 26),
    ("srr1", 27),
    ("spr_cfar", 28),
    ("amr", 29),
    ("acop", 31),
    ("pid", 48),
    ("iamr", 61),
    ("tfhar", 128),
    ("tfiar", 129),
    ("texasr", 130),
    ("spr_uctrl", 136),
    ("tidr", 144),
    ("spr_ctrl", 152),
    ("fscr", 153),
    ("uamor", 157),
    ("pspb", 159),
    ("dpdes", 176),
    ("dawr0", 180),
    ("rpr", 186),
    ("ciabr", 187),
    ("dawrx0", 188),
    ("hfscr", 190),
    ("vrsave", 256),
    ("usprg3", 259),
    ("sprg0", 272),
    ("sprg1", 273),
    ("sprg2", 274),
    ("sprg3", 275),
    ("pvr", 287),
    ("hsprg0", 304),
    ("hsprg1", 305),
    ("spurr", 308),
    ("purr", 309),
    ("hdec", 310),
    ("lpcr", 318),
    ("lpidr", 319),
    ("pcr", 338),
    ("amor", 349),
    ("ptcr", 464),
    ("mmcr2", 785),
    ("mmcra", 786),
    ("mmcr0", 795),
    ("mmcr1", 798),
    ("bescr", 806),
    ("tar", 815),
    ("asdr", 816),
    ("psscr", 855),
    ("wort", 895),
    ("ppr", 896),
    ("tscr", 921),
    ("hid0", 1008),
    ("pir", 1023),
];
/// Decrementer.
pub(super) const DEC: u16 = 22;
/// Time base, all 64 bits.
pub(super) const TB: u16 = 268;
/// Time base, upper half.
pub(super) const TBU: u16 = 269;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Registers;

    #[test]
    fn each_register_that_qemu_tells_of_is_found_with_its_own_value() {
        let mut told: Vec<(u16, u64)> = SPRS.iter().map(|(_, n)| *n).zip(100..).collect();
        let values = told.clone();
        told.sort_unstable();
        let registers = Registers {
            sprs: told,
            ..Registers::default()
        };
        for (number, value) in values {
            assert_eq!(registers.spr(number), Some(value), "SPR {number}");
        }
    }
}
