//! The corpus says what it is about (`needs`): each file is held to what it causes in the model of
//! Linux 6.1.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::outcome::End;
use ctxfuzz_emulator::run::{Runner, effects};
use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::scenario::Scenario;

fn corpus() -> Vec<(String, Scenario)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus");
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("it is text");
        let name = path.display().to_string();
        let scenario = Scenario::from_json(&text, &name).expect("it is a scenario");
        (name, scenario)
    };
    paths.map(read).collect()
}

/// What is needed happens, and what the events owe is needed: a file about nothing would be silent
/// about everything.
#[test]
fn each_file_causes_what_it_needs_and_needs_what_it_owes() {
    let mut needed = std::collections::BTreeSet::new();
    for endian in Endian::BOTH {
        let sound = "repaired".parse().expect("it is a name");
        let mut runner = Runner::new(&sound, endian).expect("the model starts");
        for (name, scenario) in corpus() {
            let outcome = runner.run(&scenario);
            assert_eq!(outcome.end, End::Completed, "{name}");
            let effects = &outcome.effects;
            assert!(effects.are_complete(&scenario), "{name}: {effects:?}");
            for effect in effects::possible(&scenario) {
                let owed = effects.seen.contains(&effect);
                let said = scenario.needs.contains(&effect);
                assert_eq!(owed, said, "{name}: {effect}");
            }
            needed.extend(scenario.needs);
        }
    }
    let missing: Vec<&Effect> = Effect::ALL
        .iter()
        .filter(|effect| !needed.contains(*effect))
        .collect();
    assert!(
        missing.is_empty(),
        "no file of the corpus needs {missing:?}"
    );
}
