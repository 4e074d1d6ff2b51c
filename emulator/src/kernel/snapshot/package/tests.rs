//! Small packages, made here.

use std::io::Write;

use super::super::vmlinux::tests::passable;
use super::*;

/// A tar archive: names and contents.
fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes)
            .expect("it is added");
    }
    tar.into_inner().expect("it ends")
}

/// Packed as the end of a member's name says.
fn packed(how: &str, bytes: &[u8]) -> Vec<u8> {
    match how {
        "" => bytes.to_vec(),
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).expect("it is packed");
            encoder.finish().expect("it ends")
        }
        ".gz" => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).expect("it is packed");
            encoder.finish().expect("it ends")
        }
        ".zst" => zstd::encode_all(bytes, 1).expect("it is packed"),
        other => unreachable!("{other}"),
    }
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        archive.append(&header, *bytes).expect("it is added");
    }
    archive.into_inner().expect("it ends")
}

const CONTROL: &str = "Package: linux-image-powerpc64le\nDepends: kmod, linux-image-7.2.13-powerpc64le (= 7.2.13-1),\n linux-base | other\nDescription: Linux\n";

/// A package with these files.
fn deb(how: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let control = tar_of(&[("./md5sums", b""), ("./control", CONTROL.as_bytes())]);
    archive(&[
        ("debian-binary", b"2.0\n"),
        (&format!("control.tar{how}"), &packed(how, &control)),
        (&format!("data.tar{how}"), &packed(how, &tar_of(files))),
    ])
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Place { folder }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).expect("it is written");
        path
    }

    fn kernel(&self, bytes: &[u8]) -> Result<PathBuf, SnapshotError> {
        kernel(&self.file("kernel.deb", bytes), || Ok(self.cache()))
    }

    /// What is in the cache.
    fn kept(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.cache()).expect("it is there");
        files.map(|file| file.expect("it is read").path()).collect()
    }

    /// Refused in one line, and nothing is left.
    fn refused(&self, bytes: &[u8], expected: &str) {
        let told = self.kernel(bytes).expect_err("it is refused").to_string();
        assert!(told.contains("kernel.deb: "), "{told}");
        assert!(told.contains(expected), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        if self.cache().exists() {
            assert_eq!(self.kept(), [] as [PathBuf; 0]);
        }
    }
}

#[test]
fn the_kernel_of_a_package_is_unpacked_once() {
    let whole = passable();
    for how in ["", ".xz", ".gz", ".zst"] {
        let place = Place::new();
        let package = deb(how, &[("./boot/vmlinux-7.2", &whole)]);
        let found = place.kernel(&package).expect("there is one");
        assert_eq!(fs::read(&found).ok(), Some(whole.clone()), "{how}");
        assert_eq!(place.kept(), [found.clone()]);
        // The second time it is there: what was never asked for is not missed either.
        let before = fs::metadata(&found).expect("it is there").len();
        assert_eq!(place.kernel(&package).ok(), Some(found.clone()));
        assert_eq!(fs::metadata(&found).map(|m| m.len()).ok(), Some(before));
    }
}

#[test]
fn a_damaged_copy_is_made_again() {
    let place = Place::new();
    let package = deb(".xz", &[("boot/vmlinux-7.2", &passable())]);
    let found = place.kernel(&package).expect("there is one");
    fs::write(&found, "nonsense").expect("it is written");
    assert_eq!(place.kernel(&package).ok(), Some(found.clone()));
    assert_eq!(fs::read(&found).ok(), Some(passable()));
}

#[test]
fn each_place_is_looked_at_and_the_best_is_taken() {
    let whole = passable();
    let mut other = passable();
    other.push(0);
    for path in [
        "boot/vmlinux-6.1",
        "usr/lib/modules/7.2.13/vmlinuz",
        "lib/modules/7.2.13/vmlinuz",
        "boot/vmlinuz-6.1",
        "usr/lib/debug/boot/vmlinux-6.1",
    ] {
        let place = Place::new();
        let package = deb(
            "",
            &[("usr/share/doc/vmlinux-6.1", b"text"), (path, &whole)],
        );
        assert!(place.kernel(&package).is_ok(), "{path}");
    }
    let place = Place::new();
    let package = deb(
        "",
        &[
            ("boot/vmlinuz-6.1", &other),
            ("usr/lib/modules/6.1/vmlinuz", &whole),
            ("usr/lib/debug/boot/vmlinux-6.1", &other),
        ],
    );
    let found = place.kernel(&package).expect("there is one");
    assert_eq!(fs::read(found).ok(), Some(whole.clone()));
    // What is there and no kernel does not stand in the way of one that is.
    let place = Place::new();
    let package = deb(
        "",
        &[
            ("boot/vmlinux-6.1", b"\x1f\x8bpacked"),
            ("boot/vmlinuz-6.1", &whole),
        ],
    );
    assert!(place.kernel(&package).is_ok());
}

#[test]
fn packages_without_a_kernel_say_where_it_may_be() {
    let place = Place::new();
    let meta = deb(".xz", &[("./usr/share/doc/readme", b"text")]);
    place.refused(&meta, "has no kernel: looked for boot/vmlinux-*, ");
    place.refused(
        &meta,
        "; it depends on linux-image-7.2.13-powerpc64le, linux-base",
    );
    let packed = deb("", &[("boot/vmlinuz-6.1", b"\x1f\x8b...")]);
    place.refused(&packed, "its boot/vmlinuz-6.1 is a compressed file");
    let mut x86 = vec![0; 0x300];
    x86[0x202..0x206].copy_from_slice(b"HdrS");
    let x86 = deb(".zst", &[("boot/vmlinuz-6.1", &x86)]);
    place.refused(&x86, "its boot/vmlinuz-6.1 is an x86 bzImage");
}

#[test]
fn what_is_no_package_is_refused() {
    let place = Place::new();
    place.refused(b"", "is no Debian package");
    place.refused(&passable(), "is no Debian package");
    place.refused(b"!<arch>\n", "is an ar archive, but no Debian package");
    let library = archive(&[("object.o", b"\x7fELF")]);
    place.refused(&library, "is an ar archive, but no Debian package");
    let empty = archive(&[("debian-binary", b"2.0\n")]);
    place.refused(&empty, "is cut off or damaged: it has no data.tar");
    let other = archive(&[("debian-binary", b"2.0\n"), ("data.tar.bz2", b"BZh")]);
    place.refused(&other, "has a data.tar.bz2");
    let nonsense = archive(&[("debian-binary", b"2.0\n"), ("data.tar.xz", b"nonsense")]);
    place.refused(&nonsense, "is cut off or damaged: ");
}

/// Never more than a refusal, wherever it ends, and nothing of it stays.
#[test]
fn a_package_that_is_cut_off_is_refused() {
    for how in ["", ".xz", ".gz", ".zst"] {
        let place = Place::new();
        let whole = deb(how, &[("boot/vmlinux-7.2", &passable())]);
        // A last odd byte is followed by one that nobody needs.
        let lengths = (0..whole.len() - 1).step_by(7);
        for length in lengths.chain([whole.len() - 2]) {
            place.refused(&whole[..length], "kernel.deb: is ");
        }
    }
}

#[test]
fn a_plain_kernel_stays_where_it_is() {
    let place = Place::new();
    let path = place.file("vmlinuz-6.1", &passable());
    let found = kernel(&path, || unreachable!("there is nothing to keep"));
    assert_eq!(found.ok(), Some(path));
}
