//! System calls: which arguments go with which call, in JSON and in its Schema.

use schemars::JsonSchema;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::event::{Event, FpExceptions, Pending, Syscall, Via};
use crate::facility::Facility;
use crate::json::names::named;
use crate::json::{object, optional};

/// Fields of a system call.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = arguments()))]
pub(super) struct SyscallFields {
    /// Which one.
    call: Call,
    /// `clone` only: it fails after the task was duplicated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fail: bool,
    /// `read` and `write` only: how many; above 3328 the copy uses VMX.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::bytes"
    )]
    #[schemars(with = "u16", range(min = 1, max = 8192))]
    bytes: Option<u16>,
    /// `kill` only.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::signal"
    )]
    #[schemars(with = "optional::SignalNumber")]
    signal: Option<u8>,
    /// `enable_kernel` only: what the kernel uses.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::present"
    )]
    #[schemars(with = "Facility")]
    facility: Option<Facility>,
    /// `prctl` only: how FP exceptions are to be delivered.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::present"
    )]
    #[schemars(with = "FpExceptions")]
    fpexc: Option<FpExceptions>,
    /// `swapcontext` only: the size that is said has no room for doublewords 1 of VSR 0-31.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    small: bool,
    /// `swapcontext` only: the context's address is 8 more than a multiple of 16.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    misaligned: bool,
    /// `kvm_run` only: under KVM PR, not HV.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pr: bool,
    /// The instruction that makes the call.
    #[serde(default, skip_serializing_if = "is_sc")]
    via: Via,
    /// What becomes pending while it runs.
    #[serde(
        default,
        skip_serializing_if = "Pending::is_none",
        deserialize_with = "object::one"
    )]
    pending: Pending,
}

fn is_sc(via: &Via) -> bool {
    *via == Via::Sc
}

/// Which argument goes with which call, as JSON Schema says it.
fn arguments() -> serde_json::Value {
    let of = |calls: serde_json::Value| json!({ "properties": { "call": { "enum": calls } } });
    json!([
        { "if": of(json!(["read", "write"])), "then": { "required": ["bytes"] }, "else": { "properties": { "bytes": false } } },
        { "if": of(json!(["kill"])), "then": { "required": ["signal"] }, "else": { "properties": { "signal": false } } },
        { "if": of(json!(["enable_kernel"])), "then": { "required": ["facility"] }, "else": { "properties": { "facility": false } } },
        { "if": of(json!(["prctl"])), "then": { "required": ["fpexc"] }, "else": { "properties": { "fpexc": false } } },
        { "if": of(json!(["swapcontext"])), "else": { "properties": { "small": false, "misaligned": false } } },
        { "if": of(json!(["kvm_run"])), "else": { "properties": { "pr": false } } },
        { "if": of(json!(["clone"])), "else": { "properties": { "fail": false } } }
    ])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Getppid,
    SchedYield,
    Fork,
    Vfork,
    Clone,
    Read,
    Write,
    FutexWait,
    FutexWake,
    Kill,
    Prctl,
    Swapcontext,
    EnableKernel,
    KvmRun,
    Hibernate,
    RtSigreturn,
    Execve,
    Abort,
    Exit,
}

named!(Call, "system call", {
    Getppid = "getppid", SchedYield = "sched_yield", Fork = "fork", Vfork = "vfork", Clone = "clone", Read = "read",
    Write = "write", FutexWait = "futex_wait", FutexWake = "futex_wake", Kill = "kill", Prctl = "prctl", Swapcontext = "swapcontext", EnableKernel = "enable_kernel", KvmRun = "kvm_run", Hibernate = "hibernate", RtSigreturn = "rt_sigreturn",
    Execve = "execve", Abort = "abort", Exit = "exit",
});

impl SyscallFields {
    /// The call with its arguments, or what is wrong with them.
    fn call(&self) -> Result<Syscall, String> {
        let call = self.call;
        let stray = |argument: &str, owner: &str| {
            Err(format!(
                "`{argument}` goes with {owner} only, not with {call}"
            ))
        };
        if self.fail && call != Call::Clone {
            return stray("fail", "clone");
        }
        if self.bytes.is_some() && !matches!(call, Call::Read | Call::Write) {
            return stray("bytes", "read and write");
        }
        if self.signal.is_some() && call != Call::Kill {
            return stray("signal", "kill");
        }
        if self.facility.is_some() && call != Call::EnableKernel {
            return stray("facility", "enable_kernel");
        }
        if self.fpexc.is_some() && call != Call::Prctl {
            return stray("fpexc", "prctl");
        }
        if self.small && call != Call::Swapcontext {
            return stray("small", "swapcontext");
        }
        if self.misaligned && call != Call::Swapcontext {
            return stray("misaligned", "swapcontext");
        }
        if self.pr && call != Call::KvmRun {
            return stray("pr", "kvm_run");
        }
        let bytes = || {
            self.bytes
                .ok_or_else(|| format!("missing field `bytes`: {call} needs 1 to 8192"))
        };
        Ok(match call {
            Call::Getppid => Syscall::Getppid,
            Call::SchedYield => Syscall::SchedYield,
            Call::Fork => Syscall::Fork,
            Call::Vfork => Syscall::Vfork,
            Call::Clone => Syscall::Clone { fail: self.fail },
            Call::Read => Syscall::Read { bytes: bytes()? },
            Call::Write => Syscall::Write { bytes: bytes()? },
            Call::FutexWait => Syscall::FutexWait,
            Call::FutexWake => Syscall::FutexWake,
            Call::Kill => Syscall::Kill {
                signal: self
                    .signal
                    .ok_or("missing field `signal`: kill needs 10 or 12")?,
            },
            Call::EnableKernel => Syscall::EnableKernel {
                facility: self
                    .facility
                    .ok_or("missing field `facility`: enable_kernel needs fp, vmx or vsx")?,
            },
            Call::Prctl => Syscall::Prctl {
                fpexc: self.fpexc.ok_or(
                    "missing field `fpexc`: prctl needs disabled, nonrecoverable, async or precise",
                )?,
            },
            Call::Swapcontext => Syscall::Swapcontext {
                small: self.small,
                misaligned: self.misaligned,
            },
            Call::KvmRun => Syscall::KvmRun { pr: self.pr },
            Call::Hibernate => Syscall::Hibernate,
            Call::RtSigreturn => Syscall::RtSigreturn,
            Call::Execve => Syscall::Execve,
            Call::Abort => Syscall::Abort,
            Call::Exit => Syscall::Exit,
        })
    }

    pub(super) fn of(call: Syscall, via: Via, pending: Pending) -> Self {
        let plain = |call| SyscallFields {
            call,
            fail: false,
            bytes: None,
            signal: None,
            facility: None,
            fpexc: None,
            small: false,
            misaligned: false,
            pr: false,
            via,
            pending,
        };
        match call {
            Syscall::Getppid => plain(Call::Getppid),
            Syscall::SchedYield => plain(Call::SchedYield),
            Syscall::Fork => plain(Call::Fork),
            Syscall::Vfork => plain(Call::Vfork),
            Syscall::Clone { fail } => SyscallFields {
                fail,
                ..plain(Call::Clone)
            },
            Syscall::Read { bytes } => SyscallFields {
                bytes: Some(bytes),
                ..plain(Call::Read)
            },
            Syscall::Write { bytes } => SyscallFields {
                bytes: Some(bytes),
                ..plain(Call::Write)
            },
            Syscall::FutexWait => plain(Call::FutexWait),
            Syscall::FutexWake => plain(Call::FutexWake),
            Syscall::Kill { signal } => SyscallFields {
                signal: Some(signal),
                ..plain(Call::Kill)
            },
            Syscall::EnableKernel { facility } => SyscallFields {
                facility: Some(facility),
                ..plain(Call::EnableKernel)
            },
            Syscall::Prctl { fpexc } => SyscallFields {
                fpexc: Some(fpexc),
                ..plain(Call::Prctl)
            },
            Syscall::Swapcontext { small, misaligned } => SyscallFields {
                small,
                misaligned,
                ..plain(Call::Swapcontext)
            },
            Syscall::KvmRun { pr } => SyscallFields {
                pr,
                ..plain(Call::KvmRun)
            },
            Syscall::Hibernate => plain(Call::Hibernate),
            Syscall::Execve => plain(Call::Execve),
            Syscall::Abort => plain(Call::Abort),
            Syscall::RtSigreturn => plain(Call::RtSigreturn),
            Syscall::Exit => plain(Call::Exit),
        }
    }
}

impl Syscall {
    /// The call's name, as in `call`.
    pub fn name(&self) -> &'static str {
        SyscallFields::of(*self, Via::Sc, Pending::NONE).call.name()
    }
}

/// A system call whose arguments go together. A type of its own, so that an error has the place of the object.
pub(super) struct CheckedSyscall(pub(super) Event);

impl<'de> Deserialize<'de> for CheckedSyscall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields: SyscallFields = object::one(deserializer)?;
        let call = fields.call().map_err(D::Error::custom)?;
        Ok(CheckedSyscall(Event::Syscall {
            call,
            via: fields.via,
            pending: fields.pending,
        }))
    }
}
