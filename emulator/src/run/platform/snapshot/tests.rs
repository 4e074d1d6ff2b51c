//! An agent that does not do what it is asked to: silence must not be the answer. Needs a kernel of
//! `make kernels`, and says so when there is none.

use std::io::Write;
use std::path::PathBuf;

use ctxfuzz_scenario::scenario::Scenario;

use super::*;
use crate::kernel::snapshot::Pages;
use crate::run::effects::Effects;

/// Doublewords of the agent's page: which rings are ready, and why there is no io_uring.
const RINGS: usize = 1;
const NO_IO_URING: usize = 15;

fn kernel() -> Option<(KernelName, Snapshot)> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/kernels");
    let folder = std::env::var_os("CTXFUZZ_KERNELS").map_or_else(|| PathBuf::from(own), Into::into);
    let file = ["debian-7.2", "debian", "fixed-le"]
        .map(|name| folder.join(name).join("vmlinux"))
        .into_iter()
        .find(|file| file.exists());
    let qemu = std::process::Command::new("qemu-system-ppc64")
        .arg("--version")
        .output();
    let Some(file) = file.filter(|_| qemu.is_ok()) else {
        let line =
            "skipped: an agent that forgets: there is no kernel, or no QEMU; see `make kernels`\n";
        let _ = std::io::stderr().write_all(line.as_bytes());
        return None;
    };
    let name = format!("vmlinux:{}", file.display()).parse();
    let snapshot = Snapshot::cached(&file).expect("it boots");
    Some((name.expect("it is a name"), snapshot))
}

/// The same snapshot with other doublewords in the agent's page, which its magic number tells from
/// others.
fn with(snapshot: &Snapshot, changes: &[(usize, u64)]) -> Snapshot {
    let mut bytes = snapshot.pages.bytes().to_vec();
    let page = bytes
        .chunks_exact_mut(4096)
        .find(|page| page[..8] == MAGIC.to_le_bytes())
        .expect("the agent has its page");
    for (at, value) in changes {
        page[8 * at..8 * at + 8].copy_from_slice(&value.to_le_bytes());
    }
    let numbers = snapshot.pages.numbers().to_vec();
    Snapshot {
        pages: Pages::from_parts(numbers, bytes).expect("as many as before"),
        ..snapshot.clone()
    }
}

fn effects(name: &KernelName, snapshot: &Snapshot) -> Effects {
    let text = r#"{"ctxfuzz": 1, "needs": ["io_worker"], "stage": {"tasks": [{}], "io_uring": [0]},
        "events": [{"interrupt": {"vector": "doorbell", "pending": {"io_worker": true}}}]}"#;
    let scenario = Scenario::from_json(text, "inline").expect("it is a scenario");
    let runner = runner(name, snapshot, snapshot.endian, Options::default());
    let outcome = runner.expect("it runs").run(&scenario);
    let effects = outcome.effects;
    assert_eq!(
        effects.are_complete(&scenario),
        effects.did_not_happen.is_empty()
    );
    effects
}

#[test]
fn a_ring_that_is_not_ready_did_not_happen_and_a_kernel_without_is_not_applicable() {
    let Some((name, snapshot)) = kernel() else {
        return;
    };
    let sound = effects(&name, &snapshot);
    assert!(sound.seen.contains(&Effect::IoWorker), "{sound:?}");
    assert!(sound.did_not_happen.is_empty() && sound.not_applicable.is_empty());

    let forgets = effects(&name, &with(&snapshot, &[(RINGS, 0)]));
    let missing: Vec<Effect> = forgets.did_not_happen.iter().map(|m| m.effect).collect();
    assert_eq!(missing, [Effect::IoWorker], "{forgets:?}");

    let without = effects(&name, &with(&snapshot, &[(RINGS, 0), (NO_IO_URING, 38)]));
    assert!(without.did_not_happen.is_empty(), "{without:?}");
    assert!(without.is_not_applicable(Effect::IoWorker), "{without:?}");
}
