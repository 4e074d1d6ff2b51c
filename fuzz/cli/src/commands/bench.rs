//! `ctxfuzz bench`: what ctxfuzz itself is worth, measured.

mod detection;
mod silence;
mod triage;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use ctxfuzz_emulator::kernel::defects::{self, Defect};

use crate::registry::nearest;

/// Arguments of `ctxfuzz bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How many executions it takes to meet each known defect.
    Detection(detection::DetectionArgs),
    /// How many scenarios pass without a false alarm where there is nothing to see.
    Silence(silence::SilenceArgs),
    /// Whether explanations of campaign findings name the function at fault and the kind of fault;
    /// what the minimizer makes of them.
    Triage(triage::TriageArgs),
}

/// Does it.
pub fn bench(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Detection(args) => detection::detection(args),
        What::Silence(args) => silence::silence(args),
        What::Triage(args) => triage::triage(args),
    }
}

/// Seeded bugs that one kernel cannot be seen to have, and why.
const UNSEEN: [(&str, &str); 4] = [
    (
        "repair-vrsave-in-fork",
        "no rule says which of its parent's VRSAVEs a child gets",
    ),
    (
        "repair-vrsave-in-exec",
        "no rule says which of its VRSAVEs a task keeps in another program",
    ),
    (
        "repair-vrsave-in-core",
        "no rule says which of its VRSAVEs a task's core dump has",
    ),
    (
        "le-repair-vscr-word",
        "no rule says which VSCR a task has before it uses VMX",
    ),
];

/// Defects that somebody can see.
fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Defect>> {
    if names.is_empty() {
        let seen = defects::all().filter(|defect| defect.witness.is_some());
        return Ok(seen.collect());
    }
    names.iter().map(|name| named(name)).collect()
}

fn named(name: &str) -> anyhow::Result<&'static Defect> {
    match defects::find(name) {
        Some(defect) if defect.witness.is_some() => Ok(defect),
        Some(defect) => bail!(
            "`{name}` is a negative control, or has no scenario of the corpus that shows it: \
             `bench detection --kernel {}` searches any kernel",
            defect.kernel()
        ),
        None => {
            let near = nearest(name, defects::all().map(|defect| defect.id));
            let hint = near.map_or_else(String::new, |id| format!("; did you mean `{id}`?"));
            bail!("unknown defect `{name}` (`ctxfuzz defects` lists them){hint}")
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use ctxfuzz_campaign::detection::{Target, only_with};
    use ctxfuzz_emulator::run::RunnerError;
    use ctxfuzz_triage::kernels::Kernels;
    use ctxfuzz_triage::machines::Machines;

    use super::*;
    use crate::shipped;

    /// Whether the witness of a defect shows one kernel to have it.
    fn is_seen(defect: &Defect) -> anyhow::Result<bool> {
        let target = Target::of(defect, true)?;
        let without = target.without.map(Kernels::One).context("it has one")?;
        let witness = shipped::scenario(defect.witness.unwrap_or_default())?;
        let witness = witness.context("its witness is not there")?;
        let run = |kernels: &Kernels| -> Result<_, RunnerError> {
            let mut machines = Machines::new(kernels, target.endian)?;
            Ok(machines.run(&witness).comparison)
        };
        let (seen, there) = (run(&target.kernels)?, run(&without)?);
        Ok(only_with(&seen, &there, target.abi))
    }

    #[test]
    fn one_kernel_is_seen_to_have_each_defect_but_those_that_are_said() -> anyhow::Result<()> {
        for defect in chosen(&[])? {
            let unseen = UNSEEN.iter().any(|(id, _)| *id == defect.id);
            assert_eq!(is_seen(defect)?, !unseen, "{}", defect.id);
        }
        Ok(())
    }

    #[test]
    fn what_is_no_seeded_bug_is_answered_with_what_it_is() -> anyhow::Result<()> {
        let chosen = |name: &str| chosen(&[name.to_owned()]);
        assert_eq!(chosen("vscr-not-restored")?[0].id, "vscr-not-restored");
        let error = |name| chosen(name).err().map(|error| error.to_string());
        let control = error("restore-math-declines").unwrap_or_default();
        let said = "--kernel repaired+restore-math-declines` searches any kernel";
        assert!(control.contains(said), "{control}");
        let unknown = error("vscr-not-restord").unwrap_or_default();
        assert!(unknown.starts_with("unknown defect") && unknown.contains("`vscr-not-restored`?"));
        Ok(())
    }
}
