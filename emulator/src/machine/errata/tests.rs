use super::super::address::Area;
use super::super::instruction::{TIME_BASE, ld_absolute};
use super::super::memory::Memory;
use super::{Guest, Request, STRIDE, Trampolines};
use crate::arch::Endian;

const TEXT: u64 = 0x1000;
const POOL: Area = Area {
    ea: 0x8000,
    pa: 0x8000,
    size: 4 * STRIDE,
};

const NOP: u32 = 0x6000_0000;
const MFTB_R5: u32 = 0x7cac_42a6;
const MFSPR_R6_PURR: u32 = 0x7cd5_4aa6;
const MTDEC_R4: u32 = 0x7c96_03a6;
const HMT_LOW: u32 = 0x7c21_0b78;
const MTPID_R7: u32 = 0x7cf0_0ba6;
const LFD_F1: u32 = 0xc823_0000;
const MTFSF_ALL_F0: u32 = 0xfffe_058e;
/// A `switch` table's offset, and the upper half of a kernel address.
const OFFSET: u32 = 0xffff_fe2c;
const ADDRESS: u32 = 0xc000_0000;

/// The text after repair.
fn repaired(guest: Guest, words: &[u32]) -> (Memory, Trampolines) {
    let memory = Memory::new(Endian::Little, 0x1_0000);
    for (at, word) in (TEXT..).step_by(4).zip(words) {
        memory.write_u32(at, *word);
    }
    let mut trampolines = Trampolines::new(POOL, guest);
    let done = trampolines.repair(&memory, TEXT, words.len() as u64, |ea| ea);
    assert_eq!(done, Ok(()));
    (memory, trampolines)
}

fn words(memory: &Memory, at: u64, count: u64) -> Vec<u32> {
    (0..count).map(|i| memory.read_u32(at + 4 * i)).collect()
}

#[test]
fn a_real_kernel_reads_the_machines_time_and_sets_no_timer() {
    let text = [MFTB_R5, MFSPR_R6_PURR, MTDEC_R4, HMT_LOW];
    let (memory, trampolines) = repaired(Guest::RealKernel, &text);
    let expected = [
        ld_absolute(5, TIME_BASE),
        ld_absolute(6, TIME_BASE),
        NOP,
        NOP,
    ];
    assert_eq!(words(&memory, TEXT, 4), expected);
    for (at, word) in (TEXT..).step_by(4).zip(text) {
        assert_eq!(trampolines.original_word(at), Some(word));
        assert!(!trampolines.branches_away(at), "it is replaced where it is");
    }
    assert_eq!(
        trampolines.site_of(POOL.ea),
        None,
        "and needs no trampoline"
    );
}

#[test]
fn the_models_text_keeps_what_only_real_kernels_have_replaced() {
    let text = [MFTB_R5, MTDEC_R4, HMT_LOW, MTPID_R7, NOP];
    let (memory, trampolines) = repaired(Guest::Plain, &text);
    assert_eq!(words(&memory, TEXT, 5), text);
    assert_eq!(trampolines.original_word(TEXT), None);
}

#[test]
fn a_write_of_pidr_is_told_before_it_happens() {
    let (memory, trampolines) = repaired(Guest::RealKernel, &[NOP, MTPID_R7]);
    let site = TEXT + 4;
    assert_ne!(memory.read_u32(site), MTPID_R7);
    assert_eq!(
        trampolines.request(POOL.ea),
        Some(Request::ProcessId { rs: 7 })
    );
    assert_eq!(trampolines.request(POOL.ea + 4), None);
    assert_eq!(trampolines.site_of(POOL.ea + 4), Some((site, MTPID_R7)));
    assert!(trampolines.runs_original(POOL.ea + 4));
    assert!(!trampolines.runs_original(POOL.ea));
    assert!(trampolines.branches_away(site) && !trampolines.branches_away(TEXT));
}

#[test]
fn data_in_a_real_kernels_text_is_left_alone() {
    let text = [OFFSET, ADDRESS, 0xdead];
    let (memory, trampolines) = repaired(Guest::RealKernel, &text);
    assert_eq!(words(&memory, TEXT, 2), text[..2]);
    assert_eq!(trampolines.original_word(TEXT), None);
}

#[test]
fn instructions_that_resemble_data_are_repaired_all_the_same() {
    let text = [MTFSF_ALL_F0, LFD_F1];
    let (_, trampolines) = repaired(Guest::RealKernel, &text);
    for (n, (at, word)) in (0..).zip((TEXT..).step_by(4).zip(text)) {
        let trampoline = POOL.ea + n * STRIDE;
        assert!(trampolines.branches_away(at));
        assert_eq!(trampolines.original_word(at), Some(word));
        let inside = (trampoline..trampoline + STRIDE).step_by(4);
        let mut original = inside.filter(|pc| trampolines.runs_original(*pc));
        let pc = original
            .next()
            .expect("the instruction runs in its trampoline");
        assert_eq!(trampolines.site_of(pc), Some((at, word)));
    }
    assert_eq!(
        trampolines.request(POOL.ea),
        Some(Request::NoteInexact { word: MTFSF_ALL_F0 })
    );
}

#[test]
fn a_full_pool_is_an_error_at_the_instruction_that_has_no_room() {
    let memory = Memory::new(Endian::Little, 0x1_0000);
    for n in 0..5 {
        memory.write_u32(TEXT + 4 * n, LFD_F1);
    }
    let mut trampolines = Trampolines::new(POOL, Guest::RealKernel);
    assert_eq!(
        trampolines.repair(&memory, TEXT, 5, |ea| ea),
        Err(TEXT + 16)
    );
}
