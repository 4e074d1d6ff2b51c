//! `triage --artifacts`: what a fuzzing service left behind is run again, on the kernels that are
//! named, and becomes findings.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::bail;
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::index::Skipped;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::known::Known;

use super::files::{self, Kind};
use super::outcome::{Artifacts, Outcome};
use crate::commands::arguments::{AbiArgument, EndianArgument, of_kernels, parse_kernel};
use crate::commands::fuzz::{beside, warn_of_equal_kernels};
use crate::commands::proof;
use ctxfuzz_campaign::Config;
use ctxfuzz_campaign::artifact::{self, Shown};

/// `--artifacts`, and what goes with it.
#[derive(Debug, Args)]
pub struct ArtifactArgs {
    /// Make findings of what libFuzzer, ClusterFuzz or ClusterFuzzLite left here: a file, or a
    /// folder and all folders in it. May be given more than once.
    #[arg(long, value_name = "PATH", requires = "findings")]
    artifacts: Vec<PathBuf>,
    /// First kernel, for artifacts of the target `differential`.
    #[arg(long, value_name = "KERNEL", value_parser = parse_kernel, requires_all = ["artifacts", "b"])]
    a: Option<KernelName>,
    /// Second kernel.
    #[arg(long, value_name = "KERNEL", value_parser = parse_kernel, requires_all = ["artifacts", "a"])]
    b: Option<KernelName>,
    /// The kernel, for artifacts of the target `transparency`.
    #[arg(long, value_name = "KERNEL", value_parser = parse_kernel, requires = "artifacts", conflicts_with_all = ["a", "b"])]
    kernel: Option<KernelName>,
    /// Byte order of the kernels: le or be [default: le, or the one a vmlinux has].
    #[arg(long, value_enum, requires = "artifacts")]
    endian: Option<EndianArgument>,
    /// Where the findings go: a directory each, as of `ctxfuzz fuzz`.
    #[arg(long, value_name = "DIR", requires = "artifacts")]
    findings: Option<PathBuf>,
}

impl ArtifactArgs {
    /// Runs all artifacts; `None` if there is none to be looked at.
    pub fn look_into(&self, abi: AbiArgument, known: &Known) -> anyhow::Result<Option<Artifacts>> {
        let Some(dir) = self
            .findings
            .as_ref()
            .filter(|_| !self.artifacts.is_empty())
        else {
            return Ok(None);
        };
        let kernels = self.kernels()?;
        let listed = files::list(&self.artifacts)?;
        let endian = self.endian(&kernels)?;
        let mut artifacts = Artifacts::default();
        let mut crashes = Vec::new();
        for (path, kind) in listed {
            match kind {
                Ok(Kind::Beside) => artifacts.beside += 1,
                Ok(Kind::Stopped(what)) => {
                    artifacts.looked_into.push((path, Outcome::Stopped(what)));
                }
                Ok(Kind::Crash) => match files::scenario(&path) {
                    Ok(scenario) => crashes.push((path, scenario)),
                    Err(reason) => artifacts.skip(path, reason),
                },
                Err(reason) => artifacts.skip(path, reason),
            }
        }
        let config = config(kernels, endian, abi, known, dir);
        sorted(&config, crashes, &mut artifacts)?;
        artifacts.findings = Some(dir.clone());
        artifacts.looked_into.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Some(artifacts))
    }

    fn kernels(&self) -> anyhow::Result<Kernels> {
        match (&self.a, &self.b, &self.kernel) {
            (Some(a), Some(b), None) => Ok(Kernels::pair(a, b)),
            (None, None, Some(kernel)) => Ok(Kernels::One(kernel.clone())),
            _ => bail!(
                "--artifacts: expected the kernels to run them on: --a and --b, or --kernel for those of the target `transparency`"
            ),
        }
    }

    fn endian(&self, kernels: &Kernels) -> anyhow::Result<Endian> {
        let endians = of_kernels(kernels, self.endian, EndianArgument::Le)?;
        match endians.as_slice() {
            &[endian] => Ok(endian),
            _ => bail!("artifacts are of one byte order: expected --endian le or --endian be"),
        }
    }
}

impl Artifacts {
    fn skip(&mut self, path: PathBuf, reason: String) {
        let dir = PathBuf::new();
        self.skipped.push(Skipped { dir, path, reason });
    }
}

/// That of a campaign that runs nothing of its own.
fn config(kernels: Kernels, endian: Endian, abi: AbiArgument, known: &Known, dir: &Path) -> Config {
    Config {
        kernels,
        endian,
        corpus: None,
        grows: false,
        findings: dir.to_owned(),
        trouble: beside(dir),
        seed: 0,
        runs: None,
        stop_after: None,
        seconds: None,
        abi: abi.into(),
        known: known.clone(),
        feedback: false,
        dirty: false,
        shares: false,
        command: super::this_command(),
    }
}

fn sorted(
    config: &Config,
    crashes: Vec<(PathBuf, Scenario)>,
    artifacts: &mut Artifacts,
) -> anyhow::Result<()> {
    warn_of_equal_kernels(config)?;
    proof::tell(&config.kernels.names().iter().collect::<Vec<_>>())?;
    let stop = AtomicBool::new(false);
    let mut desk = artifact::Artifacts::open(config, &stop)?;
    for (path, scenario) in crashes {
        let outcome = match desk.take(scenario)? {
            Shown::Causes(causes) => Outcome::shows(causes, &config.known),
            Shown::Nothing => Outcome::NotShown,
            Shown::Inconclusive(why) => Outcome::Inconclusive(why),
            Shown::NotSeenAgain => Outcome::Inconclusive("fresh machines do not agree".to_owned()),
        };
        artifacts.looked_into.push((path, outcome));
    }
    desk.finish()?;
    Ok(())
}
