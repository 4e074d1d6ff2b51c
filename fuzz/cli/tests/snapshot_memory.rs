//! `snapshot --memory`: how much a machine has, and what is used after that.

mod common;

use serde_json::Value;

#[test]
fn what_was_booted_with_more_memory_is_used_from_then_on() {
    let Some([kernel]) = common::real_kernels("snapshot --memory", ["debian"]) else {
        return;
    };
    let cache = tempfile::tempdir().expect("a folder");
    let file = kernel.trim_start_matches("vmlinux:");
    let told = |more: &[&str]| -> Value {
        let output = common::ctxfuzz()
            .env("CTXFUZZ_CACHE", cache.path())
            .args(["snapshot", "--json", "--vmlinux", file])
            .args(more)
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(0), "{more:?}");
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    };
    let size = |told: &Value| (told["memory_size"].as_u64(), told["booted"].as_bool());
    let mib = |count: u64| Some(count << 20);
    assert_eq!(size(&told(&["--memory", "512"])), (mib(512), Some(true)));
    assert_eq!(size(&told(&[])), (mib(512), Some(false)));
    assert_eq!(size(&told(&["--memory", "512"])), (mib(512), Some(false)));
    // A kernel runs on it.
    let checked = common::ctxfuzz()
        .env("CTXFUZZ_CACHE", cache.path())
        .args(["check", "--kernel", &kernel])
        .arg(common::in_corpus("io-worker-on-interrupt-return"))
        .output()
        .expect("the program starts");
    assert_eq!(checked.status.code(), Some(0));
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(said.contains("no violation"), "{said}");
    assert_eq!(size(&told(&["--memory", "256"])), (mib(256), Some(true)));
}

#[test]
fn sizes_that_the_machine_cannot_have_are_refused() {
    for size in ["0", "64", "320", "16640", "much"] {
        for command in ["snapshot", "confirm"] {
            let arguments = [command, "--vmlinux", "vmlinux", "--memory", size];
            let file = common::in_corpus("getppid");
            let mut arguments = arguments.to_vec();
            if command == "confirm" {
                arguments.push(&file);
            }
            let called = common::call(&arguments);
            assert_eq!(called.status, Some(2), "{arguments:?}");
            let expected = "expected a multiple of 256, from 256 to 16384";
            assert!(called.stderr.contains(expected), "{}", called.stderr);
        }
    }
}
