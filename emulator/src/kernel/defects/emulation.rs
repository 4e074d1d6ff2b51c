//! Loads and stores that the kernel does for user code.

use super::{Class, Defect, Origin, Severity};

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "xxlor-encoding",
        title: "a VSR that the kernel stores for user code is complemented",
        mechanism: "store_vsrn moves the register to vs0 with xxlor, whose wrong encoding is xxlnor. vs0 itself needs no move.",
        function: "store_vsrn",
        named_instead: &["do_vsx_store"],
        class: Some(Class::LostUpdate),
        origin: Origin::Titled("powerpc: Correct instruction code for xxlor instruction"),
        severity: Severity::Live,
        endian: None,
        witness: Some("misaligned-vsx-store"),
    },
    Defect {
        id: "emul-vs0-not-preserved",
        title: "the kernel loads a VSR for user code and leaves vs0 with the same value",
        mechanism: "load_vsrn goes through vs0, as save_fpu through f0, and does not put it back.",
        function: "load_vsrn",
        named_instead: &[],
        class: Some(Class::ClobberedRegister),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("misaligned-vsx-load"),
    },
    Defect {
        id: "emul-ignores-non-live",
        title: "an FPR that the kernel loads for user code goes to the processor, whoever has the registers",
        mechanism: "The task is preempted while the kernel reads its memory, and its counter has wrapped: FP is in thread_struct then, and what is loaded is lost.",
        function: "do_fp_load",
        named_instead: &[],
        class: Some(Class::WrongOwner),
        origin: Origin::Titled(
            "powerpc: Emulate FP/vector/VSX loads/stores correctly when regs not live",
        ),
        severity: Severity::Live,
        endian: None,
        witness: Some("misaligned-load-preempted"),
    },
    Defect {
        id: "emul-vsx-pair-size",
        title: "loads of less than a whole VSR that the kernel does for user code load nothing",
        mechanism: "The number of registers is the size divided by 16, which is 0 for 8 bytes. Stores (do_vsx_store) have it too.",
        function: "do_vsx_load",
        named_instead: &["do_vsx_store"],
        class: Some(Class::LostUpdate),
        origin: Origin::Upstream {
            commit: "5c88a17e1579",
            title: "powerpc/sstep: Fix VSX instruction emulation",
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("misaligned-scalar-load"),
    },
];
