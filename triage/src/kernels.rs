//! Which kernels a statement is about: two that are held against each other, or one that is judged
//! by what its tasks may expect.
//!
//! Not responsible for running them (`machines`).

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::{RunnerError, kernel_hash};

/// What stands in the places of the two kernels where there is only one: what it did, and what was
/// expected of it.
const ONE: [&str; 2] = ["found", "expected"];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Kernel A and kernel B, of one byte order.
    Pair([KernelName; 2]),
    /// The only one.
    One(KernelName),
}

impl Kernels {
    /// Two kernels.
    pub fn pair(a: &KernelName, b: &KernelName) -> Kernels {
        Kernels::Pair([a.clone(), b.clone()])
    }

    /// All of them, A first.
    pub fn names(&self) -> &[KernelName] {
        match self {
            Kernels::Pair(pair) => pair,
            Kernels::One(kernel) => std::slice::from_ref(kernel),
        }
    }

    /// The only kernel; `None` for two.
    pub fn only(&self) -> Option<&KernelName> {
        match self {
            Kernels::Pair(_) => None,
            Kernels::One(kernel) => Some(kernel),
        }
    }

    /// The headings under which reports have the values of A and of B. With one kernel A is what it
    /// did, and B what was expected of it.
    pub fn headings(&self) -> [String; 2] {
        match self {
            Kernels::Pair([a, b]) => [a.to_string(), b.to_string()],
            Kernels::One(_) => ONE.map(str::to_owned),
        }
    }

    /// Hashes of their images, A's first.
    ///
    /// # Errors
    ///
    /// If a kernel cannot be loaded.
    pub fn images(&self, endian: Endian) -> Result<Vec<u64>, RunnerError> {
        let names = self.names().iter();
        names.map(|name| kernel_hash(name, endian)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kernel_is_held_against_what_was_expected_of_it() -> Result<(), Box<dyn std::error::Error>>
    {
        let [a, b]: [KernelName; 2] = ["clobbering".parse()?, "fixed".parse()?];
        let two = Kernels::pair(&a, &b);
        assert_eq!(two.headings(), ["clobbering", "fixed"]);
        assert_eq!((two.names().len(), two.only()), (2, None));
        let one = Kernels::One(a.clone());
        assert_eq!(one.headings(), ["found", "expected"]);
        assert_eq!((one.names(), one.only()), (&[a.clone()][..], Some(&a)));
        assert_eq!(one.images(Endian::Little)?.len(), 1);
        Ok(())
    }
}
