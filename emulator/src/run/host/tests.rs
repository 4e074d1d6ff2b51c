//! Whose fault it is when a host call makes no sense.

use super::*;
use crate::arch::{Endian, msr};
use crate::kernel::functions::Functions;
use crate::kernel::image::KernelImage;
use crate::machine::address::{AddressMap, KERNEL, ModelMap, USER_DATA, USER_TEXT};
use crate::machine::memory::{MODEL_SIZE, Memory};
use crate::machine::{MadeUp, Stop};
use crate::run::end;
use crate::run::outcome::End;
use crate::run::platform::Model;
use crate::run::user::kind;

/// A control block, and the first operation.
const BLOCK: u64 = USER_DATA + 0x1000;
const OPERATION: u64 = USER_DATA + 0x1_0000;
/// Numbers that no call has, and an interrupt that there is not.
const NO_CALL: u64 = 99;
const NO_INTERRUPT: u64 = 0x1234;

/// An operation of this kind whose first argument is no interrupt.
fn operation(kind: u32) -> Operation {
    Operation {
        kind,
        arguments: [NO_INTERRUPT, 0, 0, 0, 0, 0],
        ..Operation::END
    }
}

/// How a run of the model ends with a host call at `pc`, with these registers.
fn ends(pc: u64, msr: u64, gprs: &[(usize, u64)], operations: &[Operation]) -> End {
    let name = "fixed".parse().expect("it is a kernel");
    let image = KernelImage::load(&name, Endian::Big).expect("it is built in");
    let memory = Memory::new(Endian::Big, MODEL_SIZE);
    let map = AddressMap::Model(ModelMap {
        kernel_read_only_end: 0,
    });
    let mut processor = MadeUp::default();
    for (n, value) in gprs {
        processor.gprs[*n] = *value;
    }
    let mut host = RunHost::new(
        image.layout,
        Box::new(Model::new(image.model, Functions::new(&name, Endian::Big))),
    );
    host.operations = operations.into();
    let reply = host.host_call(&processor.view(pc, msr, &memory, &map));
    assert_eq!(reply, Reply::Stop);
    end(Stop::Host, host.guest_end)
}

fn user(gprs: &[(usize, u64)], operations: &[Operation]) -> End {
    ends(USER_TEXT, msr::PR, gprs, operations)
}

fn is_ours(end: &End) -> bool {
    matches!(end, End::EmulatorFault(what) if !what.is_empty())
}

fn is_the_kernels(end: &End) -> bool {
    matches!(end, End::KernelFault(what) if !what.is_empty())
}

#[test]
fn what_only_our_own_code_can_get_wrong_is_no_kernels_fault() {
    let end = ends(KERNEL + 0x9000, 0, &[(3, NO_CALL)], &[]);
    assert!(is_ours(&end), "the model's kernel has no call 99: {end:?}");
    let end = user(&[(28, UserCall::Idle.number())], &[]);
    assert!(is_ours(&end), "the model's program is never idle: {end:?}");
    let end = user(
        &[
            (28, UserCall::Interrupt.number()),
            (29, OPERATION),
            (30, BLOCK),
        ],
        &[operation(kind::INTERRUPT)],
    );
    assert!(is_ours(&end), "the compiler knows its vectors: {end:?}");
}

#[test]
fn what_a_kernel_can_do_wrong_is_its_fault() {
    let end = user(&[(28, UserCall::Event.number()), (30, 0x1234)], &[]);
    assert!(is_the_kernels(&end), "r30 is lost: {end:?}");
    for number in [UserCall::Event.number(), UserCall::Interrupt.number()] {
        let end = user(&[(28, number), (29, 0x1234), (30, BLOCK)], &[]);
        assert!(is_the_kernels(&end), "r29 is lost: {end:?}");
    }
    let end = user(&[(28, NO_CALL), (30, BLOCK)], &[]);
    assert!(is_the_kernels(&end), "r28 is lost: {end:?}");
    let end = user(
        &[
            (28, UserCall::Interrupt.number()),
            (29, OPERATION),
            (30, BLOCK),
        ],
        &[operation(kind::SYSCALL)],
    );
    assert!(is_the_kernels(&end), "r29 is elsewhere: {end:?}");
    let end = ends(USER_TEXT, 0, &[(3, NO_CALL)], &[]);
    assert!(
        is_the_kernels(&end),
        "user code runs in privileged state: {end:?}"
    );
}
