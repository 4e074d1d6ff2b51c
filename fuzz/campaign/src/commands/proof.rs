//! What is known of a kernel before anything is run on it: which events happen there, and whether it was done with its boot. Of a real
//! kernel it is found out once and kept beside its snapshot.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::snapshot::Cached;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_triage::prove::{Answer, PROBES, Proven, prove};
use xxhash_rust::xxh3::xxh3_64;

use super::complain;
use super::input::write_whole;

/// What is known of a kernel; found out now if it has not been before.
pub fn proven(kernel: &KernelName, endian: Endian) -> anyhow::Result<Proven> {
    let kept = kept_at(kernel)?;
    if let Some(proven) = kept.as_ref().and_then(read) {
        return Ok(proven);
    }
    let proven = prove(&mut Runner::new(kernel, endian)?);
    if let Some(path) = kept {
        // It is found out again where it cannot be kept.
        let _ = write_whole(&path, &serde_json::to_string(&proven)?);
    }
    Ok(proven)
}

/// Where it is kept: beside the snapshot, by what was tried and by this program.
fn kept_at(kernel: &KernelName) -> anyhow::Result<Option<PathBuf>> {
    let Some(vmlinux) = kernel.vmlinux() else {
        return Ok(None);
    };
    let snapshot = Cached::get(vmlinux).with_context(|| kernel.to_string())?;
    let tried = format!("{PROBES:?}{}", env!("CARGO_PKG_VERSION"));
    let extension = format!("{:016x}.proof", xxh3_64(tried.as_bytes()));
    Ok(Some(snapshot.path.with_extension(extension)))
}

fn read(path: &PathBuf) -> Option<Proven> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Tells, once, what does not happen on real kernels, so that nobody takes silence about it for an answer.
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
    use ctxfuzz_emulator::run::quiet::Quiet;
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
