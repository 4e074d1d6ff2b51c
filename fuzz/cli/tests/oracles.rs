//! The two oracles held against each other: what both look at they judge the same, so nothing that
//! one calls dead is live to the other (docs/oracles.md, "The oracles agree").

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{corpus, project};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::capture::Observable;
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_generators::any_scenario;
use ctxfuzz_scenario::event::{Event, Pending, Switch, Syscall, Via};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};
use ctxfuzz_triage::compare::{What, compare};
use ctxfuzz_triage::definedness::{FPSCR_CONTROL, VSCR_CONTROL};
use ctxfuzz_triage::transparency::{Look, Seen, looks};

/// Random scenarios of each kernel and byte order.
const SEEDS: u64 = 100;

/// In a core dump. A task has one, so it need not be told which.
const CORE: Look = Look::Capture(Observable::CoreDump, 0);

/// A register of a task at a look that both oracles take.
type Spot = (Look, u8, Register);

/// What an oracle says of a spot, and which bits it is about.
#[derive(Clone, Copy)]
struct Said {
    verdict: Verdict,
    bits: u128,
}

/// Which of the parts of a register, that are defined or not as a whole, bits lie in; `None` if
/// they lie in more than one.
fn part(register: Register, bits: u128) -> Option<bool> {
    let control: u128 = match register {
        Register::Fpscr => FPSCR_CONTROL.into(),
        Register::Vscr => VSCR_CONTROL.into(),
        _ => return Some(true),
    };
    match (bits & control, bits & !control) {
        (_, 0) => Some(true),
        (0, _) => Some(false),
        _ => None,
    }
}

fn differential(scenario: &Scenario, a: &Outcome, b: &Outcome) -> BTreeMap<Spot, Said> {
    let comparison = compare(scenario, a, b);
    let spots = comparison.differences.iter().filter_map(|difference| {
        let (Some(task), What::Register(register)) = (difference.task, difference.what) else {
            return None;
        };
        let look = match (difference.place, difference.frame) {
            (Place::Register | Place::Child, _) => Look::Last,
            (Place::SignalFrame, Some(frame)) => Look::Capture(Observable::SignalFrame, frame),
            (Place::Ptrace, Some(view)) => Look::Capture(Observable::Traced, view),
            (Place::Core, _) => CORE,
            _ => return None,
        };
        let said = Said {
            verdict: difference.verdict,
            bits: difference.a ^ difference.b,
        };
        Some(((look, task, register), said))
    });
    spots.collect()
}

fn transparency(scenario: &Scenario, outcome: &Outcome) -> BTreeMap<Spot, Said> {
    let found = looks(scenario, outcome).into_iter();
    let spots = found.filter_map(
        |Seen {
             look, violation, ..
         }| {
            let What::Register(register) = violation.what else {
                return None;
            };
            let look = match (look, violation.place) {
                (Look::Capture(Observable::SignalFrame, _), Place::SignalFrame)
                | (Look::Capture(Observable::Traced, _), Place::Ptrace)
                | (Look::Last, Place::Register) => look,
                (Look::Capture(Observable::CoreDump, _), Place::Core) => CORE,
                _ => return None,
            };
            let said = Said {
                verdict: violation.verdict,
                bits: violation.before ^ violation.after,
            };
            Some(((look, violation.task, register), said))
        },
    );
    spots.collect()
}

/// Linux copies an image of VRSAVE into a core dump that may be an old one: `check` excuses that,
/// and two kernels do the same.
fn is_excused((look, _, register): &Spot) -> bool {
    (*look, *register) == (CORE, Register::Vrsave)
}

/// The spots that both oracles have said something of.
#[derive(Default)]
struct Tally {
    both: usize,
    /// Those at which they do not say the same.
    apart: Vec<String>,
}

impl Tally {
    fn hold(&mut self, which: &str, scenario: &Scenario, sides: [&Outcome; 2]) {
        let [a, b] = sides;
        let pair = differential(scenario, a, b);
        for outcome in sides.iter().filter(|_| !pair.is_empty()) {
            for (spot, check) in transparency(scenario, outcome) {
                let Some(run) = pair.get(&spot).filter(|_| !is_excused(&spot)) else {
                    continue;
                };
                let (look, task, register) = spot;
                let parts = [check.bits, run.bits].map(|bits| part(register, bits));
                if parts[0].is_none() || parts[0] != parts[1] {
                    continue;
                }
                self.both += 1;
                if check.verdict != run.verdict {
                    let (check, run) = (check.verdict, run.verdict);
                    self.apart.push(format!(
                        "{which}: {look:?}, task {task}, {register}: check says {check}, run {run}"
                    ));
                }
            }
        }
    }
}

fn runner(name: &str, endian: Endian) -> Runner {
    let name = name.parse().expect("it is a kernel");
    let mut runner = Runner::new(&name, endian).expect("it starts");
    runner.observe();
    runner
}

fn corpus_scenarios() -> Vec<Scenario> {
    let files = corpus().into_iter();
    let texts = files.map(|file| fs::read_to_string(project().join(file)).expect("it is there"));
    let scenarios = texts.map(|text| Scenario::from_json(&text, "corpus"));
    scenarios
        .map(|scenario| scenario.expect("it is one"))
        .collect()
}

/// A random scenario; every other one with two signals at once somewhere.
fn random(seed: u64) -> Scenario {
    let mut scenario = any_scenario(seed);
    if seed % 2 == 1 {
        let pending = Pending {
            switch: Some(Switch::Any),
            signal: Some(10),
            ..Pending::NONE
        };
        let at = seed as usize / 2 % (scenario.events.len() + 1);
        let call = Syscall::Kill { signal: 12 };
        let via = Via::Sc;
        scenario
            .events
            .insert(at, Event::Syscall { call, via, pending });
    }
    scenario
}

#[test]
fn both_oracles_say_the_same_of_what_both_look_at() {
    let corpus = corpus_scenarios();
    let mut tally = Tally::default();
    for endian in Endian::BOTH {
        let mut sound = runner("repaired", endian);
        let own: Vec<Outcome> = corpus.iter().map(|scenario| sound.run(scenario)).collect();
        for (nth, defect) in (0..).zip(defects::all().filter(|defect| defect.applies(endian))) {
            let name = format!("repaired+{}", defect.id);
            let mut wrong = runner(&name, endian);
            let which = |scenario: &str| format!("{name} ({}), {scenario}", endian.name());
            for (scenario, own) in corpus.iter().zip(&own) {
                let file = scenario.name.as_deref().unwrap_or("corpus");
                tally.hold(&which(file), scenario, [&wrong.run(scenario), own]);
            }
            for seed in SEEDS * nth..SEEDS * (nth + 1) {
                let scenario = random(seed);
                let (a, b) = (wrong.run(&scenario), sound.run(&scenario));
                tally.hold(&which(&format!("seed {seed}")), &scenario, [&a, &b]);
            }
        }
    }
    assert_eq!(tally.apart, [""; 0]);
    assert!(tally.both > 5000, "{}: nothing was held", tally.both);
}
