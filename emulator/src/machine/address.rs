//! Effective to physical addresses of the built-in machine, and what each page may be used for.
//!
//! The map itself is described in docs/internals.md, section 1; this module is its one implementation.

/// Where kernel effective addresses start.
pub const KERNEL: u64 = 0xc000_0000_0000_0000;
/// The page only the machine's own stubs use; its effective and physical address agree.
pub const MACHINE_PAGE: u64 = 0x7000;
/// Physical address of the exception delivery stubs.
pub const STUBS: u64 = 0x2000;
/// Physical address of the trampolines that repair errata in kernel text.
pub const KERNEL_TRAMPOLINES: u64 = 0x18_0000;
/// Effective address of user text.
pub const USER_TEXT: u64 = 0x1000_0000;
/// Effective address of the trampolines that repair errata in user text.
pub const USER_TRAMPOLINES: u64 = 0x1008_0000;
/// Effective address of user data.
pub const USER_DATA: u64 = 0x2000_0000;
/// Bytes of a page.
pub const PAGE: u64 = 0x1000;

const USER_TEXT_PHYSICAL: u64 = 0x20_0000;
const USER_TEXT_SIZE: u64 = 0x10_0000;
const USER_DATA_PHYSICAL: u64 = 0x30_0000;
const USER_DATA_SIZE: u64 = 0x10_0000;
/// Bytes of each of the two pools.
pub const TRAMPOLINES_SIZE: u64 = 0x1_0000;
const VECTORS_END: u64 = 0x6000;

/// What a page may be used for. Writable and executable never meet: that would keep every store on Unicorn's slow path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Read and execute.
    Code,
    /// Read and write.
    Data,
}

/// Translation of the built-in machine.
#[derive(Clone, Copy, Debug)]
pub struct AddressMap {
    /// Physical end of kernel text and read-only data.
    pub kernel_read_only_end: u64,
}

impl AddressMap {
    /// The physical address and use of an effective address, or `None` if the access faults.
    pub fn translate(&self, ea: u64, problem_state: bool) -> Option<(u64, Use)> {
        if ea & !(PAGE - 1) == MACHINE_PAGE {
            return Some((ea, Use::Data));
        }
        if ea >= KERNEL {
            let pa = ea - KERNEL;
            return (!problem_state && pa < super::memory::SIZE as u64)
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

    /// The physical address behind a kernel or user address, whatever the mode.
    pub fn physical(&self, ea: u64) -> Option<u64> {
        self.translate(ea, false).map(|(pa, _)| pa)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_code_cannot_reach_the_kernel() {
        let map = AddressMap {
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
