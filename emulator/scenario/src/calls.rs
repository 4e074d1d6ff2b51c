//! The system calls of the scenario language: one row an argument, and one row a call.
//!
//! A row is everything that is known of a call in general: its type, its name and arguments in
//! JSON and in the Schema, its words for people, the number that bytes decode to, and what the
//! buckets, the minimizer, the generators and the effects need of it. A call is added here, and
//! then where it is done: its number and registers in the emulator's `run/user/compile.rs`, its
//! path in the kernel model. docs/adding-an-event.md has the steps.
//!
//! What one row becomes is written above the macros in `calls/declare.rs`.

pub(crate) mod argument;
mod declare;
mod facts;
#[cfg(test)]
mod tests;

use argument::Argument;
use declare::{arguments, calls};
pub use facts::{CallFacts, Draw};

use crate::describe::{shown, signal_name};
use crate::effect::Effect;
use crate::event::FpExceptions;
use crate::facility::Facility;
use crate::work::Work;

// Each argument that some call has, in the order in which JSON has them, with the text of the
// Schema. It begins with the calls that take the argument.
arguments! {
    /// `clone` only: it fails after the task was duplicated.
    fail: bool,
    /// `read` and `write` only: how many; above 3328 the copy uses VMX.
    bytes: u16,
    /// `kill` only.
    signal: u8,
    /// `enable_kernel` only: what the kernel uses.
    facility: Facility,
    /// `prctl` only: how FP exceptions are to be delivered.
    fpexc: FpExceptions,
    /// `swapcontext` only: the size that is said has no room for doublewords 1 of VSR 0-31.
    small: bool,
    /// `swapcontext` only: the context's address is 8 more than a multiple of 16.
    misaligned: bool,
    /// `kvm_run` only: under KVM PR, not HV.
    pr: bool,
}

// Each call, in the order in which JSON has the names. A fact that a row leaves out is that of
// `CallFacts::NONE`.
calls! {
    /// `getppid`.
    Getppid = "getppid" {
        words: "getppid",
        decode: 0,
        common: 1,
    }

    /// `sched_yield`.
    SchedYield = "sched_yield" {
        words: "sched_yield",
        decode: 1,
        weight: 1,
        work: Some(Work::Switch),
        sleeps: true,
        others_run_first: true,
        common: 2,
    }

    /// `fork`.
    Fork = "fork" {
        words: "fork",
        decode: 2,
        weight: 5,
        work: Some(Work::Fork),
        common: 3,
    }

    /// `vfork`: the parent sleeps until the child is gone.
    Vfork = "vfork" {
        words: "vfork",
        decode: 3,
        weight: 6,
        work: Some(Work::Fork),
        others_run_first: true,
        common: 1,
    }

    /// `clone`; with `fail` it fails after the task was duplicated (a limit is hit).
    Clone {
        /// Whether it fails late.
        fail: bool,
    } = "clone" {
        words: match fail {
            true => "clone that fails after the task was duplicated",
            false => "clone",
        },
        decode: 4,
        weight: 7,
        work: Some(Work::Fork),
        common: 2,
        common_with_flags: 1,
    }

    /// `read` from an empty pipe blocks; above 3328 bytes the copy uses VMX.
    Read {
        /// Bytes asked for, 1..=8192.
        bytes: u16,
    } = "read" {
        words: format!("read {bytes} bytes from the pipe"),
        decode: 5,
        weight: 5,
        work: Some(Work::Switch),
        sleeps: true,
        common: 2,
    }

    /// `write` to the pipe, which wakes a reader.
    Write {
        /// Bytes written, 1..=8192.
        bytes: u16,
    } = "write" {
        words: format!("write {bytes} bytes to the pipe"),
        decode: 6,
        weight: 5,
        sleeps: true,
        common: 2,
    }

    /// `futex` FUTEX_WAIT: sleeps.
    FutexWait = "futex_wait" {
        words: "futex_wait",
        decode: 7,
        weight: 4,
        work: Some(Work::Switch),
        sleeps: true,
        common: 1,
    }

    /// `futex` FUTEX_WAKE.
    FutexWake = "futex_wake" {
        words: "futex_wake",
        decode: 8,
        weight: 3,
        common: 1,
    }

    /// `kill(getpid(), signal)`.
    Kill {
        /// 10 (SIGUSR1) or 12 (SIGUSR2).
        signal: u8,
    } = "kill" {
        words: format!("kill itself with {}", signal_name(signal)),
        decode: 9,
        weight: 5,
        work: Some(Work::Signal),
        common: 2,
    }

    /// `prctl(PR_SET_FPEXC)`.
    Prctl {
        /// The new mode.
        fpexc: FpExceptions,
    } = "prctl" {
        words: format!("prctl that makes FP exceptions {fpexc}"),
        decode: 13,
        weight: 4,
        rare: 2..4,
    }

    /// `swapcontext(context, context)`: the kernel saves a context and restores it from where it
    /// has put it.
    Swapcontext {
        /// The size that the call is told has no room for doublewords 1 of VSR 0-31: they are zero
        /// afterwards.
        small: bool,
        /// The context's address is 8 more than a multiple of 16.
        misaligned: bool,
    } = "swapcontext" {
        words: match (small, misaligned) {
            (false, false) => "swapcontext",
            (true, false) => "swapcontext without room for VSX",
            (false, true) => "swapcontext at a misaligned address",
            (true, true) => "swapcontext without room for VSX at a misaligned address",
        },
        decode: 14,
        weight: 4,
        work: Some(Work::Signal),
        rare: 6..8,
        rare_flags: 3,
    }

    /// Not a call of Linux: one during which the kernel uses the facility itself, between
    /// `enable_kernel_fp` (`_altivec`, `_vsx`) and `disable_kernel_fp`, as its crypto, RAID and
    /// display code do.
    EnableKernel {
        /// Which one.
        facility: Facility,
    } = "enable_kernel" {
        words: format!("a call in which the kernel uses {}", shown(facility)),
        decode: 11,
        weight: 3,
        work: Some(Work::EnableKernel),
        effect: Some(Effect::KernelUse),
        common: 1,
    }

    /// `ioctl(vcpu, KVM_RUN)`: a guest runs, changes every register, and is left.
    KvmRun {
        /// Under a hypervisor that is a program like others (KVM PR), so that the guest's registers
        /// are given up as if they were the task's. Otherwise KVM HV.
        pr: bool,
    } = "kvm_run" {
        words: match pr {
            true => "a guest runs under KVM PR (KVM_RUN)",
            false => "a guest runs (KVM_RUN)",
        },
        decode: 12,
        weight: 4,
        work: Some(Work::KvmRun),
        effect: Some(Effect::Guest),
        common: 1,
        rare: 12..13,
        rare_flags: 1,
    }

    /// `disk` to `/sys/power/state`: the machine is suspended to disk, and goes on after another
    /// boot.
    Hibernate = "hibernate" {
        words: "the machine is suspended to disk and resumed",
        decode: 17,
        weight: 4,
        work: Some(Work::Hibernation),
        effect: Some(Effect::Hibernation),
        rare: 13..14,
    }

    /// `rt_sigreturn`; nothing happens outside a handler.
    RtSigreturn = "rt_sigreturn" {
        words: "rt_sigreturn",
        decode: 10,
        weight: 2,
        work: Some(Work::Signal),
        common: 3,
    }

    /// `execve`: the task starts again as a new program, with nothing in its registers.
    Execve = "execve" {
        words: "execve",
        decode: 15,
        weight: 4,
        work: Some(Work::Exec),
        effect: Some(Effect::Exec),
        ends_program: true,
        rare: 8..9,
    }

    /// `kill(getpid(), SIGABRT)`, for which there is no handler: the kernel writes a core dump, and
    /// the task is gone.
    Abort = "abort" {
        words: "abort, with a core dump",
        decode: 16,
        weight: 5,
        work: Some(Work::Signal),
        effect: Some(Effect::CoreDump),
        ends_program: true,
        rare: 17..18,
    }

    /// `exit`.
    Exit = "exit" {
        words: "exit",
        decode: 18,
        weight: 2,
        ends_program: true,
        common: 1,
    }
}

impl Call {
    /// The call that this number is decoded to (see [`CallFacts::decode`]).
    pub fn decoded(number: usize) -> Option<Call> {
        let mut calls = Call::ALL.iter().copied();
        calls.find(|call| call.facts().decode == number)
    }

    /// Every call in the order of the numbers that bytes decode to.
    pub fn numbered() -> impl Iterator<Item = Call> {
        (0..Call::ALL.len()).filter_map(Call::decoded)
    }

    /// See [`Syscall::can_be_traced`].
    pub(crate) fn can_be_traced(self) -> bool {
        let facts = self.facts();
        !facts.ends_program && !facts.others_run_first
    }

    /// The calls that take this argument.
    pub(crate) fn taking(argument: &str) -> Vec<Call> {
        let calls = Call::ALL.iter().copied();
        calls
            .filter(|call| call.arguments().contains(&argument))
            .collect()
    }
}

impl Syscall {
    /// The call's name, as in `call`.
    pub fn name(&self) -> &'static str {
        self.call().name()
    }

    /// What is known of the call whatever its arguments.
    pub fn facts(&self) -> &'static CallFacts {
        self.call().facts()
    }

    /// Whether a tracer that waits for the task gets it before others run.
    pub fn can_be_traced(&self) -> bool {
        self.call().can_be_traced()
    }
}
