//! Whose fault it is when a host call makes no sense.

use super::*;
use crate::arch::{Endian, msr};
use crate::kernel::image::KernelImage;
use crate::machine::address::{AddressMap, ModelMap, USER_DATA, USER_TEXT};
use crate::machine::memory::{MODEL_SIZE, Memory};
use crate::machine::{MadeUp, Stop};
use crate::run::end;
use crate::run::outcome::End;

/// A control block, and an operation, that the compiler could have made.
const BLOCK: u64 = USER_DATA + 0x1000;
const OPERATION: u64 = USER_DATA + 0x8000;

/// How a run of the model ends with a host call at `pc`, with these registers.
fn ends(pc: u64, msr: u64, gprs: &[(usize, u64)], words: &[(u64, u64)]) -> End {
    let name = "fixed".parse().expect("it is a kernel");
    let image = KernelImage::load(&name, Endian::Big).expect("it is built in");
    let memory = Memory::new(Endian::Big, MODEL_SIZE);
    let map = AddressMap::Model(ModelMap {
        kernel_read_only_end: 0,
    });
    for (ea, word) in words {
        memory.write_u64(map.physical(*ea).expect("it is user data"), *word);
    }
    let mut processor = MadeUp::default();
    for (n, value) in gprs {
        processor.gprs[*n] = *value;
    }
    let mut host = RunHost::new(image.layout, None);
    let reply = host.host_call(&processor.view(pc, msr, &memory, &map));
    assert_eq!(reply, Reply::Stop);
    end(Stop::Host, host.guest_end)
}

fn user(gprs: &[(usize, u64)], words: &[(u64, u64)]) -> End {
    ends(USER_TEXT, msr::PR, gprs, words)
}

fn is_ours(end: &End) -> bool {
    matches!(end, End::EmulatorFault(what) if !what.is_empty())
}

fn is_the_kernels(end: &End) -> bool {
    matches!(end, End::KernelFault(what) if !what.is_empty())
}

#[test]
fn what_only_our_own_code_can_get_wrong_is_no_kernels_fault() {
    let end = ends(KERNEL + 0x9000, 0, &[(3, 99)], &[]);
    assert!(is_ours(&end), "the model's kernel has no call 99: {end:?}");
    let end = user(&[(28, call::IDLE)], &[]);
    assert!(is_ours(&end), "the model's program is never idle: {end:?}");
    let interrupt = 13 << 32;
    let end = user(
        &[(28, call::INTERRUPT), (29, OPERATION), (30, BLOCK)],
        &[(OPERATION, interrupt), (OPERATION + 8, 0x1234)],
    );
    assert!(is_ours(&end), "the compiler knows its vectors: {end:?}");
}

#[test]
fn what_a_kernel_can_do_wrong_is_its_fault() {
    let end = user(&[(28, call::EVENT), (30, 0x1234)], &[]);
    assert!(is_the_kernels(&end), "r30 is lost: {end:?}");
    for number in [call::EVENT, call::INTERRUPT] {
        let end = user(&[(28, number), (29, 0x1234), (30, BLOCK)], &[]);
        assert!(is_the_kernels(&end), "r29 is lost: {end:?}");
    }
    let end = user(&[(28, 99), (30, BLOCK)], &[]);
    assert!(is_the_kernels(&end), "r28 is lost: {end:?}");
    let end = user(
        &[(28, call::INTERRUPT), (29, OPERATION), (30, BLOCK)],
        &[(OPERATION, 0), (OPERATION + 8, 0x1234)],
    );
    assert!(is_the_kernels(&end), "r29 is elsewhere: {end:?}");
    let end = ends(USER_TEXT, 0, &[(3, 99)], &[]);
    assert!(
        is_the_kernels(&end),
        "user code runs in privileged state: {end:?}"
    );
}
