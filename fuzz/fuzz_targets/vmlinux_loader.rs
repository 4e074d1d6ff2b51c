//! The reader of kernel files against hostile bytes: no panic, no hang, and no more memory than the
//! file's size accounts for.
#![no_main]

use ctxfuzz_fuzz::{Bytes, loader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: Bytes<'_>| {
    loader::read(file.0);
});
