use super::*;

const EDITED: &str = r#"# Mine.

[kernels]
# Debian's:
debian = "debian/vmlinux" # 6.1
old   =   "/boot/vmlinux"

# ours
ours = '../linux/vmlinux'
# no more
"#;

fn read(text: &str) -> Result<RegistryFile, String> {
    let path = Path::new("/r/ctxfuzz.toml");
    RegistryFile::parse(path, text.to_owned()).map_err(|trouble| trouble.to_string())
}

#[test]
fn names_are_read_with_their_lines_and_paths_from_the_file() -> Result<(), String> {
    let entries = read(EDITED)?.entries;
    let seen: Vec<_> = entries
        .iter()
        .map(|e| (e.name.as_str(), e.file.to_str(), e.line))
        .collect();
    assert_eq!(
        seen,
        [
            ("debian", Some("/r/debian/vmlinux"), 5),
            ("old", Some("/boot/vmlinux"), 6),
            ("ours", Some("/r/../linux/vmlinux"), 9),
        ]
    );
    assert!(read("")?.entries.is_empty());
    assert!(read("kernels = { a = \"b\" }")?.entries.len() == 1);
    assert!(read("kernels.a = \"b\"")?.entries.len() == 1);
    Ok(())
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, expected) in [
        ("[kernels]\na = \n", "/r/ctxfuzz.toml:2: "),
        ("[kernels]\na = \"x\"\na = \"y\"\n", "/r/ctxfuzz.toml:3: "),
        ("\n[kernel]\n", ":2: `kernel`: expected [kernels]"),
        ("kernels = 3\n", ":1: kernels: expected a table, [kernels]"),
        ("[kernels]\n\na = 1\n", ":3: kernels.a: expected the path"),
        ("[kernels]\na = \"\"\n", ":2: kernels.a: expected the path"),
        (
            "[kernels]\na.b = \"x\"\n",
            ":2: kernels.a: expected NAME = \"FILE\"; a name with a dot in it goes into quotes too",
        ),
        (
            "[kernels]\n\"a b\" = \"x\"\n",
            ":2: kernels.`a b`: no name for a kernel: expected at most",
        ),
        ("[kernels]\nfixed = \"x\"\n", "it is the name of a model"),
    ] {
        let told = read(text).err().unwrap_or_default();
        assert!(told.contains(expected), "{text}: {told}");
        assert!(!told.contains('\n'), "{told}");
    }
}

#[test]
fn a_name_is_added_behind_the_others_and_nothing_else_changes() -> Result<(), Trouble> {
    let with = |text: &str, kernel: &str, moves: bool| {
        let file = RegistryFile::parse(Path::new("/r/ctxfuzz.toml"), text.to_owned());
        file?.with("new", Path::new(kernel), moves)
    };
    let expected = EDITED.replace("# no more\n", "new = \"/k/vmlinux\"\n# no more\n");
    assert_eq!(with(EDITED, "/k/./vmlinux", true)?, expected);
    let near = with("", "/r/k/vmlinux", true)?;
    assert_eq!(near, "[kernels]\nnew = \"k/vmlinux\"\n");
    let kept = with("", "/r/k/vmlinux", false)?;
    assert_eq!(kept, "[kernels]\nnew = \"/r/k/vmlinux\"\n");
    let first = RegistryFile::new(Path::new("/r/ctxfuzz.toml"));
    let first = first.with("new", Path::new("/k"), true)?;
    assert!(first.starts_with("# Short names"), "{first}");
    assert!(first.ends_with("\n[kernels]\nnew = \"/k\"\n"), "{first}");
    Ok(())
}

#[test]
fn a_name_is_removed_and_every_comment_of_its_own_line_stays() -> Result<(), String> {
    let without = |text: &str, name: &str| {
        let text = read(text)?.without(name);
        text.map_err(|trouble| trouble.to_string())
    };
    assert_eq!(
        without(EDITED, "debian")?,
        EDITED.replace("debian = \"debian/vmlinux\" # 6.1\n", "")
    );
    let old = EDITED.replace("old   =   \"/boot/vmlinux\"\n", "");
    assert_eq!(without(EDITED, "old")?, old);
    let last = EDITED.replace("ours = '../linux/vmlinux'\n", "");
    assert_eq!(without(EDITED, "ours")?, last);
    assert_eq!(without("kernels = { a = \"b\" }\n", "a")?, "kernels = {}\n");
    Ok(())
}
