//! Kernel and user images: the model as built for each byte order, once as usual and once shuffled,
//! loaded, with a kernel's defects patched in.

use super::agent::UNREPAIRED;
use object::{Object, ObjectSection, ObjectSegment, SectionKind};

use super::defects;
use super::name::{Build, KernelName};
use super::symbols::Symbols;
use super::watched;
use crate::arch::Endian;
use crate::machine::address::{KERNEL, PAGE, USER_TEXT};
use crate::machine::instruction;
use crate::machine::{Guest, Program};

const KERNEL_LE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernel-le.elf"));
const KERNEL_BE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernel-be.elf"));
const SHUFFLED_LE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shuffled-le.elf"));
const SHUFFLED_BE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shuffled-be.elf"));
const USER_LE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/user-le.elf"));
const USER_BE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/user-be.elf"));

/// Physical address where user text is loaded (docs/internals.md, section 1).
const USER_TEXT_PHYSICAL: u64 = 0x20_0000;

/// An image is not what the emulator expects; a defect of the build, not of its user.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Not readable as ELF.
    #[error("the built-in {0} image cannot be read: {1}")]
    Elf(&'static str, object::Error),
    /// A symbol that the contract names is missing.
    #[error("the built-in image has no symbol `{0}`")]
    Symbol(&'static str),
    /// A defect without sites.
    #[error("the built-in image has no site for defect `{0}`")]
    NoSite(&'static str),
    /// A defect's branch does not reach.
    #[error("the site of defect `{0}` cannot reach its target")]
    Reach(String),
}

/// Addresses and layout that the host needs of a kernel. Offsets in bytes, addresses effective.
#[derive(Clone, Debug)]
pub struct Layout {
    /// `task_struct.thread`.
    pub task_thread: u64,
    /// Offsets in `thread_struct`.
    pub thread: ThreadLayout,
    /// `pt_regs.msr`.
    pub regs_msr: u64,
    /// `paca.__current`, as an address.
    pub current: u64,
    /// Offsets in `ucontext`.
    pub frame: FrameLayout,
}

/// What tells tasks of a real kernel apart.
#[derive(Clone, Debug)]
pub struct RealLayout {
    /// `task_struct.comm`, its name, if it was found.
    pub comm: Option<u64>,
    /// Address of the `task_struct` of the agent's director.
    pub director: u64,
    /// `paca.__current`, as an address.
    pub current: u64,
}

/// Addresses in the model.
#[derive(Clone, Debug)]
pub struct ModelLayout {
    /// `stage`.
    pub stage: u64,
    /// `remote_work`.
    pub remote_work: u64,
    /// `softirq_after`, how many preemption points a softirq has to pass.
    pub softirq_after: u64,
    /// Writable memory that is put back before each run: start and size.
    pub data: (u64, u64),
    /// Kernel stacks: start and size.
    pub stacks: (u64, u64),
    /// `task_pool`.
    pub task_pool: u64,
    /// Entries of `task_pool`.
    pub max_tasks: u64,
    /// Bytes of a `task_struct`.
    pub task_size: u64,
    /// `thread_struct.used_vr` and `used_vsr`, words.
    pub used: [u64; 2],
    /// `task_struct.state`.
    pub task_state: u64,
    /// `task_struct.user_index`, u64; `~0` for a kernel thread.
    pub task_user_index: u64,
    /// `init_task`, the idle task's `task_struct`.
    pub init_task: Option<u64>,
    /// `director`, a pointer to that task's `task_struct`.
    pub director: Option<u64>,
}

/// Offsets in `thread_struct`.
#[derive(Clone, Debug)]
pub struct ThreadLayout {
    /// `regs`.
    pub regs: u64,
    /// `fp_state.fpr`.
    pub fpr: u64,
    /// `fp_state.fpscr`.
    pub fpscr: u64,
    /// `vr_state.vr`.
    pub vr: u64,
    /// `vr_state.vscr`.
    pub vscr: u64,
    /// `vrsave`.
    pub vrsave: u64,
    /// `load_fp`, a byte.
    pub load_fp: u64,
    /// `load_vec`, a byte.
    pub load_vec: u64,
}

/// Offsets in the signal frame's `ucontext`.
#[derive(Clone, Debug)]
pub struct FrameLayout {
    /// `uc_mcontext.gp_regs`.
    pub gp_regs: u64,
    /// `uc_mcontext.fp_regs`.
    pub fp_regs: u64,
    /// `uc_mcontext.v_regs`, the pointer to the VMX area.
    pub v_regs_pointer: u64,
}

/// A kernel of the model with the user side, ready for a machine.
pub struct KernelImage {
    /// As named.
    pub name: KernelName,
    /// What to load.
    pub program: Program,
    /// What the host needs to know of any kernel.
    pub layout: Layout,
    /// What it needs to know of the model.
    pub model: ModelLayout,
    /// Hash of the patched image, for reports.
    pub hash: u64,
}

/// The symbols of a model kernel. The same for every kernel of a build and a byte order: patched
/// words move nothing.
pub fn symbols(build: Build, endian: Endian) -> Result<Symbols, ImageError> {
    Ok(Symbols::read(&parse(
        "kernel",
        kernel_bytes(build, endian),
    )?))
}

/// The symbols of the user side.
pub fn user_symbols(endian: Endian) -> Result<Symbols, ImageError> {
    Ok(Symbols::read(&parse("user", user_bytes(endian))?))
}

fn kernel_bytes(build: Build, endian: Endian) -> &'static [u8] {
    match (build, endian) {
        (Build::Usual, Endian::Little) => KERNEL_LE,
        (Build::Usual, Endian::Big) => KERNEL_BE,
        (Build::Shuffled, Endian::Little) => SHUFFLED_LE,
        (Build::Shuffled, Endian::Big) => SHUFFLED_BE,
    }
}

fn user_bytes(endian: Endian) -> &'static [u8] {
    match endian {
        Endian::Little => USER_LE,
        Endian::Big => USER_BE,
    }
}

fn parse(what: &'static str, bytes: &'static [u8]) -> Result<object::File<'static>, ImageError> {
    object::File::parse(bytes).map_err(|error| ImageError::Elf(what, error))
}

impl KernelImage {
    /// Loads the model of that byte order and patches the kernel's defects into it.
    pub fn load(name: &KernelName, endian: Endian) -> Result<Self, ImageError> {
        let kernel = parse("kernel", kernel_bytes(name.build(), endian))?;
        let user = parse("user", user_bytes(endian))?;
        let symbols = Symbols::read(&kernel);
        let mut segments = segments(&kernel, |ea| ea.wrapping_sub(KERNEL))?;
        let sites = sites(&kernel, endian)?;
        for site in &sites {
            if name.defects().contains(&site.name.as_str()) {
                patch(&mut segments, site, endian)?;
            }
        }
        for defect in name.defects() {
            let applies = defects::find(defect).is_none_or(|defect| defect.applies(endian));
            if applies && !sites.iter().any(|s| s.name == *defect) {
                return Err(ImageError::NoSite(defect));
            }
        }
        let hash = xxhash_rust::xxh3::xxh3_64(
            &segments
                .iter()
                .flat_map(|(_, bytes)| bytes.iter().copied())
                .collect::<Vec<u8>>(),
        );
        segments.extend(self::segments(&user, |ea| {
            ea - USER_TEXT + USER_TEXT_PHYSICAL
        })?);
        let layout = Layout::read(&symbols)?;
        let model = ModelLayout::read(&symbols)?;
        let program = Program {
            endian,
            segments,
            kernel_text: text(&kernel),
            user_text: text(&user),
            watched: watched::addresses(&symbols),
            guest: Guest::Model {
                kernel_read_only_end: address(&symbols, "__ro_end")? - KERNEL,
                entry: address(&symbols, "_start")?,
            },
        };
        Ok(KernelImage {
            name: name.clone(),
            program,
            layout,
            model,
            hash,
        })
    }
}

fn segments(
    file: &object::File<'_>,
    physical: impl Fn(u64) -> u64,
) -> Result<Vec<(u64, Vec<u8>)>, ImageError> {
    file.segments()
        .map(|s| {
            let mut bytes = s
                .data()
                .map_err(|error| ImageError::Elf("loadable", error))?
                .to_vec();
            bytes.resize(s.size() as usize, 0);
            Ok((physical(s.address()), bytes))
        })
        .collect()
}

/// Executable sections whose instructions the machine may repair.
fn text(file: &object::File<'_>) -> Vec<(u64, u64)> {
    file.sections()
        .filter(|s| s.kind() == SectionKind::Text && s.name() != Ok(UNREPAIRED))
        .map(|s| (s.address(), s.size()))
        .collect()
}

/// A word of the image that a defect changes (docs/internals.md, section 4).
struct Site {
    address: u64,
    target: u64,
    word: u32,
    name: String,
}

const SITE_SIZE: usize = 64;

fn sites(file: &object::File<'_>, endian: Endian) -> Result<Vec<Site>, ImageError> {
    let Some(section) = file.section_by_name("__defect_sites") else {
        return Ok(Vec::new());
    };
    let data = section
        .data()
        .map_err(|error| ImageError::Elf("kernel", error))?;
    let u64_at = |entry: &[u8], at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&entry[at..at + 8]);
        match endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        }
    };
    Ok(data
        .chunks_exact(SITE_SIZE)
        .map(|entry| {
            let word = u64_at(entry, 16);
            let name: Vec<u8> = entry[24..]
                .iter()
                .copied()
                .take_while(|&b| b != 0)
                .collect();
            Site {
                address: u64_at(entry, 0),
                target: u64_at(entry, 8),
                word: match endian {
                    Endian::Little => word as u32,
                    Endian::Big => (word >> 32) as u32,
                },
                name: String::from_utf8_lossy(&name).into_owned(),
            }
        })
        .collect())
}

fn patch(segments: &mut [(u64, Vec<u8>)], site: &Site, endian: Endian) -> Result<(), ImageError> {
    let word = match site.target {
        0 => site.word,
        target => instruction::branch(site.address, target)
            .ok_or_else(|| ImageError::Reach(site.name.clone()))?,
    };
    let pa = site.address.wrapping_sub(KERNEL);
    for (start, bytes) in segments {
        if let Some(place) = pa
            .checked_sub(*start)
            .and_then(|o| bytes.get_mut(o as usize..o as usize + 4))
        {
            place.copy_from_slice(&endian.bytes_u32(word));
            return Ok(());
        }
    }
    Err(ImageError::Reach(site.name.clone()))
}

fn address(symbols: &Symbols, name: &'static str) -> Result<u64, ImageError> {
    symbols.address(name).ok_or(ImageError::Symbol(name))
}

impl ModelLayout {
    fn read(symbols: &Symbols) -> Result<Self, ImageError> {
        let get = |name| address(symbols, name);
        let range = |start, end| -> Result<(u64, u64), ImageError> {
            Ok((get(start)?, get(end)? - get(start)?))
        };
        let data = range("__data_start", "__data_end")?;
        debug_assert_eq!(data.1 % PAGE, 0);
        Ok(ModelLayout {
            stage: get("stage")?,
            remote_work: get("remote_work")?,
            softirq_after: get("softirq_after")?,
            data,
            stacks: range("__stacks_start", "__stacks_end")?,
            task_pool: get("task_pool")?,
            max_tasks: get("layout_max_tasks")?,
            task_size: get("layout_task_size")?,
            used: [
                get("layout_thread_used_vr")?,
                get("layout_thread_used_vsr")?,
            ],
            task_state: get("layout_task_state")?,
            task_user_index: get("layout_task_user_index")?,
            init_task: symbols.address("init_task"),
            director: symbols.address("director"),
        })
    }
}

impl Layout {
    fn read(symbols: &Symbols) -> Result<Self, ImageError> {
        let get = |name| address(symbols, name);
        let fp_regs = get("layout_frame_fp_regs")?;
        Ok(Layout {
            task_thread: get("layout_task_thread")?,
            thread: ThreadLayout {
                regs: get("layout_thread_regs")?,
                fpr: get("layout_thread_fpr")?,
                fpscr: get("layout_thread_fpscr")?,
                vr: get("layout_thread_vr")?,
                vscr: get("layout_thread_vscr")?,
                vrsave: get("layout_thread_vrsave")?,
                load_fp: get("layout_thread_load_fp")?,
                load_vec: get("layout_thread_load_vec")?,
            },
            regs_msr: get("layout_regs_msr")?,
            current: get("paca")? + get("layout_paca_current")?,
            frame: FrameLayout {
                gp_regs: get("layout_frame_gp_regs")?,
                fp_regs,
                // struct sigcontext: 32 FPRs and FPSCR, then the pointer.
                v_regs_pointer: fp_regs + 33 * 8,
            },
        })
    }
}
