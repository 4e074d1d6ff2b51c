//! What a row of the tables in `calls.rs` becomes.

/// Declares what JSON can give beside the name of a call. The row
///
/// ```text
/// /// `kill` only.
/// signal: u8,
/// ```
///
/// becomes the field `signal: Given<u8>` of `SyscallFields`, the JSON object of a system call,
/// with that text in the Schema, and the entry `("signal", true)` of `ARGUMENTS`: its name, and
/// whether the calls that take it need it.
macro_rules! arguments {
    ($($(#[doc = $doc:tt])+ $argument:ident: $type:ty,)+) => {
        /// Fields of a system call.
        #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("allOf" = $crate::json::syscall::rules()))]
        pub(crate) struct SyscallFields {
            /// Which one.
            pub(crate) call: Call,
            $(
                $(#[doc = $doc])+
                #[serde(default, skip_serializing_if = "argument::Given::is_left_out")]
                pub(crate) $argument: argument::Given<$type>,
            )+
            /// The instruction that makes the call.
            #[serde(default, skip_serializing_if = "crate::event::Via::is_sc")]
            pub(crate) via: $crate::event::Via,
            /// What becomes pending while it runs.
            #[serde(
                default,
                skip_serializing_if = "crate::event::Pending::is_none",
                deserialize_with = "crate::json::object::one"
            )]
            pub(crate) pending: $crate::event::Pending,
        }

        /// The arguments by name, and whether the calls that take one need it.
        pub(crate) const ARGUMENTS: &[(&str, bool)] =
            &[$((stringify!($argument), <$type as Argument>::LEFT_OUT.is_none())),+];

        impl SyscallFields {
            /// A call without arguments.
            pub(crate) fn plain(
                call: Call,
                via: $crate::event::Via,
                pending: $crate::event::Pending,
            ) -> Self {
                SyscallFields { call, $($argument: Default::default(),)+ via, pending }
            }

            /// The names of the arguments that the file has.
            pub(crate) fn given(&self) -> impl Iterator<Item = &'static str> {
                let given = [$((stringify!($argument), !self.$argument.is_left_out())),+];
                given.into_iter().filter_map(|(name, given)| given.then_some(name))
            }
        }
    };
}

/// Declares the calls. The row
///
/// ```text
/// /// `kill(getpid(), signal)`.
/// Kill {
///     /// 10 (SIGUSR1) or 12 (SIGUSR2).
///     signal: u8,
/// } = "kill" {
///     words: format!("kill itself with {}", signal_name(signal)),
///     decode: 9,
///     weight: 5,
/// }
/// ```
///
/// becomes
///
/// * `Syscall::Kill { signal: u8 }`, the call with its arguments;
/// * `Call::Kill`, the call alone, which JSON and its Schema name "kill";
/// * `Call::Kill.facts()`: `CallFacts { decode: 9, weight: 5, ..CallFacts::NONE }`;
/// * an arm in each method below: arguments are read, written, drawn and weighed one by one, as
///   `Argument` has it for their types;
/// * `words` in `Syscall::words`, where the arguments have their names.
macro_rules! calls {
    ($(
        $(#[doc = $doc:tt])+
        $call:ident $({ $($(#[doc = $about:tt])+ $argument:ident: $type:ty,)+ })? = $name:literal {
            words: $words:expr,
            $($fact:ident: $value:expr,)*
        }
    )+) => {
        /// System calls the user side can make.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Syscall {
            $($(#[doc = $doc])+ $call $({ $($(#[doc = $about])+ $argument: $type,)+ })?,)+
        }

        /// System calls without their arguments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Call {
            $($(#[doc = $doc])+ $call,)+
        }

        $crate::json::names::named!(Call, "system call", { $($call = $name),+ });

        impl Call {
            /// What is known of the call.
            pub fn facts(self) -> &'static CallFacts {
                match self {
                    $(Call::$call => {
                        const FACTS: CallFacts = CallFacts { $($fact: $value,)* ..CallFacts::NONE };
                        &FACTS
                    })+
                }
            }

            /// The names of its arguments.
            pub fn arguments(self) -> &'static [&'static str] {
                match self {
                    $(Call::$call => &[$($(stringify!($argument)),+)?],)+
                }
            }

            /// The call with arguments that `draw` makes up, in the order of the row.
            pub fn draw(self, draw: &mut impl Draw) -> Syscall {
                match self {
                    $(Call::$call => Syscall::$call {
                        $($($argument: <$type as Argument>::draw(draw)),+)?
                    },)+
                }
            }
        }

        impl Syscall {
            /// The call without its arguments.
            pub fn call(&self) -> Call {
                match self {
                    $(Syscall::$call { .. } => Call::$call,)+
                }
            }

            /// What people are told, without a full stop.
            pub(crate) fn words(&self) -> String {
                match *self {
                    $(Syscall::$call { $($($argument),+)? } => String::from($words),)+
                }
            }

            /// How much a reader has to take in.
            pub fn weight(&self) -> u64 {
                self.facts().weight + match *self {
                    $(Syscall::$call { $($($argument),+)? } => {
                        0 $($(+ Argument::weight($argument))+)?
                    })+
                }
            }
        }

        impl SyscallFields {
            /// A call as JSON has it.
            pub(crate) fn of(
                call: Syscall,
                via: $crate::event::Via,
                pending: $crate::event::Pending,
            ) -> Self {
                let plain = SyscallFields::plain(call.call(), via, pending);
                match call {
                    $(Syscall::$call { $($($argument),+)? } => SyscallFields {
                        $($($argument: argument::Given::of($argument),)+)?
                        ..plain
                    },)+
                }
            }

            /// The call with its arguments; if one is missing, its name and what it can be.
            pub(crate) fn arguments(&self) -> Result<Syscall, (&'static str, String)> {
                Ok(match self.call {
                    $(Call::$call => Syscall::$call {
                        $($($argument: self.$argument.get()
                            .map_err(|choices| (stringify!($argument), choices))?,)+)?
                    },)+
                })
            }
        }
    };
}

pub(super) use {arguments, calls};
