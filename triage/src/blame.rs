//! Which commits last changed lines of a Linux source: candidates for a `Fixes:` tag.
//!
//! Asks git, in a tree that the caller names. Not responsible for whether a commit is at fault.

use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

/// A line, and the commit that last changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// `file:line`, from the root of the tree.
    pub place: String,
    /// The first twelve digits of the commit's hash.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
}

/// Why there are no candidates.
#[derive(Debug, Error)]
pub enum BlameError {
    /// git is not there.
    #[error("cannot run git: {0}")]
    Git(#[from] std::io::Error),
    /// It is no tree of Linux's history, or one without the version.
    #[error("{}: no tag {} in it: expected a git tree of Linux that has the version", .0.display(), .1)]
    Version(PathBuf, String),
    /// git said something else.
    #[error("{}: {}", .0.display(), .1)]
    Trouble(PathBuf, String),
}

/// The commits of these places (`kernel/process.c:382`, as line information has them), in a tree
/// that has a tag of the release (`6.1.0-50-powerpc64le` is looked for as v6.1). A place that the
/// tree does not have is left out.
///
/// # Errors
///
/// If git cannot be run, or the tree has no such version.
pub fn candidates(
    tree: &Path,
    release: &str,
    places: &[String],
) -> Result<Vec<Candidate>, BlameError> {
    let tag = tag(tree, release)?;
    let listed = git(tree, &["ls-tree", "-r", "--name-only", &tag])?;
    let mut found: Vec<Candidate> = Vec::new();
    for place in places {
        let Some((name, line)) = place.rsplit_once(':') else {
            continue;
        };
        let Some(file) = whole(&listed, name) else {
            continue;
        };
        let range = format!("{line},{line}");
        let blame = ["blame", "--porcelain", "-L", &range, &tag, "--", file];
        let Ok(blame) = git(tree, &blame) else {
            continue;
        };
        let commit = blame.split_whitespace().next().unwrap_or_default();
        let commit = commit.get(..12).unwrap_or(commit).to_owned();
        let mut lines = blame.lines();
        let subject = lines.find_map(|line| line.strip_prefix("summary "));
        let subject = subject.unwrap_or_default().to_owned();
        if found.iter().all(|known| known.commit != commit) {
            found.push(Candidate {
                place: format!("{file}:{line}"),
                commit,
                subject,
            });
        }
    }
    Ok(found)
}

/// The file that line information means: it has the last folders of the path only. Of several it
/// is the one of the architecture.
fn whole<'l>(listed: &'l str, name: &str) -> Option<&'l str> {
    let end = format!("/{name}");
    let is_it = |file: &&str| *file == name || file.ends_with(&end);
    let mut files: Vec<&str> = listed.lines().filter(is_it).collect();
    files.sort_by_key(|file| !file.starts_with("arch/powerpc/"));
    match files[..] {
        [file] => Some(file),
        [file, other, ..] if !other.starts_with("arch/powerpc/") => {
            file.starts_with("arch/powerpc/").then_some(file)
        }
        _ => None,
    }
}

/// The tag of a release: v7.2.13 if it is there, else v7.2.
fn tag(tree: &Path, release: &str) -> Result<String, BlameError> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let end = release.find(|c| !is_number(c)).unwrap_or(release.len());
    let version = release[..end].trim_end_matches('.');
    let mut parts = version.split('.');
    let main: Vec<&str> = parts.by_ref().take(2).collect();
    let main = format!("v{}", main.join("."));
    for tag in [format!("v{version}"), main.clone()] {
        let named = format!("refs/tags/{tag}^{{commit}}");
        let there = git(tree, &["rev-parse", "--verify", "--quiet", &named]);
        match there {
            Ok(_) => return Ok(tag),
            Err(BlameError::Trouble(..)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(BlameError::Version(tree.to_owned(), main))
}

fn git(tree: &Path, arguments: &[&str]) -> Result<String, BlameError> {
    let output = Command::new("git")
        .arg("-C")
        .arg(tree)
        .args(arguments)
        .output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("git failed").to_owned();
            Err(BlameError::Trouble(tree.to_owned(), said))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Result = std::result::Result<(), Box<dyn std::error::Error>>;

    fn commit(tree: &Path, text: &str, subject: &str) -> Result {
        fs::write(tree.join("arch/powerpc/kernel/process.c"), text)?;
        git(tree, &["add", "."])?;
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let what = ["commit", "--quiet", "--no-gpg-sign", "-m", subject];
        git(tree, &[&who[..], &what[..]].concat())?;
        Ok(())
    }

    #[test]
    fn a_line_has_the_commit_that_changed_it_last() -> Result {
        let folder = tempfile::tempdir()?;
        let tree = folder.path();
        git(tree, &["init", "--quiet"])?;
        for file in ["arch/powerpc/kernel", "arch/x86/kernel"] {
            fs::create_dir_all(tree.join(file))?;
            fs::write(tree.join(file).join("process.c"), "other\n")?;
        }
        commit(tree, "one\ntwo\n", "powerpc: first")?;
        commit(tree, "one\nnew\n", "powerpc: second")?;
        git(tree, &["tag", "v7.2"])?;
        commit(tree, "later\nlater\n", "powerpc: third")?;
        let places = ["kernel/process.c:1", "kernel/process.c:2", "no/file.c:1"];
        let places = places.map(str::to_owned);
        let found = candidates(tree, "7.2.13+deb14-powerpc64le", &places)?;
        let found: Vec<_> = found.iter().map(|c| (&*c.place, &*c.subject)).collect();
        let file = "arch/powerpc/kernel/process.c";
        let [one, two] = [format!("{file}:1"), format!("{file}:2")];
        assert_eq!(
            found,
            [(&*one, "powerpc: first"), (&*two, "powerpc: second")]
        );
        let missing = candidates(tree, "6.1.0-50-powerpc64le", &places);
        assert!(missing.is_err_and(|e| e.to_string().contains("no tag v6.1 in it")));
        let nothing = tempfile::tempdir()?;
        assert!(candidates(nothing.path(), "7.2", &places).is_err());
        Ok(())
    }
}
