//! One kernel, one scenario: does `CTXFUZZ_KERNEL` (repaired) leave the registers of its tasks alone?
#![no_main]

use std::cell::RefCell;

use ctxfuzz_fuzz::transparency::Transparency;
use ctxfuzz_fuzz::{Input, environment, frame, mutation};
use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target};

thread_local! {
    static ORACLE: RefCell<Transparency> = RefCell::new(environment::or_exit(Transparency::from_environment()));
}

// A wrong kernel name ends the process here, before libFuzzer takes an exit for a crash.
fuzz_target!(init: ORACLE.with_borrow(|_| ()), |input: Input| {
    if let Some(signature) = ORACLE.with_borrow_mut(|oracle| oracle.run(&input.0)) {
        frame::abort(&signature);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutation::mutated(data, size, max_size, seed)
});

fuzz_crossover!(|first: &[u8], second: &[u8], out: &mut [u8], seed: u32| {
    mutation::crossed(first, second, out, seed)
});
