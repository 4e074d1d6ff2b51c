//! Translation for a real kernel: fills the emulator's TLB from the kernel's tables, notes which
//! pages are written, and remembers what was refused.

use unicorn_engine::{MemType, Prot, RegisterPPC, TlbEntry};

use super::super::Host;
use super::super::address::{AddressMap, PAGE, Use};
use super::super::exception::{Reason, Vector};
use super::super::radix::{Access, Page, RadixMap, Refusal};
use super::{Engine, Inner, read};
use crate::arch::msr;

/// DSISR, and the same bits of SRR1 for a fetch (Power ISA 3.1, Book III, 7.5.3 and 7.5.5).
pub(super) const NO_TRANSLATION: u64 = 0x4000_0000;
const PROTECTION: u64 = 0x0800_0000;
const NO_EXECUTE: u64 = 0x1000_0000;
pub(super) const STORE: u64 = 0x0200_0000;

/// An access that was refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// Start of the 4 KiB page: the emulator does not tell more.
    page: u64,
    access: Access,
    refusal: Refusal,
}

impl Fault {
    /// The interrupt it becomes, or what the machine lacks.
    pub(super) fn delivery(&self, user: bool) -> Result<(Vector, Reason), String> {
        let store = if self.access == Access::Write {
            STORE
        } else {
            0
        };
        let bits = match self.refusal {
            Refusal::NoTranslation => NO_TRANSLATION,
            Refusal::Protection if self.access == Access::Fetch && !user => NO_EXECUTE,
            Refusal::Protection => PROTECTION,
            Refusal::Device => {
                return Err(format!(
                    "access to a device this machine does not have (page {:#x})",
                    self.page
                ));
            }
        };
        Ok(match self.access {
            Access::Fetch => (
                Vector::InstructionStorage,
                Reason {
                    srr1: bits,
                    data: None,
                },
            ),
            _ => (
                Vector::DataStorage,
                Reason {
                    srr1: 0,
                    data: Some([self.page, bits | store]),
                },
            ),
        })
    }
}

pub(super) fn fill<H: Host>(uc: &mut Engine<'_, H>, ea: u64, kind: MemType) -> Option<TlbEntry> {
    let msr = read(uc, RegisterPPC::MSR);
    let access = match kind {
        MemType::WRITE => Access::Write,
        MemType::FETCH => Access::Fetch,
        _ => Access::Read,
    };
    let inner = uc.get_data_mut();
    if inner.stop.is_some() || inner.interrupted_at.is_some() {
        // A fetch on the way out of a stopped emulation: not the guest's.
        return None;
    }
    let AddressMap::Radix(radix) = &inner.map else {
        return None;
    };
    if let Some((pa, usage)) = radix.own().translate(ea) {
        return Some(TlbEntry {
            paddr: pa,
            perms: permissions(usage),
        });
    }
    match page(radix, ea, access, msr) {
        Ok(page) => Some(inner.enter(access, page)),
        Err(refusal) => {
            // The first refusal counts: the emulator looks for its end address on the way out.
            inner.fault.get_or_insert(Fault {
                page: ea,
                access,
                refusal,
            });
            None
        }
    }
}

fn page(radix: &RadixMap, ea: u64, access: Access, msr: u64) -> Result<Page, Refusal> {
    let relocation = if access == Access::Fetch {
        msr & msr::IR
    } else {
        msr & msr::DR
    };
    if relocation == 0 {
        return radix.real(ea);
    }
    radix.access(ea, access, msr & msr::PR != 0)
}

impl<H: Host> Inner<H> {
    /// Notes a store, and gives the page as many permissions as it can have without a later access
    /// going unnoticed.
    fn enter(&mut self, access: Access, page: Page) -> TlbEntry {
        let written = self.memory.written();
        if access == Access::Write
            && let Some(written) = written
        {
            written.borrow_mut().insert(page.pa);
        }
        if access == Access::Fetch {
            self.code_pages.insert(page.pa);
        }
        if page
            .table
            .is_some_and(|at| written.is_some_and(|w| w.borrow().contains(at)))
        {
            // What the emulator learns from an entry made in this run is wrong after it.
            self.translations_changed = true;
        }
        let noticed = written.is_some_and(|w| w.borrow().contains(page.pa));
        let mut perms = Prot::READ;
        if access != Access::Fetch && page.write && noticed {
            perms |= Prot::WRITE;
        } else if page.execute {
            perms |= Prot::EXEC;
        }
        TlbEntry {
            paddr: page.pa,
            perms,
        }
    }
}

/// Translation of the model.
pub(super) fn translate(map: &AddressMap, ea: u64, problem_state: bool) -> Option<TlbEntry> {
    let AddressMap::Model(map) = map else {
        return None;
    };
    let (pa, usage) = map.translate(ea, problem_state)?;
    Some(TlbEntry {
        paddr: pa & !(PAGE - 1),
        perms: permissions(usage),
    })
}

fn permissions(usage: Use) -> Prot {
    match usage {
        Use::Code => Prot::READ | Prot::EXEC,
        Use::Data => Prot::READ | Prot::WRITE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 0x1234_5000;

    /// Vector, SRR1 bits, DAR and DSISR of a refused access.
    fn delivered(
        access: Access,
        refusal: Refusal,
        user: bool,
    ) -> Result<(Vector, u64, Option<[u64; 2]>), String> {
        let fault = Fault {
            page: PAGE,
            access,
            refusal,
        };
        let (vector, reason) = fault.delivery(user)?;
        Ok((vector, reason.srr1, reason.data))
    }

    #[test]
    fn a_refused_load_or_store_is_a_data_storage_interrupt() {
        use Refusal::{NoTranslation, Protection};
        for (access, refusal, dsisr) in [
            (Access::Read, NoTranslation, NO_TRANSLATION),
            (Access::Write, NoTranslation, NO_TRANSLATION | STORE),
            (Access::Read, Protection, PROTECTION),
            (Access::Write, Protection, PROTECTION | STORE),
        ] {
            for user in [false, true] {
                assert_eq!(
                    delivered(access, refusal, user),
                    Ok((Vector::DataStorage, 0, Some([PAGE, dsisr]))),
                    "{access:?} {refusal:?}"
                );
            }
        }
    }

    #[test]
    fn a_refused_fetch_is_an_instruction_storage_interrupt_without_an_address() {
        let fetch = |refusal, user| delivered(Access::Fetch, refusal, user);
        let interrupt = |srr1| Ok((Vector::InstructionStorage, srr1, None));
        assert_eq!(
            fetch(Refusal::NoTranslation, true),
            interrupt(NO_TRANSLATION)
        );
        assert_eq!(fetch(Refusal::Protection, true), interrupt(PROTECTION));
        // Kernels tell by this bit that they were about to run what is not theirs.
        assert_eq!(fetch(Refusal::Protection, false), interrupt(NO_EXECUTE));
    }

    #[test]
    fn a_device_is_the_machines_lack_and_no_interrupt() {
        for access in [Access::Read, Access::Write, Access::Fetch] {
            let lack = delivered(access, Refusal::Device, false).expect_err("no interrupt");
            assert!(lack.contains("0x12345000"), "{lack}");
        }
    }
}
