//! How the allocator of C gives memory back, which Rust uses too.
//!
//! Explaining a divergence takes recordings of some hundred kilobytes, several times a minute at
//! first. glibc learns from the first that are freed to keep such blocks in its heap, and what
//! lives long comes to lie between them: the heap of a campaign grew for a million executions
//! although what was in use did not. So large blocks come from the system. The small ones, ten
//! megabytes a time with the machines that explain, leave holes below what lives long, and those
//! are given back when the explanation is done: on its own glibc gives back what is at the heap's
//! end only.
//!
//! Not responsible for who allocates what.

/// Blocks of this size and more come from the system, and go back there.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 256 << 10;

/// Keeps the heap small from now on.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_small() {
    for option in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: it takes two integers and the allocator's own lock. That it may refuse is no
        // trouble: all works without.
        unsafe { libc::mallopt(option, LARGE) };
    }
}

/// Gives back the pages that nobody uses. It looks at the whole heap, for about a millisecond.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back() {
    // SAFETY: it takes an integer and the allocator's own locks. What it answers, whether there was
    // anything, is of no interest.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_small() {}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::super::resources::Resources;
    use super::*;

    /// Tells the test that it is alone in its process.
    const ALONE: &str = "CTXFUZZ_TEST_HEAP_ALONE";

    /// MiB that the process has in memory.
    fn resident() -> u64 {
        Resources::now().bytes.expect("the system tells") >> 20
    }

    /// In a process of its own: what other tests take and give back would be counted too.
    #[test]
    fn what_nobody_uses_goes_back_to_the_system() {
        if std::env::var_os(ALONE).is_some() {
            keep_small();
            large_blocks_go_back_from_below_what_lives_long();
            holes_below_what_lives_long_are_given_back();
            return;
        }
        let name = std::thread::current().name().expect("a test").to_owned();
        let mut command = std::process::Command::new(std::env::current_exe().expect("a program"));
        let output = command.args(["--exact", &name]).env(ALONE, "1").output();
        let output = output.expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}");
        assert!(told.contains("1 passed"), "{told}");
    }

    fn large_blocks_go_back_from_below_what_lives_long() {
        // Left alone, glibc keeps blocks of the size of the first that was freed, to 32 MiB.
        drop(std::hint::black_box(vec![1u8; 31 << 20]));
        let block = std::hint::black_box(vec![1u8; 28 << 20]);
        let small = std::hint::black_box(vec![1u8; 64 << 10]);
        let before = resident();
        drop(block);
        let after = resident();
        assert!(after + 20 < before, "{before} MiB, then {after} MiB");
        drop(small);
    }

    fn holes_below_what_lives_long_are_given_back() {
        let mut blocks =
            Vec::from_iter((0..32 << 10).map(|_| std::hint::black_box([1u8; 4000].to_vec())));
        let last = blocks.pop();
        blocks.clear();
        let before = resident();
        give_back();
        // The holes are 125 MiB.
        let after = resident();
        assert!(after + 100 < before, "{before} MiB, then {after} MiB");
        drop(last);
    }
}
