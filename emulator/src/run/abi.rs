//! Names for the numbers of the boundary between host and guest.
//!
//! The numbers stand in C and assembly (`emulator/model/include`, `emulator/agent/agent.h`), here
//! in `run`, and in docs/internals.md. The tests below hold the three to each other: none can move
//! alone.

/// Declares a module of constants, and for the tests the list of them.
macro_rules! numbers {
    ($(#[$about:meta])* $vis:vis mod $name:ident: $type:ty { $($(#[$doc:meta])* $constant:ident = $value:literal,)* }) => {
        $(#[$about])*
        $vis mod $name {
            $($(#[$doc])* pub const $constant: $type = $value;)*

            /// All of them, by name.
            #[cfg(test)]
            pub const ALL: &[(&str, u64)] = &[$((stringify!($constant), $value),)*];
        }
    };
}

pub(super) use numbers;

#[cfg(test)]
mod source;
#[cfg(test)]
mod tests;
