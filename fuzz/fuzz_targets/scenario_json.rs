//! The scenario parser against hostile bytes: no panic, and what it accepts it writes and reads
//! again unchanged.
#![no_main]

use ctxfuzz_fuzz::Bytes;
use ctxfuzz_scenario::Scenario;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: Bytes<'_>| {
    if let Ok(scenario) = Scenario::from_bytes(bytes.0, "input") {
        let json = scenario.to_json();
        if scenario.validate().is_ok() {
            let again = Scenario::from_json(&json, "written").expect("what was written is read");
            assert_eq!(again.to_json(), json);
        }
    }
});
