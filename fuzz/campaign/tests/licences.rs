//! ctxfuzz is distributed under the GPL, version 2 only. Everything that is linked into it must allow that.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::metadata;
use serde_json::Value;

/// Licences under which code may become part of a program under the GPL, version 2.
const COMPATIBLE: &[&str] = &[
    "0BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "GPL-2.0",
    "GPL-2.0+",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "WTFPL",
    "Zlib",
    // The exception says in so many words that the combination with version 2 is allowed.
    "Apache-2.0 WITH LLVM-exception",
];

/// Whether a licence expression has an alternative that is compatible: `OR` and the old `/` choose, `AND` adds up.
fn compatible(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut position = 0;
    let holds = either(&tokens, &mut position);
    assert_eq!(position, tokens.len(), "cannot read `{expression}`");
    holds
}

fn either(tokens: &[&str], position: &mut usize) -> bool {
    let mut holds = both(tokens, position);
    while tokens.get(*position) == Some(&"OR") {
        *position += 1;
        holds |= both(tokens, position);
    }
    holds
}

fn both(tokens: &[&str], position: &mut usize) -> bool {
    let mut holds = licence(tokens, position);
    while tokens.get(*position) == Some(&"AND") {
        *position += 1;
        holds &= licence(tokens, position);
    }
    holds
}

fn licence(tokens: &[&str], position: &mut usize) -> bool {
    let Some(&name) = tokens.get(*position) else {
        return false;
    };
    *position += 1;
    if name == "(" {
        let holds = either(tokens, position);
        assert_eq!(tokens.get(*position), Some(&")"));
        *position += 1;
        return holds;
    }
    if let [_, "WITH", exception, ..] = tokens[*position - 1..] {
        *position += 2;
        return COMPATIBLE.contains(&format!("{name} WITH {exception}").as_str());
    }
    COMPATIBLE.contains(&name)
}

#[test]
fn expressions_are_understood() {
    for good in [
        "MIT",
        "MIT OR Apache-2.0",
        "Apache-2.0/MIT",
        "Unlicense/MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
        "GPL-2.0",
    ] {
        assert!(compatible(good), "{good}");
    }
    for bad in [
        "Apache-2.0",
        "GPL-3.0-only",
        "MIT AND Apache-2.0",
        "(MIT OR Apache-2.0) AND OpenSSL",
        "",
    ] {
        assert!(!compatible(bad), "{bad}");
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn everything_that_is_linked_in_allows_the_gpl() {
    let metadata = metadata();
    let packages: BTreeMap<&str, &Value> = list(&metadata, "packages")
        .iter()
        .map(|package| (text(package, "id"), package))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"], "nodes")
        .iter()
        .map(|node| (text(node, "id"), node))
        .collect();
    let root = packages
        .iter()
        .find(|(_, package)| text(package, "name") == "ctxfuzz")
        .map(|(id, _)| *id)
        .expect("the workspace has the program");
    let mut linked = BTreeSet::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if linked.insert(id) {
            let dependencies = list(nodes[id], "deps").iter();
            open.extend(
                dependencies
                    .filter(|dependency| {
                        // Neither for tests nor for build scripts: those kinds have a name, the normal one has none.
                        list(dependency, "dep_kinds")
                            .iter()
                            .any(|kind| kind["kind"].is_null())
                    })
                    .map(|dependency| text(dependency, "pkg")),
            );
        }
    }
    assert!(linked.len() > 20, "the graph was walked");
    let refused: Vec<String> = linked
        .iter()
        .map(|id| packages[id])
        .filter(|package| !compatible(text(package, "license")))
        .map(|package| {
            let (name, version) = (text(package, "name"), text(package, "version"));
            format!("{name} {version}: {}", package["license"])
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}
