//! The catalogue of defects that can be put into the model, each a set of patched words in the
//! image.
//!
//! What a defect changes is decided in the model's sources (`DEFECT_*` macros and `defect()`); this
//! list says what it means. How it shows is data: the `expect` rows of its witness, a scenario of
//! the corpus.

mod class;
mod controls;
mod emulation;
mod exceptions;
mod exec;
mod kernel_use;
mod layout;
mod ownership;
mod ptrace;
mod repairs;
mod seed;
mod signals;

use std::fmt;

use ctxfuzz_scenario::scenario::Verdict;

pub use self::class::Class;
use crate::arch::Endian;

/// Who can notice a defect at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Found as `live`.
    Live,
    /// Found as `abi` at most.
    Abi,
    /// A change that nobody can see: a negative control.
    Harmless,
}

impl Severity {
    /// As JSON and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Live => "live",
            Severity::Abi => "abi",
            Severity::Harmless => "harmless",
        }
    }
}

/// Where a defect comes from, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Linux had it before this commit.
    Upstream {
        /// Abbreviated hash.
        commit: &'static str,
        /// Its subject.
        title: &'static str,
    },
    /// Linux had it before a commit of which only the subject is known.
    Titled(&'static str),
    /// Made up, though somebody could write it.
    Mutation,
    /// Read in the source of Linux 6.1, which `fixed` follows: the entry takes it *out*.
    Suspected {
        /// Where it was seen to happen; `None`: nowhere yet.
        seen: Option<&'static str>,
    },
    /// Made up so that there is something to be silent about.
    Control,
}

impl Origin {
    /// In a word, for tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Upstream { .. } | Origin::Titled(_) => "upstream",
            Origin::Mutation => "mutation",
            Origin::Suspected { seen: Some(_) } => "suspected, seen",
            Origin::Suspected { seen: None } => "unconfirmed",
            Origin::Control => "control",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Upstream { commit, title } => write!(f, "Linux before {commit} (\"{title}\")"),
            Origin::Titled(title) => {
                write!(f, "Linux before \"{title}\" (its hash was not looked up)")
            }
            Origin::Mutation => f.write_str("synthetic mutation"),
            Origin::Suspected { seen: Some(seen) } => {
                write!(f, "suspected in Linux 6.1, which `fixed` follows; {seen}")
            }
            Origin::Suspected { seen: None } => f.write_str(
                "UNCONFIRMED: suspected in Linux 6.1, which `fixed` follows, from its source alone",
            ),
            Origin::Control => f.write_str("negative control"),
        }
    }
}

/// One catalogued defect.
#[derive(Clone, Copy, Debug)]
pub struct Defect {
    /// Its name after `fixed+`, also the name of its sites in the image.
    pub id: &'static str,
    /// What it is, in a line.
    pub title: &'static str,
    /// How that does harm and what it takes to see it; for a control, why nobody can.
    pub mechanism: &'static str,
    /// The function at fault, by its name in Linux.
    pub function: &'static str,
    /// Functions that an explanation names where it cannot name that one, because what it leaves
    /// wrong is not tracked (a flag, a call that is missing).
    pub named_instead: &'static [&'static str],
    /// What kind of fault it is; `None` if nobody can see it.
    pub class: Option<Class>,
    /// Where it comes from.
    pub origin: Origin,
    /// What it leads to at worst.
    pub severity: Severity,
    /// The only byte order that has it.
    pub endian: Option<Endian>,
    /// The scenario of the corpus that shows it; `None` for a control.
    pub witness: Option<&'static str>,
}

impl From<&Defect> for Verdict {
    /// The worst verdict that a defect can get.
    fn from(defect: &Defect) -> Verdict {
        match defect.severity {
            Severity::Live => Verdict::Live,
            Severity::Abi => Verdict::Abi,
            Severity::Harmless => Verdict::Dead,
        }
    }
}

impl Defect {
    /// Two kernels that differ in this defect alone, the one that has it first. What is harmless
    /// goes into `repaired`: such changes decide when registers are loaded, and with that whether
    /// the bugs show that 6.1 is suspected of.
    pub fn pair(&self) -> [String; 2] {
        let fixed = |id: &str| format!("fixed+{id}");
        match (self.origin, self.severity) {
            (Origin::Suspected { .. }, _) => ["fixed".to_owned(), fixed(self.id)],
            (_, Severity::Harmless) => [format!("repaired+{}", self.id), "repaired".to_owned()],
            _ => [fixed(self.id), "fixed".to_owned()],
        }
    }

    /// The kernel that has it.
    pub fn kernel(&self) -> String {
        let [kernel, _] = self.pair();
        kernel
    }

    /// Whether a function is the one at fault, or one that stands for it.
    pub fn is_named_by(&self, function: &str) -> bool {
        function == self.function || self.named_instead.contains(&function)
    }

    /// Whether a kernel of this byte order can have it.
    pub fn applies(&self, endian: Endian) -> bool {
        self.endian.is_none_or(|only| only == endian)
    }
}

/// The defects whose combination is the kernel `clobbering`.
pub const CLOBBERING: [&str; 4] = [
    "save-fpu-clobbers-f0",
    "save-altivec-clobbers-v0",
    "store-fp-state-clobbers-f0",
    "store-vr-state-clobbers-v0",
];

const LISTS: [&[Defect]; 11] = [
    seed::LIST,
    ownership::LIST,
    layout::LIST,
    signals::LIST,
    kernel_use::LIST,
    emulation::LIST,
    ptrace::LIST,
    exec::LIST,
    exceptions::LIST,
    repairs::LIST,
    controls::LIST,
];

/// Every defect of this version.
pub fn all() -> impl Iterator<Item = &'static Defect> {
    LISTS.into_iter().flatten()
}

/// The repairs whose combination is the kernel `repaired`.
pub fn repairs() -> impl Iterator<Item = &'static Defect> {
    all().filter(|defect| matches!(defect.origin, Origin::Suspected { .. }))
}

/// The defect of that name.
pub fn find(id: &str) -> Option<&'static Defect> {
    all().find(|defect| defect.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_into_a_site() {
        let mut names: Vec<&str> = all().map(|defect| defect.id).collect();
        assert!(names.iter().all(|name| name.len() <= 40));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn what_somebody_can_see_has_a_witness_and_nothing_else_has() {
        for defect in all() {
            let seen = defect.severity != Severity::Harmless;
            assert_eq!(defect.witness.is_some(), seen, "{}", defect.id);
            assert_eq!(defect.class.is_some(), seen, "{}", defect.id);
            let worst = Verdict::from(defect);
            assert_eq!(worst > Verdict::Dead, seen, "{}", defect.id);
            let same_word = worst.to_string() == defect.severity.name();
            assert_eq!(same_word, seen, "{}", defect.id);
        }
    }
}
