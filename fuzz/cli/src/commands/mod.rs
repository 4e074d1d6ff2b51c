//! The commands: each file is one, with its arguments and what it prints.
//!
//! Nothing here judges, compares or explains; that is the triage crate's.

mod arguments;
mod bench;
mod check;
mod cmin;
mod compare;
mod confirm;
pub mod cores;
mod coverage;
mod defects;
mod expect;
mod explain;
mod functions;
mod fuzz;
mod generate;
mod input;
mod kernels;
mod matrix;
mod migrate;
mod minimize;
mod pairs;
mod program;
mod proof;
mod report;
mod run;
mod selftest;
mod show;
mod snapshot;
mod text;
mod triage;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
pub use ctxfuzz_campaign::error::one_line;
use ctxfuzz_triage::inconclusive::Tally;

/// Exit status of a command that found something to report.
pub const FOUND: u8 = 1;
/// Exit status of a command that could not do what was asked.
pub const TROUBLE: u8 = 2;
/// What it becomes with `--bisect`: `git bisect run` takes 1 to 127 for a bad commit, except this.
pub const SKIP: u8 = 125;

/// What a shell says of a program that SIGPIPE ended: nobody reads the results any more.
pub const CLOSED: u8 = 141;

/// What ctxfuzz can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Search for scenarios on which two kernels differ, or on which one harms its tasks.
    Fuzz(Box<fuzz::FuzzArgs>),
    /// Replay scenarios on two kernels and print what differs.
    Run(run::RunArgs),
    /// Hold a corpus to what it says of kernels, or one kernel to leaving registers alone.
    Check(check::CheckArgs),
    /// List the functions of a kernel that scenarios reach.
    Coverage(coverage::CoverageArgs),
    /// Say whether a change to a kernel changes any outcome.
    Compare(compare::CompareArgs),
    /// Try a scenario as a plain C program on a booted kernel.
    Confirm(confirm::ConfirmArgs),
    /// Make a mail of a finding, for the kernel's developers.
    Report(report::ReportArgs),
    /// Show what comes of a corpus, and of findings, on several kernels.
    Matrix(matrix::MatrixArgs),
    /// Make random scenarios, or fill the holes of a template.
    Generate(generate::GenerateArgs),
    /// Make a corpus as small as it can be with the same coverage and signatures.
    Cmin(cmin::CminArgs),
    /// Say where two kernels part on a scenario, or one from what was expected, and how that came.
    Explain(explain::ExplainArgs),
    /// Find the smallest scenario with the same root causes.
    Minimize(minimize::MinimizeArgs),
    /// Put the signatures of today into files of known signatures and SARIF logs.
    Migrate(migrate::MigrateArgs),
    /// List what a findings directory holds.
    Triage(triage::TriageArgs),
    /// Print a scenario for people: what exists, what happens, who does it.
    Show(show::ShowArgs),
    /// List the kernels that can be named with --a and --b.
    Kernels(kernels::KernelsArgs),
    /// List the known defects that can be put into the model, or explain some.
    Defects(defects::DefectsArgs),
    /// Measure what ctxfuzz itself is worth.
    Bench(bench::BenchArgs),
    /// Boot a real kernel and keep it at the point where scenarios start.
    Snapshot(snapshot::SnapshotArgs),
    /// Prove that this build finds what it must find and is silent otherwise.
    Selftest(selftest::SelftestArgs),
}

impl Command {
    /// Does it.
    pub fn execute(&self) -> anyhow::Result<ExitCode> {
        match self {
            Command::Fuzz(args) => fuzz::fuzz(args),
            Command::Run(args) => run::run(args),
            Command::Check(args) => check::check(args),
            Command::Coverage(args) => coverage::coverage(args),
            Command::Cmin(args) => cmin::cmin(args),
            Command::Report(args) => report::report(args),
            Command::Matrix(args) => matrix::matrix(args),
            Command::Generate(args) => generate::generate(args),
            Command::Confirm(args) => confirm::confirm(args),
            Command::Compare(args) => compare::compare(args),
            Command::Explain(args) => explain::explain(args),
            Command::Migrate(args) => migrate::migrate(args),
            Command::Minimize(args) => minimize::minimize(args),
            Command::Triage(args) => triage::triage(args),
            Command::Show(args) => show::show(args),
            Command::Kernels(args) => kernels::kernels(args),
            Command::Defects(args) => defects::defects(args),
            Command::Bench(args) => bench::bench(args),
            Command::Snapshot(args) => snapshot::snapshot(args),
            Command::Selftest(args) => selftest::selftest(args),
        }
    }

    /// Whether `git bisect run` asks: trouble is a reason to skip then.
    pub fn bisects(&self) -> bool {
        match self {
            Command::Run(args) => args.bisect,
            Command::Check(args) => args.bisect,
            _ => false,
        }
    }
}

/// How bad it is, over several runs. As with diff(1), trouble is worse than a finding: after it the
/// findings may be incomplete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Nothing to report.
    #[default]
    Nothing,
    /// Something to report.
    Found,
    /// Could not do what was asked.
    Trouble,
}

impl Status {
    /// The worse of the two.
    pub fn add(&mut self, other: Status) {
        *self = (*self).max(other);
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        match status {
            Status::Nothing => ExitCode::SUCCESS,
            Status::Found => ExitCode::from(FOUND),
            Status::Trouble => ExitCode::from(TROUBLE),
        }
    }
}

/// One line on stderr.
pub fn complain(message: &str) {
    // If nobody listens on stderr there is nobody left to tell.
    let _ = writeln!(io::stderr(), "ctxfuzz: {message}");
}

/// Says so on stderr if too many of so many runs say nothing.
pub fn warn_of_silence(inconclusive: &Tally, of: u64) {
    if let Some(warning) = inconclusive.warning(of) {
        complain(&warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_worse_than_a_finding() {
        let mut status = Status::default();
        for (next, worst) in [
            (Status::Found, Status::Found),
            (Status::Trouble, Status::Trouble),
            (Status::Found, Status::Trouble),
        ] {
            status.add(next);
            assert_eq!(status, worst);
        }
    }
}
