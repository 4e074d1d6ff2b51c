//! The corpus as it was when ctxfuzz was built.

use ctxfuzz_scenario::scenario::Scenario;

/// Names and texts, in order.
const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

/// A scenario with the name of its file.
pub type Shipped = (&'static str, Scenario);

/// All of them, by name.
pub fn scenarios() -> anyhow::Result<Vec<Shipped>> {
    FILES
        .iter()
        .map(|&(name, text)| Ok((name, Scenario::from_json(text, name)?)))
        .collect()
}

/// The one of that name.
pub fn scenario(name: &str) -> anyhow::Result<Option<Scenario>> {
    let text = FILES.iter().find(|(file, _)| *file == name);
    Ok(text
        .map(|(name, text)| Scenario::from_json(text, name))
        .transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_reads_and_has_its_name() -> anyhow::Result<()> {
        let all = scenarios()?;
        assert!(!all.is_empty());
        for (name, scenario) in all {
            assert_eq!(scenario.name.as_deref(), Some(name));
        }
        Ok(())
    }
}
