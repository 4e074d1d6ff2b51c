//! The events of a task as instructions.

use std::fmt::Write;

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::describe::describe;
use ctxfuzz_scenario::event::{
    ComputeOp, Event, FpExceptions, FrameEdit, Interrupt, RegisterValues, Syscall, Via,
};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::TaskStage;

use crate::plan::{Plan, Step, Stored, Task};

/// The code of all tasks and handlers.
pub(super) fn code(plan: &Plan) -> String {
    let mut out = String::new();
    for task in &plan.tasks {
        Code {
            plan,
            task,
            out: &mut out,
        }
        .whole();
    }
    out
}

struct Code<'a> {
    plan: &'a Plan,
    task: &'a Task,
    out: &'a mut String,
}

impl Code<'_> {
    fn line(&mut self, text: impl AsRef<str>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "\t{}", text.as_ref());
    }

    fn label(&mut self, name: &str) {
        let _ = writeln!(self.out, "\n{name}:");
    }

    fn whole(&mut self) {
        let number = self.task.number;
        self.label(&format!("task_{number}"));
        if let Some((stage, image)) = &self.task.staged {
            self.start(stage, *image);
        }
        self.preempted();
        self.steps(&self.task.steps);
        self.line(format!("finish {number}, {}", self.task.last));
        self.control();
        for (index, handler) in self.task.handlers.iter().enumerate() {
            self.label(&format!("handler_{number}_{index}"));
            let interrupted = handler
                .interrupts
                .and_then(|event| self.plan.request(event));
            if let Some((request, _)) = interrupted.filter(|(_, request)| request.late) {
                self.line(format!("passed {request}"));
            }
            self.steps(&handler.steps);
            let last = handler.steps.last();
            if !matches!(last, Some(Step::Event(event)) if self.plan.is_sigreturn(Some(*event))) {
                self.line("sigreturn");
            }
        }
    }

    /// What a task does where the control does no events: it is preempted with its registers.
    fn control(&mut self) {
        let (number, last) = (self.task.number, self.task.last);
        let Some((stage, image)) = self
            .task
            .staged
            .as_ref()
            .filter(|_| !self.plan.is_disturbed())
        else {
            return;
        };
        self.label(&format!("control_task_{number}"));
        self.start(stage, *image);
        self.line(format!("ask {}", self.plan.requests.len() + 1));
        self.line(format!("finish {number}, {last}"));
    }

    /// A task of the stage loads its registers.
    fn start(&mut self, stage: &TaskStage, image: usize) {
        let uses = |facility| stage.uses.contains(&facility);
        let (fp, vmx, vsx) = (uses(Facility::Fp), uses(Facility::Vmx), uses(Facility::Vsx));
        self.line(format!("image {image}"));
        let loads = [
            (fp || vsx, "load_fpscr"),
            (fp && !vsx, "load_fprs"),
            (vmx, "load_vscr"),
            (vmx || vsx, "load_vrsave"),
            (vsx, "load_vsrs"),
            (vmx || vsx, "load_vrs"),
        ];
        for (_, load) in loads.iter().filter(|(wanted, _)| *wanted) {
            self.line(load);
        }
    }

    /// The preemptions that bring its counters to where they are to be.
    fn preempted(&mut self) {
        let number = self.task.number;
        for (request, wanted) in (1..).zip(&self.plan.requests) {
            if wanted.task == number && wanted.event.is_none() {
                self.line("/* preempted until its counters are what they have to be */");
                self.line(format!("ask {request}"));
            }
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Event(index) => self.event(*index),
                Step::Store { image, what } => self.store(*image, *what),
            }
        }
    }

    /// Only what is looked at is touched; f0 and v0 keep their values but at a handler's start.
    fn store(&mut self, image: usize, what: Stored) {
        self.line("/* a look */");
        self.line(format!("image {image}"));
        let stores = [
            (what.vs, "store_vsrs"),
            (what.f && !what.vs, "store_fprs"),
            (what.v, "store_vrs"),
            (what.fpscr && !self.plan.uses_vsx(), "store_fpscr"),
            (what.fpscr && self.plan.uses_vsx(), "store_fpscr_keep_vsr"),
            (what.vscr, "store_vscr"),
            (what.vrsave, "store_vrsave"),
        ];
        for (_, store) in stores.iter().filter(|(wanted, _)| *wanted) {
            self.line(store);
        }
    }

    fn event(&mut self, index: u16) {
        let Some(event) = self.plan.scenario.events.get(usize::from(index)) else {
            return;
        };
        self.line(format!(
            "/* event {index}: {} */",
            comment(&describe(event))
        ));
        let request = self.plan.request(index);
        let late = request.filter(|(_, request)| request.late);
        if let Some((number, _)) = late {
            self.line(format!("begin {number}"));
        }
        match event {
            Event::Set(values) => self.set(values, self.image(index)),
            Event::Fill { facility, .. } => {
                self.line(format!("image {}", self.image(index)));
                match facility {
                    Facility::Fp => self.line("load_fprs"),
                    Facility::Vmx => self.line("load_vrs"),
                    Facility::Vsx => {
                        self.line("load_vsrs");
                        self.line("load_vrs");
                    }
                }
            }
            Event::Compute { op, register } => self.line(compute(*op, *register & 31)),
            Event::Access { .. } => {}
            Event::Touch(facility) => self.line(match facility {
                Facility::Fp => "touch_fp",
                Facility::Vmx => "touch_vmx",
                Facility::Vsx => "touch_vsx",
            }),
            Event::EditFrame(edit) => self.line(match edit {
                FrameEdit::ClaimFacilities => "claim_fp",
                FrameEdit::DropVmx => "drop_from_frame 25",
                FrameEdit::DropVsx => "drop_from_frame 23",
                FrameEdit::ClaimExceptions => "claim_exceptions",
            }),
            Event::FillFrame { facility, .. } => {
                self.line(format!("image {}", self.image(index)));
                self.line(match facility {
                    Facility::Fp => "fill_frame_fp",
                    Facility::Vmx => "fill_frame_vmx",
                    Facility::Vsx => "fill_frame_vsx",
                });
            }
            Event::SetFrame(values) => {
                self.line(format!("image {}", self.image(index)));
                for register in values.keys() {
                    self.line(match register {
                        Register::F(n) => format!("set_frame_fpr {n}"),
                        Register::Vs(n) => format!("set_frame_doubleword_1 {n}"),
                        Register::V(n) => format!("set_frame_vr {n}"),
                        Register::Fpscr => "set_frame_fpscr".to_owned(),
                        Register::Vscr => "set_frame_vr 32".to_owned(),
                        Register::Vrsave => "set_frame_vrsave".to_owned(),
                    });
                }
            }
            Event::Interrupt {
                vector: Interrupt::DataStorage,
                ..
            } => self.line(format!("store_to_new_page {}", self.page(index))),
            Event::Interrupt { .. } => {
                if let Some((number, _)) = request {
                    self.line(format!("ask {number}"));
                }
            }
            Event::Syscall { call, via, .. } => self.syscall(index, *call, *via),
        }
        if self.plan.is_sigreturn(Some(index)) {
            return;
        }
        // A handler that interrupts it says so itself.
        let mut handlers = self.task.handlers.iter();
        let handled = handlers.any(|handler| handler.interrupts == Some(index));
        let over = late.filter(|_| !handled).map(|(number, _)| number);
        for number in over.into_iter().chain(self.returns(index)) {
            self.line(format!("passed {number}"));
        }
    }

    /// Requests that come on the way back from a handler which has interrupted this event: where
    /// the task goes on, they are over.
    fn returns(&self, index: u16) -> Vec<usize> {
        let handlers = self.task.handlers.iter();
        let steps = handlers
            .filter(|handler| handler.interrupts == Some(index))
            .flat_map(|handler| &handler.steps);
        let last = steps.filter_map(|step| match step {
            Step::Event(event) if self.plan.is_sigreturn(Some(*event)) => self.plan.request(*event),
            _ => None,
        });
        last.map(|(number, _)| number).collect()
    }

    /// How many events before this one store to a new page.
    fn page(&self, index: u16) -> usize {
        let before = self.plan.scenario.events.iter().take(usize::from(index));
        before.filter(|event| stores_to_new_page(event)).count()
    }

    fn image(&self, event: u16) -> usize {
        let mut constants = self.plan.constants.iter();
        constants
            .find(|(other, _)| *other == event)
            .map_or(0, |(_, image)| *image)
    }

    fn set(&mut self, values: &RegisterValues, image: usize) {
        let loaded = |register: &Register| !matches!(register, Register::Fpscr);
        if values.keys().any(loaded) {
            self.line(format!("image {image}"));
        }
        for n in 0..32u8 {
            let f = values.contains_key(&Register::F(n));
            match (f, values.contains_key(&Register::Vs(n))) {
                (true, true) => self.line(format!("set_vsr {n}")),
                (true, false) => self.line(format!("set_fpr {n}")),
                (false, true) => {
                    self.line(format!("set_doubleword_1 {n}"));
                    self.line(format!("image {image}"));
                }
                (false, false) => {}
            }
        }
        for n in 0..32u8 {
            if values.contains_key(&Register::V(n)) {
                self.line(format!("set_vr {n}"));
            }
        }
        if let Some(value) = values.get(&Register::Fpscr) {
            self.fpscr(*value as u64);
        }
        if values.contains_key(&Register::Vrsave) {
            self.line("load_vrsave");
        }
        if values.contains_key(&Register::Vscr) {
            self.line("set_vscr");
        }
    }

    /// A field at a time, which changes no FPR.
    fn fpscr(&mut self, value: u64) {
        for field in 0..8 {
            let digit = value >> (28 - 4 * field) & 15;
            self.line(format!("mtfsfi {field},{digit}"));
        }
        self.line(format!("mtfsfi 7,{},1", value >> 32 & 15));
    }

    fn syscall(&mut self, index: u16, call: Syscall, via: Via) {
        let enter = if via == Via::Scv { "scv 0" } else { "sc" };
        let arguments: Vec<String> = match call {
            Syscall::RtSigreturn => return self.line("sigreturn"),
            Syscall::Exit => {
                return self.line(format!("finish {}, {}", self.task.number, self.task.last));
            }
            Syscall::Fork => vec!["li 0,2".into()],
            Syscall::Vfork => vec!["li 0,189".into()],
            Syscall::Clone { fail: false } => clone("li 3,17"),
            // CLONE_NEWUTS: refused, to a task without privileges, once it was duplicated.
            Syscall::Clone { fail: true } => clone("lis 3,0x400"),
            Syscall::Getppid => vec!["li 0,64".into()],
            Syscall::SchedYield => vec!["li 0,158".into()],
            Syscall::Read { bytes } => pipe(3, "PIPE_OUT", bytes),
            Syscall::Write { bytes } => pipe(4, "PIPE_IN", bytes),
            Syscall::FutexWait => futex("li 4,0"),
            Syscall::FutexWake => futex("li 4,1"),
            Syscall::Kill { signal } => vec![
                "li 0,20".into(),
                "sc".into(),
                format!("li 4,{signal}"),
                "li 0,37".into(),
            ],
            Syscall::Prctl { fpexc } => {
                vec![
                    "li 3,12".into(),
                    format!("li 4,{}", mode(fpexc)),
                    "li 0,171".into(),
                ]
            }
            Syscall::Swapcontext { small, misaligned } => vec![format!(
                "context {}, {}, {}",
                self.task.number,
                if small { 1696 - 256 } else { 1696 },
                if misaligned { 8 } else { 0 }
            )],
            Syscall::EnableKernel { .. }
            | Syscall::KvmRun { .. }
            | Syscall::Hibernate
            | Syscall::Execve
            | Syscall::Abort => Vec::new(),
        };
        for line in arguments {
            self.line(line);
        }
        self.line(enter);
        let mut children = self.plan.children.iter();
        if let Some((_, child)) = children.find(|(event, _)| *event == index) {
            self.line(format!("made_child {child}, task_{child}"));
        }
    }
}

/// Whether an event needs a page that nobody has stored to.
pub(super) fn stores_to_new_page(event: &Event) -> bool {
    matches!(
        event,
        Event::Interrupt {
            vector: Interrupt::DataStorage,
            ..
        }
    )
}

fn clone(flags: &str) -> Vec<String> {
    let rest = (4..8).map(|n| format!("li {n},0"));
    let mut lines = vec![flags.to_owned()];
    lines.extend(rest);
    lines.push("li 0,120".to_owned());
    lines
}

fn pipe(number: u8, end: &str, bytes: u16) -> Vec<String> {
    vec![
        format!("li 3,{end}"),
        "address BUFFER".to_owned(),
        "mr 4,9".to_owned(),
        format!("li 5,{bytes}"),
        format!("li 0,{number}"),
    ]
}

fn futex(operation: &str) -> Vec<String> {
    let lines = [
        "address 0",
        "addi 3,9,0x28",
        operation,
        "li 5,0",
        "li 6,0",
        "li 0,221",
    ];
    let mut lines = lines.map(str::to_owned);
    if operation.ends_with(",1") {
        lines[3] = "li 5,1".to_owned();
    }
    lines.to_vec()
}

/// PR_FP_EXC_DISABLED, _NONRECOV, _ASYNC, _PRECISE.
fn mode(mode: FpExceptions) -> u8 {
    match mode {
        FpExceptions::Disabled => 0,
        FpExceptions::Nonrecoverable => 1,
        FpExceptions::Async => 2,
        FpExceptions::Precise => 3,
    }
}

fn compute(op: ComputeOp, n: u8) -> String {
    let next = (n + 1) & 31;
    let name = match op {
        ComputeOp::Fmr => return format!("fmr {n},{next}"),
        ComputeOp::Fadd => "fadd",
        ComputeOp::Fmul => "fmul",
        ComputeOp::Fdiv => "fdiv",
        ComputeOp::Xxlor => "xxlor",
        ComputeOp::Xvadddp => "xvadddp",
        ComputeOp::Vaddubs => "vaddubs",
        ComputeOp::Vor => "vor",
    };
    format!("{name} {n},{n},{next}")
}

/// Nothing in it ends a comment.
fn comment(text: &str) -> String {
    text.replace("*/", "* /")
}
