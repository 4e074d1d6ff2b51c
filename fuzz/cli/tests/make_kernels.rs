//! What `make kernels` runs, with programs of ours in the places of apt, the compiler and the rest:
//! which package is taken, what is refused, what is said.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Two machines' worth of package sources.
const CONFIG: &str =
    "#!/bin/sh\necho \"list='$FAKE/sources.list'\"\necho \"parts='$FAKE/sources.list.d/'\"\n";

/// Lists what is in `lists/RELEASE`, a line each: package and version.
const CACHE: &str = r#"#!/bin/sh
for argument in "$@"; do case $argument in Dir::Etc::SourceList=*) list=${argument#*=} ;; esac; done
release=$(awk 'END { print $(NF - 1) }' "$list")
[ ! -e "$FAKE/lists/$release" ] || case "$*" in
*pkgnames*) cut -d' ' -f1 "$FAKE/lists/$release" ;;
*madison*) while read -r name version; do
	case " $* " in *" $name "*) echo " $name | $version | http://mirror $release/main ppc64el Packages" ;; esac
done <"$FAKE/lists/$release" ;;
esac
"#;

/// Has what is in `mirror`.
const GET: &str = r#"#!/bin/sh
for package; do :; done
[ "$package" != update ] || exit 0
[ -e "$FAKE/mirror/$package" ] || { echo "E: Failed to fetch http://mirror/$package  404  Not Found" >&2; exit 100; }
cp "$FAKE/mirror/$package" package.deb
"#;

/// A package is a tar archive here.
const DPKG: &str = "#!/bin/sh\nexec tar -xf \"$2\" -C \"$3\"\n";

/// Every kernel has its reloads.
const OBJDUMP: &str = r#"#!/bin/sh
[ "$1" != -f ] || { echo powerpcle; exit; }
case $2 in *=.*) exit ;; esac
printf 'c000000000000000 <%s> (File Offset: 0x10):\n' "${2#*=}"
printf ' c00000000000000%s:\t00 00 00 00 \t%s\n' 0 'mffs    f0' 4 'lfd     f0,0(r3)' 8 'lvx     v0,0,r3'
"#;

/// A Linux whose configuration is what is asked for, but for a line that says `$DROP`, and whose
/// compiler takes two seconds.
const MAKEFILE: &str = "VERSION = 7
PATCHLEVEL = 2
allnoconfig:
\t@grep -v \"$${DROP:-^$$}\" $(KCONFIG_ALLCONFIG) >$(O)/.config
vmlinux:
\t@[ -z \"$$BROKEN\" ] || { echo 'no such luck'; exit 1; }
\t@echo '  CC      init/main.o'; sleep 2.5; echo kernel >$(O)/vmlinux
";

const SIGNAL: &str = "static long notrace __unsafe_restore_sigcontext(struct task_struct *tsk)
{
	regs_set_return_msr(regs, regs->msr & ~(MSR_FP | MSR_FE0 | MSR_FE1 | MSR_VEC | MSR_VSX));
}
	regs_set_return_msr(regs, regs->msr & ~(MSR_FP | MSR_FE0 | MSR_FE1 | MSR_VEC | MSR_VSX));
	tsk->thread.fp_state.fpscr = 0;
";

const PROCESS: &str = "	childregs->msr &= ~(MSR_FP|MSR_VEC|MSR_VSX);
int set_fpexc_mode(struct task_struct *tsk, unsigned int val)
{
	if (regs != NULL && (regs->msr & MSR_FP) != 0) {
		regs_set_return_msr(regs, (regs->msr & ~(MSR_FE0|MSR_FE1))
						| tsk->thread.fpexc_mode);
	}
}
";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Place {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        for (name, script) in [
            ("apt-config", CONFIG),
            ("apt-cache", CACHE),
            ("apt-get", GET),
            ("dpkg-deb", DPKG),
            ("fake-objdump", OBJDUMP),
        ] {
            let path = place.write(&format!("bin/{name}"), script);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it may run");
        }
        place.write(
            "sources.list",
            "deb http://mirror/debian bookworm main # mine\n",
        );
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().expect("it is in one");
        fs::create_dir_all(folder).expect("a folder is made");
        fs::write(&path, text).expect("it is written");
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The mirror lists it, and has it if there is something in it.
    fn package(&self, release: &str, name: &str, version: &str, file: Option<&str>) {
        let list = self.read(&format!("lists/{release}")) + &format!("{name} {version}\n");
        self.write(&format!("lists/{release}"), &list);
        let Some(file) = file else { return };
        self.write(&format!("tree/{version}/{file}"), version);
        fs::create_dir_all(self.path("mirror")).expect("a folder is made");
        let package = self.path(&format!("mirror/{name}={version}"));
        let tree = self.path(&format!("tree/{version}"));
        let packed = Command::new("tar")
            .arg("-cf")
            .arg(package)
            .arg("-C")
            .arg(tree)
            .arg(".")
            .status();
        assert!(packed.expect("tar starts").success());
    }

    /// A source tree of Linux 7.2.
    fn source(&self) -> PathBuf {
        self.write("linux/Makefile", MAKEFILE);
        let kernel = "linux/arch/powerpc/kernel";
        self.write(&format!("{kernel}/fpu.S"), "");
        self.write(&format!("{kernel}/vector.S"), "");
        self.write(&format!("{kernel}/signal_64.c"), SIGNAL);
        self.write(&format!("{kernel}/process.c"), PROCESS);
        self.write(&format!("{kernel}/interrupt.c"), "");
        self.path("linux")
    }

    fn script(&self, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Told {
        let path = std::env::var("PATH").expect("there is a path");
        let output = Command::new(common::project().join("emulator/linux").join(name))
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("FAKE", self.folder.path())
            .env("CTXFUZZ_KERNELS", self.path("kernels"))
            .env("CROSS_COMPILE", "fake-")
            .env("PROGRESS_SECONDS", "1")
            .env_remove("LINUX_SOURCE")
            .env_remove("DEBIAN_MIRROR")
            .envs(variables.iter().copied())
            .output()
            .expect("it starts");
        Told::new(output)
    }

    fn build(&self, names: &[&str]) -> Told {
        self.script("build", names, &[])
    }

    fn compile(&self, names: &[&str], variables: &[(&str, &str)]) -> Told {
        let source = self.source().display().to_string();
        let mut variables = variables.to_vec();
        variables.push(("LINUX_SOURCE", &source));
        self.script("build", names, &variables)
    }
}

struct Told {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Told {
    fn new(output: Output) -> Self {
        Told {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    fn is(&self, status: i32, expected: &[&str]) {
        let told = &self.stderr;
        assert_eq!(self.status, Some(status), "{told}");
        for part in expected {
            assert!(told.contains(part), "`{part}` is not in {told}");
        }
    }
}

#[test]
fn a_name_that_is_none_is_refused_with_those_that_there_are() {
    let place = Place::new();
    for name in ["fixed-7.2-me", "fixed-5.4-le", "debian-6.1-64k", "7.3"] {
        let told = place.build(&["debian", name]);
        told.is(2, &[&format!("there is no kernel '{name}'; there are: ")]);
        for there in [
            "fixed-le",
            "repaired-6.12-le",
            "fixed-7.2-full-le",
            "debian-7.2-64k",
        ] {
            told.is(2, &[there]);
        }
        assert_eq!(told.stderr.lines().count(), 1, "{}", told.stderr);
    }
}

#[test]
fn the_newest_that_a_mirror_really_has_is_taken() {
    let place = Place::new();
    let file = "boot/vmlinux-6.12";
    for (version, there) in [
        ("6.12.9-1", Some(file)),
        ("6.12.117-1", None),
        ("6.12.107-1", Some(file)),
    ] {
        let (number, _) = version.split_once('-').expect("it has a revision");
        let name = format!("linux-image-{number}+deb13-powerpc64le");
        place.package("trixie", &name, version, there);
        // What is not meant.
        for other in ["-64k", "-dbg", "-64k-dbg"] {
            place.package("trixie", &format!("{name}{other}"), "6.12.900-1", None);
        }
    }
    let told = place.build(&["debian-6.12"]);
    told.is(
        0,
        &["the mirror lists linux-image-6.12.117+deb13-powerpc64le 6.12.117-1 and does not have it: E: Failed to fetch", "debian-6.12 is linux-image-6.12.107+deb13-powerpc64le 6.12.107-1 of trixie"],
    );
    assert!(!told.stderr.contains("6.12.900"), "{}", told.stderr);
    assert_eq!(place.read("kernels/debian-6.12/vmlinux"), "6.12.107-1");
    assert_eq!(
        place.read("kernels/debian-6.12/version"),
        "package: linux-image-6.12.107+deb13-powerpc64le\nversion: 6.12.107-1\nrelease: trixie\nfile: boot/vmlinux-6.12\n"
    );
    // It is there, and nobody is asked again.
    let again = place.build(&["debian-6.12"]);
    again.is(0, &[]);
    assert_eq!(again.stderr, "");
}

#[test]
fn what_a_mirror_does_not_have_is_one_line_and_the_rest_is_made() {
    let place = Place::new();
    let name = "linux-binary-7.2.13+deb14-powerpc64le";
    let file = "usr/lib/modules/7.2.13/vmlinuz";
    place.package("sid", name, "7.2.13-1", Some(file));
    // Only a meta package there.
    place.package(
        "sid",
        "linux-image-7.2.13+deb14-powerpc64le",
        "7.2.13-1",
        None,
    );
    place.package(
        "trixie",
        "linux-image-6.12.117+deb13-powerpc64le-64k",
        "6.12.117-1",
        None,
    );
    let told = place.build(&["debian-6.12", "debian-6.12-64k", "debian-7.2"]);
    told.is(
        2,
        &[
            "the mirror has no package linux-image-6\\.12\\.",
            "the mirror has nothing older",
            "not made, for the mirror does not have what they need: debian-6.12 debian-6.12-64k",
        ],
    );
    assert_eq!(place.read("kernels/debian-7.2/vmlinux"), "7.2.13-1");
    assert!(!place.path("kernels/debian-6.12/vmlinux").exists());
    // A package that has no kernel is another matter.
    place.package(
        "bookworm",
        "linux-image-6.1.0-50-powerpc64le",
        "6.1.176-1",
        Some("boot/config"),
    );
    place.build(&["debian"]).is(2, &["has no kernel in boot/"]);
}

#[test]
fn the_mirror_is_that_of_the_machine() {
    let place = Place::new();
    let sources = |release: &str| place.script("packages", &["sources", release], &[]);
    assert_eq!(
        sources("sid").stdout,
        "deb http://mirror/debian sid main\n",
        "one line"
    );
    place.write("sources.list", "# deb http://old/debian bookworm main\ndeb-src http://src/debian bookworm main\ndeb [arch=amd64 signed-by=/key.gpg] http://other/ nodistro main\n");
    place.write(
        "sources.list.d/debian.sources",
        "Types: deb\nURIs: http://off/debian\nSuites: bookworm\nEnabled: no\n\n# no\nTypes: deb deb-src\nURIs: http://new/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /archive.gpg\n\nTypes: deb\nURIs: http://new/security\nSuites: bookworm-security\nSigned-By:\n -----BEGIN PGP\n",
    );
    assert_eq!(
        sources("trixie").stdout,
        "deb [signed-by=/archive.gpg] http://new/debian trixie main\ndeb http://new/security trixie-security main\n",
        "stanzas"
    );
    assert_eq!(
        sources("sid").stdout,
        "deb [signed-by=/archive.gpg] http://new/debian sid main\n",
        "sid has no security updates"
    );
    fs::remove_dir_all(place.path("sources.list.d")).expect("it goes");
    sources("sid").is(2, &["no Debian release is in the package sources"]);
    let named = place.script(
        "packages",
        &["sources", "sid"],
        &[("DEBIAN_MIRROR", "http://m")],
    );
    assert_eq!(named.stdout, "deb http://m sid main\n");
}

#[test]
fn repairs_fit_or_are_named() {
    let place = Place::new();
    let tree = place.source().display().to_string();
    let variant = |version: &str, kind: &str| place.script("variant", &[&tree, version, kind], &[]);
    let file = |name: &str| place.read(&format!("linux/arch/powerpc/kernel/{name}"));
    variant("7.2", "repaired").is(0, &[]);
    let repaired = file("signal_64.c");
    assert_eq!(
        repaired
            .matches("tsk->thread.load_fp = 0; tsk->thread.load_vec = 0;")
            .count(),
        1
    );
    assert_eq!(repaired.lines().count(), SIGNAL.lines().count());
    assert!(file("process.c").contains("} preempt_enable();"));
    variant("7.2", "fixed").is(0, &[]);
    assert_eq!(
        (file("signal_64.c"), file("process.c")),
        (SIGNAL.to_owned(), PROCESS.to_owned())
    );
    // Before 7.0 there is one more, and this tree has no place for it.
    variant("6.12", "repaired").is(
        2,
        &["the repair task-work-signal does not fit arch/powerpc/kernel/interrupt.c of Linux 6.12: "],
    );
    assert_eq!(file("signal_64.c"), SIGNAL, "nothing is done by halves");
    variant("7.2", "clobbering").is(
        2,
        &["taking out the FP reloads does not fit arch/powerpc/kernel/fpu.S of Linux 7.2: it changes 0 lines there instead of 2"],
    );
    place.write(
        "linux/arch/powerpc/kernel/signal_64.c.fixed",
        &SIGNAL.repeat(2),
    );
    variant("7.2", "repaired").is(2, &["the repair sigreturn-reload does not fit"]);
}

#[test]
fn a_build_says_where_it_is_and_is_not_done_twice() {
    let place = Place::new();
    let told = place.compile(&["fixed-7.2-le"], &[]);
    told.is(
        0,
        &[
            &format!(
                "the log is {}",
                place.path("kernels/build/fixed-7.2-le.log").display()
            ),
            "fixed-7.2-le: 0:0",
            "1 steps, last init/main.o",
        ],
    );
    assert!(
        place
            .read("kernels/fixed-7.2-le/version")
            .starts_with("source: ")
    );
    let fragment = place.read("kernels/fixed-7.2-le/fragment");
    assert!(fragment.contains("\nCONFIG_PREEMPT_LAZY=y\n"), "{fragment}");
    assert!(
        fragment.contains("\nCONFIG_CPU_LITTLE_ENDIAN=y\n"),
        "{fragment}"
    );
    assert_eq!(place.compile(&["fixed-7.2-le"], &[]).stderr, "");
    // It is made again when what is asked of it is other than it was.
    place.write("kernels/fixed-7.2-le/fragment", "CONFIG_SMP=y\n");
    place.compile(&["fixed-7.2-le"], &[]).is(0, &["made "]);
    assert_eq!(place.read("kernels/fixed-7.2-le/fragment"), fragment);
    place.compile(&["fixed-7.2-full-le"], &[]).is(0, &[]);
    let full = place.read("kernels/fixed-7.2-full-le/fragment");
    assert!(
        full.contains("\nCONFIG_PREEMPT=y\n") && !full.contains("LAZY"),
        "{full}"
    );
}

#[test]
fn a_build_that_fails_says_why() {
    let place = Place::new();
    let told = place.compile(&["fixed-7.2-le"], &[("DROP", "IO_URING")]);
    told.is(
        2,
        &["the configuration of Linux 7.2 does not take CONFIG_IO_URING=y"],
    );
    let told = place.compile(&["fixed-7.2-le"], &[("BROKEN", "yes")]);
    told.is(2, &["no such luck", "fixed-7.2-le does not build: see "]);
    assert!(!place.path("kernels/fixed-7.2-le/vmlinux").exists());
    // A source is for the kernels of its version.
    place.compile(&["fixed-le"], &[]).is(
        2,
        &["LINUX_SOURCE is Linux 7.2, and fixed-le is 6.1: there are fixed-7.2-le"],
    );
    let given = |path: &Path| {
        let path = path.display().to_string();
        place.script("build", &[], &[("LINUX_SOURCE", &path)])
    };
    given(&place.path("none")).is(2, &["LINUX_SOURCE: there is no "]);
    let other = given(&common::project().join("corpus"));
    other.is(2, &["corpus is no source of Linux: "]);
    let text = given(&place.write("text.tar.xz", "text"));
    text.is(2, &["text.tar.xz cannot be unpacked"]);
}
