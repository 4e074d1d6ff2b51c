//! Reads what the kernel keeps of tasks in memory: `thread_struct` images and signal frames.

use super::capture::{Capture, Details, Observable, RED_ZONE, SIGFPE, SignalFrame};
use super::user;
use crate::arch::{Endian, RegisterFile};
use ctxfuzz_scenario::register::Register;

use crate::arch::msr;
use crate::kernel::image::{Layout, ModelLayout, ThreadLayout};
use crate::machine::View;
use crate::machine::address::AddressMap;
use crate::machine::memory::Memory;

/// `task_struct.state` of an entry that holds no task.
const FREE_SLOT: u64 = 0x1000;
/// Bytes of a `siginfo`.
const SIGINFO_SIZE: u64 = 128;
/// Index of MSR in `gp_regs` (PT_MSR).
pub(crate) const PT_MSR: u64 = 33;
/// Index of CTR (PT_CTR).
const PT_CTR: u64 = 35;
/// Quadword index of VSCR in the frame's VR area.
pub(crate) const FRAME_VSCR: u64 = 32;
/// Quadword index of VRSAVE.
pub(crate) const FRAME_VRSAVE: u64 = 33;
/// Quadword index where doubleword 1 of VSR 0-31 starts.
pub(crate) const FRAME_VSX: u64 = 34;

/// A quadword stored by `stvx`, doubleword 0 first.
fn quadword(memory: &Memory, pa: u64) -> [u64; 2] {
    doublewords(memory, memory.read_u64(pa), memory.read_u64(pa + 8))
}

/// The halves of a quadword in memory, doubleword 0 first.
pub(super) fn doublewords(memory: &Memory, first: u64, second: u64) -> [u64; 2] {
    match memory.endian() {
        Endian::Little => [second, first],
        Endian::Big => [first, second],
    }
}

/// A task the kernel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownTask {
    /// Effective address of its `task_struct`.
    pub address: u64,
    /// User index; `None` for a kernel thread.
    pub task: Option<u8>,
}

/// The tasks in the model's table.
pub fn model_tasks(memory: &Memory, map: &AddressMap, layout: &ModelLayout) -> Vec<KnownTask> {
    let Some(pool) = map.physical(layout.task_pool) else {
        return Vec::new();
    };
    (0..layout.max_tasks)
        .map(|slot| slot * layout.task_size)
        .filter(|at| memory.read_u64(pool + at + layout.task_state) != FREE_SLOT)
        .map(|at| KnownTask {
            address: layout.task_pool + at,
            task: u8::try_from(memory.read_u64(pool + at + layout.task_user_index)).ok(),
        })
        .collect()
}

/// The user index of the model's task at this address.
pub fn user_index(view: &View<'_>, layout: &ModelLayout, task: u64) -> Option<u8> {
    let index = view.follow(task.wrapping_add(layout.task_user_index));
    u8::try_from(index).ok()
}

/// The `thread_struct` image of a task.
pub fn thread(
    memory: &Memory,
    map: &AddressMap,
    layout: &Layout,
    known: KnownTask,
) -> Option<Capture> {
    let at = map.physical(known.address)? + layout.task_thread;
    let regs = memory.read_u64(at + layout.thread.regs);
    let msr = map
        .physical(regs)
        .filter(|_| regs != 0)
        .map_or(0, |pa| memory.read_u64(pa + layout.regs_msr));
    let mut registers = RegisterFile::default();
    for register in Register::all() {
        registers.set(
            register,
            image_register(memory, at, &layout.thread, register),
        );
    }
    let image = Capture::new(Observable::ThreadImage, known.task, registers);
    Some(image.with(Details::Thread { msr }))
}

/// One register in the `thread_struct` at a physical address.
///
/// VSRs and VRs are quadwords there; in both byte orders doubleword 0 of a VSR is where `TS_FPR`
/// looks for the FPR.
pub(crate) fn image_register(
    memory: &Memory,
    thread: u64,
    layout: &ThreadLayout,
    register: Register,
) -> u128 {
    let vsr = |n: u8| quadword(memory, thread + layout.fpr + 16 * u64::from(n));
    match register {
        Register::F(n) => vsr(n)[0].into(),
        Register::Vs(n) => vsr(n)[1].into(),
        Register::V(n) => {
            let [high, low] = quadword(memory, thread + layout.vr + 16 * u64::from(n));
            u128::from(high) << 64 | u128::from(low)
        }
        Register::Fpscr => memory.read_u64(thread + layout.fpscr).into(),
        Register::Vscr => (quadword(memory, thread + layout.vscr)[1] as u32).into(),
        Register::Vrsave => (memory.read_u64(thread + layout.vrsave) as u32).into(),
    }
}

/// The registers whose image a store at an offset into `thread_struct` touches.
pub(crate) fn registers_at(
    layout: &ThreadLayout,
    endian: Endian,
    offset: u64,
    size: u64,
) -> Vec<Register> {
    let mut touched = Vec::new();
    let mut place = |(start, len, unit): (u64, u64, u64),
                     register: &mut dyn FnMut(u64, &mut Vec<Register>)| {
        let (from, to) = (offset.max(start), (offset + size).min(start + len));
        if from < to {
            for n in (from - start) / unit..=(to - 1 - start) / unit {
                register(n, &mut touched);
            }
        }
    };
    place((layout.fpr, 512, 8), &mut |n, out| {
        let vsr = (n / 2) as u8;
        out.push(match (endian, n % 2) {
            (Endian::Big, 0) | (Endian::Little, 1) => Register::F(vsr),
            _ => Register::Vs(vsr),
        });
    });
    place((layout.vr, 512, 16), &mut |n, out| {
        out.push(Register::V(n as u8));
    });
    place((layout.fpscr, 8, 16), &mut |_, out| {
        out.push(Register::Fpscr)
    });
    place((layout.vscr, 16, 16), &mut |_, out| {
        out.push(Register::Vscr)
    });
    place((layout.vrsave, 8, 16), &mut |_, out| {
        out.push(Register::Vrsave)
    });
    touched
}

/// The context that `swapcontext` has saved at `uc`.
pub fn context(view: &View<'_>, layout: &Layout, task: u8, uc: u64) -> Capture {
    let (msr, registers) = stored(view, layout, uc);
    let context = SignalFrame {
        msr,
        signal: 0,
        code: 0,
        red_zone: None,
    };
    let capture = Capture::new(Observable::SignalFrame, Some(task), registers);
    capture.with(Details::Frame(context))
}

/// MSR and registers in the context at `uc`. The VMX area is read as `lvx` reads it, which takes
/// addresses for multiples of 16.
fn stored(view: &View<'_>, layout: &Layout, uc: u64) -> (u64, RegisterFile) {
    let msr = view.follow(uc.wrapping_add(layout.frame.gp_regs + 8 * PT_MSR));
    let mut registers = RegisterFile::default();
    let fp = uc.wrapping_add(layout.frame.fp_regs);
    for n in 0..32u64 {
        registers.vsr[n as usize][0] = view.follow(fp.wrapping_add(8 * n));
    }
    registers.fpscr = view.follow(fp.wrapping_add(8 * 32));
    let v_regs = view.follow(uc.wrapping_add(layout.frame.v_regs_pointer));
    if v_regs == 0 {
        return (msr, registers);
    }
    let v_regs = v_regs & !15;
    // A frame may cross pages, which lie anywhere.
    let word = |offset: u64| view.follow(v_regs.wrapping_add(offset));
    if msr & msr::VEC != 0 {
        for n in 0..32u64 {
            registers.vsr[32 + n as usize] =
                doublewords(view.memory, word(16 * n), word(16 * n + 8));
        }
        let at = 16 * FRAME_VSCR;
        registers.vscr = doublewords(view.memory, word(at), word(at + 8))[1] as u32;
    }
    registers.vrsave = match view.memory.endian() {
        Endian::Little => word(16 * FRAME_VRSAVE) as u32,
        Endian::Big => (word(16 * FRAME_VRSAVE) >> 32) as u32,
    };
    if msr & msr::VSX != 0 {
        for n in 0..32u64 {
            registers.vsr[n as usize][1] = word(16 * FRAME_VSX + 8 * n);
        }
    }
    (msr, registers)
}

/// Whether the frame of a handler that has just been entered interrupted another handler before its
/// first instruction: only there it still has its own address in CTR.
pub fn at_entry(view: &View<'_>, layout: &Layout) -> bool {
    let ctr = layout.frame.gp_regs + 8 * PT_CTR;
    view.follow(view.gpr(5).wrapping_add(ctr)) == user::SIGNAL_HANDLER
}

/// The frame of a handler that has just been entered: r3 is the signal, r4 its `siginfo`, the last
/// thing in the frame, and r5 the `ucontext`.
pub fn signal_frame(view: &View<'_>, layout: &Layout, task: u8) -> Capture {
    let (signal, info, uc) = (view.gpr(3) as u8, view.gpr(4), view.gpr(5));
    let interrupted_r1 = view.follow(uc.wrapping_add(layout.frame.gp_regs + 8));
    let left = interrupted_r1.wrapping_sub(info.wrapping_add(SIGINFO_SIZE));
    let code = match signal {
        // The first half of a doubleword.
        SIGFPE => match (view.memory.endian(), view.follow(info.wrapping_add(8))) {
            (Endian::Little, both) => both as i32,
            (Endian::Big, both) => (both >> 32) as i32,
        },
        _ => 0,
    };
    let (msr, registers) = stored(view, layout, uc);
    let frame = SignalFrame {
        msr,
        signal,
        code,
        red_zone: u16::try_from(left).ok().filter(|left| *left < RED_ZONE),
    };
    let capture = Capture::new(Observable::SignalFrame, Some(task), registers);
    capture.with(Details::Frame(frame))
}
