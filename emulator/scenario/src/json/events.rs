//! Events: an object with one key, the kind, whose value is the event's fields.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::access::AccessOp;
use crate::event::{
    ComputeOp, Event, Facility, FpExceptions, FrameEdit, Interrupt, Pending, RegisterValues,
    Syscall, Via,
};
use crate::json::names::named;
use crate::json::number::U64;
use crate::json::object::{self, Object};
use crate::json::{optional, registers};

/// One thing that happens: an object with one key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Event")]
enum Spelled {
    /// User instructions that give registers values.
    Set(Values),
    /// User instructions that load every register of a facility with values made from a seed.
    Fill(Fill),
    /// One user computation.
    Compute(Compute),
    /// A load or store of user code that ends in an alignment interrupt.
    Access(Access),
    /// A user instruction of the facility that changes no register.
    Touch(Facility),
    /// A signal handler changes its frame; nothing happens outside a handler.
    EditFrame(FrameEdit),
    /// An interrupt between two user instructions.
    Interrupt(InterruptFields),
    /// A system call.
    Syscall(SyscallFields),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Set,
    Fill,
    Compute,
    Access,
    Touch,
    EditFrame,
    Interrupt,
    Syscall,
}

named!(Kind, "event", {
    Set = "set", Fill = "fill", Compute = "compute", Access = "access", Touch = "touch", EditFrame = "edit_frame", Interrupt = "interrupt", Syscall = "syscall",
});

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Values(
    #[serde(with = "registers")]
    #[schemars(with = "registers::Values", extend("minProperties" = 1))]
    RegisterValues,
);

/// Fields of a fill.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fill {
    /// Which registers.
    facility: Facility,
    /// Seed of the values; equal seeds give equal values.
    #[serde(
        serialize_with = "optional::write_pattern",
        deserialize_with = "optional::pattern"
    )]
    #[schemars(with = "U64")]
    pattern: u64,
}

/// Fields of a computation: `register <- op(register, next register)`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Compute {
    /// The instruction.
    op: ComputeOp,
    /// Index of the target: an FPR, VSR or VR as the instruction has it.
    #[serde(deserialize_with = "optional::register_index")]
    #[schemars(range(max = 31))]
    register: u8,
}

/// Fields of an access.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("if" = json!({ "properties": { "op": { "enum": ["lfd", "stfd"] } } }), "then" = json!({ "properties": { "register": { "maximum": 31 } } })))]
struct Access {
    /// The instruction.
    op: AccessOp,
    /// Which FPR (0 to 31) or VSR (0 to 63).
    #[serde(deserialize_with = "optional::vsr_index")]
    #[schemars(range(max = 63))]
    register: u8,
    /// What becomes pending while the kernel does the instruction's work.
    #[serde(
        default,
        skip_serializing_if = "Pending::is_none",
        deserialize_with = "object::one"
    )]
    pending: Pending,
}

/// Fields of an interrupt.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InterruptFields {
    /// Which one.
    vector: Interrupt,
    /// What is pending when its handler has run.
    #[serde(
        default,
        skip_serializing_if = "Pending::is_none",
        deserialize_with = "object::one"
    )]
    pending: Pending,
}

/// Fields of a system call.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = arguments()))]
struct SyscallFields {
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

    fn of(call: Syscall, via: Via, pending: Pending) -> Self {
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

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Event::Set(values) => Spelled::Set(Values(values.clone())),
            Event::Fill { facility, pattern } => Spelled::Fill(Fill {
                facility: *facility,
                pattern: *pattern,
            }),
            Event::Compute { op, register } => Spelled::Compute(Compute {
                op: *op,
                register: *register,
            }),
            Event::Access {
                op,
                register,
                pending,
            } => Spelled::Access(Access {
                op: *op,
                register: *register,
                pending: *pending,
            }),
            Event::Touch(facility) => Spelled::Touch(*facility),
            Event::EditFrame(edit) => Spelled::EditFrame(*edit),
            Event::Interrupt { vector, pending } => Spelled::Interrupt(InterruptFields {
                vector: *vector,
                pending: *pending,
            }),
            Event::Syscall { call, via, pending } => {
                Spelled::Syscall(SyscallFields::of(*call, *via, *pending))
            }
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EventVisitor;

        impl<'de> Visitor<'de> for EventVisitor {
            type Value = Event;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event: an object with one key (set, fill, compute, access, touch, edit_frame, interrupt or syscall)")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
                let Some(kind) = map.next_key::<Kind>()? else {
                    return Err(A::Error::invalid_length(0, &self));
                };
                let event = match kind {
                    Kind::Set => Event::Set(map.next_value::<Values>()?.0),
                    Kind::Fill => {
                        let Fill { facility, pattern } = map.next_value_seed(Object::new())?;
                        Event::Fill { facility, pattern }
                    }
                    Kind::Compute => {
                        let Compute { op, register } = map.next_value_seed(Object::new())?;
                        Event::Compute { op, register }
                    }
                    Kind::Access => {
                        let Access {
                            op,
                            register,
                            pending,
                        } = map.next_value_seed(Object::new())?;
                        Event::Access {
                            op,
                            register,
                            pending,
                        }
                    }
                    Kind::Touch => Event::Touch(map.next_value()?),
                    Kind::EditFrame => Event::EditFrame(map.next_value()?),
                    Kind::Interrupt => {
                        let InterruptFields { vector, pending } =
                            map.next_value_seed(Object::new())?;
                        Event::Interrupt { vector, pending }
                    }
                    Kind::Syscall => map.next_value::<CheckedSyscall>()?.0,
                };
                match map.next_key::<String>()? {
                    None => Ok(event),
                    Some(second) => {
                        map.next_value::<IgnoredAny>()?;
                        Err(A::Error::custom(format_args!(
                            "an event has one key, but `{second}` follows `{kind}`: write two events"
                        )))
                    }
                }
            }
        }

        deserializer.deserialize_map(EventVisitor)
    }
}

/// A system call whose arguments go together. A type of its own, so that an error has the place of the object.
struct CheckedSyscall(Event);

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

impl JsonSchema for Event {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Spelled::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Spelled::json_schema(generator)
    }
}
