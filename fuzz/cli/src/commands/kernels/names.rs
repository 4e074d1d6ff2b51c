//! `ctxfuzz kernels add` and `remove`, and the list of short names.
//!
//! Not responsible for the registries themselves (`registry`).

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::kernel::snapshot::Vmlinux;
use ctxfuzz_triage::{atomic, untrusted};
use serde::Serialize;

use crate::commands::Status;
use crate::commands::input::folder_of;
use crate::commands::text::wrap;
use crate::registry::{self, Owner, Registries, RegistryFile};

/// Columns of a name in the list, as of the models'.
const NAME: usize = 16;

/// Arguments of `ctxfuzz kernels add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The name: letters, digits, `.`, `_` and `-`.
    #[arg(value_name = "NAME")]
    name: String,
    /// The kernel: an uncompressed ppc64 vmlinux with its symbols, or a Debian package that has
    /// one.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Keep the name in the project's ctxfuzz.toml (in this folder, if there is none above), and
    /// not with the user's own.
    #[arg(long)]
    project: bool,
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `ctxfuzz kernels remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The name.
    #[arg(value_name = "NAME")]
    name: String,
    /// From the project's ctxfuzz.toml, and not from the user's own names.
    #[arg(long)]
    project: bool,
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// A short name, as it is listed.
#[derive(Debug, Serialize)]
pub struct Named {
    name: String,
    /// Where its kernel is.
    file: String,
    /// Where that is said.
    registry: String,
    line: usize,
    /// Whether the project's registry says it, and not the user's.
    project: bool,
    /// Whether the project has the same name for another kernel.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    /// Whether there is nothing at its place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    missing: bool,
    /// Why it is no kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(flatten)]
    about: Option<About>,
}

/// What is known of a kernel that has not been booted.
#[derive(Debug, Serialize)]
struct About {
    release: String,
    endian: &'static str,
    image: String,
}

impl About {
    fn of(kernel: &Vmlinux) -> Self {
        About {
            release: kernel.release().to_owned(),
            endian: kernel.endian.name(),
            image: format!("{:016x}", kernel.hash),
        }
    }

    fn words(&self) -> String {
        let (release, endian) = (untrusted::shown(&self.release), self.endian);
        format!("Linux {release} ({endian}), image {}", self.image)
    }
}

/// Gives a kernel a name. It is looked at first: a name for what is no kernel helps nobody.
pub fn add(args: &AddArgs) -> anyhow::Result<ExitCode> {
    let shown = untrusted::shown(&args.name);
    if let Some(why) = registry::refusal(&args.name) {
        bail!("`{shown}`: no name for a kernel: {why}");
    }
    let registries = Registries::read()?;
    let taken = registries.entries().find(|(.., e)| e.name == args.name);
    if let Some((owner, file, entry)) = taken {
        let (place, what) = (registry::place(file, entry), untrusted::path(&entry.file));
        let project = if owner == Owner::Project {
            " --project"
        } else {
            ""
        };
        bail!(
            "`{shown}`: the name is taken: {place} names {what}; `ctxfuzz kernels remove {shown}{project}` first"
        );
    }
    let kernel = Vmlinux::find(&args.file)?;
    let owner = owner(args.project);
    let registry = registries.take(owner)?;
    let text = registry.with(&args.name, &args.file, owner == Owner::Project)?;
    write(&registry, &text)?;
    let about = About::of(&kernel);
    let words = about.words();
    let line = serde_json::json!({
        "name": args.name, "file": args.file.to_string_lossy(), "registry": registry.path().to_string_lossy(),
        "release": about.release, "endian": about.endian, "image": about.image,
    });
    let place = untrusted::path(registry.path());
    say(args.json, &line, &format!("{shown}: {words}, in {place}"))
}

/// Takes a name away.
pub fn remove(args: &RemoveArgs) -> anyhow::Result<ExitCode> {
    let shown = untrusted::shown(&args.name);
    let owner = owner(args.project);
    let registries = Registries::read()?;
    let having: Vec<_> = registries
        .entries()
        .filter(|(.., entry)| entry.name == args.name)
        .map(|(owner, file, entry)| (owner, registry::place(file, entry), entry.file.clone()))
        .collect();
    let Some((_, _, file)) = having.iter().find(|(whose, ..)| *whose == owner) else {
        if let Some((other, place, _)) = having.first() {
            let how = match other {
                Owner::Project => "say --project",
                Owner::User => "leave --project out",
            };
            bail!("`{shown}`: it is one of {other} names, at {place}: {how}");
        }
        let names = registries.entries().map(|(.., entry)| entry.name.as_str());
        match registry::nearest(&args.name, names) {
            Some(near) => bail!("`{shown}`: no kernel has that name: did you mean `{near}`?"),
            None => bail!("`{shown}`: no kernel has that name; `ctxfuzz kernels` lists them"),
        }
    };
    let registry = registries.take(owner)?;
    write(&registry, &registry.without(&args.name)?)?;
    let line = serde_json::json!({
        "name": args.name, "file": file.to_string_lossy(), "registry": registry.path().to_string_lossy(),
    });
    let (what, place) = (untrusted::path(file), untrusted::path(registry.path()));
    say(
        args.json,
        &line,
        &format!("{shown}: no longer {what}, in {place}"),
    )
}

fn owner(project: bool) -> Owner {
    match project {
        true => Owner::Project,
        false => Owner::User,
    }
}

/// The user's folder for configurations need not be there yet.
fn write(registry: &RegistryFile, text: &str) -> anyhow::Result<()> {
    let shown = || format!("{}: cannot write it", untrusted::path(registry.path()));
    fs::create_dir_all(folder_of(registry.path())).with_context(shown)?;
    // A symbolic link stays one: what it points at is written.
    let target = fs::canonicalize(registry.path());
    let target = target.unwrap_or_else(|_| registry.path().to_owned());
    atomic::write(&target, text).with_context(shown)
}

fn say(json: bool, line: &serde_json::Value, words: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match json {
        true => writeln!(out, "{line}")?,
        false => writeln!(out, "{words}")?,
    }
    out.flush()?;
    Ok(Status::Nothing.into())
}

/// All short names, in the order of the registries, the project's first.
pub fn listed() -> anyhow::Result<Vec<Named>> {
    let registries = Registries::read()?;
    let mut all: Vec<Named> = Vec::new();
    for (owner, file, entry) in registries.entries() {
        let hidden = all.iter().any(|before| before.name == entry.name);
        let missing = !entry.file.exists();
        let (about, problem) = match missing {
            true => (None, None),
            false => look(&entry.file),
        };
        all.push(Named {
            name: entry.name.clone(),
            file: entry.file.to_string_lossy().into_owned(),
            registry: file.path().to_string_lossy().into_owned(),
            line: entry.line,
            project: owner == Owner::Project,
            hidden,
            missing,
            problem,
            about,
        });
    }
    Ok(all)
}

/// A registry may be somebody else's: a pipe that it names would be waited for.
fn look(file: &Path) -> (Option<About>, Option<String>) {
    if !file.is_file() {
        return (None, Some("it is no regular file".to_owned()));
    }
    match Vmlinux::find(file) {
        Ok(kernel) => (Some(About::of(&kernel)), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// The list for people.
pub fn table(all: &[Named]) -> String {
    let mut text = String::from("NAME\n");
    wrap(
        &mut text,
        "    ",
        0,
        "a real kernel that was given a name: `ctxfuzz kernels add NAME FILE`",
    );
    let longest = all.iter().map(|named| named.name.chars().count()).max();
    let width = longest.unwrap_or_default().max(NAME);
    for named in all {
        let what = match (&named.about, &named.problem) {
            (_, _) if named.missing => "missing".to_owned(),
            (Some(about), _) => about.words(),
            (None, Some(problem)) => format!("no kernel: {problem}"),
            (None, None) => String::new(),
        };
        let what = match named.hidden {
            true => format!("hidden by the same name of the project's; {what}"),
            false => what,
        };
        wrap(&mut text, &format!("{:<width$} ", named.name), 0, &what);
        let (file, registry) = (&named.file, &named.registry);
        let [file, registry] = [file, registry].map(|path| untrusted::shown(path));
        let place = format!("{file} [{registry}:{}]", named.line);
        wrap(&mut text, "    ", 0, &place);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_of_each_name_what_is_there() {
        let named = |name: &str| Named {
            name: name.to_owned(),
            file: "/k/vmlinux".to_owned(),
            registry: "ctxfuzz.toml".to_owned(),
            line: 3,
            project: true,
            hidden: false,
            missing: false,
            problem: None,
            about: None,
        };
        let there = Named {
            about: Some(About {
                release: "6.1.0".to_owned(),
                endian: "le",
                image: "0f".to_owned(),
            }),
            ..named("there")
        };
        let gone = Named {
            missing: true,
            hidden: true,
            ..named("gone")
        };
        let text = table(&[there, gone]);
        assert!(
            text.contains(
                "there            Linux 6.1.0 (le), image 0f\n    /k/vmlinux [ctxfuzz.toml:3]\n"
            ),
            "{text}"
        );
        let expected = "gone             hidden by the same name of the project's; missing\n";
        assert!(text.contains(expected), "{text}");
        assert_eq!(table(&[]).lines().count(), 2);
    }
}
