//! Enumerations that JSON spells as one word.
//!
//! Written by macro and not derived: messages then name the kind of thing and list the words, and
//! the schema is as strict as the reader (serde's derive also takes `{"fp": null}` for `"fp"`).

use std::borrow::Borrow;

use crate::access::AccessOp;
use crate::effect::Effect;
use crate::event::{ComputeOp, FpExceptions, FrameEdit, Interrupt, Via};
use crate::facility::Facility;
use crate::register::{self, Register};
use crate::scenario::{Abis, Endians, Verdict};
use crate::work::Work;

/// A word that names nothing of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}`: expected {expected}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
    expected: String,
}

/// `a`, `a or b`, `a, b or c`; or with another word for `or`.
pub(crate) fn listed<S: Borrow<str>>(names: &[S], word: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => only.borrow().to_owned(),
        [first @ .., last] => format!("{} {word} {}", first.join(", "), last.borrow()),
    }
}

/// Gives a field-less enum its words: `ALL`, `name`, `Display`, `FromStr`, serde and the schema.
macro_rules! named {
    ($type:ident, $what:literal, { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in declaration order.
            pub const ALL: &[$type] = &[$($type::$variant),+];

            /// The word for each of them.
            pub(crate) const NAMES: &[&str] = &[$($name),+];

            /// The word for it.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::json::names::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let found = $type::ALL.iter().find(|value| value.name() == name);
                found.copied().ok_or_else(|| $crate::json::names::unknown($what, name, $type::NAMES))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::json::names::word(deserializer, $what, || {
                    $crate::json::names::listed($type::NAMES, "or")
                })
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "description": concat!("A ", $what, "."), "type": "string", "enum": $type::NAMES })
            }
        }
    };
}
pub(crate) use named;

pub(crate) fn unknown(what: &'static str, name: &str, names: &[&str]) -> UnknownName {
    UnknownName {
        what,
        name: name.to_owned(),
        expected: listed(names, "or"),
    }
}

/// Reads a string and parses it, so that the error is at the string. `expected` lists the words.
pub(crate) fn word<'de, D, T>(
    deserializer: D,
    what: &'static str,
    expected: fn() -> String,
) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    struct Word<T>(&'static str, fn() -> String, std::marker::PhantomData<T>);

    impl<T: std::str::FromStr<Err: std::fmt::Display>> serde::de::Visitor<'_> for Word<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "the name of a {} ({})", self.0, self.1())
        }

        fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<T, E> {
            name.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Word(what, expected, std::marker::PhantomData))
}

named!(Effect, "kind of effect", {
    IoWorker = "io_worker",
    PageCopy = "page_copy",
    VmxCopy = "vmx_copy",
    Signal = "signal",
    Switch = "switch",
    Ptrace = "ptrace",
    Sleep = "sleep",
    Child = "child",
    Exec = "exec",
    CoreDump = "core_dump",
    Guest = "guest",
    Alignment = "alignment",
    KernelUse = "kernel_use",
    Softirq = "softirq",
    SystemReset = "system_reset",
    Hibernation = "hibernation",
});
named!(Work, "kind of work", {
    Switch = "switch",
    Signal = "signal",
    IoWorker = "io_worker",
    Fork = "fork",
    EnableKernel = "enable_kernel",
    KvmRun = "kvm_run",
    Exec = "exec",
    Softirq = "softirq",
    Emulation = "emulation",
    Hibernation = "hibernation",
});
named!(Facility, "facility", { Fp = "fp", Vmx = "vmx", Vsx = "vsx" });
named!(ComputeOp, "compute operation", {
    Fadd = "fadd", Fmul = "fmul", Fdiv = "fdiv", Fmr = "fmr", Xxlor = "xxlor", Xvadddp = "xvadddp", Vaddubs = "vaddubs", Vor = "vor",
});
named!(AccessOp, "load or store", { Lfd = "lfd", Stfd = "stfd", Lxvd2x = "lxvd2x", Stxvd2x = "stxvd2x", Lxsdx = "lxsdx", Stxsdx = "stxsdx" });
named!(Interrupt, "vector", { Decrementer = "decrementer", External = "external", Doorbell = "doorbell", DataStorage = "data_storage", SystemReset = "system_reset" });
named!(FrameEdit, "frame edit", { ClaimFacilities = "claim_facilities", DropVmx = "drop_vmx", DropVsx = "drop_vsx", ClaimExceptions = "claim_exceptions" });
named!(FpExceptions, "FP exception mode", { Disabled = "disabled", Nonrecoverable = "nonrecoverable", Async = "async", Precise = "precise" });
named!(Via, "system call instruction", { Sc = "sc", Scv = "scv" });
named!(Endians, "byte order", { Le = "le", Be = "be", Both = "both" });
named!(Abis, "ABI policy", { Elf = "elf", Linux = "linux", Both = "both" });
named!(Verdict, "verdict", { None = "none", Dead = "dead", Abi = "abi", Live = "live" });

impl serde::Serialize for Register {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Register {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, "register", || {
            listed(&register::names(), "or")
        })
    }
}

impl schemars::JsonSchema for Register {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Register".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "f<n>: doubleword 0 of VSR n; vs<n>: its doubleword 1; v<n>: VR n (n from 0 to 31); fpscr, vscr, vrsave.",
            "type": "string",
            "pattern": register::pattern(&Register::CLASSES)
        })
    }
}
