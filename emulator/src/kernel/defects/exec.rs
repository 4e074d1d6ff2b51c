//! New programs and core dumps: what must not be left of the old registers, and what must be.

use super::{Class, Defect, Origin, Severity};

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "exec-keeps-fp-image",
        title: "a new program has the FPRs of the old one",
        mechanism: "start_thread takes FP away and leaves the image as it is, so the first use loads what the old program had.",
        function: "start_thread",
        named_instead: &[],
        class: Some(Class::StaleRestore),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("exec"),
    },
    Defect {
        id: "exec-keeps-fpscr",
        title: "a new program has the FPSCR of the old one",
        mechanism: "As exec-keeps-fp-image: the new program rounds as the old one did.",
        function: "start_thread",
        named_instead: &[],
        class: Some(Class::ControlBits),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("exec"),
    },
    Defect {
        id: "exec-keeps-vr-image",
        title: "a new program has the VRs of the old one",
        mechanism: "As exec-keeps-fp-image.",
        function: "start_thread",
        named_instead: &[],
        class: Some(Class::StaleRestore),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("exec"),
    },
    Defect {
        id: "ptrace-read-without-flush",
        title: "the VMX register set is read from the image, whoever has the registers",
        mechanism: "A tracee that has stopped is not running, so its image is right. A task that dumps core reads its own registers, and they are still in the processor.",
        function: "vr_get",
        named_instead: &[],
        class: Some(Class::WrongOwner),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("core-dump"),
    },
];
