//! One kernel, one scenario: does `CTXFUZZ_KERNEL` (repaired) leave the registers of its tasks
//! alone?
#![no_main]

ctxfuzz_fuzz::scenario_target!(ctxfuzz_fuzz::transparency::Transparency);
