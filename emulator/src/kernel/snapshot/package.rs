//! Debian packages: the kernel that is in one, unpacked into the cache, where it stays as long as
//! it is used.

use std::fmt::Display;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::cache;
use super::error::SnapshotError;
use super::mapped::Mapped;
use super::vmlinux::Vmlinux;

/// What a package begins with, as every `ar` archive does.
const ARCHIVE: &[u8] = b"!<arch>\n";

/// Bytes before each member of an archive.
const HEADER: u64 = 60;

/// What unpacked kernels are called by.
const EXTENSION: &str = "vmlinux";

/// How many unpacked kernels are kept: those used last. With debug information one has hundreds of
/// megabytes.
const KEPT: usize = 8;

/// No kernel is larger, with all its debug information.
const LARGEST: u64 = 4 << 30;

/// Where a package may have a kernel: whether a file of that name, in parts, may be one.
const PLACES: &[fn(&[&str]) -> bool] = &[
    |path| matches!(path, ["boot", name] if name.starts_with("vmlinux-")),
    |path| matches!(path, ["usr", "lib", "modules", _, "vmlinuz"]),
    |path| matches!(path, ["lib", "modules", _, "vmlinuz"]),
    |path| matches!(path, ["boot", name] if name.starts_with("vmlinuz-")),
    |path| matches!(path, ["usr", "lib", "debug", "boot", name] if name.starts_with("vmlinux-")),
];

/// The same for people.
const LOOKED_FOR: &str =
    "boot/vmlinux-*, usr/lib/modules/*/vmlinuz, boot/vmlinuz-*, usr/lib/debug/boot/vmlinux-*";

/// The file to boot: the one given, or, if that is a package, the kernel in it. `folder` says where
/// the cache is.
pub fn kernel(
    path: &Path,
    folder: impl FnOnce() -> Result<PathBuf, SnapshotError>,
) -> Result<PathBuf, SnapshotError> {
    let file = Mapped::open(path)?;
    if !file.bytes().starts_with(ARCHIVE) {
        return match path.extension().is_some_and(|name| name == "deb") {
            true => Err(refused(
                path,
                "is no Debian package, whatever its name says: it is no ar archive",
            )),
            false => Ok(path.to_owned()),
        };
    }
    let folder = folder()?;
    let hash = file.hash();
    if let Some(kept) = kept(&folder, hash) {
        cache::touch(&kept);
        return Ok(kept);
    }
    let unwritable = |error| SnapshotError::Write {
        path: folder.clone(),
        error,
    };
    fs::create_dir_all(&folder).map_err(unwritable)?;
    let unpacked = unpack(file.bytes(), &folder).map_err(|error| match error {
        Trouble::Package(problem) => refused(path, problem),
        Trouble::Cache(error) => unwritable(error),
    })?;
    let kernel = Mapped::open(unpacked.path())?.hash();
    unpacked.as_file().sync_all().map_err(unwritable)?;
    let place = folder.join(format!("{hash:016x}-{kernel:016x}.{EXTENSION}"));
    unpacked
        .persist(&place)
        .map_err(|error| unwritable(error.error))?;
    cache::prune(&folder, EXTENSION, KEPT);
    Ok(place)
}

fn refused(path: &Path, problem: impl Display) -> SnapshotError {
    SnapshotError::Kernel {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

/// What was unpacked of a package before, if it is still what it was.
fn kept(folder: &Path, package: u64) -> Option<PathBuf> {
    let start = format!("{package:016x}-");
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(kernel) = name
            .and_then(|name| name.strip_prefix(&start))
            .and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.'))
        else {
            continue;
        };
        match Mapped::open(&path) {
            Ok(file) if format!("{:016x}", file.hash()) == kernel => return Some(path),
            // Damaged: it is made again.
            _ => drop(fs::remove_file(&path)),
        }
    }
    None
}

/// Why there is no kernel.
enum Trouble {
    /// What is wrong with the package, as the rest of a sentence that its name begins.
    Package(String),
    /// The cache cannot be written.
    Cache(std::io::Error),
}

impl Trouble {
    fn new(problem: impl Display) -> Self {
        Trouble::Package(problem.to_string())
    }

    fn damaged(error: impl Display) -> Self {
        // What libraries say of damaged files has several lines at times.
        let error = error.to_string().replace('\n', " ");
        Trouble::Package(format!("is cut off or damaged: {error}"))
    }
}

/// The first kernel of a package, in a file of the folder that goes away if nobody keeps it.
fn unpack(package: &[u8], folder: &Path) -> Result<NamedTempFile, Trouble> {
    let mut search = Search {
        folder,
        kernel: None,
        problem: None,
    };
    let (mut version, mut data, mut depends) = (false, false, Vec::new());
    let mut archive = ar::Archive::new(package);
    let mut end = ARCHIVE.len() as u64;
    while let Some(member) = archive.next_entry() {
        let member = member.map_err(Trouble::damaged)?;
        // Half a download is refused even where the kernel is in the half that is there.
        end = (end + HEADER).saturating_add(member.header().size());
        if end > package.len() as u64 {
            return Err(Trouble::damaged("it ends early"));
        }
        end += end % 2;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        match name.trim_end_matches('/') {
            "debian-binary" => version = true,
            _ if !version => break,
            name if name.starts_with("control.tar") => {
                depends = stands_for(tar(name, member)?).map_err(Trouble::damaged)?;
            }
            name if name.starts_with("data.tar") => {
                data = true;
                search.look_through(tar(name, member)?)?;
                break;
            }
            _ => {}
        }
    }
    if !version {
        return Err(Trouble::new("is an ar archive, but no Debian package"));
    }
    if !data {
        return Err(Trouble::damaged("it has no data.tar"));
    }
    match (search.kernel, search.problem) {
        (Some(file), _) => Ok(file),
        (None, Some(problem)) => Err(Trouble::Package(problem)),
        (None, None) => {
            let others = match depends.is_empty() {
                true => String::new(),
                false => format!("; it depends on {}", depends.join(", ")),
            };
            let problem = format!("has no kernel: looked for {LOOKED_FOR}{others}");
            Err(Trouble::Package(problem))
        }
    }
}

type Tar<'a> = tar::Archive<Box<dyn Read + 'a>>;

/// A member that is a tar archive, packed or not.
fn tar<'a>(name: &str, member: impl Read + 'a) -> Result<Tar<'a>, Trouble> {
    let unpacked: Box<dyn Read + 'a> = match name.rsplit_once(".tar").map(|(_, rest)| rest) {
        Some("") => Box::new(member),
        Some(".xz") => Box::new(liblzma::read::XzDecoder::new(member)),
        Some(".gz") => Box::new(flate2::read::GzDecoder::new(member)),
        Some(".zst") => Box::new(zstd::Decoder::new(member).map_err(Trouble::damaged)?),
        _ => {
            let problem = format!("has a {name}, which cannot be unpacked here: unpack it first");
            return Err(Trouble::Package(problem));
        }
    };
    Ok(tar::Archive::new(unpacked))
}

/// The packages of Linux that a package depends on.
fn stands_for(mut archive: Tar<'_>) -> std::io::Result<Vec<String>> {
    const LONGEST: u64 = 1 << 20;
    let mut control = String::new();
    for entry in archive.entries()? {
        let entry = entry?;
        if matches!(&*entry.path_bytes(), b"./control" | b"control") {
            entry.take(LONGEST).read_to_string(&mut control)?;
            break;
        }
    }
    // A field goes on in lines that begin with a blank.
    let control = control.replace("\n ", " ");
    let depends = control
        .lines()
        .find_map(|line| line.strip_prefix("Depends:"))
        .unwrap_or_default();
    let name = |one: &str| one.split_whitespace().next().map(str::to_owned);
    Ok(depends
        .split(',')
        .filter_map(name)
        .filter(|name| name.starts_with("linux-"))
        .collect())
}

/// What was found so far.
struct Search<'a> {
    folder: &'a Path,
    kernel: Option<NamedTempFile>,
    /// What is wrong with the first thing that is in one of the places.
    problem: Option<String>,
}

impl Search<'_> {
    fn look_through(&mut self, mut archive: Tar<'_>) -> Result<(), Trouble> {
        for entry in archive.entries().map_err(Trouble::damaged)? {
            let entry = entry.map_err(Trouble::damaged)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = path.trim_start_matches("./");
            let parts: Vec<&str> = path.split('/').collect();
            if !PLACES.iter().any(|is_here| is_here(&parts)) {
                continue;
            }
            let size = entry.size();
            let file = self.copy(path, size, entry)?;
            let mapped = Mapped::open(file.path()).map_err(Trouble::new)?;
            match Vmlinux::parse(mapped.bytes()) {
                Ok(_) => {
                    // With its modules and their debug information the rest can be gigabytes.
                    self.kernel = Some(file);
                    break;
                }
                Err(problem) => {
                    let problem = format!("its {path} {problem}");
                    self.problem.get_or_insert(problem);
                }
            }
        }
        Ok(())
    }

    fn copy(&self, name: &str, size: u64, mut from: impl Read) -> Result<NamedTempFile, Trouble> {
        if size > LARGEST {
            return Err(Trouble::Package(format!("its {name} is too large")));
        }
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(self.folder)
            .map_err(Trouble::Cache)?;
        let (mut buffer, mut length) = (vec![0; 1 << 18], 0);
        loop {
            let read = from.read(&mut buffer).map_err(Trouble::damaged)?;
            if read == 0 {
                break;
            }
            length += read as u64;
            file.write_all(&buffer[..read]).map_err(Trouble::Cache)?;
        }
        match length == size {
            true => Ok(file),
            false => Err(Trouble::damaged(format!("{name} ends early"))),
        }
    }
}

#[cfg(test)]
mod tests;
