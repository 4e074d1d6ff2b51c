//! A tracer and the registers of a stopped task.

use super::{Class, Defect, Origin, Severity};

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "ptrace-short-write",
        title: "a short PTRACE_SETREGSET of FPRs changes the others too",
        mechanism: "The buffer that the written part is copied into does not start as what the task has.",
        function: "fpr_set",
        named_instead: &[],
        class: Some(Class::LostUpdate),
        origin: Origin::Titled("powerpc/ptrace: Preserve previous fprs/vsrs on short regset write"),
        severity: Severity::Live,
        endian: None,
        witness: Some("ptrace-short-write"),
    },
    Defect {
        id: "ptrace-write-lost",
        title: "PTRACE_SETREGSET of FPRs says that they are live",
        mechanism: "With FP already on in the task's MSR, nothing loads what was written: the task goes on with whatever is in the registers.",
        function: "fpr_set",
        named_instead: &[],
        class: Some(Class::WrongOwner),
        origin: Origin::Mutation,
        severity: Severity::Live,
        endian: None,
        witness: Some("ptrace-write"),
    },
];
