//! The table holds together: what one row may not say because of another.

use super::*;

#[test]
fn every_number_is_decoded_to_one_call() {
    assert_eq!(Call::numbered().count(), Call::ALL.len());
}

#[test]
fn the_text_of_an_argument_begins_with_the_calls_that_take_it() {
    let schema =
        serde_json::from_str::<serde_json::Value>(&crate::scenario_schema()).expect("JSON");
    for (argument, _) in ARGUMENTS {
        let calls = Call::taking(argument);
        let names: Vec<String> = calls.iter().map(|call| format!("`{call}`")).collect();
        let start = format!("{} only", names.join(" and "));
        let text = &schema["$defs"]["SyscallFields"]["properties"][argument]["description"];
        assert!(
            text.as_str().is_some_and(|text| text.starts_with(&start)),
            "{text}: {start}"
        );
    }
}

#[test]
fn a_call_without_arguments_is_not_drawn_with_flags() {
    for call in Call::ALL {
        if call.arguments().is_empty() {
            assert_eq!(call.facts().common_with_flags, 0, "{call} has no flags");
        }
    }
}
