//! The model: its kernel does what is pending itself, told through `remote_work`
//! (docs/internals.md, section 4).

use std::ops::Range;

use ctxfuzz_scenario::event::Pending;
use ctxfuzz_scenario::scenario::Scenario;

use super::points::Points;
use super::{Idle, Imitation, Platform, remote_work};
use crate::arch::Endian;
use crate::kernel::functions::Functions;
use crate::kernel::image::ModelLayout;
use crate::machine::address::{AddressMap, KERNEL, PAGE};
use crate::machine::memory::Memory;
use crate::machine::point::Arrival;
use crate::machine::samples::Sample;
use crate::machine::{Reply, Vector, View};
use crate::run::abi::numbers;
use crate::run::call::UserCall;
use crate::run::effects::NotApplicable;
use crate::run::images::{self, KnownTask};
use crate::run::ptrace;
use crate::run::user::{Compiled, Operation, Stacks};

/// A page of nothing.
const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

numbers! {
    /// Offsets in `stage`.
    pub(in crate::run) mod stage: u64 {
        TASKS = 0,
        RINGS = 8,
        DIRECTOR = 16,
        SMALL_TASKS = 24,
        TRACER = 32,
        NEWER_IO_WQ = 40,
    }
}

/// A kernel of the model.
pub struct Model {
    layout: ModelLayout,
    /// Its writable memory as it was when the kernel had started; empty until then.
    pristine: Vec<u8>,
    imitates: Imitation,
    /// The event whose work it was told to do late.
    late: Option<u16>,
    points: Points,
}

impl Model {
    /// The model with these addresses and functions.
    pub fn new(layout: ModelLayout, functions: Functions) -> Self {
        Model {
            layout,
            pristine: Vec::new(),
            imitates: Imitation::default(),
            late: None,
            points: Points::new(functions),
        }
    }

    /// The same, whose writable memory is from now on what it is put back to.
    pub fn started(layout: ModelLayout, functions: Functions, memory: &Memory) -> Self {
        let (start, size) = layout.data;
        Model {
            pristine: memory.to_vec(start - KERNEL, size as usize),
            ..Self::new(layout, functions)
        }
    }
}

impl Platform for Model {
    fn prepare(&mut self, _: &Scenario) {
        self.late = None;
        self.points.prepare();
    }

    fn starts_in_a_task(&self) -> bool {
        false
    }

    /// Kernel data, and what user code would find as the last run left it: its stacks, and the
    /// tracer's buffer. A kernel with a suspected leak can show what is there, and so can a
    /// recording of its saves, so that runs would depend on each other. (Nothing shows what is on
    /// kernel stacks.)
    fn reset(&self, memory: &Memory, map: &AddressMap) {
        Stacks::each().for_each(|stack| clear_stack(memory, map, stack));
        let (read, end) = ptrace::READ;
        if let Some(pa) = map.physical(read) {
            memory.write(pa, &ZEROS[..(end - read) as usize]);
        }
        memory.write(self.layout.data.0 - KERNEL, &self.pristine);
    }

    fn poison(&self, memory: &Memory, seed: u64) {
        let (start, size) = self.layout.stacks;
        memory.poison(start - KERNEL, size as usize, seed);
        memory.write(self.layout.data.0 - KERNEL, &self.pristine);
    }

    fn set_stage(&self, memory: &Memory, _: &AddressMap, compiled: &Compiled) {
        let fields = [
            (stage::TASKS, compiled.tasks),
            (stage::RINGS, compiled.rings),
            (stage::DIRECTOR, self.imitates.director.into()),
            (stage::SMALL_TASKS, self.imitates.small_tasks.into()),
            (stage::TRACER, compiled.traced.into()),
            (stage::NEWER_IO_WQ, self.imitates.newer_io_wq.into()),
        ];
        for (offset, value) in fields {
            memory.write_u64(self.layout.stage - KERNEL + offset, value);
        }
    }

    fn first_vrsave(&self, _: u64, seed: u64) -> u32 {
        seed as u32
    }

    fn ends_with_the_last_dump(&self) -> bool {
        false
    }

    fn idle(&mut self, _: &View<'_>) -> Idle {
        // Only the agent has this call, and no kernel changes the model's user program.
        Idle::OurFault(format!(
            "the model's user code made host call {}",
            UserCall::Idle.number()
        ))
    }

    fn make_pending(
        &mut self,
        view: &View<'_>,
        _: u8,
        operation: &Operation,
        pending: &Pending,
    ) -> Reply {
        let event = operation.event as u16;
        let (pending, timer) = self.points.find(event, pending);
        remote_work::write(view, &self.layout, &pending, self.imitates.director);
        self.late = pending.is_late().then_some(event);
        match operation.is_interrupt() {
            false => Reply::timer(timer),
            true => Reply::CONTINUE,
        }
    }

    fn function_begins(&mut self, view: &View<'_>, arrival: Arrival) {
        remote_work::function_begins(view, &self.layout, arrival.past);
    }

    fn not_applicable(&self) -> Vec<NotApplicable> {
        self.points.not_applicable().cloned().collect()
    }

    fn take_missed(&mut self, view: &View<'_>) -> Option<u16> {
        self.late?;
        remote_work::take_missed(view, &self.layout)
            .then(|| self.late.take())
            .flatten()
    }

    fn interrupt(&mut self, _: &View<'_>, vector: Vector, _: u16) -> Reply {
        self.points.late(Reply::interrupt(vector))
    }

    /// The model's kernel text makes its host calls by constants. A call from elsewhere is user
    /// code that the kernel went back to in privileged state.
    fn made_by_our_kernel(&self, pc: u64) -> bool {
        pc >= KERNEL
    }

    fn task_at(&self, view: &View<'_>, address: u64) -> Option<u8> {
        images::user_index(view, &self.layout, address)
    }

    fn known_tasks(&self, memory: &Memory, map: &AddressMap) -> Vec<KnownTask> {
        images::model_tasks(memory, map, &self.layout)
    }

    fn task_name(&self, sample: &Sample, memory: &Memory, map: &AddressMap) -> String {
        let pointer = |ea: u64| Some(memory.read_u64(map.physical(ea)?));
        if self.layout.director.and_then(pointer) == Some(sample.who) {
            return "director".to_owned();
        }
        if self.layout.init_task == Some(sample.who) {
            return "swapper".to_owned();
        }
        let [index, _] = sample.detail.as_chunks::<8>().0 else {
            return String::new();
        };
        let index = match memory.endian() {
            Endian::Little => u64::from_le_bytes(*index),
            Endian::Big => u64::from_be_bytes(*index),
        };
        match u8::try_from(index) {
            Ok(index) => format!("task {index}"),
            Err(_) => "io worker".to_owned(),
        }
    }

    /// A task's number.
    fn task_detail(&self) -> u64 {
        self.layout.task_user_index
    }

    fn imitate(&mut self, imitation: Imitation) {
        self.imitates = imitation;
    }

    fn model(&self) -> Option<&ModelLayout> {
        Some(&self.layout)
    }
}

/// Clears a stack from the top down. Frames are smaller than a page: below two pages that are
/// empty there is nothing.
fn clear_stack(memory: &Memory, map: &AddressMap, stack: Range<u64>) {
    let (mut page, mut empty) = (stack.end, 0);
    while page > stack.start && empty < 2 {
        page -= PAGE;
        let Some(pa) = map.physical(page) else {
            return;
        };
        if memory.to_vec(pa, ZEROS.len()) == ZEROS {
            empty += 1;
        } else {
            memory.write(pa, &ZEROS);
            empty = 0;
        }
    }
}
