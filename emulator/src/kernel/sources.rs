//! The source of the kernel model, built into the program: a page about its lines can show them
//! wherever the program runs.

/// Names, as line information has them, and texts; in order of the names.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// The text of a file of the model, by the name that [`super::symbols::Symbols::source`] has for
/// it.
pub fn of_model(file: &str) -> Option<&'static str> {
    let found = SOURCES.binary_search_by_key(&file, |(name, _)| name).ok()?;
    Some(SOURCES[found].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_by_the_names_of_line_information() {
        assert!(of_model("kernel/fpu.S").is_some_and(|text| text.contains("save_fpu")));
        assert!(of_model("include/sched.h").is_some());
        assert_eq!(of_model("kernel/none.c"), None);
        assert!(SOURCES.is_sorted_by_key(|(name, _)| name));
    }
}
