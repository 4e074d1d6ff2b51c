//! Kernels that differ in what nobody can see: whatever happens, happens on both at the same time.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_generators::rare_scenario;

/// One loads registers early, the other one not before they are used. Neither makes a difference to
/// when work comes that is to come in the middle of a call. (`repaired`, because some of what 6.1
/// is suspected of shows with late loads only.)
#[test]
fn work_comes_at_the_same_place_whoever_owns_the_registers() {
    let runner = |name: &str| {
        let name = name.parse().expect("it is a kernel");
        Runner::new(&name, Endian::Little).expect("it starts")
    };
    let (mut early, mut late) = (runner("repaired"), runner("repaired+restore-math-declines"));
    let apart = (0..1000).filter(|seed| {
        let scenario = rare_scenario(*seed);
        early.run(&scenario).log != late.run(&scenario).log
    });
    assert_eq!(apart.collect::<Vec<_>>(), [0; 0]);
}
