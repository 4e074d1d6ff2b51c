//! Short names of kernels: `kernels add`, `kernels remove`, the list, and where a name is taken.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use common::{Called, json_lines};

const SCENARIO: &str = "io-worker-on-interrupt-return.json";

/// A user with a folder of their own, and a project of theirs.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for inside in ["project/deep", "config"] {
            fs::create_dir_all(folder.path().join(inside)).expect("a folder is made");
        }
        let corpus = common::project().join("corpus").join(SCENARIO);
        fs::copy(corpus, folder.path().join("project").join(SCENARIO)).expect("it is copied");
        Place { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn user(&self) -> PathBuf {
        self.path("config/ctxfuzz/kernels.toml")
    }

    fn write(&self, file: &Path, text: &str) {
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder is made");
        fs::write(file, text).expect("it is written");
    }

    fn call_in(&self, folder: &str, arguments: &[&str]) -> Called {
        let output = common::ctxfuzz()
            .args(arguments)
            .current_dir(self.path(folder))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .output()
            .expect("the program starts");
        Called {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }

    fn call(&self, arguments: &[&str]) -> Called {
        self.call_in("project", arguments)
    }

    fn refused(&self, arguments: &[&str], expected: &str) {
        let called = self.call(arguments);
        let told = &called.stderr;
        assert_eq!(called.status, Some(2), "{arguments:?}: {told}");
        assert_eq!(called.stdout, "", "{arguments:?}");
        assert_eq!(told.lines().count(), 1, "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
}

fn good(called: &Called) {
    assert_eq!(called.status, Some(0), "{}{}", called.stdout, called.stderr);
}

#[test]
fn a_slip_in_a_name_is_answered_with_the_nearest() {
    let place = Place::new();
    let user = "[kernels]\n\"debian-6.12\" = \"/gone/vmlinux\"\n";
    place.write(&place.user(), user);
    for (name, expected) in [
        (
            "fixd",
            "unknown kernel `fixd`: did you mean `fixed`? expected",
        ),
        ("debian-6.1", "did you mean `debian-6.12`?"),
        (SCENARIO, "did you mean `vmlinux:io-worker-on-"),
        (
            "fixed+vscr-not-restord",
            "did you mean `vscr-not-restored`?",
        ),
        (
            "nothing-like-it",
            "unknown kernel `nothing-like-it`: expected",
        ),
    ] {
        place.refused(&["check", "--kernel", name, SCENARIO], expected);
    }
}

#[test]
fn a_name_whose_file_has_gone_is_refused_where_it_is_used_and_listed() {
    let place = Place::new();
    place.write(&place.user(), "[kernels]\n\nmine = \"gone/vmlinux\"\n");
    let expected = "kernel `mine`: ";
    place.refused(&["check", "--kernel", "mine", SCENARIO], expected);
    place.refused(&["run", "--a", "mine", SCENARIO], "kernels.toml:3 names it");
    place.refused(
        &["run", "--b", "mine", SCENARIO],
        "gone/vmlinux is not there",
    );
    place.refused(&["compare", "mine", "fixed"], expected);
    let listed = place.call(&["kernels"]);
    good(&listed);
    assert!(
        listed.stdout.contains("\nmine             missing\n"),
        "{}",
        listed.stdout
    );
    let json = &json_lines(&place.call(&["kernels", "--json"]).stdout)[0]["named"][0];
    assert_eq!(json["name"], "mine");
    assert_eq!(json["missing"], true);
    assert_eq!(json["line"], 3);
    assert_eq!(json["project"], false);
}

#[test]
fn what_is_no_kernel_is_listed_as_none_and_no_pipe_is_waited_for() {
    let place = Place::new();
    let pipe = place.path("project/pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let text = format!("[kernels]\npipe = \"pipe\"\nscenario = \"{SCENARIO}\"\n");
    place.write(&place.path("project/ctxfuzz.toml"), &text);
    let listed = place.call(&["kernels"]);
    good(&listed);
    for expected in [
        "pipe             no kernel: it is no regular file\n",
        "scenario         no kernel: io-worker-on-interrupt-return.json: is not an",
    ] {
        assert!(listed.stdout.contains(expected), "{}", listed.stdout);
    }
}

#[test]
fn a_registry_that_is_not_understood_stops_what_would_need_it_and_nothing_else() {
    let place = Place::new();
    place.write(&place.user(), "[kernels]\nmine = 3\n");
    let expected = "kernels.toml:2: kernels.mine: expected the path of a kernel";
    for arguments in [
        &["check", "--kernel", "mine", SCENARIO][..],
        &["kernels"],
        &["kernels", "add", "other", SCENARIO],
        &["kernels", "remove", "mine"],
    ] {
        place.refused(arguments, expected);
    }
    good(&place.call(&["check", "--kernel", "fixed", SCENARIO]));
    place.write(&place.path("project/ctxfuzz.toml"), "[kernel]\n");
    let expected = "ctxfuzz.toml:1: `kernel`: expected [kernels]";
    place.refused(&["run", "--a", "mine", SCENARIO], expected);
}

#[test]
fn what_is_no_name_and_what_is_no_kernel_is_refused_and_nothing_is_written() {
    let place = Place::new();
    for (name, expected) in [
        ("fixed", "it is the name of a model"),
        ("a+b", "expected at most 40 letters"),
        ("vmlinux:x", "no name for a kernel"),
        ("a b", "no name for a kernel"),
        ("x\u{1b}[31m", r"`x\u{1b}[31m`: no name"),
    ] {
        place.refused(&["kernels", "add", name, SCENARIO], expected);
    }
    let no_kernel = "io-worker-on-interrupt-return.json: is not an ELF file";
    place.refused(&["kernels", "add", "mine", SCENARIO], no_kernel);
    place.refused(&["kernels", "add", "mine", "none"], "none: cannot read it");
    place.refused(&["kernels", "add", "mine"], "<FILE>");
    place.refused(&["kernels", "remove", "mine"], "no kernel has that name");
    assert!(!place.user().exists());
    assert!(!place.path("project/ctxfuzz.toml").exists());
}

#[test]
fn a_name_that_is_taken_says_by_what() {
    let place = Place::new();
    place.write(&place.user(), "[kernels]\nmine = \"/a/vmlinux\"\n");
    let project = place.path("project/ctxfuzz.toml");
    place.write(&project, "[kernels]\nours = \"b/vmlinux\"\n");
    let expected = "the name is taken: ";
    place.refused(&["kernels", "add", "mine", SCENARIO, "--project"], expected);
    let expected = "kernels.toml:2 names /a/vmlinux; `ctxfuzz kernels remove mine` first";
    place.refused(&["kernels", "add", "mine", SCENARIO], expected);
    let expected = "ctxfuzz.toml:2 names b/vmlinux; `ctxfuzz kernels remove ours --project` first";
    place.refused(&["kernels", "add", "ours", SCENARIO], expected);
    place.refused(
        &["kernels", "remove", "ours"],
        "one of the project's names, at ctxfuzz.toml:2: say --project",
    );
    place.refused(
        &["kernels", "remove", "mine", "--project"],
        "leave --project out",
    );
    place.refused(&["kernels", "remove", "mien"], "did you mean `mine`?");
    let user = fs::read_to_string(place.user()).expect("it reads");
    assert_eq!(user, "[kernels]\nmine = \"/a/vmlinux\"\n");
}

#[test]
fn the_projects_name_counts_and_the_users_is_hidden() {
    let place = Place::new();
    place.write(&place.user(), "[kernels]\nmine = \"/a/vmlinux\"\n");
    place.write(
        &place.path("project/ctxfuzz.toml"),
        "[kernels]\nmine = \"b/vmlinux\"\n",
    );
    // Also from a folder below.
    let called = place.call_in("project/deep", &["run", "--a", "mine", "x.json"]);
    let told = called.stderr;
    assert!(told.contains("project/b/vmlinux is not there; "), "{told}");
    let listed = place.call(&["kernels", "--json"]).stdout;
    let named = &json_lines(&listed)[0]["named"];
    assert_eq!(named[0]["project"], true);
    assert_eq!(named[0].get("hidden"), None);
    assert_eq!(
        (&named[1]["project"], &named[1]["hidden"]),
        (&false.into(), &true.into())
    );
    let text = place.call(&["kernels"]).stdout;
    assert!(
        text.contains("hidden by the same name of the project's; missing"),
        "{text}"
    );
    // Taken away from the project it is the user's again.
    good(&place.call(&["kernels", "remove", "mine", "--project"]));
    place.refused(&["run", "--a", "mine", SCENARIO], "/a/vmlinux is not there");
    good(&place.call(&["kernels", "remove", "mine"]));
    place.refused(&["run", "--a", "mine", SCENARIO], "unknown kernel `mine`");
    let left = fs::read_to_string(place.user()).expect("it reads");
    assert_eq!(left, "[kernels]\n");
}

/// The whole way: named, used wherever a kernel can be named, shown with its release and its hash.
#[test]
fn a_real_kernel_is_used_and_shown_by_its_name() {
    let test = "a_real_kernel_is_used_and_shown_by_its_name";
    let Some([debian]) = common::real_kernels(test, ["debian"]) else {
        return;
    };
    let kernel = debian.strip_prefix("vmlinux:").expect("a file");
    let kernel = fs::canonicalize(kernel).expect("it is there");
    let place = Place::new();
    fs::create_dir(place.path("project/k")).expect("a folder is made");
    std::os::unix::fs::symlink(kernel, place.path("project/k/vmlinux")).expect("a link is made");

    let added = place.call(&["kernels", "add", "mine", "k/vmlinux"]);
    good(&added);
    assert!(
        added.stdout.starts_with("mine: Linux 6.1."),
        "{}",
        added.stdout
    );
    let added = place.call_in(
        "project/deep",
        &[
            "kernels",
            "add",
            "ours",
            "../k/vmlinux",
            "--project",
            "--json",
        ],
    );
    good(&added);
    // There is no project yet, so one begins where it is asked for; its paths move with it.
    let project = place.path("project/deep/ctxfuzz.toml");
    let text = fs::read_to_string(&project).expect("it reads");
    assert!(text.ends_with("ours = \"../k/vmlinux\"\n"), "{text}");
    fs::remove_file(project).expect("it is removed");
    good(&place.call(&["kernels", "add", "ours", "k/vmlinux", "--project"]));
    let text = fs::read_to_string(place.path("project/ctxfuzz.toml")).expect("it reads");
    assert!(
        text.ends_with("[kernels]\nours = \"k/vmlinux\"\n"),
        "{text}"
    );

    let listed = &json_lines(&place.call(&["kernels", "--json"]).stdout)[0]["named"];
    let (release, image) = (&listed[0]["release"], &listed[0]["image"]);
    assert_eq!(listed[0]["name"], "ours");
    assert_eq!(listed[1]["image"], *image);
    for line in place.call(&["kernels"]).stdout.lines() {
        let short = line.chars().count() <= 80 || line.contains("kernels.toml");
        assert!(short, "{line}");
    }

    let checked = place.call_in(
        "project/deep",
        &[
            "check",
            "--kernel",
            "ours",
            "../io-worker-on-interrupt-return.json",
        ],
    );
    good(&checked);
    let (release, image) = (
        release.as_str().expect("text"),
        image.as_str().expect("text"),
    );
    let flat: Vec<&str> = checked.stdout.split_whitespace().collect();
    let expected = format!("kernel: ours ({release}, image {image}), completed");
    assert!(flat.join(" ").contains(&expected), "{}", checked.stdout);
    assert!(!checked.stdout.contains("vmlinux"), "{}", checked.stdout);

    let checked = place.call(&["check", "--kernel", "mine", "--json", SCENARIO]);
    let json = &json_lines(&checked.stdout)[0];
    assert_eq!(json["kernel"], "mine");
    assert_eq!(
        (&json["release"], &json["image"]),
        (&release.into(), &image.into())
    );
    let run = place.call(&["run", "--a", "mine", "--b", "ours", "--json", SCENARIO]);
    let json = &json_lines(&run.stdout)[0];
    assert_eq!(
        (&json["a"]["kernel"], &json["b"]["image"]),
        (&"mine".into(), &image.into())
    );
    let explained = place.call(&[
        "explain",
        "--a",
        "clobbering",
        "--b",
        "mine",
        "--json",
        SCENARIO,
    ]);
    let json = &json_lines(&explained.stdout)[0];
    assert_eq!(json["releases"], serde_json::json!([null, release]));
    assert!(
        json["command"]
            .as_str()
            .is_some_and(|c| c.contains("--b mine ")),
        "{json}"
    );

    // A row of a scenario may name it too.
    let text = fs::read_to_string(place.path("project").join(SCENARIO)).expect("it reads");
    let row = text.replacen("\"a\": \"clobbering\"", "\"a\": \"mine\"", 1);
    assert_ne!(row, text);
    place.write(&place.path("project/row.json"), &row);
    let held = place.call(&["run", "--expect", "row.json", "--json"]);
    assert_eq!(json_lines(&held.stdout)[0]["a"], "mine", "{}", held.stderr);
    assert_eq!(
        json_lines(&held.stdout)[0]["holds"],
        false,
        "it is not clobbering"
    );
}
