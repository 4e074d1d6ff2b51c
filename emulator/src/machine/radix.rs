//! Translation by a real kernel's own radix tables (Power ISA 3.1, Book III, 6.7.10), as a guest of
//! a hypervisor has them: quadrant 0 belongs to the process in PIDR, quadrant 3 to the kernel
//! (process 0).
//!
//! Not modelled: storage keys (AMR, IAMR), so a kernel that forgets to open its own access to user
//! memory (KUAP) is not noticed; and reference and change, which stay as the kernel wrote them,
//! because only reclaim looks at them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::address::{
    Area, MACHINE_PAGE, OwnPages, PAGE, USER_DATA, USER_DATA_SIZE, USER_TRAMPOLINES,
};
use super::memory::Memory;

/// Bytes behind the guest's memory that hold the machine's own pages.
pub const OWN_SIZE: u64 = 0x10_0000;
/// Effective address of the machine's own code for the kernel: right below quadrant 3, where no
/// translation exists and branches from kernel text reach.
const OWN_KERNEL: u64 = 0xbfff_ffff_fff0_0000;
const KERNEL_POOL: u64 = 0x8_0000;
const USER_POOL: u64 = 0x1_0000;

/// Bits of a leaf (Power ISA 3.1, Book III, 6.7.10.2).
mod pte {
    pub const VALID: u64 = 1 << 63;
    pub const LEAF: u64 = 1 << 62;
    pub const ADDRESS: u64 = 0x01ff_ffff_ffff_f000;
    pub const PRIVILEGED: u64 = 0x8;
    pub const READ: u64 = 0x4;
    pub const WRITE: u64 = 0x2;
    pub const EXECUTE: u64 = 0x1;
}

/// What an access wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Fetch,
}

/// Why an access is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No valid translation.
    NoTranslation,
    /// Not permitted.
    Protection,
    /// No memory there: a device this machine does not have.
    Device,
}

/// A page that may be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Physical address of the 4 KiB page.
    pub pa: u64,
    /// Stores are permitted.
    pub write: bool,
    /// Fetches are permitted.
    pub execute: bool,
    /// Physical address of the table entry that says so (none in real mode).
    pub table: Option<u64>,
}

/// A leaf and where it is.
struct Leaf {
    entry: u64,
    at: u64,
    pa: u64,
}

/// Translation by the tables in guest memory. Clones share PIDR, and where user data is.
#[derive(Clone)]
pub struct RadixMap {
    memory: Memory,
    /// Bytes of guest memory; the machine's own pages follow.
    guest_size: u64,
    process_table: u64,
    pid: Rc<Cell<u64>>,
    /// Physical addresses of the pages of user data, once they are known
    /// ([`RadixMap::keep_user_data`]).
    user_data: Rc<RefCell<Vec<u64>>>,
}

impl RadixMap {
    /// The tables that start at this process table (physical address), with PIDR as it is.
    pub fn new(memory: Memory, guest_size: u64, process_table: u64, pid: u64) -> Self {
        RadixMap {
            memory,
            guest_size,
            process_table,
            pid: Rc::new(Cell::new(pid)),
            user_data: Rc::default(),
        }
    }

    /// PIDR.
    pub fn pid(&self) -> u64 {
        self.pid.get()
    }

    /// The guest wrote PIDR.
    pub fn set_pid(&self, pid: u64) {
        self.pid.set(pid);
    }

    /// The machine's own pages.
    pub fn own(&self) -> OwnPages {
        let pa = self.guest_size;
        OwnPages {
            page: Area {
                ea: MACHINE_PAGE,
                pa,
                size: PAGE,
            },
            stubs: Area {
                ea: OWN_KERNEL,
                pa: pa + PAGE,
                size: PAGE,
            },
            kernel_trampolines: Area {
                ea: OWN_KERNEL + 0x1_0000,
                pa: pa + 0x1_0000,
                size: KERNEL_POOL,
            },
            user_trampolines: Area {
                ea: USER_TRAMPOLINES,
                pa: pa + 0x1_0000 + KERNEL_POOL,
                size: USER_POOL,
            },
        }
    }

    /// The physical address behind an effective one with relocation on, whatever its permissions.
    /// All processes share user data: it is where it was when [`RadixMap::keep_user_data`] looked,
    /// also for a process whose tables do not have the page yet, as a child's, which get it when
    /// the child first touches it.
    pub fn physical(&self, ea: u64) -> Option<u64> {
        if let Some((pa, _)) = self.own().translate(ea) {
            return Some(pa);
        }
        self.in_user_data(ea).or_else(|| self.walked(ea))
    }

    fn walked(&self, ea: u64) -> Option<u64> {
        let leaf = self.walk(ea)?;
        (leaf.pa < self.guest_size).then_some(leaf.pa)
    }

    fn in_user_data(&self, ea: u64) -> Option<u64> {
        let offset = ea.checked_sub(USER_DATA)?;
        let pages = self.user_data.borrow();
        let page = pages.get(usize::try_from(offset / PAGE).ok()?)?;
        Some(page + offset % PAGE)
    }

    /// Finds the pages of user data in the tables of the process that runs. `Err` is one that is
    /// not there.
    pub fn keep_user_data(&self) -> Result<(), u64> {
        let pages = (USER_DATA..USER_DATA + USER_DATA_SIZE).step_by(PAGE as usize);
        let found: Result<Vec<u64>, u64> = pages.map(|ea| self.walked(ea).ok_or(ea)).collect();
        *self.user_data.borrow_mut() = found?;
        Ok(())
    }

    /// A page of user data that the process which runs has elsewhere than the one that
    /// [`RadixMap::keep_user_data`] looked at: the kernel has moved it.
    pub fn moved_user_data(&self) -> Option<u64> {
        let pages = self.user_data.borrow();
        let mut places = (USER_DATA..).step_by(PAGE as usize).zip(pages.iter());
        let moved = places.find(|(ea, pa)| self.walked(*ea).is_some_and(|found| found != **pa));
        moved.map(|(ea, _)| ea)
    }

    /// Translates an access.
    pub fn access(&self, ea: u64, access: Access, problem_state: bool) -> Result<Page, Refusal> {
        let leaf = self.walk(ea).ok_or(Refusal::NoTranslation)?;
        let permitted = match access {
            Access::Read => leaf.entry & pte::READ != 0,
            Access::Write => leaf.entry & pte::WRITE != 0,
            Access::Fetch => leaf.entry & pte::EXECUTE != 0,
        };
        if !permitted || problem_state && leaf.entry & pte::PRIVILEGED != 0 {
            return Err(Refusal::Protection);
        }
        // Memory that is mapped as a device is (not cached, as what the agent maps through
        // /dev/mem) is memory here.
        if leaf.pa >= self.guest_size {
            return Err(Refusal::Device);
        }
        Ok(Page {
            pa: leaf.pa & !(PAGE - 1),
            write: leaf.entry & pte::WRITE != 0,
            execute: leaf.entry & pte::EXECUTE != 0,
            table: Some(leaf.at),
        })
    }

    /// A real-mode access: the address without its four highest bits.
    pub fn real(&self, ea: u64) -> Result<Page, Refusal> {
        let pa = ea & !(PAGE - 1) & 0x0fff_ffff_ffff_ffff;
        if pa >= self.guest_size {
            return Err(Refusal::Device);
        }
        Ok(Page {
            pa,
            write: true,
            execute: true,
            table: None,
        })
    }

    /// Table entries are big endian in both byte orders.
    fn entry(&self, pa: u64) -> Option<u64> {
        if pa.checked_add(8)? > self.guest_size {
            return None;
        }
        let mut bytes = [0; 8];
        self.memory.read(pa, &mut bytes);
        Some(u64::from_be_bytes(bytes))
    }

    fn walk(&self, ea: u64) -> Option<Leaf> {
        const EFFECTIVE_BITS: u32 = 52;
        let process = match ea >> 62 {
            0 => self.pid.get(),
            3 => 0,
            _ => return None,
        };
        let root = self.entry(self.process_table + 16 * process)?;
        let offset = ea & !(3 << 62);
        if offset >> EFFECTIVE_BITS != 0 {
            return None;
        }
        let mut table = root & 0x0fff_ffff_ffff_ff00;
        let mut bits = (root & 0x1f) as u32;
        let mut shift = EFFECTIVE_BITS;
        // Four levels; tables made of garbage end here too.
        for _ in 0..4 {
            shift = shift.checked_sub(bits).filter(|_| bits >= 5)?;
            let at = table + 8 * (offset >> shift & ((1 << bits) - 1));
            let entry = self.entry(at)?;
            if entry & pte::VALID == 0 {
                return None;
            }
            if entry & pte::LEAF != 0 {
                let inside = (1 << shift) - 1;
                return Some(Leaf {
                    entry,
                    at,
                    pa: entry & pte::ADDRESS & !inside | offset & inside,
                });
            }
            table = entry & 0x0fff_ffff_ffff_ff00;
            bits = (entry & 0x1f) as u32;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Endian;

    const SIZE: u64 = 1 << 23;

    /// Process 0 has one leaf of 2 MiB at the start of quadrant 3, process 5 one page of 4 KiB at
    /// 0x1000_0000.
    fn map(pid: u64) -> RadixMap {
        let memory = Memory::accounted(Endian::Little, (SIZE + OWN_SIZE) as usize);
        let put = |pa: u64, value: u64| memory.write(pa, &value.to_be_bytes());
        let directory = |pa: u64, bits: u64| pte::VALID | pa | bits;
        put(0x1000, directory(0x2000, 13));
        put(0x1000 + 16 * 5, directory(0x12000, 13));
        for (root, leaf_at) in [(0x2000, 0), (0x12000, 0x1000_0000u64)] {
            let next = root + 0x1_0000 * 2;
            put(root + 8 * (leaf_at >> 39), directory(next, 9));
            put(
                next + 8 * (leaf_at >> 30 & 511),
                directory(next + 0x1000, 9),
            );
            if leaf_at == 0 {
                let leaf = pte::VALID | pte::LEAF | pte::READ | pte::EXECUTE | pte::PRIVILEGED;
                put(next + 0x1000, leaf);
            } else {
                put(
                    next + 0x1000 + 8 * (leaf_at >> 21 & 511),
                    directory(next + 0x2000, 9),
                );
                put(
                    next + 0x2000,
                    pte::VALID | pte::LEAF | pte::READ | pte::WRITE | 0x8_0000,
                );
            }
        }
        RadixMap::new(memory, SIZE, 0x1000, pid)
    }

    #[test]
    fn quadrants_and_sizes() {
        let map = map(5);
        assert_eq!(map.physical(0xc000_0000_0001_2345), Some(0x1_2345));
        assert_eq!(map.physical(0x1000_0010), Some(0x8_0010));
        map.set_pid(6);
        assert_eq!(map.physical(0x1000_0010), None);
        assert_eq!(map.physical(0x4000_0000_0000_0000), None);
    }

    /// Process 5 has user data, process 6 has none of it yet, and process 7 has its first page
    /// elsewhere.
    #[test]
    fn user_data_is_the_same_for_all_processes_and_a_page_elsewhere_is_noticed() {
        const LEAF: u64 = pte::VALID | pte::LEAF | pte::READ | pte::WRITE;
        const LAST: u64 = USER_DATA + USER_DATA_SIZE - PAGE;
        let map = map(5);
        let put = |pa: u64, value: u64| map.memory.write(pa, &value.to_be_bytes());
        let pages = USER_DATA_SIZE / PAGE;
        for (pid, first) in [(5, 0x40_0000), (7, 0x50_0000)] {
            let tables = 0x4_0000 + 0x2_0000 * pid;
            let directory = |at: u64, bits: u64| pte::VALID | at | bits;
            put(0x1000 + 16 * pid, directory(tables, 13));
            put(tables, directory(tables + 0x1_0000, 9));
            put(tables + 0x1_0000, directory(tables + 0x1_1000, 9));
            let third = tables + 0x1_1000 + 8 * (USER_DATA >> 21 & 511);
            put(third, directory(tables + 0x1_2000, 9));
            for page in 0..pages {
                put(tables + 0x1_2000 + 8 * page, LEAF | (first + PAGE * page));
            }
        }
        map.set_pid(6);
        assert_eq!(map.keep_user_data(), Err(USER_DATA));
        assert_eq!(map.physical(USER_DATA + 8), None);
        map.set_pid(5);
        assert_eq!(map.keep_user_data(), Ok(()));
        for pid in [5, 6] {
            map.set_pid(pid);
            assert_eq!(map.physical(USER_DATA + 8), Some(0x40_0008));
            assert_eq!(map.physical(LAST), Some(0x40_0000 + LAST - USER_DATA));
            assert_eq!(map.physical(USER_DATA + USER_DATA_SIZE), None);
            assert_eq!(map.moved_user_data(), None);
        }
        map.set_pid(7);
        assert_eq!(map.moved_user_data(), Some(USER_DATA));
        let refused = map
            .access(USER_DATA, Access::Read, true)
            .map(|page| page.pa);
        assert_eq!(refused, Ok(0x50_0000), "guests go by their tables");
        map.set_pid(6);
        let refused = map.access(USER_DATA, Access::Read, true);
        assert_eq!(refused, Err(Refusal::NoTranslation));
    }

    #[test]
    fn permissions_are_the_tables() {
        let map = map(5);
        let kernel = 0xc000_0000_0000_4000;
        assert_eq!(
            map.access(kernel, Access::Fetch, true),
            Err(Refusal::Protection)
        );
        assert!(
            map.access(kernel, Access::Fetch, false)
                .is_ok_and(|p| p.execute)
        );
        assert_eq!(
            map.access(kernel, Access::Write, false),
            Err(Refusal::Protection)
        );
        assert_eq!(
            map.access(0x1000_0000, Access::Fetch, true),
            Err(Refusal::Protection)
        );
        assert!(
            map.access(0x1000_0000, Access::Write, true)
                .is_ok_and(|p| p.write && !p.execute)
        );
        assert_eq!(
            map.access(0x1000_1000, Access::Read, true),
            Err(Refusal::NoTranslation)
        );
    }
}
