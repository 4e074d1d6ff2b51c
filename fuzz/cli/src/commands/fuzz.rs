//! `ctxfuzz fuzz`: a campaign.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::Args;

use super::arguments::{AbiArgument, EndianArgument, PairOrOneArguments};
use super::cores::Cores;
use super::input::check_output;
use super::{Status, proof, triage, warn_of_silence};
use ctxfuzz_campaign::exchange::Alone;
use ctxfuzz_campaign::monitor::{Files, Monitor};
use ctxfuzz_campaign::progress::on_stderr;
use ctxfuzz_campaign::share::{Own, Sharing};
use ctxfuzz_campaign::supervisor;
use ctxfuzz_campaign::supervisor::worker::{self, Orders};
use ctxfuzz_campaign::{self as campaign, Config};
use ctxfuzz_triage::kernels::Kernels;

/// How long a campaign takes that was not told.
const DEFAULT_SECONDS: u64 = 60;
/// What a shell says of a program that Ctrl-C ended.
pub const INTERRUPTED: i32 = 130;

/// Arguments of `ctxfuzz fuzz`.
#[derive(Debug, Args)]
#[command(after_help = "\
Ctrl-C ends a campaign early: the running execution is finished, everything is kept, and the summary says so. A second one ends it at once.
The same seed and --runs give the same findings from the same corpus, with one process. Without --runs, --seconds and --stop-after it takes 60 seconds.
--cores and --share: docs/many-machines.md.")]
pub struct FuzzArgs {
    #[command(flatten)]
    kernels: PairOrOneArguments,
    /// Scenarios to start from (every *.json) and directory for the new ones. An empty one starts
    /// from random scenarios.
    #[arg(long, value_name = "DIR", default_value = "corpus")]
    corpus: PathBuf,
    /// Where findings go, a directory each.
    #[arg(long, value_name = "DIR", default_value = "findings")]
    findings: PathBuf,
    /// Where scenarios go that were more than the emulator can do, or were cut off: a few of each
    /// kind [default: the findings' directory with `-trouble` behind its name].
    #[arg(long, value_name = "DIR")]
    trouble: Option<PathBuf>,
    /// Decides every choice.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Most executions; each runs a scenario on all kernels.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// Most seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// End once there are so many findings. Without --runs and --seconds there is no other end.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    stop_after: Option<u64>,
    /// Reviewed signatures, each with a reason: a file of JSON. They are counted, but are no
    /// findings.
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Whose promises count.
    #[arg(long, value_enum, default_value = "elf")]
    abi: AbiArgument,
    /// Byte order of the kernels: le or be [default: le, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// Ignore coverage: only the first scenarios are mutated. For comparison.
    #[arg(long)]
    no_feedback: bool,
    /// Let kernel B, or the only one, find garbage in stacks, scratch memory and registers,
    /// different every run. No kernel may depend on it.
    #[arg(long)]
    dirty: bool,
    /// Keep a file that says how the campaign is, for other programs: one JSON object, rewritten
    /// every 5 seconds and at the end.
    #[arg(long, value_name = "FILE")]
    status_json: Option<PathBuf>,
    /// The same in Prometheus' text format, for the node exporter's textfile collector.
    #[arg(long, value_name = "FILE")]
    status_prometheus: Option<PathBuf>,
    /// Fuzz on several cores, a process each that keeps to its core: as in `0-3,6`, or `all`. They
    /// share what they find; --runs is for all together. What is found when depends on how fast
    /// they are: only one process does the same every time.
    #[arg(long, value_name = "LIST")]
    cores: Option<Cores>,
    /// Share scenarios and findings with all campaigns of the same kernels that have this
    /// directory, or a copy of it that is kept up to date.
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    /// Gone, and said so.
    #[arg(long, hide = true, num_args = 0..=1)]
    broker_port: Option<Option<String>>,
    /// Gone, and said so.
    #[arg(long, hide = true, num_args = 0..=1)]
    broker_bind: Option<Option<String>>,
    /// Gone, and said so.
    #[arg(long, hide = true, num_args = 0..)]
    remote_broker: Option<Vec<String>>,
    /// What a supervisor tells a worker.
    #[arg(long, hide = true, value_parser = |text: &str| serde_json::from_str::<Orders>(text))]
    worker: Option<Orders>,
    /// One JSON object at the end.
    #[arg(long)]
    json: bool,
}

/// Fuzzes; exit status 1 if there are findings.
pub fn fuzz(args: &FuzzArgs) -> anyhow::Result<ExitCode> {
    without_brokers(args)?;
    let config = config(args)?;
    let stop = stop_on_interrupt()?;
    if let Some(orders) = &args.worker {
        return Ok(worker::run(&config, orders, &stop));
    }
    let files = Files {
        json: args.status_json.clone(),
        prometheus: args.status_prometheus.clone(),
    };
    for file in [&files.json, &files.prometheus].into_iter().flatten() {
        check_output(file)?;
    }
    warn_of_equal_kernels(&config)?;
    proof::tell(&config.kernels.names().iter().collect::<Vec<_>>())?;
    let mut on_stderr = on_stderr();
    let mut monitor = Monitor::new(files, &config, &mut *on_stderr);
    let own = match &args.share {
        Some(dir) => Some(Own::open(dir, &config.images()?, config.endian)?),
        None => None,
    };
    let path = own.as_ref().map(|own| own.path.clone());
    let mut summary = match (&args.cores, &path) {
        (Some(cores), _) => supervisor::run(&config, &cores.0, path, &mut monitor, &stop)?,
        (None, Some(_)) => {
            let mut sharing = Sharing::start(&config, path, (0, 1));
            campaign::run(&config, &mut monitor, &mut sharing, &stop)?
        }
        (None, None) => campaign::run(&config, &mut monitor, &mut Alone, &stop)?,
    };
    summary.interrupted = stop.load(Ordering::Relaxed);
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&summary)?)?,
        false => write!(out, "{summary}")?,
    }
    out.flush()?;
    warn_of_silence(&summary.inconclusive, summary.executions);
    let status = match summary.findings.is_empty() {
        true => Status::Nothing,
        false => Status::Found,
    };
    Ok(status.into())
}

/// Set by the first Ctrl-C; the second one ends the process.
fn stop_on_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED);
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}

/// Says what to use instead of what there was.
fn without_brokers(args: &FuzzArgs) -> anyhow::Result<()> {
    let gone = [
        ("--broker-port", args.broker_port.is_some()),
        ("--broker-bind", args.broker_bind.is_some()),
        ("--remote-broker", args.remote_broker.is_some()),
    ];
    for (flag, given) in gone {
        if given {
            bail!(
                "{flag} is gone: campaigns share by directories, with --share DIR; docs/many-machines.md has how"
            );
        }
    }
    Ok(())
}

/// A defect may have no site in one byte order: silence would mean nothing then.
pub fn warn_of_equal_kernels(config: &Config) -> anyhow::Result<()> {
    let Kernels::Pair([a, b]) = &config.kernels else {
        return Ok(());
    };
    let images = config.images()?;
    if a != b && images.first() == images.last() {
        eprintln!(
            "ctxfuzz: warning: {a} and {b} are the same image in this byte order: nothing can differ"
        );
    }
    Ok(())
}

/// The directory for what is no finding, where none was named: the next campaign and `triage` read
/// the findings' own.
pub fn beside(findings: &Path) -> PathBuf {
    let named = match findings.file_name() {
        Some(_) => findings.to_owned(),
        // `.` and `..` have a name of their own behind them.
        None => fs::canonicalize(findings).unwrap_or_else(|_| findings.to_owned()),
    };
    let mut name = named.file_name().unwrap_or_default().to_owned();
    name.push("-trouble");
    named.with_file_name(name)
}

fn config(args: &FuzzArgs) -> anyhow::Result<Config> {
    let endians = args.kernels.endians(args.endian, EndianArgument::Le)?;
    let &[endian] = endians.as_slice() else {
        bail!("a campaign has one byte order: run it with --endian le and again with --endian be");
    };
    let seconds = match (args.runs, args.stop_after) {
        (None, None) => Some(args.seconds.unwrap_or(DEFAULT_SECONDS)),
        _ => args.seconds,
    };
    Ok(Config {
        kernels: args.kernels.kernels(),
        endian,
        corpus: Some(args.corpus.clone()),
        grows: true,
        findings: args.findings.clone(),
        trouble: match &args.trouble {
            Some(dir) => dir.clone(),
            None => beside(&args.findings),
        },
        seed: args.seed,
        runs: args.runs,
        seconds,
        stop_after: args.stop_after,
        abi: args.abi.into(),
        known: triage::known(args.known.as_deref())?,
        feedback: !args.no_feedback,
        dirty: args.dirty,
        shares: args.share.is_some(),
        command: triage::this_command(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        fuzz: FuzzArgs,
    }

    fn read(line: &str) -> anyhow::Result<Config> {
        config(&Line::try_parse_from(line.split_whitespace())?.fuzz)
    }

    #[test]
    fn a_campaign_has_an_end() {
        let end = |line: &str| read(line).map(|config| (config.runs, config.seconds)).ok();
        assert_eq!(end("fuzz"), Some((None, Some(60))));
        assert_eq!(end("fuzz --runs 5"), Some((Some(5), None)));
        assert_eq!(end("fuzz --seconds 5"), Some((None, Some(5))));
        assert_eq!(end("fuzz --runs 7 --seconds 5"), Some((Some(7), Some(5))));
        assert_eq!(end("fuzz --stop-after 1"), Some((None, None)));
        assert_eq!(
            end("fuzz --stop-after 1 --seconds 5"),
            Some((None, Some(5)))
        );
        assert_eq!(end("fuzz --stop-after 0"), None);
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let config = read("fuzz").unwrap();
        assert_eq!(config.kernels.headings(), ["clobbering", "fixed"]);
        assert_eq!(config.corpus, Some("corpus".into()));
        assert_eq!(config.findings, PathBuf::from("findings"));
        assert_eq!(config.trouble, PathBuf::from("findings-trouble"));
        assert!(config.seed == 1 && config.feedback && !config.dirty);
    }

    #[test]
    fn one_kernel_is_enough() {
        let config = read("fuzz --kernel repaired --endian be").unwrap();
        let only = config.kernels.only().map(ToString::to_string);
        assert_eq!(only.as_deref(), Some("repaired"));
        assert_eq!(config.endian.name(), "be");
        assert!(read("fuzz --kernel repaired --endian both").is_err());
    }

    #[test]
    fn trouble_is_beside_the_findings() {
        for (findings, trouble) in [
            ("findings", "findings-trouble"),
            ("a/b/", "a/b-trouble"),
            ("/a", "/a-trouble"),
        ] {
            assert_eq!(beside(Path::new(findings)), PathBuf::from(trouble));
        }
        let here = beside(Path::new("."));
        assert!(here.is_absolute() && here.to_string_lossy().ends_with("-trouble"));
        let told = read("fuzz --trouble x").unwrap().trouble;
        assert_eq!(told, PathBuf::from("x"));
    }

    #[test]
    fn two_byte_orders_are_refused() {
        let error = read("fuzz --endian both").unwrap_err().to_string();
        assert!(error.contains("--endian le"), "{error}");
        assert!(read("fuzz --a fixd").is_err() && read("fuzz --runs -1").is_err());
    }
}
