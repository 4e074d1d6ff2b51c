//! Events: an object with one key, the kind, whose value is the event's fields.
//!
//! Which events there are is in `event`; what a row of its table becomes is said here.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::event::RegisterValues;
use crate::json::names::listed;
use crate::json::registers;

/// Declares the events. A row says how its JSON is spelled in one of three ways:
///
/// ```text
/// /// A user instruction of the facility that changes no register.
/// Touch = "touch", value(facility: Facility as Facility);
///
/// /// User instructions that load every register of a facility with ...
/// Fill = "fill", object
///     /// Fields of a fill.
///     Fill {
///         /// Which registers.
///         facility: Facility,
///     };
///
/// /// A system call.
/// Syscall = "syscall", checked CheckedSyscall { call: Syscall, via: Via, pending: Pending };
/// ```
///
/// Each becomes a variant of `Event` (`Event::Touch(Facility)`, `Event::Fill { facility: .. }`), a
/// word of `Kind`, and a variant of `Spelled`, from which serde and schemars derive what is written
/// and the Schema, with the text above the row. The value of the key is
///
/// * `value`: one value, of a type that is spelled as another (often itself);
/// * `object`: a struct of that name, which the row declares; attributes of fields are for it only;
/// * `checked`: a struct with these fields that reads and checks itself.
///
/// `#[details = ".."]` after the text is for readers of the Rust documentation only.
macro_rules! events {
    ($(
        $(#[doc = $doc:tt])+
        $(#[details = $details:tt])?
        $event:ident = $name:literal,
        $(value($value:ident: $type:ty as $spelled:ty))?
        $(object
            $(#[doc = $object_doc:tt])+
            $(#[schemars($($object_schema:tt)*)])?
            $object:ident { $(
                $(#[doc = $about:tt])+
                $(#[serde($($serde:tt)*)])?
                $(#[schemars($($schema:tt)*)])?
                $field:ident: $field_type:ty,
            )+ }
        )?
        $(checked $checked:ident { $(
            $(#[doc = $part_about:tt])+
            $part:ident: $part_type:ty,
        )+ })?
    ;)+) => {
        /// One thing that happens.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Event {
            $(
                $(#[doc = $doc])+
                $(#[doc = ""] #[doc = $details])?
                $event
                    $(($type))?
                    $({ $($(#[doc = $about])+ $field: $field_type,)+ })?
                    $({ $($(#[doc = $part_about])+ $part: $part_type,)+ })?
                ,
            )+
        }

        /// The key.
        #[derive(Clone, Copy, PartialEq, Eq)]
        enum Kind {
            $($event,)+
        }

        $crate::json::names::named!(Kind, "event", { $($event = $name),+ });

        $($(
            $(#[doc = $object_doc])+
            #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            #[serde(deny_unknown_fields)]
            $(#[schemars($($object_schema)*)])?
            struct $object {
                $(
                    $(#[doc = $about])+
                    $(#[serde($($serde)*)])?
                    $(#[schemars($($schema)*)])?
                    $field: $field_type,
                )+
            }
        )?)+

        /// One thing that happens: an object with one key.
        #[derive(serde::Serialize, schemars::JsonSchema)]
        #[schemars(rename = "Event")]
        enum Spelled {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name)]
                $event($($spelled)? $($object)? $($checked)?),
            )+
        }

        impl From<Event> for Spelled {
            fn from(event: Event) -> Self {
                match event {
                    $(Event::$event $(($value))? $({ $($field),+ })? $({ $($part),+ })? => {
                        Spelled::$event(
                            $($value.into())?
                            $($object { $($field),+ })?
                            $($checked { $($part),+ })?
                        )
                    })+
                }
            }
        }

        impl Event {
            /// The key that JSON has for it.
            pub fn key(&self) -> &'static str {
                match self {
                    $(Event::$event { .. } => Kind::$event.name(),)+
                }
            }
        }

        impl $crate::json::events::Keyed for Event {
            const KEYS: &[&str] = Kind::NAMES;

            fn read<'de, A: serde::de::MapAccess<'de>>(
                map: &mut A,
            ) -> Result<Option<(Self, &'static str)>, A::Error> {
                let Some(kind) = map.next_key::<Kind>()? else {
                    return Ok(None);
                };
                let event = match kind {
                    $(Kind::$event => {
                        $(
                            let $value = map.next_value::<$spelled>()?;
                            Event::$event($value.into())
                        )?
                        $(
                            let object = $crate::json::object::Object::new();
                            let $object { $($field),+ } = map.next_value_seed(object)?;
                            Event::$event { $($field),+ }
                        )?
                        $(
                            let $checked { $($part),+ } = map.next_value()?;
                            Event::$event { $($part),+ }
                        )?
                    })+
                };
                Ok(Some((event, kind.name())))
            }
        }

        impl serde::Serialize for Event {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Spelled::from(self.clone()).serialize(serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for Event {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::json::events::keyed(deserializer)
            }
        }

        impl schemars::JsonSchema for Event {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                Spelled::schema_name()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                Spelled::json_schema(generator)
            }
        }
    };
}
pub(crate) use events;

/// What is an object with one key, which says what the value is.
pub(crate) trait Keyed: Sized {
    /// The keys there are.
    const KEYS: &[&str];

    /// Reads the first key and its value, and says which key it was; `None` if there is none.
    fn read<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<(Self, &'static str)>, A::Error>;
}

/// Reads an event, and no second one from the same object.
pub(crate) fn keyed<'de, D: Deserializer<'de>, T: Keyed>(deserializer: D) -> Result<T, D::Error> {
    struct KeyedVisitor<T>(PhantomData<T>);

    impl<'de, T: Keyed> Visitor<'de> for KeyedVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let keys = listed(T::KEYS, "or");
            write!(f, "an event: an object with one key ({keys})")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let Some((event, kind)) = T::read(&mut map)? else {
                return Err(A::Error::invalid_length(0, &self));
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

    deserializer.deserialize_map(KeyedVisitor(PhantomData))
}

// Register values that an event gives: at least one. (The Schema has no text for them.)
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Values(
    #[serde(with = "registers")]
    #[schemars(with = "registers::Values", extend("minProperties" = 1))]
    RegisterValues,
);

impl From<RegisterValues> for Values {
    fn from(values: RegisterValues) -> Self {
        Values(values)
    }
}

impl From<Values> for RegisterValues {
    fn from(Values(values): Values) -> Self {
        values
    }
}
