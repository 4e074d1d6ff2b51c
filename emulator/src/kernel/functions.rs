//! Functions of a kernel by name, for who wants to know when one begins.
//!
//! A name stands for the function in every kernel: a suffix that the compiler has put behind it
//! does not count, and where Linux has renamed a function, or the model has another name for it,
//! each name stands for all of them ([`ALIASES`]). A function that has no code of its own, because
//! the compiler has made it a part of its callers, is its copies there, if the kernel's debug
//! information says where they are. Not responsible for what is written in a scenario (its
//! `point`).

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use ctxfuzz_scenario::point::FunctionName;

use super::image;
use super::inlined::Copy;
use super::name::KernelName;
use super::symbols::{Function, Symbols};
use crate::arch::Endian;
use crate::machine::point::Body;

/// Names of one function, or of what has taken its place: in Linux 6.1, in later ones, and in the
/// model where that has another. The first that a kernel has is taken.
pub const ALIASES: &[&[&str]] = &[
    // The model has no accesses that can fail, so nothing of it is called unsafe.
    &["__unsafe_restore_sigcontext", "restore_sigcontext"],
    &["__unsafe_setup_sigcontext", "setup_sigcontext"],
    // Generic entry, since 7.0 (bee25f97ad24).
    &["interrupt_exit_user_prepare_main", "exit_to_user_mode_loop"],
    &["do_notify_resume", "exit_to_user_mode_loop"],
    // The model has it as a function of its own; Linux as a part of copy_process.
    &["copy_process", "dup_task_struct"],
    &["io_wqe_worker", "io_wq_worker"],
    &["io_wqe_dec_running", "io_wq_dec_running"],
    &["futex_wait_queue", "futex_do_wait", "__futex_wait"],
    // In 7.2.
    &["pipe_read", "anon_pipe_read"],
    &["pipe_write", "anon_pipe_write"],
    // The VMX part of the copy, in C since 7.0 (6bc9c0a90522).
    &["__copy_tofrom_user_power7", "__copy_tofrom_user_power7_vmx"],
    &["do_coredump", "vfs_coredump"],
    // Linux chooses among copies of a page; the model has this one.
    &["copypage_power7", "copy_page"],
    // Where the store's page comes from; the model has only the case of a private file mapping.
    &["do_fault", "do_cow_fault"],
    &["do_page_fault", "___do_page_fault"],
];

/// The functions of one kernel.
pub struct Functions {
    kernel: KernelName,
    endian: Endian,
    symbols: OnceCell<Option<Symbols>>,
    /// By name, made when a name is first asked for.
    index: OnceCell<HashMap<Box<str>, Vec<Body>>>,
    /// Of names that have no code of their own: their copies in their callers.
    copies: RefCell<HashMap<FunctionName, Option<Arc<[Body]>>>>,
}

impl Functions {
    /// Those of this kernel.
    pub fn new(kernel: &KernelName, endian: Endian) -> Self {
        Functions {
            kernel: kernel.clone(),
            endian,
            symbols: OnceCell::new(),
            index: OnceCell::new(),
            copies: RefCell::default(),
        }
    }

    /// Those of the model.
    pub fn of_the_model() -> Self {
        Self::new(&KernelName::fixed(), Endian::Little)
    }

    /// The code of a function of this name, or of what stands for it: of each copy of it that there
    /// is. `None` if the kernel has none.
    pub fn bodies(&self, name: FunctionName) -> Option<Arc<[Body]>> {
        let index = self.index();
        let own = names(name.as_str()).find_map(|name| index.get(name));
        match own {
            Some(bodies) => Some(bodies.as_slice().into()),
            None => self.copies(name),
        }
    }

    /// Whether the kernel has a function of this name, or what stands for it, with code of its own.
    pub fn has_own_code(&self, name: FunctionName) -> bool {
        let index = self.index();
        names(name.as_str()).any(|name| index.contains_key(name))
    }

    /// The names of all functions that have code of their own.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index().keys().map(|name| &**name)
    }

    /// A kernel that runs has been loaded from the same: what cannot be read now could not then.
    fn symbols(&self) -> Option<&Symbols> {
        let read = || match self.kernel.snapshot() {
            Some(snapshot) => snapshot
                .ok()
                .map(|snapshot| Symbols::from_snapshot(&snapshot)),
            None => image::symbols(self.kernel.build(), self.endian).ok(),
        };
        self.symbols.get_or_init(read).as_ref()
    }

    fn index(&self) -> &HashMap<Box<str>, Vec<Body>> {
        self.index.get_or_init(|| {
            let mut index: HashMap<Box<str>, Vec<Body>> = HashMap::new();
            for function in self.symbols().into_iter().flat_map(Symbols::functions) {
                let bodies = index.entry(base(&function.name).into()).or_default();
                let Function {
                    address,
                    local_entry,
                    size,
                    ..
                } = *function;
                bodies.push(Body {
                    address,
                    size,
                    entries: [address, address + local_entry],
                });
            }
            index
        })
    }

    fn copies(&self, name: FunctionName) -> Option<Arc<[Body]>> {
        let mut known = self.copies.borrow_mut();
        let copies = known.entry(name).or_insert_with(|| {
            let symbols = self.symbols()?;
            names(name.as_str()).find_map(|name| {
                let copies = symbols.copies(name);
                let bodies = copies.iter().filter_map(|copy| body(symbols, copy));
                let bodies: Vec<Body> = bodies.collect();
                (!bodies.is_empty()).then(|| bodies.into())
            })
        });
        copies.clone()
    }
}

/// The code of a copy of a function, from the first of its pieces to the last. What has been moved
/// out of its caller, as it seldom runs, is none of it.
fn body(symbols: &Symbols, copy: &Copy) -> Option<Body> {
    let caller = symbols.index_at(copy.entry)?;
    let pieces = copy.pieces.iter();
    let pieces = pieces.filter(|(begin, _)| symbols.index_at(*begin) == Some(caller));
    let address = pieces.clone().map(|(begin, _)| *begin).min()?;
    let end = pieces.map(|(_, end)| *end).max()?;
    Some(Body {
        address,
        size: end - address,
        entries: [copy.entry; 2],
    })
}

/// A name without the compiler's suffix, and the others that stand for the same function.
fn names(name: &str) -> impl Iterator<Item = &str> + Clone {
    let name = base(name);
    let others = ALIASES.iter().filter(move |names| names.contains(&name));
    let others = others.flat_map(|names| names.iter().copied());
    std::iter::once(name).chain(others.filter(move |other| *other != name))
}

/// Whether a name is one of several that a function has ([`ALIASES`]).
pub fn is_alias(name: FunctionName) -> bool {
    let name = base(name.as_str());
    ALIASES.iter().any(|names| names.contains(&name))
}

/// The first of the names that a function has ([`ALIASES`]).
pub fn canonical(name: &str) -> &str {
    let name = base(name);
    let names = ALIASES.iter().find(|names| names.contains(&name));
    names.map_or(name, |names| names[0])
}

/// A name without what a compiler has put behind it: `copy_thread.isra.0` is `copy_thread`.
pub fn base(name: &str) -> &str {
    match name.find('.') {
        Some(0) | None => name,
        Some(dot) => &name[..dot],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(kernel: &str, name: &str) -> Option<Vec<u64>> {
        let kernel = kernel.parse().unwrap_or_else(|error| panic!("{error}"));
        let name = name
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let functions = Functions::new(&kernel, Endian::Little);
        let bodies = functions.bodies(name)?;
        Some(bodies.iter().map(|body| body.address).collect())
    }

    #[test]
    fn a_function_has_its_address() {
        let symbols = image::symbols(super::super::name::Build::Usual, Endian::Little);
        let address = symbols
            .ok()
            .and_then(|symbols| symbols.address("restore_math"));
        let found = entries("fixed", "restore_math");
        assert!(found.is_some_and(|found| Some(found[0]) == address));
        assert_eq!(entries("fixed", "restore_maths"), None);
    }

    #[test]
    fn every_name_of_a_function_stands_for_it() {
        let model = entries("fixed", "restore_sigcontext");
        assert!(model.is_some());
        assert_eq!(entries("fixed", "__unsafe_restore_sigcontext"), model);
        assert_eq!(entries("fixed", "restore_sigcontext.constprop.0"), model);
        assert_ne!(entries("shuffled:fixed", "restore_sigcontext"), model);
    }

    #[test]
    fn a_suffix_of_the_compiler_is_none_of_the_name() {
        assert_eq!(base("copy_thread.isra.0"), "copy_thread");
        assert_eq!(base(".text"), ".text");
        assert_eq!(base("save_fpu"), "save_fpu");
    }
}
