//! The file that a snapshot is kept in: a prefix, a header, the details, the pages. All numbers are
//! little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic |
//! | 4 | version of this format |
//! | 4 | length of the header |
//! | 8 | xxh3 of the header |
//! | ... | header: postcard |
//! | ... | details (registers, symbols, console, page numbers): postcard, zstd |
//! | ... | pages: zstd |

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::error::{FormatProblem, SnapshotError};
use super::pages::{PAGE, Pages};
use super::{Registers, Snapshot, Symbol};
use crate::arch::Endian;

/// Version of the format. Changes whenever a reader of the one before would go wrong.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"ctxsnap\x1a";
const PREFIX: usize = 24;
/// Nothing that is written comes near these; nothing that is read gets to make us allocate more.
const LONGEST_HEADER: u32 = 64 << 10;
const LARGEST_PART: u64 = 1 << 30;
/// Fast: a snapshot is written once, and read by everybody who waits for a result.
const LEVEL: i32 = 3;

/// What a snapshot is of: the part of its file that can be read without the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Byte order.
    pub endian: Endian,
    /// `Linux version ...`.
    pub version: String,
    /// xxh3 of the vmlinux file.
    pub kernel_hash: u64,
    /// Where the vmlinux was.
    pub vmlinux: PathBuf,
    /// Bytes of physical memory.
    pub memory_size: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredHeader {
    little_endian: bool,
    version: String,
    kernel_hash: u64,
    vmlinux: Vec<u8>,
    memory_size: u64,
    details: Part,
    pages: Part,
}

/// A compressed part of the file.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Part {
    /// Bytes in the file.
    stored: u64,
    /// xxh3 of them.
    hash: u64,
    /// Bytes when unpacked.
    size: u64,
}

#[derive(Serialize)]
struct DetailsOut<'a> {
    registers: &'a Registers,
    symbols: &'a [Symbol],
    text: &'a [(u64, u64)],
    console: &'a str,
    numbers: &'a [u32],
}

#[derive(Deserialize)]
struct Details {
    registers: Registers,
    symbols: Vec<Symbol>,
    text: Vec<(u64, u64)>,
    console: String,
    numbers: Vec<u32>,
}

impl Snapshot {
    /// Writes a snapshot, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), SnapshotError> {
        let failed = |error: io::Error| SnapshotError::Write {
            path: path.to_owned(),
            error,
        };
        let parts = self.pack().map_err(failed)?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(failed)?;
        for part in &parts {
            file.write_all(part).map_err(failed)?;
        }
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn pack(&self) -> io::Result<[Vec<u8>; 4]> {
        let details = postcard::to_stdvec(&DetailsOut {
            registers: &self.registers,
            symbols: &self.symbols,
            text: &self.text,
            console: &self.console,
            numbers: self.pages.numbers(),
        })
        .map_err(io::Error::other)?;
        let (details, details_part) = compress(&details)?;
        let (pages, pages_part) = compress(self.pages.bytes())?;
        let header = postcard::to_stdvec(&StoredHeader {
            little_endian: self.endian == Endian::Little,
            version: self.version.clone(),
            kernel_hash: self.kernel_hash,
            vmlinux: self.vmlinux.as_os_str().as_bytes().to_vec(),
            memory_size: self.memory_size,
            details: details_part,
            pages: pages_part,
        })
        .map_err(io::Error::other)?;
        let mut prefix = Vec::with_capacity(PREFIX);
        prefix.extend_from_slice(&MAGIC);
        prefix.extend_from_slice(&VERSION.to_le_bytes());
        prefix.extend_from_slice(&(header.len() as u32).to_le_bytes());
        prefix.extend_from_slice(&xxh3_64(&header).to_le_bytes());
        Ok([prefix, header, details, pages])
    }

    /// Reads a snapshot.
    pub fn read(path: &Path) -> Result<Snapshot, SnapshotError> {
        let mut reader = Reader::open(path)?;
        let stored = reader.header()?;
        reader.check_length(&stored)?;
        let details = reader.part(&stored.details, "its details")?;
        let bytes = reader.part(&stored.pages, "its pages")?;
        let details: Details = postcard::from_bytes(&details)
            .map_err(|_| reader.problem(FormatProblem::Corrupt("its details")))?;
        let fits = |number: &u32| (u64::from(*number) + 1) * PAGE as u64 <= stored.memory_size;
        let pages = Pages::from_parts(details.numbers, bytes)
            .filter(|pages| pages.numbers().last().is_none_or(fits))
            .ok_or_else(|| reader.problem(FormatProblem::Corrupt("its pages")))?;
        let header = Header::from(stored);
        Ok(Snapshot {
            endian: header.endian,
            version: header.version,
            kernel_hash: header.kernel_hash,
            vmlinux: header.vmlinux,
            memory_size: header.memory_size,
            pages,
            registers: details.registers,
            symbols: details.symbols,
            text: details.text,
            console: details.console,
        })
    }
}

impl Header {
    /// Reads the header of a snapshot.
    pub fn read(path: &Path) -> Result<Header, SnapshotError> {
        Ok(Reader::open(path)?.header()?.into())
    }
}

impl From<StoredHeader> for Header {
    fn from(stored: StoredHeader) -> Self {
        Header {
            endian: match stored.little_endian {
                true => Endian::Little,
                false => Endian::Big,
            },
            version: stored.version,
            kernel_hash: stored.kernel_hash,
            vmlinux: std::ffi::OsString::from_vec(stored.vmlinux).into(),
            memory_size: stored.memory_size,
        }
    }
}

fn compress(bytes: &[u8]) -> io::Result<(Vec<u8>, Part)> {
    let stored = zstd::bulk::compress(bytes, LEVEL)?;
    let part = Part {
        stored: stored.len() as u64,
        hash: xxh3_64(&stored),
        size: bytes.len() as u64,
    };
    Ok((stored, part))
}

/// A snapshot file, read from front to back.
struct Reader<'a> {
    path: &'a Path,
    file: File,
    header_length: u64,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self, SnapshotError> {
        let file = File::open(path).map_err(|error| SnapshotError::Read {
            path: path.to_owned(),
            error,
        })?;
        Ok(Reader {
            path,
            file,
            header_length: 0,
        })
    }

    fn problem(&self, problem: FormatProblem) -> SnapshotError {
        SnapshotError::Format {
            path: self.path.to_owned(),
            problem,
        }
    }

    fn header(&mut self) -> Result<StoredHeader, SnapshotError> {
        let mut prefix = [0; PREFIX];
        let count = self.fill(&mut prefix)?;
        if count < MAGIC.len() || prefix[..8] != MAGIC {
            return Err(self.problem(FormatProblem::Foreign));
        }
        if count < PREFIX {
            return Err(self.problem(FormatProblem::Truncated));
        }
        let u32_at =
            |at: usize| u32::from_le_bytes(prefix[at..at + 4].try_into().unwrap_or_default());
        let (version, length) = (u32_at(8), u32_at(12));
        if version != VERSION {
            return Err(self.problem(FormatProblem::Version(version)));
        }
        let corrupt = FormatProblem::Corrupt("its header");
        if length > LONGEST_HEADER {
            return Err(self.problem(corrupt));
        }
        let mut header = vec![0; length as usize];
        if self.fill(&mut header)? < header.len() {
            return Err(self.problem(FormatProblem::Truncated));
        }
        if prefix[16..] != xxh3_64(&header).to_le_bytes() {
            return Err(self.problem(corrupt));
        }
        self.header_length = length.into();
        postcard::from_bytes(&header).map_err(|_| self.problem(corrupt))
    }

    /// Cut off is a better word for a short file than damaged, and more to the point than running
    /// out of memory.
    fn check_length(&self, header: &StoredHeader) -> Result<(), SnapshotError> {
        let (details, pages) = (header.details, header.pages);
        let sizes = [details.stored, details.size, pages.stored, pages.size];
        if sizes.iter().any(|&size| size > LARGEST_PART) || pages.size > header.memory_size {
            return Err(self.problem(FormatProblem::Corrupt("its header")));
        }
        let expected = PREFIX as u64 + self.header_length + details.stored + pages.stored;
        let metadata = self
            .file
            .metadata()
            .map_err(|error| self.unreadable(error))?;
        match metadata.len().cmp(&expected) {
            std::cmp::Ordering::Less => Err(self.problem(FormatProblem::Truncated)),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(self.problem(FormatProblem::Corrupt("its length"))),
        }
    }

    fn part(&mut self, part: &Part, name: &'static str) -> Result<Vec<u8>, SnapshotError> {
        let mut stored = vec![0; part.stored as usize];
        if self.fill(&mut stored)? < stored.len() {
            return Err(self.problem(FormatProblem::Truncated));
        }
        let corrupt = || self.problem(FormatProblem::Corrupt(name));
        if xxh3_64(&stored) != part.hash {
            return Err(corrupt());
        }
        let bytes = zstd::bulk::decompress(&stored, part.size as usize).map_err(|_| corrupt())?;
        match bytes.len() as u64 == part.size {
            true => Ok(bytes),
            false => Err(corrupt()),
        }
    }

    /// Reads as much as there is, and says how much that was.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, SnapshotError> {
        let mut count = 0;
        while count < buffer.len() {
            match self.file.read(&mut buffer[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        Ok(count)
    }

    fn unreadable(&self, error: io::Error) -> SnapshotError {
        SnapshotError::Read {
            path: self.path.to_owned(),
            error,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
