//! One qemu-system-ppc64 process, stopped before its first instruction, under our control through
//! its gdb stub.
//!
//! Nothing of it stays behind: the process dies with its owner, and its files have no names any
//! more when the guest starts.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::boot::BootOptions;
use super::error::{SnapshotError, panicked};
use super::gdb::{Gdb, GdbError, hex, to_hex};

/// More of a console than anybody reads.
const LONGEST_CONSOLE: u64 = 1 << 20;

/// What the machine is, but for its memory and the files it is given. Everything that could differ
/// from one boot to the next is pinned: time is counted in instructions, the date is fixed, random
/// numbers have a seed, and no device is there that is not asked for.
pub const MACHINE: &[&str] = &[
    "-M",
    "pseries,x-vof=on,ic-mode=xics,cap-htm=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off,memory-backend=memory",
    "-cpu",
    "power9",
    "-smp",
    "1",
    "-accel",
    "tcg,thread=single",
    "-icount",
    "shift=0,sleep=off",
    "-rtc",
    "clock=vm,base=2020-01-01",
    "-seed",
    "1",
    "-nodefaults",
    "-display",
    "none",
    "-no-reboot",
    "-serial",
    "file:console",
    "-gdb",
    "stdio",
    "-S",
];

/// The kernel's command line. A kernel that panics reboots, and with it QEMU ends. Mitigations are
/// what hypervisor and processor ask for; an emulator has nothing to leak, and gives nothing but
/// loops to wait for.
pub const COMMAND_LINE: &str =
    "console=hvc0 disable_radix=no norandmaps mitigations=off panic=-1 loglevel=7";

/// Bytes at the end of memory that the kernel is told to leave alone: what the agent maps through
/// /dev/mem (emulator/agent/device.c), 64 pages of the largest size.
pub const NOT_THE_KERNELS: u64 = 4 << 20;

/// A running QEMU.
pub struct Qemu {
    child: Child,
    gdb: Gdb,
    memory: File,
    console: File,
    complaints: File,
    /// How long the stub may take to answer a question.
    patience: Duration,
}

/// Why QEMU did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// It, or the kernel in it, ended or hangs.
    Reason(String),
    /// Its stub does not answer as expected.
    Gdb(GdbError),
}

impl From<GdbError> for Failure {
    fn from(error: GdbError) -> Self {
        Failure::Gdb(error)
    }
}

impl Qemu {
    /// Starts QEMU; the guest has not run yet.
    pub fn start(
        vmlinux: &Path,
        initramfs: &[u8],
        options: &BootOptions,
    ) -> Result<Qemu, SnapshotError> {
        let scratch = |error| SnapshotError::Scratch {
            folder: std::env::temp_dir(),
            error,
        };
        let files = Files::make(initramfs, options.memory_size).map_err(scratch)?;
        let (ours, theirs) = UnixStream::pair().map_err(scratch)?;
        let gdb = Gdb::new(ours).map_err(scratch)?;
        let mut command = command(vmlinux, options);
        files.give(&mut command, theirs).map_err(scratch)?;
        die_with_us(&mut command);
        let child = command
            .spawn()
            .map_err(|error| cannot_start(&options.qemu, &error))?;
        // It holds the other end of the connection: with it gone we notice when QEMU is.
        drop(command);
        let mut qemu = Qemu {
            child,
            gdb,
            memory: files.memory,
            console: files.console,
            complaints: files.complaints,
            patience: options.silence,
        };
        // When the stub answers, all files are open or read. They lose their names, so nobody has
        // to tidy up after a killed process.
        match qemu.ask("?") {
            Ok(_) => Ok(qemu),
            Err(failure) => Err(SnapshotError::Qemu(qemu.why_not(&options.qemu, failure))),
        }
    }

    /// Sends a command, waits for the answer.
    pub fn ask(&mut self, command: &str) -> Result<Vec<u8>, Failure> {
        self.gdb.send(command)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Vec<u8>, Failure> {
        let started = Instant::now();
        while started.elapsed() < self.patience {
            if let Some(packet) = self.gdb.poll()? {
                return Ok(packet);
            }
        }
        Err(Failure::Reason(format!(
            "QEMU does not answer within {} s",
            self.patience.as_secs()
        )))
    }

    /// Sends a command of QEMU's own monitor, returns what it prints.
    pub fn monitor(&mut self, line: &str) -> Result<String, Failure> {
        self.gdb
            .send(&format!("qRcmd,{}", to_hex(line.as_bytes())))?;
        let mut printed = Vec::new();
        loop {
            let packet = self.answer()?;
            match packet.split_first() {
                Some((b'O', digits)) if packet != b"OK" => {
                    printed.extend(hex(digits).unwrap_or_default());
                }
                _ => return Ok(String::from_utf8_lossy(&printed).into_owned()),
            }
        }
    }

    /// Lets the guest run until it stops. It must print something every `silence`, and stop within
    /// `limit`.
    pub fn run(&mut self, limit: Duration, silence: Duration) -> Result<Vec<u8>, Failure> {
        self.gdb.send("c")?;
        let started = Instant::now();
        let (mut length, mut last) = (0, Instant::now());
        loop {
            if let Some(packet) = self.gdb.poll()? {
                return Ok(packet);
            }
            let now = self.console.metadata().map_or(length, |file| file.len());
            if now != length {
                (length, last) = (now, Instant::now());
            }
            let hangs = match (last.elapsed() >= silence, started.elapsed() >= limit) {
                (true, _) => format!("printed nothing for {} s", silence.as_secs()),
                (_, true) => format!("took more than {} s", limit.as_secs()),
                _ => continue,
            };
            return Err(Failure::Reason(format!("the kernel hangs: it {hangs}")));
        }
    }

    /// Lets the guest run until it ends the machine, for at most so long. `None`: it does; else
    /// what happened.
    pub fn run_to_its_end(&mut self, limit: Duration) -> Option<String> {
        match self.run(limit, limit) {
            Err(Failure::Gdb(_)) if !panicked(&self.console()) => {
                match self.wait(Duration::from_secs(5)) {
                    Some(status) if status.success() => None,
                    Some(status) => Some(format!("QEMU died ({status}){}", self.complaint())),
                    None => Some("QEMU has closed the connection".to_owned()),
                }
            }
            _ if panicked(&self.console()) => Some("the kernel panicked".to_owned()),
            Err(Failure::Gdb(error)) => Some(error.to_string()),
            Err(Failure::Reason(reason)) => Some(reason),
            // The stub says how a machine ends before it closes the connection.
            Ok(packet) if packet.starts_with(b"W") => None,
            Ok(_) => Some(format!("the machine stopped{}", self.complaint())),
        }
    }

    /// What the kernel has printed so far.
    pub fn console(&mut self) -> String {
        text(&mut self.console)
    }

    /// The guest's physical memory.
    pub fn memory(&self) -> &File {
        &self.memory
    }

    /// Says in words why it failed.
    pub fn explain(&mut self, failure: Failure) -> String {
        // However QEMU takes it: it may stop, end, or go on with a kernel that waits for the power
        // button.
        if panicked(&self.console()) {
            return "the kernel panicked before it got to the mark".to_owned();
        }
        match failure {
            Failure::Reason(reason) => reason,
            Failure::Gdb(error) => match self.wait(Duration::from_secs(2)) {
                Some(status) if status.success() => {
                    "the kernel ended the machine before it got to the mark".to_owned()
                }
                Some(status) => format!("QEMU died ({status}){}", self.complaint()),
                None => error.to_string(),
            },
        }
    }

    fn why_not(&mut self, program: &OsStr, failure: Failure) -> String {
        let complaint = match self.wait(Duration::from_secs(2)) {
            Some(status) => format!("{status}{}", self.complaint()),
            None => self.explain(failure),
        };
        let program = program.to_string_lossy();
        if complaint.contains("x-vof") || complaint.contains("cap-") {
            return format!("{program} is too old: version 7.2 or newer is needed ({complaint})");
        }
        format!("{program} does not start: {complaint}")
    }

    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if started.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => return None,
            }
        }
    }

    /// The last thing that QEMU complained about.
    pub fn complaint(&mut self) -> String {
        let complaints = text(&mut self.complaints);
        let last = complaints.lines().rfind(|line| !line.contains("warning:"));
        last.map_or(String::new(), |line| format!(": {}", line.trim()))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What QEMU reads and writes, in a folder that is its working directory and goes when this does.
struct Files {
    folder: TempDir,
    memory: File,
    console: File,
    complaints: File,
}

impl Files {
    fn make(initramfs: &[u8], memory_size: u64) -> io::Result<Files> {
        let folder = tempfile::Builder::new().prefix("ctxfuzz-").tempdir()?;
        let make = |name: &str| {
            File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(folder.path().join(name))
        };
        let (memory, console) = (make("memory")?, make("console")?);
        memory.set_len(memory_size)?;
        make("initramfs")?.write_all(initramfs)?;
        let complaints = tempfile::tempfile_in(folder.path())?;
        Ok(Files {
            folder,
            memory,
            console,
            complaints,
        })
    }

    fn give(&self, command: &mut Command, stub: UnixStream) -> io::Result<()> {
        command.current_dir(self.folder.path());
        command.stdin(OwnedFd::from(stub.try_clone()?));
        command.stdout(OwnedFd::from(stub));
        command.stderr(self.complaints.try_clone()?);
        Ok(())
    }
}

/// [`MACHINE`], or another one if that is asked for.
fn machine(options: &BootOptions) -> Vec<String> {
    let mut arguments: Vec<String> = MACHINE.iter().map(|&word| word.to_owned()).collect();
    let place = |arguments: &[String], word: &str| arguments.iter().position(|it| it == word);
    if let Some(at) = place(&arguments, "-smp") {
        arguments[at + 1] = options.processors.to_string();
    }
    if let (false, Some(at)) = (options.counts_instructions, place(&arguments, "-icount")) {
        arguments.drain(at..at + 2);
    }
    arguments
}

fn command(vmlinux: &Path, options: &BootOptions) -> Command {
    let size = options.memory_size;
    let mut command = Command::new(executable(&options.qemu));
    command.args(machine(options));
    command.arg("-m").arg(format!("{}M", size >> 20));
    command.arg("-object").arg(format!(
        "memory-backend-file,id=memory,size={size},mem-path=memory,share=on"
    ));
    command.arg("-kernel").arg(vmlinux);
    command.args(["-initrd", "initramfs", "-append"]);
    let kernel_memory = size.saturating_sub(NOT_THE_KERNELS) >> 20;
    command.arg(format!(
        "{COMMAND_LINE} mem={kernel_memory}M {}",
        options.append
    ));
    command
}

/// It runs in a folder of its own: a path is from ours, a mere name is looked up.
fn executable(program: &OsStr) -> PathBuf {
    let path = Path::new(program);
    match path.parent() {
        Some(folder) if folder != Path::new("") => {
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
        }
        _ => path.to_owned(),
    }
}

/// A killed process runs no destructors; the system must end its QEMU.
fn die_with_us(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        let parent = rustix::process::getpid();
        let before_exec = move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            match getppid() == Some(parent) {
                true => Ok(()),
                false => Err(io::ErrorKind::BrokenPipe.into()),
            }
        };
        // SAFETY: between fork and exec only system calls are made, nothing is allocated and no
        // lock is taken.
        unsafe { command.pre_exec(before_exec) };
    }
}

fn cannot_start(program: &OsStr, error: &io::Error) -> SnapshotError {
    let program = program.to_string_lossy();
    SnapshotError::Qemu(match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{program} is not installed: run `.ci/setup qemu`, or install QEMU 7.2 or newer (Debian: apt-get install qemu-system-ppc)"
        ),
        _ => format!("cannot start {program}: {error}"),
    })
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    // What cannot be read explains nothing; there is another error to report.
    let _ = file.rewind();
    let _ = file.take(LONGEST_CONSOLE).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).replace('\r', "")
}

/// The program, or what the user says it is.
pub fn program() -> OsString {
    std::env::var_os("CTXFUZZ_QEMU").unwrap_or_else(|| "qemu-system-ppc64".into())
}
