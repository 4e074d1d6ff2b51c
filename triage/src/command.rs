//! Command lines as they are shown in reports: so that they can be given to a shell again.
//!
//! Not responsible for what a command does.

use std::fmt::Display;
use std::path::Path;

/// A command of `ctxfuzz` with its arguments, quoted where a shell needs it.
pub fn line<A: AsRef<str>>(arguments: impl IntoIterator<Item = A>) -> String {
    let mut line = "ctxfuzz".to_owned();
    for argument in arguments {
        line.push(' ');
        line.push_str(&quoted(argument.as_ref()));
    }
    line
}

/// The command that shows a finding again: it runs one scenario on both kernels, and the seed of
/// the campaign no longer matters.
pub fn explain(a: &dyn Display, b: &dyn Display, endian: &str, scenario: &Path) -> String {
    let (a, b) = (a.to_string(), b.to_string());
    let file = scenario.to_string_lossy();
    // A file whose name begins with a dash would be an option.
    let file = match file.starts_with('-') {
        true => format!("./{file}"),
        false => file.into_owned(),
    };
    // Exit status 1 for both verdicts that campaigns report.
    line([
        "explain", "--a", &a, "--b", &b, "--endian", endian, "--abi", "linux", &file,
    ])
}

fn quoted(argument: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./+=:,@%".contains(c);
    match !argument.is_empty() && argument.chars().all(safe) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_used_again() {
        let arguments = [
            "fuzz",
            "--corpus",
            "my corpus",
            "--a",
            "fixed+x",
            "it's",
            "",
        ];
        assert_eq!(
            line(arguments),
            r"ctxfuzz fuzz --corpus 'my corpus' --a fixed+x 'it'\''s' ''"
        );
    }

    #[test]
    fn a_file_is_not_an_option() {
        let command = |file: &str| explain(&"fixed+x", &"fixed", "le", Path::new(file));
        assert!(command("-x/$a.json").ends_with("--endian le --abi linux './-x/$a.json'"));
        assert!(command("a/b.json").ends_with(" a/b.json"));
    }
}
