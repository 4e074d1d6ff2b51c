//! Errors as people read them.

/// An error and its causes on one line. Causes that the line says already are left out.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().replace('\n', " ");
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_said_once() {
        let error: anyhow::Result<()> = Err(anyhow::anyhow!("disk full")).context("cannot write x");
        let line = error.map_err(|error| one_line(&error));
        assert_eq!(line, Err("cannot write x: disk full".to_owned()));

        let error = anyhow::Error::from(io::Error::other("no\nluck")).context("x: no luck");
        assert_eq!(one_line(&error), "x: no luck");
    }
}
