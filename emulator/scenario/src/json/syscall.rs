//! System calls in JSON: which arguments go with which call, and the same rules in the Schema.
//!
//! Which calls and arguments there are is in `calls`.

use std::cmp::Reverse;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::calls::{ARGUMENTS, Call, Syscall, SyscallFields};
use crate::event::{Pending, Via};
use crate::json::names::listed;
use crate::json::object;

impl SyscallFields {
    /// The call with its arguments, or what is wrong with them.
    fn checked(&self) -> Result<Syscall, String> {
        let call = self.call;
        let stray = |argument: &&str| !call.arguments().contains(argument);
        if let Some(argument) = self.given().find(stray) {
            let owners = listed(&names(&Call::taking(argument)), "and");
            return Err(format!(
                "`{argument}` goes with {owners} only, not with {call}"
            ));
        }
        self.arguments().map_err(|(argument, choices)| {
            format!("missing field `{argument}`: {call} needs {choices}")
        })
    }
}

/// A system call whose arguments go together. It checks itself while it is read, so that an error
/// has the place of the object.
pub(crate) struct CheckedSyscall {
    pub(crate) call: Syscall,
    pub(crate) via: Via,
    pub(crate) pending: Pending,
}

impl<'de> Deserialize<'de> for CheckedSyscall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields: SyscallFields = object::one(deserializer)?;
        Ok(CheckedSyscall {
            call: fields.checked().map_err(D::Error::custom)?,
            via: fields.via,
            pending: fields.pending,
        })
    }
}

impl Serialize for CheckedSyscall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SyscallFields::of(self.call, self.via, self.pending).serialize(serializer)
    }
}

impl JsonSchema for CheckedSyscall {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        SyscallFields::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SyscallFields::json_schema(generator)
    }
}

/// Which argument goes with which call, as JSON Schema says it: arguments that a call needs first,
/// then flags, those of the newest call first.
pub(crate) fn rules() -> Value {
    let (needed, flags): (Vec<_>, Vec<_>) = ARGUMENTS.iter().partition(|(_, needed)| *needed);
    let mut rules = Vec::new();
    for (argument, _) in needed {
        let calls = one_of(&Call::taking(argument));
        let then = json!({ "required": [argument] });
        rules.push(json!({ "if": calls, "then": then, "else": without(&[argument]) }));
    }
    let mut owners: Vec<Vec<Call>> = flags.iter().map(|(flag, _)| Call::taking(flag)).collect();
    owners.sort_by_key(|calls| Reverse(calls.first().map(|call| call.facts().decode)));
    owners.dedup();
    for owners in owners {
        let flags = flags.iter().map(|(flag, _)| *flag);
        let flags: Vec<&str> = flags.filter(|flag| Call::taking(flag) == owners).collect();
        rules.push(json!({ "if": one_of(&owners), "else": without(&flags) }));
    }
    Value::Array(rules)
}

/// The Schema of an object whose call is one of these.
fn one_of(calls: &[Call]) -> Value {
    json!({ "properties": { "call": { "enum": names(calls) } } })
}

/// The Schema of an object that has none of these arguments.
fn without(arguments: &[&str]) -> Value {
    let none = arguments
        .iter()
        .map(|argument| ((*argument).to_owned(), false.into()));
    json!({ "properties": none.collect::<Map<String, Value>>() })
}

fn names(calls: &[Call]) -> Vec<&'static str> {
    calls.iter().map(|call| call.name()).collect()
}
