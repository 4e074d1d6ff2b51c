//! Host calls, by the numbers that the guest has for them (docs/internals.md, section 2).

use super::capture::Observable;

macro_rules! calls {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $call:ident = $number:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $call = $number,)* }

        impl $name {
            /// The call with this number.
            pub fn of(number: u64) -> Option<Self> {
                match number {
                    $($number => Some($name::$call),)*
                    _ => None,
                }
            }

            /// All of them, by name.
            #[cfg(test)]
            pub const ALL: &[(&str, u64)] = &[$((stringify!($call), $number),)*];
        }
    };
}

calls! {
    /// Calls of user code, whose number is in r28.
    UserCall {
        /// An operation begins.
        Event = 1,
        /// The operation asks for an interrupt.
        Interrupt = 2,
        /// A signal handler begins.
        SignalHandler = 3,
        /// A task begins to run.
        TaskStarted = 4,
        /// A handler is about to return with `rt_sigreturn`.
        Sigreturn = 5,
        /// A task has dumped its final registers.
        Dumped = 6,
        /// No task of a real kernel can run.
        Idle = 7,
        /// The tracer of a real kernel has read a task's registers.
        AgentTraced = 8,
        /// `swapcontext` has returned.
        Context = 9,
        /// The next instruction accesses memory at an address that is not aligned.
        Alignment = 10,
    }
}

calls! {
    /// Calls of the model's kernel, whose number is in r3.
    KernelCall {
        /// Nothing is left to run.
        AllDone = 17,
        /// The kernel panics.
        Panic = 18,
        /// The tracer has read a task's registers.
        Traced = 19,
        /// A core dump has been written.
        Core = 20,
        /// A guest of KVM has been left.
        GuestLeft = 21,
    }
}

impl UserCall {
    /// Its number.
    pub fn number(self) -> u64 {
        self as u64
    }
}

impl KernelCall {
    /// What the kernel hands over with this call: registers of task r4, in the tracer's memory.
    pub fn captures(self) -> Option<Observable> {
        match self {
            KernelCall::Core => Some(Observable::CoreDump),
            KernelCall::GuestLeft => Some(Observable::Guest),
            _ => None,
        }
    }
}
