//! Signatures of before version 2 of the names, and what the same bug is called now.
//!
//! Then a name said which registers had shown a bug, and what a value happened to be; so one bug
//! had several (docs/triage.md has the rules of today). Here files that people keep are put right:
//! those of known signatures and SARIF logs. Not responsible for how a signature is made (`cause`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Version of the names, as fingerprints in SARIF have it.
pub const VERSION: u32 = 2;

/// What the second half of a signature was, and is. `N` is any number, `*` any end.
pub const NAMES: [(&str, &[&str]); 13] = [
    ("msr-fp", &["msr-facility"]),
    ("msr-vec", &["msr-facility"]),
    ("msr-fp-vec", &["msr-facility"]),
    // These were and are names of one instruction each.
    ("fN-is-fpscr", &["fN-is-fpscr"]),
    ("vN-is-vscr", &["vN-is-vscr"]),
    ("fN-*", &["vsrs-changed"]),
    // What an FPR write zeroes, with the FPR right again, or any VSR.
    ("vsN-is-zero", &["vsrs-changed", "vsrs-lost-low-half"]),
    ("vsN-is-fpscr", &["vsrs-changed"]),
    ("vsN-*", &["vsrs-changed"]),
    ("vN-is-swapped", &["vrs-swapped"]),
    ("vN-*", &["vrs-changed"]),
    ("rN-changed", &["gprs-changed"]),
    ("fpscr-is-*", &["fpscr-changed"]),
];

/// What a signature of before is called now, all that it may have become; `None` if it is a name of
/// today.
pub fn renamed(signature: &str) -> Option<Vec<String>> {
    let (function, what) = signature.rsplit_once('.')?;
    // What compilers append is no part of a name any more.
    let source = match function.find('.') {
        None | Some(0) => function,
        Some(end) => &function[..end],
    };
    let row = NAMES.iter().find_map(|(old, new)| {
        let number = matched(old, what)?;
        Some(new.iter().map(|new| new.replace('N', number)).collect())
    });
    let whats = row.unwrap_or_else(|| vec![what.to_owned()]);
    let names: Vec<String> = whats.iter().map(|w| format!("{source}.{w}")).collect();
    (names != [signature]).then_some(names)
}

/// The number in a name that has the form; empty where the form has none.
fn matched<'a>(form: &str, name: &'a str) -> Option<&'a str> {
    let Some((before, after)) = form.split_once('N') else {
        return match form.strip_suffix('*') {
            Some(start) => name.starts_with(start).then_some(""),
            None => (form == name).then_some(""),
        };
    };
    let rest = name.strip_prefix(before)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, end) = rest.split_at(digits);
    let fits = match after.strip_suffix('*') {
        Some(start) => end.starts_with(start),
        None => end == after,
    };
    (digits > 0 && fits).then_some(number)
}

/// Puts the names of today into a file of known signatures or a SARIF log of this program: each old
/// name with what it has become. `None` if it is neither.
pub fn migrate(file: &mut Value) -> Option<Vec<(String, Vec<String>)>> {
    let mut changed = BTreeMap::new();
    if let Some(known) = file.get_mut("known").and_then(Value::as_array_mut) {
        *known = migrated_rows(known, &mut changed);
    } else if let Some(runs) = file.get_mut("runs").and_then(Value::as_array_mut) {
        runs.iter_mut().for_each(|run| log(run, &mut changed));
    } else {
        return None;
    }
    Some(changed.into_iter().collect())
}

/// Rows whose signatures become one are one, with the reasons of both.
fn migrated_rows(rows: &[Value], changed: &mut BTreeMap<String, Vec<String>>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for row in rows {
        let Some(signature) = row["signature"].as_str() else {
            all.push(row.clone());
            continue;
        };
        let names = note(signature, changed).unwrap_or_else(|| vec![signature.to_owned()]);
        for name in names {
            match all.iter_mut().find(|there| there["signature"] == *name) {
                Some(there) => add_reason(there, &row["reason"]),
                None => {
                    let mut new = row.clone();
                    new["signature"] = json!(name);
                    all.push(new);
                }
            }
        }
    }
    all
}

fn add_reason(row: &mut Value, reason: &Value) {
    let (Some(there), Some(more)) = (row["reason"].as_str(), reason.as_str()) else {
        return;
    };
    if !there.split("; ").any(|one| one == more) {
        row["reason"] = json!(format!("{there}; {more}"));
    }
}

/// A result has one rule and one fingerprint: of several names that one may have become, the first.
fn log(run: &mut Value, changed: &mut BTreeMap<String, Vec<String>>) {
    if run["tool"]["driver"]["name"] != "ctxfuzz" {
        return;
    }
    let rules = run["tool"]["driver"]["rules"].as_array_mut();
    for rule in rules.into_iter().flatten() {
        rename(&mut rule["id"], changed);
    }
    for result in run["results"].as_array_mut().into_iter().flatten() {
        rename(&mut result["ruleId"], changed);
        if let Some(prints) = result["partialFingerprints"].as_object_mut()
            && let Some(mut print) = prints.remove("signature/v1")
        {
            rename(&mut print, changed);
            prints.insert(fingerprint(), print);
        }
    }
}

fn rename(value: &mut Value, changed: &mut BTreeMap<String, Vec<String>>) {
    let first = value
        .as_str()
        .and_then(|old| note(old, changed)?.into_iter().next());
    if let Some(new) = first {
        *value = json!(new);
    }
}

fn note(old: &str, changed: &mut BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    let names = renamed(old)?;
    changed.insert(old.to_owned(), names.clone());
    Some(names)
}

/// Key of a signature among the fingerprints of a SARIF result.
pub fn fingerprint() -> String {
    format!("signature/v{VERSION}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(old: &str) -> Vec<String> {
        renamed(old).unwrap_or_default()
    }

    #[test]
    fn what_was_one_bug_has_one_name() {
        for old in ["msr-fp", "msr-vec", "msr-fp-vec"] {
            assert_eq!(names(&format!("f.{old}")), ["f.msr-facility"]);
        }
        for old in ["f13-changed", "f0-is-f11", "f2-is-zero", "vs7-is-f0"] {
            assert_eq!(names(&format!("f.{old}")), ["f.vsrs-changed"], "{old}");
        }
        for old in ["v0-is-zero", "v31-changed"] {
            assert_eq!(names(&format!("f.{old}")), ["f.vrs-changed"], "{old}");
        }
        assert_eq!(names("f.r14-changed"), ["f.gprs-changed"]);
        assert_eq!(
            names("save_fpu.vs0-is-zero"),
            ["save_fpu.vsrs-changed", "save_fpu.vsrs-lost-low-half"]
        );
        assert_eq!(names("f.isra.0.kernel-fault"), ["f.kernel-fault"]);
        assert_eq!(names("f.part.0.f1-changed"), ["f.vsrs-changed"]);
    }

    #[test]
    fn names_of_today_stay() {
        let names = [
            "save_fpu.f0-is-fpscr",
            "save_altivec.v0-is-vscr",
            "f.vsrs-changed",
            "f.vrs-swapped",
            "f.msr-vsx",
            "f.msr-fe",
            "f.fpscr-lost-high-half",
            "f.vrsave-changed",
            "f.vscr-changed",
            "f.used-vr",
            "f.data",
            "nothing",
            "",
        ];
        for name in names {
            assert_eq!(renamed(name), None, "{name}");
        }
        // What a name becomes is a name of today.
        for (old, _) in NAMES {
            let old = format!("f.{}", old.replace('N', "3").replace('*', "changed"));
            for new in renamed(&old).unwrap_or_default() {
                assert_eq!(renamed(&new), None, "{old}");
            }
        }
    }

    #[test]
    fn a_file_of_known_signatures_is_migrated_with_its_reasons() {
        let mut file = json!({"known": [
            {"signature": "f.msr-fp", "reason": "of old"},
            {"signature": "f.msr-vec", "reason": "of old"},
            {"signature": "f.msr-fp-vec", "reason": "another"},
            {"signature": "g.data", "reason": "stays"},
        ]});
        let changed = migrate(&mut file).unwrap();
        assert_eq!(changed.len(), 3);
        assert_eq!(
            file,
            json!({"known": [
                {"signature": "f.msr-facility", "reason": "of old; another"},
                {"signature": "g.data", "reason": "stays"},
            ]})
        );
        assert_eq!(migrate(&mut file), Some(Vec::new()));
        assert_eq!(migrate(&mut json!({"something": 1})), None);
    }

    #[test]
    fn a_log_is_migrated_with_its_fingerprints_and_others_are_left_alone() {
        let log = |tool: &str| {
            json!({"runs": [{"tool": {"driver": {"name": tool, "rules": [{"id": "f.f1-changed"}]}},
                "results": [{"ruleId": "f.f1-changed",
                    "partialFingerprints": {"signature/v1": "f.f1-changed"}}]}]})
        };
        let mut ours = log("ctxfuzz");
        assert_eq!(migrate(&mut ours).unwrap().len(), 1);
        let run = &ours["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "f.vsrs-changed");
        assert_eq!(
            run["results"][0],
            json!({"ruleId": "f.vsrs-changed",
                "partialFingerprints": {"signature/v2": "f.vsrs-changed"}})
        );
        let mut other = log("another tool");
        assert_eq!(migrate(&mut other), Some(Vec::new()));
        assert_eq!(other, log("another tool"));
    }
}
