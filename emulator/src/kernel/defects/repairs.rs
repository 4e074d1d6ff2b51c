//! What 6.1 itself is suspected of. `fixed` does as 6.1 does; each entry is the repair, and `repaired` has all of them.

use super::{Defect, Origin, Severity};
use crate::run::outcome::Endian;

pub(super) const LIST: &[Defect] = &[
    Defect {
        id: "repair-vrsave-in-fork",
        title: "a child starts with its parent's VRSAVE, not with an older one",
        mechanism: "arch_dup_task_struct copies thread.vrsave, which only switches and signals refresh; user code and load_up_altivec change the register \
            alone. The repair reads the register. ELFv2 code hardly uses VRSAVE.",
        function: "arch_dup_task_struct",
        origin: Origin::Suspected {
            seen: Some("ctxfuzz check saw it on an unmodified 6.1.192 kernel"),
        },
        severity: Severity::Live,
        endian: None,
        witness: Some("vrsave-then-fork"),
    },
    Defect {
        id: "le-repair-vscr-word",
        title: "a little endian program starts with VSCR[NJ] set, as a big endian one",
        mechanism: "start_thread writes word 3 of the VSCR image, which is VSCR on big endian only. Which of the two is wanted is for its maintainers to say.",
        function: "start_thread",
        origin: Origin::Suspected { seen: None },
        severity: Severity::Live,
        endian: Some(Endian::Little),
        witness: Some("first-vmx-use"),
    },
    Defect {
        id: "repair-scv-xer",
        title: "scv returns with XER = 0, not with the number of the call",
        mechanism: "XER is volatile across scv, and ctxfuzz does not compare it: nobody can see this one.",
        function: "system_call_vectored_common",
        origin: Origin::Suspected { seen: None },
        severity: Severity::Harmless,
        endian: None,
        witness: None,
    },
];
