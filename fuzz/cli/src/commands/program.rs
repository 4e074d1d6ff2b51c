//! The program of a scenario, as `confirm` and `report` make it and boot kernels with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use ctxfuzz_confirm::boot::{self, Answer, Confirmation, Count};
use ctxfuzz_confirm::plan::{Plan, Request, plan};
use ctxfuzz_confirm::program::program;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::snapshot::{BootOptions, describe};
use ctxfuzz_triage::findings;
use ctxfuzz_triage::untrusted::shown;

use super::arguments::{AbiArgument, parse_kernel, parse_memory};
use super::input::Input;
use super::{Status, complain};

/// What the program does, and on which machine.
#[derive(Debug, Args)]
pub struct ProgramArguments {
    /// Whose promises count: which registers the program compares.
    #[arg(long, value_enum, default_value = "elf")]
    pub abi: AbiArgument,
    /// Attempts that the program makes at most [default: 200; 20000 if something has to come in
    /// the middle of an event]. It ends once ten of them differ.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempts: Option<u32>,
    /// Processors of the machine; the program keeps to the first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    cpus: u8,
    /// Let time pass as it does, instead of counting it in instructions: two boots differ then.
    #[arg(long)]
    no_icount: bool,
    /// Memory of the machine in MiB. A kernel with lockdep needs more than 256.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = parse_memory)]
    memory: u64,
    /// Seconds that a boot may take in all.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

impl ProgramArguments {
    /// The machine.
    pub fn machine(&self) -> BootOptions {
        BootOptions {
            memory_size: self.memory << 20,
            limit: Duration::from_secs(self.limit),
            processors: self.cpus,
            counts_instructions: !self.no_icount,
            ..BootOptions::default()
        }
    }

    /// The machine in QEMU's own words.
    pub fn machine_in_words(&self) -> String {
        let time = match self.no_icount {
            true => "",
            false => " -icount shift=0,sleep=off",
        };
        format!(
            "-M pseries -cpu power9 -accel tcg -smp {} -m {}{time}",
            self.cpus, self.memory
        )
    }
}

/// A kernel that is to be booted.
pub struct Kernel {
    /// Its file.
    pub vmlinux: PathBuf,
    /// Its byte order.
    pub endian: Endian,
    /// `7.2.13+deb14-powerpc64le`.
    pub release: String,
    /// Whether it says that it is preemptible.
    pub preemptible: bool,
}

impl Kernel {
    /// Reads what the file says of itself.
    pub fn of(vmlinux: &Path) -> anyhow::Result<Kernel> {
        let (endian, version) = describe(vmlinux)?;
        Ok(Kernel {
            vmlinux: vmlinux.to_owned(),
            endian,
            release: release(&version),
            preemptible: version.split(' ').any(|word| word.starts_with("PREEMPT")),
        })
    }

    /// The same kernel in ctxfuzz's own machine.
    pub fn name(&self) -> anyhow::Result<KernelName> {
        Ok(parse_kernel(&format!(
            "vmlinux:{}",
            self.vmlinux.display()
        ))?)
    }
}

/// A program, of one byte order.
pub struct Program {
    /// The source.
    pub source: String,
    /// What disturbs its tasks, in words.
    pub ways: Vec<&'static str>,
    endian: Endian,
    machine: BootOptions,
}

impl Program {
    /// Where to look between events is seen on the model's kernels and on the kernel itself, if
    /// ctxfuzz can run it.
    pub fn of(
        args: &ProgramArguments,
        input: &Input,
        kernel: Option<&Kernel>,
    ) -> anyhow::Result<Program> {
        let mut kernels: Vec<KernelName> =
            vec![parse_kernel("fixed")?, parse_kernel("clobbering")?];
        if let Some(kernel) = kernel {
            let real = kernel.name()?;
            match real.snapshot() {
                Some(Err(error)) => complain(&format!(
                    "the program looks where the model says, as ctxfuzz cannot run the kernel: {}",
                    super::one_line(&error.into())
                )),
                _ => kernels.push(real),
            }
        }
        let endian = kernel.map_or(Endian::Little, |kernel| kernel.endian);
        let plan = plan(&input.scenario, endian, args.abi.into(), &kernels)?;
        Ok(Program {
            source: program(&plan, &input.name(), args.attempts),
            ways: ways(&plan),
            endian,
            machine: args.machine(),
        })
    }

    /// Boots a kernel of the same byte order with it.
    pub fn confirm(&self, kernel: &Kernel) -> anyhow::Result<Confirmation> {
        if kernel.endian != self.endian {
            bail!(
                "{}: is {}, and the other kernel {}: expected the same byte order",
                kernel.vmlinux.display(),
                kernel.endian.name(),
                self.endian.name()
            );
        }
        let done = boot::confirm(&self.source, &kernel.vmlinux, self.endian, &self.machine);
        Ok(done?)
    }
}

/// A finding is what shows it best.
pub fn load(path: &Path) -> anyhow::Result<Input> {
    if !path.is_dir() {
        return Input::load(path);
    }
    match findings::shows(path) {
        Some(file) => Input::load(&file),
        None => bail!(
            "{}: no finding: expected minimized.json or scenario.json in it",
            path.display()
        ),
    }
}

/// What disturbs the tasks, in words.
fn ways(plan: &Plan) -> Vec<&'static str> {
    let any = |is_it: fn(&Request) -> bool| plan.requests.iter().any(is_it);
    let ways = [
        (
            any(|request| request.late),
            "a SCHED_FIFO process that a timer wakes, swept over the event",
        ),
        (
            plan.has_late_return(),
            "a page of the handler's frame that comes late (userfaultfd)",
        ),
        (
            any(|request| request.pending.signal.is_some()),
            "a signal from another process",
        ),
        (
            any(|request| request.pending.io_worker),
            "an io_uring worker that asks for another one",
        ),
        (
            any(|request| request.pending.switch.is_some()),
            "another process that runs meanwhile",
        ),
    ];
    let ways = ways.into_iter().filter(|(used, _)| *used);
    ways.map(|(_, way)| way).collect()
}

/// What a repaired kernel does too shows nothing.
pub fn status(here: &Answer, repaired: Option<&Answer>) -> Status {
    match (here, repaired) {
        (Answer::Inconclusive(_), _) | (_, Some(Answer::Inconclusive(_))) => Status::Trouble,
        (Answer::Reproduced(..), Some(Answer::Reproduced(..))) => Status::Trouble,
        (Answer::Reproduced(..), _) => Status::Found,
        (Answer::NotReproduced(_), _) => Status::Nothing,
    }
}

/// An answer in words.
pub fn words(answer: &Answer) -> String {
    match answer {
        Answer::Reproduced(Count { differ, of }, test) => {
            let way = test.split_once(", by ").map_or("", |(_, way)| way);
            let by = if way.is_empty() { "" } else { ", by " };
            format!("reproduced in {differ} of {of} attempts{by}{way}")
        }
        Answer::NotReproduced(Count { of, .. }) => format!("not reproduced in {of} attempts"),
        Answer::Inconclusive(why) => format!("inconclusive: {why}"),
    }
}

/// The release in `Linux version 7.2.13+deb14-powerpc64le (...) ...`.
fn release(version: &str) -> String {
    let words: Vec<&str> = version.split_whitespace().take(3).collect();
    match words[..] {
        ["Linux", "version", release] => shown(release),
        _ => shown(version),
    }
}
