//! Makes a real kernel's snapshot ready to run.

#[cfg(test)]
mod tests;

use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::event::{Event, Interrupt, Pending};
use ctxfuzz_scenario::scenario::{Scenario, Stage, TaskStage};

use super::Real;
use super::agent::{self, CopiedPages, MAGIC, PAGE};
use crate::arch::Endian;
use crate::kernel::agent::text;
use crate::kernel::functions::Functions;
use crate::kernel::image::{Layout, RealLayout};
use crate::kernel::name::KernelName;
use crate::kernel::offsets;
use crate::kernel::snapshot::{Snapshot, SymbolKind};
use crate::kernel::symbols::Symbols;
use crate::kernel::watched;
use crate::machine::address::{AddressMap, KERNEL};
use crate::machine::pseries::Boot;
use crate::machine::{Guest, Machine, Options, Program};
use crate::run::host::RunHost;
use crate::run::{Runner, RunnerError, spent};

/// SPRG1, where a guest's kernel keeps its paca.
const SPRG1: u16 = 273;
/// Functions that a kernel enters when it dies.
const FATAL: [&str; 2] = ["panic", "oops_enter"];
/// The task that a kernel starts with.
const INIT_TASK: &str = "init_task";
/// A run on a real kernel takes more blocks than one on the model.
const BUDGET_FACTOR: u64 = 10;
/// Pages that are loaded at once.
const PAGES: usize = 4096;

/// A runner for the kernel of this name and snapshot.
pub fn runner(
    name: &KernelName,
    snapshot: &Snapshot,
    endian: Endian,
    options: Options,
) -> Result<Runner, RunnerError> {
    let wrong = |what: String| RunnerError::Kernel {
        vmlinux: snapshot.vmlinux.display().to_string(),
        what,
    };
    if snapshot.endian != endian {
        return Err(wrong(format!(
            "the kernel is {}, and {} was asked for (--endian)",
            snapshot.endian.name(),
            endian.name()
        )));
    }
    let paca = snapshot
        .registers
        .spr(SPRG1)
        .ok_or_else(|| wrong("the snapshot has no SPRG1".into()))?;
    let word = |ea: u64| {
        let mut bytes = [0; 4];
        snapshot.pages.read(ea.wrapping_sub(KERNEL), &mut bytes);
        match endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        }
    };
    let layout = offsets::read(|name| snapshot.address(name), word, paca)
        .map_err(|error| wrong(error.to_string()))?;
    let real = real_layout(snapshot, &layout);
    let program = program(snapshot).map_err(wrong)?;
    let options = Options {
        budget: options.budget.saturating_mul(BUDGET_FACTOR),
        ..options
    };
    let platform = Real::new(
        real.clone(),
        Functions::new(name, endian),
        CopiedPages::File,
    );
    let who = spent::who(&layout, &platform);
    let host = RunHost::new(layout.clone(), Box::new(platform));
    let mut machine = Machine::new(&program, options, host)?;
    machine.tell_who(who);
    if machine
        .map()
        .physical(PAGE)
        .map(|pa| machine.memory().read_u64(pa))
        != Some(MAGIC)
    {
        return Err(wrong("the snapshot was made with another agent".into()));
    }
    if let AddressMap::Radix(map) = machine.map()
        && let Err(page) = map.keep_user_data()
    {
        let what = format!("the agent's first task has no page at {page:#x}, of user data");
        return Err(wrong(what));
    }
    let mut runner = Runner {
        name: name.clone(),
        endian,
        hash: snapshot.kernel_hash,
        layout,
        machine,
        dirt: None,
        runs: 0,
    };
    find_copied_pages(&mut runner, &real);
    Ok(runner)
}

/// Finds out which pages this kernel copies with VMX when a task first stores to them: Linux does
/// not say.
fn find_copied_pages(runner: &mut Runner, layout: &RealLayout) {
    let scenario = Scenario {
        stage: Stage {
            tasks: vec![TaskStage::default()],
            ..Stage::default()
        },
        events: vec![Event::Interrupt {
            vector: Interrupt::DataStorage,
            pending: Pending::NONE,
        }],
        ..Scenario::default()
    };
    let field = runner.machine.map().physical(agent::DEVICE_PAGES);
    let device_pages = field.map_or(0, |pa| runner.machine.memory().read_u64(pa));
    let choices = match device_pages {
        0 => [CopiedPages::File, CopiedPages::None],
        _ => [CopiedPages::File, CopiedPages::Device],
    };
    for pages in choices {
        let functions = Functions::new(&runner.name, runner.endian);
        runner.machine.host().platform = Box::new(Real::new(layout.clone(), functions, pages));
        if runner
            .run(&scenario)
            .effects
            .seen
            .contains(&Effect::PageCopy)
        {
            break;
        }
    }
}

/// Who is who, in a snapshot: the agent's director has just reached its mark.
fn real_layout(snapshot: &Snapshot, layout: &Layout) -> RealLayout {
    let init_task = snapshot.symbols.iter().find(|s| s.name == INIT_TASK);
    let mut first = vec![0; init_task.map_or(0, |task| task.size as usize)];
    let address = init_task.map_or(0, |task| task.address);
    snapshot
        .pages
        .read(address.wrapping_sub(KERNEL), &mut first);
    RealLayout {
        comm: offsets::comm(&first),
        director: doubleword(snapshot, layout.current),
        current: layout.current,
    }
}

/// What the machine loads and starts with.
fn program(snapshot: &Snapshot) -> Result<Program, String> {
    let need = |name: &str| {
        snapshot
            .address(name)
            .ok_or_else(|| format!("the kernel has no symbol {name}"))
    };
    let process_table = process_table(snapshot, need("process_tb")?);
    // What lies between is what is left of kernel text after boot.
    let (start, end) = (need("_text").unwrap_or(KERNEL), need("_etext")?);
    if start > end || process_table >= snapshot.memory_size {
        return Err("the kernel's symbols make no sense".into());
    }
    Ok(Program {
        endian: snapshot.endian,
        segments: segments(snapshot),
        kernel_text: vec![(start, end - start)],
        user_text: text(snapshot.endian),
        watched: watched::addresses(&Symbols::from_snapshot(snapshot)),
        guest: Guest::Pseries(Box::new(Boot {
            guest_size: snapshot.memory_size,
            process_table,
            registers: snapshot.registers.clone(),
            fatal: fatal(snapshot),
        })),
    })
}

/// Where a kernel enters the functions that it dies in: past the code that finds the TOC, which
/// callers inside the kernel skip.
fn fatal(snapshot: &Snapshot) -> Vec<(u64, String)> {
    snapshot
        .symbols
        .iter()
        .filter(|s| s.kind == SymbolKind::Function && FATAL.contains(&s.name.as_str()))
        .map(|s| (s.address + s.local_entry, s.name.clone()))
        .collect()
}

/// The physical address that the variable `process_tb` points at.
fn process_table(snapshot: &Snapshot, variable: u64) -> u64 {
    doubleword(snapshot, variable) & !KERNEL
}

/// What a variable of the kernel holds.
fn doubleword(snapshot: &Snapshot, variable: u64) -> u64 {
    let mut bytes = [0; 8];
    let at = variable.wrapping_sub(KERNEL);
    snapshot.pages.read(at, &mut bytes);
    match snapshot.endian {
        Endian::Little => u64::from_le_bytes(bytes),
        Endian::Big => u64::from_be_bytes(bytes),
    }
}

/// Memory in a few large pieces.
fn segments(snapshot: &Snapshot) -> Vec<(u64, Vec<u8>)> {
    let mut segments: Vec<(u64, Vec<u8>)> = Vec::new();
    for (pa, page) in snapshot.pages.iter() {
        match segments.last_mut() {
            Some((start, bytes))
                if *start + bytes.len() as u64 == pa && bytes.len() < PAGES * page.len() =>
            {
                bytes.extend_from_slice(page);
            }
            _ => segments.push((pa, page.to_vec())),
        }
    }
    segments
}
