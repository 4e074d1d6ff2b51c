//! What is known of a kernel before anything is run on it: which events happen there, and whether
//! it was done with its boot. Of a real kernel it is found out once and kept beside its snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::snapshot::Cached;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_triage::prove::{Answer, Proven, prove};
use serde::{Deserialize, Serialize};

use super::complain;
use super::input::write_whole;

/// The file beside a snapshot. Another program may see more in the same run: it finds out for
/// itself.
#[derive(Serialize, Deserialize)]
struct Kept {
    found_by: String,
    proven: Proven,
}

/// What is known of a kernel; found out now if this program has not found it out before.
pub fn proven(kernel: &KernelName, endian: Endian) -> anyhow::Result<Proven> {
    let kept_at = kept_at(kernel)?;
    let found_by = this_program();
    let kept = kept_at.as_deref().and_then(read);
    if let Some(kept) = kept.filter(|kept| kept.found_by == found_by) {
        return Ok(kept.proven);
    }
    let proven = prove(&mut Runner::new(kernel, endian)?);
    if let Some(path) = kept_at {
        let kept = Kept {
            found_by,
            proven: proven.clone(),
        };
        // It is found out again where it cannot be kept.
        let _ = write_whole(&path, &serde_json::to_string(&kept)?);
    }
    Ok(proven)
}

/// Beside the snapshot, and removed with it.
fn kept_at(kernel: &KernelName) -> anyhow::Result<Option<PathBuf>> {
    let Some(snapshot) = kernel.snapshot() else {
        return Ok(None);
    };
    let path = snapshot.and_then(|snapshot| Cached::path_of(&snapshot));
    let path = path.with_context(|| kernel.to_string())?;
    Ok(Some(path.with_extension(Cached::PROOF)))
}

/// Names the executable by size and time. Where it cannot be looked at, nothing that was kept is
/// believed.
fn this_program() -> String {
    let metadata = std::env::current_exe().and_then(fs::metadata);
    let modified = metadata.as_ref().ok().and_then(|m| m.modified().ok());
    let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    match (metadata, since) {
        (Ok(metadata), Some(since)) => format!("{}-{}", metadata.len(), since.as_nanos()),
        _ => format!("process {}", std::process::id()),
    }
}

fn read(path: &Path) -> Option<Kept> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Tells, once, what does not happen on real kernels, so that nobody takes silence about it for an
/// answer.
pub fn tell(kernels: &[&KernelName]) -> anyhow::Result<()> {
    for kernel in kernels {
        let Some(endian) = kernel.endian() else {
            continue;
        };
        let proven = proven(kernel, endian?)?;
        for line in lines(kernel, &proven) {
            complain(&line);
        }
    }
    Ok(())
}

fn lines(kernel: &KernelName, proven: &Proven) -> Vec<String> {
    let more = format!("(`ctxfuzz kernels --prove {kernel}` says why)");
    let mut lines = Vec::new();
    for answer in [Answer::NotApplicable, Answer::DidNotHappen] {
        let events = proven.answered(answer).join(", ");
        if !events.is_empty() {
            let words = answer.words();
            lines.push(format!("{kernel}: {words}: {events} {more}"));
        }
    }
    lines.extend(unquiet(kernel, proven));
    lines
}

/// What to say of a kernel that had not finished when its snapshot was taken.
pub fn unquiet(kernel: &KernelName, proven: &Proven) -> Option<String> {
    let quiet = proven.quiet.as_ref().filter(|quiet| !quiet.quiet)?;
    let busiest = proven.busiest.as_ref();
    let busiest = busiest.map_or_else(String::new, |what| {
        format!("; an idle run is most in {what}")
    });
    Some(format!(
        "warning: {kernel} never became quiet in {} ms of virtual time: {} had something to do{busiest}",
        quiet.waited_ms,
        quiet.threads()
    ))
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::run::Quiet;
    use ctxfuzz_triage::prove::Proof;

    use super::*;

    fn proof(event: &str, answer: Answer) -> Proof {
        Proof {
            event: event.to_owned(),
            effect: None,
            answer,
            reason: String::new(),
        }
    }

    #[test]
    fn what_does_not_happen_is_told_and_what_does_is_not() -> anyhow::Result<()> {
        let kernel = "vmlinux:k".parse()?;
        let proven = Proven {
            proofs: vec![
                proof("fork", Answer::Seen),
                proof("execve", Answer::NotApplicable),
                proof("abort", Answer::NotApplicable),
                proof("kill", Answer::DidNotHappen),
            ],
            ..Proven::default()
        };
        let more = "(`ctxfuzz kernels --prove vmlinux:k` says why)";
        assert_eq!(
            lines(&kernel, &proven),
            [
                format!("vmlinux:k: not applicable: execve, abort {more}"),
                format!("vmlinux:k: did not happen: kill {more}"),
            ]
        );
        assert_eq!(lines(&kernel, &Proven::default()), Vec::<String>::new());
        Ok(())
    }

    #[test]
    fn a_kernel_that_is_never_quiet_is_told_with_its_busiest_threads() -> anyhow::Result<()> {
        let kernel = "vmlinux:k".parse()?;
        let of = |quiet| Proven {
            quiet: Some(Quiet {
                quiet,
                waited_ms: 30_000,
                busy: vec![("cryptomgr_test".into(), 9), ("kworker/0:1".into(), 2)],
            }),
            busiest: Some("vli_mult of cryptomgr_test".into()),
            proofs: Vec::new(),
        };
        assert_eq!(unquiet(&kernel, &of(true)), None);
        let warning = unquiet(&kernel, &of(false)).unwrap_or_default();
        assert_eq!(
            warning,
            "warning: vmlinux:k never became quiet in 30000 ms of virtual time: cryptomgr_test, kworker/0:1 had something to do; \
             an idle run is most in vli_mult of cryptomgr_test"
        );
        Ok(())
    }
}
