//! Two kernels, one scenario: `CTXFUZZ_A` (clobbering) against `CTXFUZZ_B` (fixed).
#![no_main]

ctxfuzz_fuzz::scenario_target!(ctxfuzz_fuzz::differential::Differential);
