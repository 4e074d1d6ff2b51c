//! What the kernel's own selftests would have caught, and what only ctxfuzz catches:
//! docs/kselftests.md is made here (`CTXFUZZ_BLESS=1`) and held to it.
//!
//! A selftest is its scenario and the registers that its program looks at
//! (tools/testing/selftests/powerpc of 6.1). It catches a defect if one of these differs from
//! `fixed` where a C program can see it. Tests of transactional memory are left out; so are those
//! whose handlers put addresses into their frame that no program has, and those that need an
//! instruction that this machine does not have.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Defect};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};
use ctxfuzz_triage::compare::{Difference, What};
use ctxfuzz_triage::pair::Pair;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A selftest and what it looks at.
struct Selftest {
    /// Its scenario, named after it.
    name: &'static str,
    fprs: RangeInclusive<u8>,
    vsx_halves: RangeInclusive<u8>,
    vrs: RangeInclusive<u8>,
    frames: bool,
}

#[expect(clippy::reversed_empty_ranges, reason = "an empty range of registers")]
const NONE: RangeInclusive<u8> = 1..=0;

const fn selftest(
    name: &'static str,
    fprs: RangeInclusive<u8>,
    vsx_halves: RangeInclusive<u8>,
    vrs: RangeInclusive<u8>,
    frames: bool,
) -> Selftest {
    Selftest {
        name,
        fprs,
        vsx_halves,
        vrs,
        frames,
    }
}

const SELFTESTS: [Selftest; 11] = [
    selftest("fpu_syscall", 14..=31, NONE, NONE, false),
    selftest("fpu_preempt", 14..=31, NONE, NONE, false),
    selftest("fpu_signal", 14..=31, NONE, NONE, true),
    selftest("vmx_syscall", NONE, NONE, 20..=31, false),
    selftest("vmx_preempt", NONE, NONE, 20..=31, false),
    selftest("vmx_signal", NONE, NONE, 20..=31, true),
    selftest("vsx_preempt", 20..=31, 20..=31, NONE, false),
    selftest("ptrace-gpr", 0..=31, NONE, NONE, true),
    selftest("ptrace-vsx", NONE, 0..=31, 0..=31, true),
    selftest("signal", NONE, NONE, NONE, false),
    selftest("sig_sc_double_restart", NONE, NONE, NONE, false),
];

impl Selftest {
    /// Whether its program would fail on this. A kernel that dies fails every test.
    fn looks_at(&self, difference: &Difference) -> bool {
        let place = match difference.place {
            Place::End => return true,
            Place::Register | Place::Child => true,
            Place::SignalFrame | Place::Ptrace => self.frames,
            _ => false,
        };
        let register = match difference.what {
            What::Register(Register::F(n)) => self.fprs.contains(&n),
            What::Register(Register::Vs(n)) => self.vsx_halves.contains(&n),
            What::Register(Register::V(n)) => self.vrs.contains(&n),
            _ => false,
        };
        place && register && difference.verdict == Verdict::Live
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The selftests that fail on a kernel with the defect, and those in which more differs than they
/// look at.
fn verdicts(defect: &Defect, scenarios: &[Scenario]) -> Result<[Vec<&'static str>; 2]> {
    let [a, b] = defect.pair();
    let mut pair = Pair::new(&a.parse()?, &b.parse()?, Endian::Little)?;
    let (mut caught, mut missed) = (Vec::new(), Vec::new());
    for (selftest, scenario) in SELFTESTS.iter().zip(scenarios) {
        let comparison = pair.run(scenario).comparison;
        let live = || comparison.visible().filter(|d| d.verdict == Verdict::Live);
        if live().any(|difference| selftest.looks_at(difference)) {
            caught.push(selftest.name);
        } else if live().next().is_some() {
            missed.push(selftest.name);
        }
    }
    Ok([caught, missed])
}

fn table() -> Result<String> {
    let scenarios = SELFTESTS
        .iter()
        .map(|test| Scenario::load(&project().join(format!("corpus/{}.json", test.name))))
        .collect::<std::result::Result<Vec<Scenario>, _>>()?;
    let mut page = String::from(INTRODUCTION);
    let (mut all, mut by_selftests) = (0, 0);
    for defect in defects::all() {
        let Some(witness) = defect.witness else {
            continue;
        };
        let [caught, missed] = verdicts(defect, &scenarios)?;
        all += 1;
        by_selftests += usize::from(!caught.is_empty());
        let list = |names: &[&str]| match names.is_empty() {
            true => "-".to_owned(),
            false => names.join(", "),
        };
        let only = match caught.is_empty() {
            true => format!("`{witness}`"),
            false => "-".to_owned(),
        };
        let (caught, missed) = (list(&caught), list(&missed));
        let _ = writeln!(page, "| `{}` | {caught} | {missed} | {only} |", defect.id);
    }
    let _ = writeln!(
        page,
        "\nOf {all} defects that a task can notice the selftests catch {by_selftests}, ctxfuzz all. (Little endian.)"
    );
    Ok(page)
}

const INTRODUCTION: &str = "# The kernel's own selftests

<!-- Made by triage/tests/kselftests.rs: CTXFUZZ_BLESS=1 cargo test --release -p ctxfuzz-triage --test kselftests -->

`tools/testing/selftests/powerpc` has tests for the same paths. Those that need neither transactional memory nor what ctxfuzz does not have
(handlers that return to where no code is, MMA, denormal assist) are scenarios of the corpus under their names. This table runs each [catalogued defect](first-campaign.md#try-another-bug)
through them:

* *fails*: a register that the selftest's program looks at differs. `fpu_*` look at f14-f31, `vmx_*` at v20-v31, `vsx_preempt` at vs20-vs31, `ptrace-gpr` at all FPRs, `ptrace-vsx` at all
  VRs and the other halves of VSR 0-31; `*_signal` and `ptrace-*` also in the frame and in what a tracer reads. The others look at no FP or vector register. A kernel that dies fails them all.
* *differs unseen*: something that a program can notice differs, but not where the selftest looks: register 0, FPSCR, VSCR, VRSAVE, the volatile registers.
* *only ctxfuzz*: no selftest fails; the scenario that shows the defect.

| defect | fails | differs unseen | only ctxfuzz |
|---|---|---|---|
";

#[test]
fn the_page_says_what_the_selftests_catch() -> Result {
    let page = project().join("docs/kselftests.md");
    let made = table()?;
    if std::env::var_os("CTXFUZZ_BLESS").is_some() {
        std::fs::write(&page, &made)?;
    }
    let published = std::fs::read_to_string(&page)?;
    assert!(
        published == made,
        "run with CTXFUZZ_BLESS=1 to rewrite {}:\n{made}",
        page.display()
    );
    // The bug that started it lives in registers that no selftest looks at.
    for seed in ["save-fpu-clobbers-f0", "save-altivec-clobbers-v0"] {
        let row = made.lines().find(|line| line.contains(seed));
        assert!(row.is_some_and(|row| row.contains("| - |")), "{row:?}");
    }
    Ok(())
}
