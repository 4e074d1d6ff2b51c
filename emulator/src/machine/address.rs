//! Effective to physical addresses, and where the machine's own pages are.
//!
//! The built-in machine's map is described in docs/internals.md, section 1; [`ModelMap`] is its one
//! implementation. A real kernel's own tables are read by `radix`.

use super::radix::RadixMap;

/// Where kernel effective addresses start.
pub const KERNEL: u64 = 0xc000_0000_0000_0000;
/// Effective address of the page only the machine's own stubs use.
pub const MACHINE_PAGE: u64 = 0x7000;
/// Physical address of the exception delivery stubs of the built-in machine.
pub const STUBS: u64 = 0x2000;
/// Physical address of the trampolines in kernel text of the built-in machine.
pub const KERNEL_TRAMPOLINES: u64 = 0x18_0000;
/// Effective address of user text.
pub const USER_TEXT: u64 = 0x1000_0000;
/// Effective address of the trampolines that repair errata in user text.
pub const USER_TRAMPOLINES: u64 = 0x1008_0000;
/// Effective address of user data.
pub const USER_DATA: u64 = 0x2000_0000;
/// Bytes of user data.
pub const USER_DATA_SIZE: u64 = 0x10_0000;
/// Bytes of a page.
pub const PAGE: u64 = 0x1000;

const USER_TEXT_PHYSICAL: u64 = 0x20_0000;
const USER_TEXT_SIZE: u64 = 0x10_0000;
const USER_DATA_PHYSICAL: u64 = 0x30_0000;
/// Bytes of a pool of trampolines of the built-in machine.
pub const TRAMPOLINES_SIZE: u64 = 0x1_0000;
const VECTORS_END: u64 = 0x6000;

/// What a page may be used for. Writable and executable never meet: that would keep every store on
/// Unicorn's slow path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Read and execute.
    Code,
    /// Read and write.
    Data,
}

/// A part of memory: effective and physical start, and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Effective address.
    pub ea: u64,
    /// Physical address.
    pub pa: u64,
    /// Bytes.
    pub size: u64,
}

impl Area {
    /// The physical address of an effective one in it.
    pub fn physical(&self, ea: u64) -> Option<u64> {
        ea.checked_sub(self.ea)
            .filter(|offset| *offset < self.size)
            .map(|offset| self.pa + offset)
    }
}

/// Where the machine's own code and data are. Guests neither know nor use these addresses.
#[derive(Clone, Copy, Debug)]
pub struct OwnPages {
    /// What stubs and trampolines load and store; reached by absolute displacements.
    pub page: Area,
    /// Exception delivery.
    pub stubs: Area,
    /// Trampolines for kernel text, within branch reach of it.
    pub kernel_trampolines: Area,
    /// Trampolines for user text.
    pub user_trampolines: Area,
}

impl OwnPages {
    /// The physical address and use of an effective address, if it is the machine's.
    pub fn translate(&self, ea: u64) -> Option<(u64, Use)> {
        if let Some(pa) = self.page.physical(ea) {
            return Some((pa, Use::Data));
        }
        [self.stubs, self.kernel_trampolines, self.user_trampolines]
            .iter()
            .find_map(|area| area.physical(ea))
            .map(|pa| (pa, Use::Code))
    }
}

/// Translation of a machine.
#[derive(Clone)]
pub enum AddressMap {
    /// The built-in machine's.
    Model(ModelMap),
    /// A real kernel's, from its own tables.
    Radix(RadixMap),
}

impl AddressMap {
    /// The physical address behind a kernel or user address, whatever the mode and the permissions.
    /// All of user data has one, whether the process that runs has touched the page or not.
    pub fn physical(&self, ea: u64) -> Option<u64> {
        match self {
            AddressMap::Model(map) => map.translate(ea, false).map(|(pa, _)| pa),
            AddressMap::Radix(map) => map.physical(ea),
        }
    }

    /// A page of user data that the process which runs has elsewhere than the others: what the host
    /// reads and writes there is not what user code does.
    pub fn moved_user_data(&self) -> Option<u64> {
        match self {
            AddressMap::Model(_) => None,
            AddressMap::Radix(map) => map.moved_user_data(),
        }
    }

    /// The machine's own pages.
    pub fn own(&self) -> OwnPages {
        match self {
            AddressMap::Model(_) => ModelMap::OWN,
            AddressMap::Radix(map) => map.own(),
        }
    }
}

/// Translation of the built-in machine.
#[derive(Clone, Copy, Debug)]
pub struct ModelMap {
    /// Physical end of kernel text and read-only data.
    pub kernel_read_only_end: u64,
}

impl ModelMap {
    const OWN: OwnPages = OwnPages {
        page: Area {
            ea: MACHINE_PAGE,
            pa: MACHINE_PAGE,
            size: PAGE,
        },
        stubs: Area {
            ea: KERNEL + STUBS,
            pa: STUBS,
            size: PAGE,
        },
        kernel_trampolines: Area {
            ea: KERNEL + KERNEL_TRAMPOLINES,
            pa: KERNEL_TRAMPOLINES,
            size: TRAMPOLINES_SIZE,
        },
        user_trampolines: Area {
            ea: USER_TRAMPOLINES,
            pa: USER_TRAMPOLINES - USER_TEXT + USER_TEXT_PHYSICAL,
            size: TRAMPOLINES_SIZE,
        },
    };

    /// The physical address and use of an effective address, or `None` if the access faults.
    pub fn translate(&self, ea: u64, problem_state: bool) -> Option<(u64, Use)> {
        if ea & !(PAGE - 1) == MACHINE_PAGE {
            return Some((ea, Use::Data));
        }
        if ea >= KERNEL {
            let pa = ea - KERNEL;
            return (!problem_state && pa < super::memory::MODEL_SIZE as u64)
                .then(|| (pa, self.kernel_use(pa)));
        }
        let within = |base: u64, size: u64| (base..base + size).contains(&ea);
        if within(USER_TEXT, USER_TEXT_SIZE) {
            Some((ea - USER_TEXT + USER_TEXT_PHYSICAL, Use::Code))
        } else if within(USER_DATA, USER_DATA_SIZE) {
            Some((ea - USER_DATA + USER_DATA_PHYSICAL, Use::Data))
        } else {
            None
        }
    }

    fn kernel_use(&self, pa: u64) -> Use {
        let code = (STUBS..VECTORS_END).contains(&pa)
            || (0x8000..self.kernel_read_only_end).contains(&pa)
            || (KERNEL_TRAMPOLINES..KERNEL_TRAMPOLINES + TRAMPOLINES_SIZE).contains(&pa);
        if code { Use::Code } else { Use::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_code_cannot_reach_the_kernel() {
        let map = ModelMap {
            kernel_read_only_end: 0x2_0000,
        };
        assert_eq!(
            map.translate(KERNEL + 0x9000, false),
            Some((0x9000, Use::Code))
        );
        assert_eq!(map.translate(KERNEL + 0x9000, true), None);
        assert_eq!(
            map.translate(USER_DATA + 8, true),
            Some((0x30_0008, Use::Data))
        );
        assert_eq!(map.translate(0x3000_0000, true), None);
    }
}
