//! Events: an object with one key, the kind, whose value is the event's fields.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::access::AccessOp;
use crate::event::{ComputeOp, Event, FrameEdit, Interrupt, Pending, RegisterValues};
use crate::facility::Facility;
use crate::json::names::named;
use crate::json::number::U64;
use crate::json::object::{self, Object};
use crate::json::syscall::{CheckedSyscall, SyscallFields};
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

impl JsonSchema for Event {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Spelled::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Spelled::json_schema(generator)
    }
}
