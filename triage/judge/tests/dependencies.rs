//! The oracles build and are tested without Unicorn, and so without cmake and a C compiler.
//!
//! Cargo.lock is asked and not this crate's manifest, since a dependency could bring Unicorn with
//! it. The lock lists the dependencies of tests and build scripts too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What builds C, and what is built from C.
const FOREIGN: [&str; 6] = [
    "unicorn-engine",
    "unicorn-engine-sys",
    "capstone",
    "capstone-sys",
    "cmake",
    "cc",
];

/// The names of packages that each package of a lock depends on.
fn dependencies(lock: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let packages = lock.split("[[package]]").skip(1);
    packages
        .map(|package| {
            let name = package.split('"').nth(1).expect("a package has a name");
            let list = package.split_once("dependencies = [");
            let list = list.and_then(|(_, rest)| rest.split_once(']'));
            let names = list.map_or("", |(list, _)| list).split('"').skip(1);
            // A version follows where there are several.
            let names = names.step_by(2).filter_map(|one| one.split(' ').next());
            (name, names.collect())
        })
        .fold(BTreeMap::new(), |mut all, (name, names)| {
            all.entry(name)
                .or_insert_with(BTreeSet::new)
                .extend::<BTreeSet<_>>(names);
            all
        })
}

/// Everything that is built so that a package can be built and tested.
fn closure<'l>(all: &BTreeMap<&'l str, BTreeSet<&'l str>>, of: &'l str) -> BTreeSet<&'l str> {
    let mut found = BTreeSet::from([of]);
    let mut next = vec![of];
    while let Some(name) = next.pop() {
        let names = all.get(name).expect("the lock has the package");
        next.extend(names.iter().filter(|name| found.insert(name)));
    }
    found
}

fn foreign(package: &str) -> Vec<String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock = fs::read_to_string(lock).expect("the workspace has a lock");
    let all = dependencies(&lock);
    let needed = closure(&all, package);
    let foreign = FOREIGN.into_iter().filter(|name| needed.contains(name));
    foreign.map(str::to_owned).collect()
}

#[test]
fn oracles_and_what_they_judge_need_no_unicorn() {
    for package in ["ctxfuzz-judge", "ctxfuzz-outcome", "ctxfuzz-scenario"] {
        assert_eq!(foreign(package), [""; 0], "{package}");
    }
}

#[test]
fn the_lock_says_who_needs_it() {
    for package in ["ctxfuzz-emulator", "ctxfuzz-triage"] {
        assert_eq!(foreign(package), FOREIGN, "{package}");
    }
}
