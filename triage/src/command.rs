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

/// The command that shows a finding again: it runs one scenario on the kernel, or on both, and the
/// seed of the campaign no longer matters.
pub fn explain(kernels: &[impl Display], endian: &str, scenario: &Path) -> String {
    let file = scenario.to_string_lossy();
    // A file whose name begins with a dash would be an option.
    let file = match file.starts_with('-') {
        true => format!("./{file}"),
        false => file.into_owned(),
    };
    let names = kernels.iter().map(ToString::to_string);
    let kernels: Vec<String> = match kernels.len() {
        1 => ["--kernel".to_owned()].into_iter().chain(names).collect(),
        _ => ["--a", "--b"]
            .into_iter()
            .map(str::to_owned)
            .zip(names)
            .flat_map(|(option, name)| [option, name])
            .collect(),
    };
    // Exit status 1 for both verdicts that campaigns report.
    let rest = ["--endian", endian, "--abi", "linux", &file];
    let rest = rest.into_iter().map(str::to_owned);
    let command = ["explain".to_owned()].into_iter();
    line(command.chain(kernels).chain(rest))
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
        let command = |file: &str| explain(&["fixed+x", "fixed"], "le", Path::new(file));
        assert!(command("-x/$a.json").ends_with("--endian le --abi linux './-x/$a.json'"));
        assert!(command("a/b.json").ends_with(" a/b.json"));
    }

    #[test]
    fn one_kernel_is_named_as_one() {
        let file = Path::new("x.json");
        assert_eq!(
            explain(&["fixed"], "be", file),
            "ctxfuzz explain --kernel fixed --endian be --abi linux x.json"
        );
        assert_eq!(
            explain(&["fixed+x", "fixed"], "be", file),
            "ctxfuzz explain --a fixed+x --b fixed --endian be --abi linux x.json"
        );
    }
}
