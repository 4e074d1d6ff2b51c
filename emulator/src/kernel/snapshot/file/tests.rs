use super::super::SymbolKind;
use super::*;

/// A small one, of the kernel with this hash.
pub fn sample(kernel_hash: u64) -> Snapshot {
    Snapshot {
        kernel_hash,
        ..snapshot()
    }
}

fn snapshot() -> Snapshot {
    let mut memory = vec![0; 16 * PAGE];
    for (index, byte) in memory.iter_mut().enumerate().step_by(3 * PAGE) {
        *byte = index as u8 | 1;
    }
    let mut pages = Pages::default();
    pages.append(0, &memory);
    Snapshot {
        endian: Endian::Big,
        version: "Linux version 6.1.0".to_owned(),
        kernel_hash: 0x1234,
        vmlinux: "/tmp/vmlinux".into(),
        memory_size: 16 * PAGE as u64,
        pages,
        registers: Registers {
            pc: 0x1000_2090,
            sprs: vec![(48, 1)],
            ..Registers::default()
        },
        symbols: vec![Symbol {
            name: "save_fpu".to_owned(),
            address: 0xc000_0000_0000_8000,
            size: 64,
            kind: SymbolKind::Function,
            global: true,
            local_entry: 0,
        }],
        text: vec![(0xc000_0000_0000_0000, 0x10000)],
        console: "Linux version 6.1.0\n".to_owned(),
    }
}

/// The bytes of a snapshot file, and a way to read others.
struct Fixture {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.snapshot");
        snapshot().write(&path).expect("it is written");
        let bytes = std::fs::read(&path).expect("it is there");
        Fixture { folder, bytes }
    }

    fn problem(&self, bytes: &[u8]) -> FormatProblem {
        let path = self.folder.path().join("b.snapshot");
        std::fs::write(&path, bytes).expect("it is written");
        match Snapshot::read(&path) {
            Err(SnapshotError::Format { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_written_is_read() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("a.snapshot");
    let read = Snapshot::read(&path).expect("it is read");
    assert_eq!(read, snapshot());
    assert_eq!(read.hash(), snapshot().hash());
    let header = Header::read(&path).expect("it has a header");
    assert_eq!(header.version, "Linux version 6.1.0");
    assert_eq!(header.endian, Endian::Big);
    read.write(&path).expect("it is written over");
    let files = std::fs::read_dir(fixture.folder.path()).expect("it lists");
    assert_eq!(files.count(), 1, "nothing else is left behind");
}

#[test]
fn the_hash_is_of_memory_and_registers() {
    let original = snapshot();
    let mut moved = original.clone();
    moved.vmlinux = "/elsewhere".into();
    moved.console.clear();
    assert_eq!(moved.hash(), original.hash());
    let mut later = original.clone();
    later.registers.pc += 4;
    let mut other = original.clone();
    other
        .pages
        .append(15 * PAGE as u64 + PAGE as u64, &[1; PAGE]);
    assert_ne!(later.hash(), original.hash());
    assert_ne!(other.hash(), original.hash());
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let fixture = Fixture::new();
    let whole = &fixture.bytes;
    for length in 0..whole.len() {
        let expected = match length < MAGIC.len() {
            true => FormatProblem::Foreign,
            false => FormatProblem::Truncated,
        };
        assert_eq!(fixture.problem(&whole[..length]), expected, "{length}");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    let too_long = FormatProblem::Corrupt("its length");
    assert_eq!(fixture.problem(&longer), too_long);
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let fixture = Fixture::new();
    for at in 0..fixture.bytes.len() {
        let mut bytes = fixture.bytes.clone();
        bytes[at] ^= 0x10;
        let problem = fixture.problem(&bytes);
        match at {
            0..8 => assert_eq!(problem, FormatProblem::Foreign),
            8..12 => assert!(matches!(problem, FormatProblem::Version(_))),
            _ => assert!(
                matches!(
                    problem,
                    FormatProblem::Corrupt(_) | FormatProblem::Truncated
                ),
                "{at}: {problem:?}"
            ),
        }
    }
}

/// A header that is in order but does not tell the truth.
fn lie(fixture: &Fixture, change: impl Fn(&mut StoredHeader)) -> FormatProblem {
    let length = u32::from_le_bytes(fixture.bytes[12..16].try_into().expect("four")) as usize;
    let (header, rest) = fixture.bytes[PREFIX..].split_at(length);
    let mut stored: StoredHeader = postcard::from_bytes(header).expect("it reads");
    change(&mut stored);
    let header = postcard::to_stdvec(&stored).expect("it is written");
    let mut bytes = fixture.bytes[..12].to_vec();
    bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&xxh3_64(&header).to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(rest);
    fixture.problem(&bytes)
}

#[test]
fn a_lying_header_gets_no_memory() {
    let fixture = Fixture::new();
    let header = FormatProblem::Corrupt("its header");
    let huge = |part: &mut Part| part.stored = u64::MAX;
    assert_eq!(lie(&fixture, |h| huge(&mut h.pages)), header);
    assert_eq!(lie(&fixture, |h| huge(&mut h.details)), header);
    assert_eq!(lie(&fixture, |h| h.details.size = LARGEST_PART + 1), header);
    assert_eq!(lie(&fixture, |h| h.pages.size = h.memory_size + 1), header);
    let more = |h: &mut StoredHeader| h.pages.stored += 1;
    assert_eq!(lie(&fixture, more), FormatProblem::Truncated);
    let pages = FormatProblem::Corrupt("its pages");
    assert_eq!(lie(&fixture, |h| h.pages.size -= 1), pages);
    assert_eq!(lie(&fixture, |h| h.pages.size += 1), pages);
    let details = FormatProblem::Corrupt("its details");
    assert_eq!(lie(&fixture, |h| h.details.size -= 1), details);

    let mut bytes = fixture.bytes.clone();
    bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(fixture.problem(&bytes), header);
}

#[test]
fn pages_beyond_memory_are_refused() {
    let fixture = Fixture::new();
    // Six pages of sixteen are kept; the last of them is number 15.
    let problem = lie(&fixture, |h| h.memory_size = 15 * PAGE as u64);
    assert_eq!(problem, FormatProblem::Corrupt("its pages"));
}

#[test]
fn other_files_are_not_snapshots() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.problem(b"\x7fELF\x02\x02\x01"),
        FormatProblem::Foreign
    );
    assert_eq!(fixture.problem(b""), FormatProblem::Foreign);
    let none = Snapshot::read(&fixture.folder.path().join("none"));
    assert!(matches!(none, Err(SnapshotError::Read { .. })));
    let folder = Snapshot::read(fixture.folder.path());
    assert!(matches!(folder, Err(SnapshotError::Read { .. })));
    let nowhere = fixture.folder.path().join("no/such/folder");
    let unwritten = snapshot().write(&nowhere);
    assert!(matches!(unwritten, Err(SnapshotError::Write { .. })));
}
