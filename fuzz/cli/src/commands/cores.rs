//! Which cores the workers of a campaign keep to: `0-3,6`, or `all` that this process may use.

use std::fmt;
use std::str::FromStr;

use rustix::thread::{CpuSet, sched_getaffinity};

/// Cores, each once, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores(pub Vec<usize>);

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = allowed()?;
        if text == "all" {
            return Ok(allowed);
        }
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| {
                let number = text.parse::<usize>();
                number.map_err(|_| format!("`{text}` is no core: write `all`, or as in `0-3,6`"))
            };
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("`{part}` ends before it begins"));
            }
            // One after the other, because there may be more numbers between them than there is
            // memory for.
            for core in first..=last {
                if !allowed.0.contains(&core) {
                    return Err(format!(
                        "core {core} is not one that may be used here: {allowed}"
                    ));
                }
                cores.push(core);
            }
        }
        cores.sort_unstable();
        cores.dedup();
        Ok(Cores(cores))
    }
}

/// Those that the operating system lets this process use.
fn allowed() -> Result<Cores, String> {
    let set =
        sched_getaffinity(None).map_err(|error| format!("cannot ask for the cores: {error}"))?;
    Ok(Cores(
        (0..CpuSet::MAX_CPU)
            .filter(|&core| set.is_set(core))
            .collect(),
    ))
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_mistakes_are_named() {
        let all: Cores = "all".parse().unwrap();
        let first = all.0[0];
        assert_eq!(format!("{first}").parse(), Ok(Cores(vec![first])));
        assert_eq!(
            format!("{first}-{first},{first}").parse(),
            Ok(Cores(vec![first]))
        );
        assert_eq!(all.to_string().parse(), Ok(all));
        for (text, why) in [
            ("", "`` is no core"),
            ("0,", "`` is no core"),
            ("x-3", "`x` is no core"),
            ("-1", "`` is no core"),
            ("3-2", "`3-2` ends before it begins"),
            ("1023", "core 1023 is not one"),
            ("0-18446744073709551615", "is not one that may be used here"),
        ] {
            let error = text.parse::<Cores>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
