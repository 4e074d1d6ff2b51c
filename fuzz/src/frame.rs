//! A stack frame for each signature: systems that group crashes by their stack then keep different
//! bugs apart.

use std::backtrace::Backtrace;
use std::hint::black_box;

use xxhash_rust::xxh3::xxh3_64;

/// So many frames there are; two signatures share one with a chance of 1 in 256.
const FRAMES: usize = 256;

/// The function that a signature ends in.
pub fn name(signature: &str) -> &'static str {
    NAMES[number(signature)]
}

/// Says what was found and ends the process in the function of the signature. With
/// `RUST_BACKTRACE=1` its stack is printed too: without a sanitizer libFuzzer prints none.
pub fn abort(signature: &str) -> ! {
    eprintln!("ctxfuzz: {signature}, in {}", name(signature));
    FRAME[number(signature)]()
}

fn number(signature: &str) -> usize {
    (xxh3_64(signature.as_bytes()) % FRAMES as u64) as usize
}

/// Functions with names of their own: instances of one generic function have one name for those
/// that look at stacks. What each does with its name keeps the linker from folding all of them into
/// one.
macro_rules! frames {
    ($($name:ident)*) => {
        $(
            #[inline(never)]
            fn $name() -> ! {
                eprint!("{}", trace());
                black_box(stringify!($name));
                std::process::abort()
            }
        )*
        static FRAME: [fn() -> !; FRAMES] = [$($name),*];
        static NAMES: [&str; FRAMES] = [$(stringify!($name)),*];
    };
}

/// Nothing unless it is asked for.
#[inline(always)]
fn trace() -> String {
    let trace = Backtrace::capture();
    match trace.status() {
        std::backtrace::BacktraceStatus::Captured => trace.to_string(),
        _ => String::new(),
    }
}

frames! {
    divergence_00 divergence_01 divergence_02 divergence_03 divergence_04 divergence_05 divergence_06 divergence_07
    divergence_08 divergence_09 divergence_0a divergence_0b divergence_0c divergence_0d divergence_0e divergence_0f
    divergence_10 divergence_11 divergence_12 divergence_13 divergence_14 divergence_15 divergence_16 divergence_17
    divergence_18 divergence_19 divergence_1a divergence_1b divergence_1c divergence_1d divergence_1e divergence_1f
    divergence_20 divergence_21 divergence_22 divergence_23 divergence_24 divergence_25 divergence_26 divergence_27
    divergence_28 divergence_29 divergence_2a divergence_2b divergence_2c divergence_2d divergence_2e divergence_2f
    divergence_30 divergence_31 divergence_32 divergence_33 divergence_34 divergence_35 divergence_36 divergence_37
    divergence_38 divergence_39 divergence_3a divergence_3b divergence_3c divergence_3d divergence_3e divergence_3f
    divergence_40 divergence_41 divergence_42 divergence_43 divergence_44 divergence_45 divergence_46 divergence_47
    divergence_48 divergence_49 divergence_4a divergence_4b divergence_4c divergence_4d divergence_4e divergence_4f
    divergence_50 divergence_51 divergence_52 divergence_53 divergence_54 divergence_55 divergence_56 divergence_57
    divergence_58 divergence_59 divergence_5a divergence_5b divergence_5c divergence_5d divergence_5e divergence_5f
    divergence_60 divergence_61 divergence_62 divergence_63 divergence_64 divergence_65 divergence_66 divergence_67
    divergence_68 divergence_69 divergence_6a divergence_6b divergence_6c divergence_6d divergence_6e divergence_6f
    divergence_70 divergence_71 divergence_72 divergence_73 divergence_74 divergence_75 divergence_76 divergence_77
    divergence_78 divergence_79 divergence_7a divergence_7b divergence_7c divergence_7d divergence_7e divergence_7f
    divergence_80 divergence_81 divergence_82 divergence_83 divergence_84 divergence_85 divergence_86 divergence_87
    divergence_88 divergence_89 divergence_8a divergence_8b divergence_8c divergence_8d divergence_8e divergence_8f
    divergence_90 divergence_91 divergence_92 divergence_93 divergence_94 divergence_95 divergence_96 divergence_97
    divergence_98 divergence_99 divergence_9a divergence_9b divergence_9c divergence_9d divergence_9e divergence_9f
    divergence_a0 divergence_a1 divergence_a2 divergence_a3 divergence_a4 divergence_a5 divergence_a6 divergence_a7
    divergence_a8 divergence_a9 divergence_aa divergence_ab divergence_ac divergence_ad divergence_ae divergence_af
    divergence_b0 divergence_b1 divergence_b2 divergence_b3 divergence_b4 divergence_b5 divergence_b6 divergence_b7
    divergence_b8 divergence_b9 divergence_ba divergence_bb divergence_bc divergence_bd divergence_be divergence_bf
    divergence_c0 divergence_c1 divergence_c2 divergence_c3 divergence_c4 divergence_c5 divergence_c6 divergence_c7
    divergence_c8 divergence_c9 divergence_ca divergence_cb divergence_cc divergence_cd divergence_ce divergence_cf
    divergence_d0 divergence_d1 divergence_d2 divergence_d3 divergence_d4 divergence_d5 divergence_d6 divergence_d7
    divergence_d8 divergence_d9 divergence_da divergence_db divergence_dc divergence_dd divergence_de divergence_df
    divergence_e0 divergence_e1 divergence_e2 divergence_e3 divergence_e4 divergence_e5 divergence_e6 divergence_e7
    divergence_e8 divergence_e9 divergence_ea divergence_eb divergence_ec divergence_ed divergence_ee divergence_ef
    divergence_f0 divergence_f1 divergence_f2 divergence_f3 divergence_f4 divergence_f5 divergence_f6 divergence_f7
    divergence_f8 divergence_f9 divergence_fa divergence_fb divergence_fc divergence_fd divergence_fe divergence_ff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_a_function_of_its_own() {
        let mut addresses: Vec<usize> = FRAME.iter().map(|&f| f as usize).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), FRAMES);
    }
}
