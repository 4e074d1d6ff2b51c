//! Which memory belongs to which task: the model's table, or the `task_struct`s that a real kernel
//! made.

use ctxfuzz_scenario::scenario::Scenario;

use super::Slot;
use crate::kernel::image::ModelLayout;
use crate::machine::View;
use crate::machine::address::KERNEL;
use crate::run::Runner;

/// What stands for "a task that is not the scenario's" as the current one.
const NOBODY: u128 = 0xffff;

/// The `task_struct`s of a run. They are linearly mapped.
pub(super) struct Slots {
    /// Effective addresses, in slot order.
    addresses: Vec<u64>,
    /// Bytes of each, as far as anybody looks.
    size: u64,
    /// User index by slot.
    users: Vec<Option<u8>>,
    /// How many of them a real kernel had made before the run; they come first.
    staged: usize,
    model: Option<ModelLayout>,
}

impl Slots {
    /// Those of a scenario on a kernel. A real kernel has to be run first to see where it puts
    /// them; it puts them there again.
    pub(super) fn find(runner: &mut Runner, scenario: &Scenario) -> Self {
        if let Some(model) = runner.model() {
            return Slots {
                addresses: (0..model.max_tasks)
                    .map(|slot| model.task_pool + slot * model.task_size)
                    .collect(),
                size: model.task_size,
                users: Vec::new(),
                staged: 0,
                model: Some(model),
            };
        }
        runner.run(scenario);
        let tasks = runner.known_tasks();
        let layout = runner.layout();
        let staged = scenario.stage.tasks.len();
        Slots {
            staged: tasks
                .iter()
                .take_while(|t| t.task.is_some_and(|task| usize::from(task) < staged))
                .count(),
            addresses: tasks.iter().map(|t| t.address).collect(),
            size: layout.task_thread + layout.thread.vrsave + 8,
            users: tasks.iter().map(|t| t.task).collect(),
            model: None,
        }
    }

    /// Offsets in `thread_struct` of the model's words that say what a task has used.
    pub(super) fn used_flags(&self) -> Option<[u64; 2]> {
        self.model.as_ref().map(|model| model.used)
    }

    /// User index by slot, as last seen.
    pub(super) fn users(&self) -> &[Option<u8>] {
        &self.users
    }

    /// Those whose tasks existed before the run: on a real kernel, all tasks of the stage.
    pub(super) fn made_before(&self) -> Vec<Slot> {
        match self.model {
            Some(_) => Vec::new(),
            None => (0..self.staged as u8).map(Slot).collect(),
        }
    }

    /// Sees whose the slots are now.
    pub(super) fn look(&mut self, view: &View<'_>) {
        if let Some(model) = &self.model {
            self.users = self
                .addresses
                .iter()
                .map(|at| u8::try_from(view.load(at + model.task_user_index)).ok())
                .collect();
        }
    }

    /// The slot and the offset in it of a physical address.
    pub(super) fn at(&self, pa: u64) -> Option<(Slot, u64)> {
        self.addresses
            .iter()
            .enumerate()
            .find_map(|(slot, address)| {
                let offset = pa.checked_sub(address & !KERNEL)?;
                (offset < self.size).then_some((Slot(slot as u8), offset))
            })
    }

    /// The slot of a `task_struct`, as a value.
    pub(super) fn of(&self, address: u64) -> u128 {
        let slot = self.addresses.iter().position(|a| *a == address);
        slot.map_or(NOBODY, |slot| slot as u128)
    }

    /// The effective address of a slot.
    pub(super) fn address(&self, slot: Slot) -> u64 {
        self.addresses
            .get(usize::from(slot.0))
            .copied()
            .unwrap_or(KERNEL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: [u64; 3] = [KERNEL + 0x10_0000, KERNEL + 0x5000, KERNEL + 0x20_0000];

    /// Two tasks of the stage and a child, as a real kernel has them.
    fn slots() -> Slots {
        Slots {
            addresses: TASKS.to_vec(),
            size: 0x1000,
            users: vec![Some(0), Some(1), Some(2)],
            staged: 2,
            model: None,
        }
    }

    #[test]
    fn memory_of_a_task_struct_has_a_slot_and_an_offset() {
        let slots = slots();
        assert_eq!(slots.at(0x10_0000), Some((Slot(0), 0)));
        assert_eq!(slots.at(0x5fff), Some((Slot(1), 0xfff)));
        assert_eq!(slots.of(TASKS[2]), 2);
        assert_eq!(slots.address(Slot(2)), TASKS[2]);
        assert_eq!(slots.users(), [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn memory_of_nobody_has_none() {
        let slots = slots();
        for pa in [0, 0x4fff, 0x6000, 0x10_1000] {
            assert_eq!(slots.at(pa), None, "{pa:#x}");
        }
        assert_eq!(slots.of(TASKS[0] + 8), NOBODY);
        assert_eq!(slots.address(Slot(3)), KERNEL);
    }

    #[test]
    fn only_tasks_of_the_stage_were_there_before() {
        assert_eq!(slots().made_before(), [Slot(0), Slot(1)]);
        let none = Slots {
            staged: 0,
            ..slots()
        };
        assert_eq!(none.made_before(), []);
    }
}
