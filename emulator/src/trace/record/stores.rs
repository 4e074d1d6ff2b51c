//! What stores do to the cells in memory that a recording follows: images of tasks, owners of
//! facilities, stacks of user code.

use std::ops::Range;

use super::{FACILITY_BITS, Previous, Recorder};
use crate::arch::msr;
use crate::machine::View;
use crate::machine::address::USER_TEXT;
use crate::run::{images, user};
use crate::trace::{Cell, Slot};

impl Recorder {
    /// Whose `regs->msr` a physical address is. Two tasks have the same for a while: a child's
    /// `thread_struct` is a copy of its parent's at first, and a dead task's stack is used again.
    /// Then it is the running one's.
    fn msr_owner(&self, view: &View<'_>, pa: u64) -> Option<Slot> {
        let owners = self.msr_at.iter();
        let mut owners = owners
            .filter(|(_, at)| view.map.physical(**at) == Some(pa))
            .map(|(slot, _)| *slot);
        let running = self.memory.get(&Cell::Current).copied();
        let first = owners.next()?;
        let running = |slot: &Slot| Some(u128::from(slot.0)) == running;
        Some(
            std::iter::once(first)
                .chain(owners)
                .find(running)
                .unwrap_or(first),
        )
    }

    /// Notes a new value of a cell in memory, if it is one.
    pub(super) fn note(&mut self, view: &View<'_>, previous: &Previous, cell: Cell, value: u128) {
        if self.memory.insert(cell, value).unwrap_or(0) != value {
            self.write(view, previous, cell, value);
        } else if matches!(cell, Cell::Image(..) | Cell::Facilities(_)) {
            self.keep(view, previous, cell, value);
        }
    }

    pub(super) fn store(&mut self, view: &View<'_>, previous: &Previous, address: u64, size: u64) {
        // The emulator reports effective addresses, or physical ones, which are all below user
        // text.
        let Some(pa) = (if address < USER_TEXT {
            Some(address)
        } else {
            view.map.physical(address)
        }) else {
            return;
        };
        if let Some((slot, offset)) = self.slots.at(pa) {
            return self.task_store(view, previous, slot, offset, size);
        }
        if Some(pa) == view.map.physical(self.layout.current) {
            let task = view.load(self.layout.current);
            let slot = self.slots.of(task);
            return self.note(view, previous, Cell::Current, slot);
        }
        if let Some(slot) = self.msr_owner(view, pa) {
            let bits = view.memory.read_u64(pa) & FACILITY_BITS;
            return self.note(view, previous, Cell::Facilities(slot), bits.into());
        }
        if let Some(ea) = self.stacks.address(pa) {
            let at = ea & !7;
            let cell = match user::Stacks::is_tracer(at) {
                true => Cell::RegisterSet(at),
                false => Cell::UserStack(at),
            };
            let value = view.follow(at).into();
            match previous.msr & msr::PR {
                0 => self.note(view, previous, cell, value),
                // User code's own doing is no step. What the kernel writes there next is one, even
                // if it is what the kernel wrote there before.
                _ => {
                    self.memory.insert(cell, value);
                }
            }
        }
    }

    /// A store into a `task_struct`.
    fn task_store(
        &mut self,
        view: &View<'_>,
        previous: &Previous,
        slot: Slot,
        offset: u64,
        size: u64,
    ) {
        let thread = self.layout.thread.clone();
        let Some(offset) = offset.checked_sub(self.layout.task_thread) else {
            return;
        };
        let base = self.slots.address(slot) + self.layout.task_thread;
        if (offset..offset.saturating_add(size)).contains(&thread.regs) {
            let regs = view.follow(base + thread.regs);
            if regs == 0 {
                self.msr_at.remove(&slot);
            } else {
                self.msr_at
                    .insert(slot, regs.wrapping_add(self.layout.regs_msr));
                let bits = view.follow(regs.wrapping_add(self.layout.regs_msr)) & FACILITY_BITS;
                self.note(view, previous, Cell::Facilities(slot), bits.into());
            }
        }
        self.used(
            view,
            previous,
            slot,
            base,
            offset..offset.saturating_add(size),
        );
        for register in images::registers_at(&thread, view.memory.endian(), offset, size) {
            if let Some(pa) = view.map.physical(base) {
                let value = images::image_register(view.memory, pa, &thread, register);
                self.note(view, previous, Cell::Image(slot, register), value);
            }
        }
    }

    /// A store into a `thread_struct` at `base` may be one to the flags that say what a task has
    /// used.
    fn used(
        &mut self,
        view: &View<'_>,
        previous: &Previous,
        slot: Slot,
        base: u64,
        stored: Range<u64>,
    ) {
        let Some(flags) = self.slots.used_flags() else {
            return;
        };
        if !flags.iter().any(|flag| stored.contains(flag)) {
            return;
        }
        let word = |flag: u64| {
            let pa = view.map.physical(base + flag);
            pa.map_or(0, |pa| view.memory.read_u32(pa))
        };
        let bits = [msr::VEC, msr::VSX];
        let used = flags.iter().zip(bits).filter(|(flag, _)| word(**flag) != 0);
        let bits: u64 = used.map(|(_, bit)| bit).sum();
        self.note(view, previous, Cell::Used(slot), bits.into());
    }
}
