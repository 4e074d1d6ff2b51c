//! Functions of a kernel by name, for who wants to know when one begins.
//!
//! A name stands for the function in every kernel: a suffix that the compiler has put behind it
//! does not count, and where Linux has renamed a function, or the model has another name for it,
//! each name stands for all of them ([`ALIASES`]). Not responsible for what is written in a
//! scenario (its `point`).

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use ctxfuzz_scenario::point::FunctionName;

use super::image;
use super::name::KernelName;
use super::symbols::Symbols;
use crate::arch::Endian;
use crate::machine::entry::Body;

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
    // Since 6.15.
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
    /// By name, made when a name is first asked for.
    index: OnceCell<HashMap<Box<str>, Vec<Body>>>,
}

impl Functions {
    /// Those of this kernel.
    pub fn new(kernel: &KernelName, endian: Endian) -> Self {
        Functions {
            kernel: kernel.clone(),
            endian,
            index: OnceCell::new(),
        }
    }

    /// Those of the model.
    pub fn of_the_model() -> Self {
        Self::new(&KernelName::fixed(), Endian::Little)
    }

    /// The code of a function of this name, or of what stands for it: of each copy of it that there
    /// is. `None` if the kernel has none.
    pub fn bodies(&self, name: FunctionName) -> Option<Arc<[Body]>> {
        let index = self.index.get_or_init(|| self.read());
        let name = base(name.as_str());
        let others = ALIASES.iter().filter(|names| names.contains(&name));
        let mut names = std::iter::once(name).chain(others.copied().flatten().copied());
        names
            .find_map(|name| index.get(name))
            .map(|bodies| bodies.as_slice().into())
    }

    /// The names of all functions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let index = self.index.get_or_init(|| self.read());
        index.keys().map(|name| &**name)
    }

    fn read(&self) -> HashMap<Box<str>, Vec<Body>> {
        let symbols = match self.kernel.snapshot() {
            Some(snapshot) => snapshot
                .ok()
                .map(|snapshot| Symbols::from_snapshot(&snapshot)),
            None => image::symbols(self.kernel.build(), self.endian).ok(),
        };
        let mut index: HashMap<Box<str>, Vec<Body>> = HashMap::new();
        for function in symbols.iter().flat_map(Symbols::functions) {
            let bodies = index.entry(base(&function.name).into()).or_default();
            bodies.push(Body {
                address: function.address,
                local_entry: function.address + function.local_entry,
                size: function.size,
            });
        }
        index
    }
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
