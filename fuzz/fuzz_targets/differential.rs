//! Two kernels, one scenario: `CTXFUZZ_A` (clobbering) against `CTXFUZZ_B` (fixed).
#![no_main]

use std::cell::RefCell;
use std::ptr::addr_of_mut;

use ctxfuzz_fuzz::differential::{COUNTERS, Differential};
use ctxfuzz_fuzz::{Input, frame, mutation};
use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target};

// libFuzzer reads whatever is in this section as coverage, and clears it before every run.
#[used]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static mut GUEST: [[u8; COUNTERS]; 2] = [[0; COUNTERS]; 2];

thread_local! {
    static KERNELS: RefCell<Differential> = RefCell::new(Differential::from_environment().unwrap_or_else(|error| {
        eprintln!("ctxfuzz: {error}");
        std::process::exit(2)
    }));
}

// A wrong kernel name ends the process here, before libFuzzer takes an exit for a crash.
fuzz_target!(init: KERNELS.with_borrow(|_| ()), |input: Input| {
    KERNELS.with_borrow_mut(|kernels| {
        let found = kernels.run(&input.0);
        // SAFETY: libFuzzer runs a target on one thread, and looks at the counters only between runs.
        kernels.cover(unsafe { &mut *addr_of_mut!(GUEST) });
        if let Some(signature) = found {
            frame::abort(&signature);
        }
    });
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutation::mutated(data, size, max_size, seed)
});

fuzz_crossover!(|first: &[u8], second: &[u8], out: &mut [u8], seed: u32| {
    mutation::crossed(first, second, out, seed)
});
