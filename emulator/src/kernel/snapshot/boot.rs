//! From a vmlinux to a snapshot.

use std::ffi::OsString;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::Registers;
use super::error::SnapshotError;
use super::pages::{PAGE, Pages};
use super::qemu::{self, Failure, Qemu};
use super::registers::{DEC, SPRS, TB, TBU};
use super::target::{self, Target};
use super::vmlinux::Vmlinux;
use super::{Snapshot, cache, initramfs, package};
use crate::kernel::agent;

/// MSR.PR: user mode.
const USER_MODE: u64 = 1 << 14;

/// How to boot.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// Bytes of physical memory, a multiple of 1 MiB.
    pub memory_size: u64,
    /// How long the boot may take.
    pub limit: Duration,
    /// How long the kernel may print nothing, and QEMU may take to answer.
    pub silence: Duration,
    /// The emulator: a name to look up or a path.
    pub qemu: OsString,
    /// More for the kernel's command line.
    pub append: String,
    /// How many processors the machine has. A snapshot is of one.
    pub processors: u8,
    /// Whether time is counted in instructions, so that two boots are the same. It is for a
    /// snapshot.
    pub counts_instructions: bool,
}

impl Default for BootOptions {
    fn default() -> Self {
        BootOptions {
            memory_size: 256 << 20,
            limit: Duration::from_secs(120),
            silence: Duration::from_secs(30),
            qemu: qemu::program(),
            append: String::new(),
            processors: 1,
            counts_instructions: true,
        }
    }
}

impl Snapshot {
    /// Boots a vmlinux, or the one in a package, to the agent's mark.
    pub fn boot(vmlinux: &Path, options: &BootOptions) -> Result<Snapshot, SnapshotError> {
        let file = package::kernel(vmlinux, cache::folder)?;
        let kernel = Vmlinux::read(&file).map_err(|error| error.of(vmlinux))?;
        let elf = agent::elf(kernel.endian);
        let initramfs = initramfs::build(&[("init", elf)])?;
        let mut qemu = Qemu::start(&kernel.path, &initramfs, options)?;
        let booted = run(&mut qemu, &kernel, options);
        let (registers, pages) = match booted {
            Ok(state) => state,
            Err(failure) => {
                return Err(SnapshotError::Boot {
                    reason: qemu.explain(failure),
                    console: qemu.console(),
                    path: vmlinux.to_owned(),
                });
            }
        };
        Ok(Snapshot {
            endian: kernel.endian,
            version: kernel.version,
            kernel_hash: kernel.hash,
            vmlinux: kernel.path,
            memory_size: options.memory_size,
            pages,
            registers,
            symbols: kernel.symbols,
            text: kernel.text,
            console: qemu.console(),
        })
    }
}

fn run(
    qemu: &mut Qemu,
    kernel: &Vmlinux,
    options: &BootOptions,
) -> Result<(Registers, Pages), Failure> {
    let mark = agent::symbol(kernel.endian, "agent_mark").expect("a unit test looks for it");
    let target = description(qemu)?;
    expect_ok(qemu, &format!("Z0,{mark:x},4"))?;
    let stop = qemu.run(options.limit, options.silence)?;
    if !stop.starts_with(b"T05") {
        return Err(Failure::Reason(format!(
            "the machine stopped before the kernel got to the mark{}",
            qemu.complaint()
        )));
    }
    let registers = registers(qemu, &target, kernel)?;
    if registers.pc != mark || registers.msr & USER_MODE == 0 {
        return Err(Failure::Reason(format!(
            "the machine stopped at {:#x} with MSR {:#x}, not at the mark in user mode",
            registers.pc, registers.msr
        )));
    }
    let pages = memory(qemu, options.memory_size)?;
    kernel.check_memory(&pages).map_err(Failure::Reason)?;
    Ok((registers, pages))
}

fn expect_ok(qemu: &mut Qemu, command: &str) -> Result<(), Failure> {
    match qemu.ask(command)?.as_slice() {
        b"OK" => Ok(()),
        _ => Err(Failure::Reason(format!("QEMU refuses `{command}`"))),
    }
}

/// Asks which registers there are.
fn description(qemu: &mut Qemu) -> Result<Target, Failure> {
    let unreadable =
        |error| Failure::Reason(format!("QEMU's target description is unreadable: {error}"));
    qemu.ask("qSupported:xmlRegisters=powerpc")?;
    let main = document(qemu, "target.xml")?;
    let mut target = Target::default();
    for name in target::includes(&main).map_err(unreadable)? {
        target.add(&document(qemu, &name)?).map_err(unreadable)?;
    }
    Ok(target)
}

fn document(qemu: &mut Qemu, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    loop {
        let ask = format!("qXfer:features:read:{name}:{:x},ffb", bytes.len());
        let packet = qemu.ask(&ask)?;
        match packet.split_first() {
            Some((b'm', part)) if !part.is_empty() => bytes.extend_from_slice(part),
            Some((b'l', part)) => {
                bytes.extend_from_slice(part);
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            _ => return Err(Failure::Reason(format!("QEMU does not describe {name}"))),
        }
    }
}

/// Asks for registers, one at a time.
struct Asker<'a> {
    qemu: &'a mut Qemu,
    target: &'a Target,
    kernel: &'a Vmlinux,
}

impl Asker<'_> {
    /// A register's value, or `None` if QEMU has no such register.
    fn ask(&mut self, feature: &str, name: &str) -> Result<Option<u128>, Failure> {
        let Some(register) = self.target.find(feature, name) else {
            return Ok(None);
        };
        let digits = self.qemu.ask(&format!("p{:x}", register.number))?;
        let bytes = super::gdb::hex(&digits).filter(|bytes| bytes.len() <= 16);
        let Some(bytes) = bytes else {
            return Err(Failure::Reason(format!("QEMU does not tell {name}")));
        };
        // The stub answers in the byte order that the processor is in.
        let shift = |value: u128, byte: &u8| value << 8 | u128::from(*byte);
        Ok(Some(match self.kernel.endian {
            crate::arch::Endian::Little => bytes.iter().rev().fold(0, shift),
            crate::arch::Endian::Big => bytes.iter().fold(0, shift),
        }))
    }

    fn must(&mut self, feature: &str, name: &str) -> Result<u128, Failure> {
        let none = || Failure::Reason(format!("QEMU has no register {name}"));
        self.ask(feature, name)?.ok_or_else(none)
    }

    fn core(&mut self, name: &str) -> Result<u64, Failure> {
        Ok(self.must("org.gnu.gdb.power.core", name)? as u64)
    }
}

fn registers(qemu: &mut Qemu, target: &Target, kernel: &Vmlinux) -> Result<Registers, Failure> {
    let mut asker = Asker {
        qemu,
        target,
        kernel,
    };
    let mut registers = Registers {
        pc: asker.core("pc")?,
        msr: asker.core("msr")?,
        cr: asker.core("cr")? as u32,
        lr: asker.core("lr")?,
        ctr: asker.core("ctr")?,
        xer: asker.core("xer")?,
        fpscr: asker.must("org.gnu.gdb.power.fpu", "fpscr")? as u64,
        vscr: asker.must("org.gnu.gdb.power.altivec", "vscr")? as u32,
        ..Registers::default()
    };
    for (n, gpr) in registers.gpr.iter_mut().enumerate() {
        *gpr = asker.core(&format!("r{n}"))?;
    }
    for n in 0..32 {
        let high = asker.must("org.gnu.gdb.power.fpu", &format!("f{n}"))?;
        let low = asker.must("org.gnu.gdb.power.vsx", &format!("vs{n}h"))?;
        registers.vsr[n] = [high as u64, low as u64];
        let whole = asker.must("org.gnu.gdb.power.altivec", &format!("vr{n}"))?;
        registers.vsr[32 + n] = [(whole >> 64) as u64, whole as u64];
    }
    for &(name, number) in SPRS {
        if let Some(value) = asker.ask("org.qemu.power.spr", name)? {
            registers.sprs.push((number, value as u64));
        }
    }
    clocks(asker.qemu, &mut registers)?;
    Ok(registers)
}

/// Time base and decrementer count all the time: the stub has what was last written to them, the
/// monitor has what they are. The decrementer is 0: for QEMU a processor that a breakpoint has
/// stopped is idle, and time goes on to the next timer at once. To the kernel it is as if it had
/// been kept waiting until then.
fn clocks(qemu: &mut Qemu, registers: &mut Registers) -> Result<(), Failure> {
    let printed = qemu.monitor("info registers")?;
    let Some((upper, lower, decrementer)) = parse_clocks(&printed) else {
        return Err(Failure::Reason("QEMU does not tell the time".to_owned()));
    };
    registers.sprs.retain(|(number, _)| *number != DEC);
    registers.sprs.extend([
        (DEC, decrementer),
        (TB, time_base(upper, lower)),
        (TBU, upper),
    ]);
    registers.sprs.sort_unstable();
    Ok(())
}

/// QEMU prints the whole time base as its lower half.
fn time_base(upper: u64, lower: u64) -> u64 {
    upper << 32 | lower
}

/// Reads the line `TB 00000000 24315250 DECR 0`: all in decimal.
fn parse_clocks(printed: &str) -> Option<(u64, u64, u64)> {
    let line = printed.lines().find(|line| line.starts_with("TB "))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["TB", upper, lower, "DECR", decrementer] => Some((
            upper.parse().ok()?,
            lower.parse().ok()?,
            decrementer.parse().ok()?,
        )),
        _ => None,
    }
}

/// Copies what is not zero out of the machine, which is stopped.
fn memory(qemu: &Qemu, size: u64) -> Result<Pages, Failure> {
    let mut pages = Pages::default();
    let mut buffer = vec![0; 256 * PAGE];
    for address in (0..size).step_by(buffer.len()) {
        let part = &mut buffer[..(size - address).min(256 * PAGE as u64) as usize];
        qemu.memory()
            .read_exact_at(part, address)
            .map_err(|error| Failure::Reason(format!("the machine's memory is gone: {error}")))?;
        pages.append(address, part);
    }
    Ok(pages)
}

#[cfg(test)]
mod tests;
