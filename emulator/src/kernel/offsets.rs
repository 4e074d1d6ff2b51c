//! Where a real kernel keeps FP state: structure offsets read off its own code, so that no debug
//! information is needed.
//!
//! `load_up_fpu`, `load_up_altivec`, `save_fpu` and `save_altivec` (arch/powerpc/kernel/fpu.S,
//! vector.S) are assembly: they have had the same shape from 3.x on.

use super::image::{FrameLayout, Layout, ThreadLayout};

/// `pt_regs.msr`; fixed by the ABI (arch/powerpc/include/uapi/asm/ptrace.h).
const PT_REGS_MSR: u64 = 264;
/// `ucontext.uc_mcontext.gp_regs`, `fp_regs` and `v_regs`; fixed by the ABI (uapi/asm/sigcontext.h,
/// ucontext.h).
const FRAME: FrameLayout = FrameLayout {
    gp_regs: 232,
    fp_regs: 616,
    v_regs_pointer: 880,
};
/// Instructions of a function's beginning that are looked at.
const LOOK: u64 = 64;

/// A function does not look as expected: its name, and what was not found in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read structure offsets off this kernel: {missing} not found in {function}")]
pub struct Unreadable {
    function: &'static str,
    missing: &'static str,
}

/// A D- or DS-form instruction: primary opcode, RT, RA, displacement.
#[derive(Clone, Copy)]
struct Form {
    primary: u32,
    rt: u32,
    ra: u32,
    displacement: u64,
}

const ADDI: u32 = 14;
const STB: u32 = 38;
const LFD: u32 = 50;
const LD: u32 = 58;

fn form(word: u32) -> Form {
    let primary = word >> 26;
    let mask = if primary == LD { 0xfffc } else { 0xffff };
    Form {
        primary,
        rt: word >> 21 & 31,
        ra: word >> 16 & 31,
        displacement: u64::from(word & mask),
    }
}

struct Function {
    name: &'static str,
    words: Vec<Form>,
}

impl Function {
    /// The n-th instruction with this opcode and RA.
    fn nth(
        &self,
        n: usize,
        primary: u32,
        ra: u32,
        missing: &'static str,
    ) -> Result<Form, Unreadable> {
        self.words
            .iter()
            .filter(|f| f.primary == primary && f.ra == ra)
            .nth(n)
            .copied()
            .ok_or(Unreadable {
                function: self.name,
                missing,
            })
    }
}

/// The layout of a kernel with these symbols and instructions. `paca` is its address.
pub fn read(
    address: impl Fn(&str) -> Option<u64>,
    word: impl Fn(u64) -> u32,
    paca: u64,
) -> Result<Layout, Unreadable> {
    let function = |name: &'static str| -> Result<Function, Unreadable> {
        let start = address(name).ok_or(Unreadable {
            function: name,
            missing: "the function",
        })?;
        Ok(Function {
            name,
            words: (0..LOOK).map(|i| form(word(start + 4 * i))).collect(),
        })
    };
    let load_fpu = function("load_up_fpu")?;
    let current = load_fpu.nth(0, LD, 13, "the load of paca->__current")?;
    let thread = load_fpu.nth(0, ADDI, current.rt, "task_struct.thread")?;
    let fp_state = load_fpu.nth(0, ADDI, thread.rt, "thread_struct.fp_state")?;
    let fpscr = load_fpu.nth(0, LFD, fp_state.rt, "thread_fp_state.fpscr")?;
    let load_fp = load_fpu.nth(0, STB, thread.rt, "thread_struct.load_fp")?;
    let load_altivec = function("load_up_altivec")?;
    let current_again = load_altivec.nth(0, LD, 13, "the load of paca->__current")?;
    let thread_again = load_altivec.nth(0, ADDI, current_again.rt, "task_struct.thread")?;
    let vr_state = load_altivec.nth(0, ADDI, thread_again.rt, "thread_struct.vr_state")?;
    let load_vec = load_altivec.nth(0, STB, thread_again.rt, "thread_struct.load_vec")?;
    let save_fpu = function("save_fpu")?;
    let regs = save_fpu.nth(1, LD, 3, "thread_struct.regs")?;
    let save_altivec = function("save_altivec")?;
    let vr_save_area = save_altivec.nth(0, LD, 3, "thread_struct.vr_save_area")?;
    Ok(Layout {
        task_thread: thread.displacement,
        thread: ThreadLayout {
            regs: regs.displacement,
            fpr: fp_state.displacement,
            fpscr: fp_state.displacement + fpscr.displacement,
            vr: vr_state.displacement,
            // VSCR follows the 32 VRs, and vrsave the pointer to a save area.
            vscr: vr_state.displacement + 512,
            vrsave: vr_save_area.displacement + 8,
            load_fp: load_fp.displacement,
            load_vec: load_vec.displacement,
        },
        regs_msr: PT_REGS_MSR,
        current: paca + current.displacement,
        frame: FRAME,
    })
}

/// What `comm` of the first task begins with: `swapper`, or `swapper/0` on a kernel for several
/// processors.
const SWAPPER: &[u8] = b"swapper";

/// Where a task has its name: `init_task`'s is known, so it is looked for in its bytes. Nothing but
/// reports needs it.
pub fn comm(init_task: &[u8]) -> Option<u64> {
    let mut found = (0u64..).zip(init_task.windows(SWAPPER.len()));
    found.find(|(_, bytes)| *bytes == SWAPPER).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first words of the four functions in a 6.1 kernel.
    fn words(name: &str) -> &'static [u32] {
        match name {
            "load_up_fpu" => &[
                0x7ca0_00a6,
                0xe88d_0128,
                0x38a4_08e0,
                0x8085_0238,
                0x9885_0269,
                0x3945_0020,
                0xc80a_0200,
            ],
            "load_up_altivec" => &[
                0x7ca0_00a6,
                0xe88d_0128,
                0x38a4_08e0,
                0x9885_026a,
                0x38c5_0270,
            ],
            "save_fpu" => &[0x3863_08e0, 0xe8c3_0230, 0xe8a3_0010],
            "save_altivec" => &[0x3863_08e0, 0xe8e3_0480, 0xe8a3_0010],
            _ => &[],
        }
    }

    const NAMES: [&str; 4] = ["load_up_fpu", "load_up_altivec", "save_fpu", "save_altivec"];

    fn layout(broken: Option<&str>) -> Result<Layout, Unreadable> {
        let place = |name: &str| {
            NAMES
                .iter()
                .position(|n| *n == name)
                .map(|i| 0x1000 * i as u64)
        };
        read(
            place,
            |ea| {
                let name = NAMES[(ea / 0x1000) as usize];
                if broken == Some(name) {
                    return 0;
                }
                words(name)
                    .get((ea % 0x1000 / 4) as usize)
                    .copied()
                    .unwrap_or(0)
            },
            0x1_0000,
        )
    }

    #[test]
    fn offsets_of_a_6_1_kernel() {
        let layout = layout(None).unwrap();
        assert_eq!(layout.current, 0x1_0000 + 296);
        assert_eq!(layout.task_thread, 2272);
        assert_eq!(layout.thread.regs, 16);
        assert_eq!((layout.thread.fpr, layout.thread.fpscr), (32, 544));
        assert_eq!((layout.thread.vr, layout.thread.vscr), (624, 1136));
        assert_eq!(layout.thread.vrsave, 1160);
        assert_eq!((layout.thread.load_fp, layout.thread.load_vec), (617, 618));
    }

    #[test]
    fn the_name_of_the_first_task_says_where_names_are() {
        let mut task = vec![0xa5; 100];
        assert_eq!(comm(&task), None);
        task[70..80].copy_from_slice(b"swapper/0\0");
        assert_eq!(comm(&task), Some(70));
    }

    #[test]
    fn unknown_code_is_refused() {
        for name in NAMES {
            let error = layout(Some(name)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
