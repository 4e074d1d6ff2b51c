//! The corpus as it was when ctxfuzz was built, and what docs/findings says of known findings.

use anyhow::Context;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::report::mail::Known;
use serde::Deserialize;

/// Names and texts, in order.
const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

/// The pages of docs/findings.
const PAGES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The suspected repairs, by the names of their pages.
const REPAIRS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/repairs.rs"));

/// Which page is about which finding.
const FINDINGS: &str = include_str!("../../../docs/findings/findings.json");

/// A row of docs/findings/findings.json.
#[derive(Deserialize)]
struct Row {
    page: &'static str,
    signatures: Vec<&'static str>,
    subject: &'static str,
}

/// What the pages say of a cause with that signature.
pub fn known(signature: &str) -> anyhow::Result<Option<Known<'static>>> {
    let rows: Vec<Row> =
        serde_json::from_str(FINDINGS).context("docs/findings/findings.json, as built in")?;
    let mut rows = rows.into_iter();
    let Some(row) = rows.find(|row| row.signatures.contains(&signature)) else {
        return Ok(None);
    };
    let name = row.page.trim_end_matches(".md");
    let text = |files: &[(&str, &'static str)]| {
        let file = files.iter().find(|(file, _)| *file == name);
        file.map(|(_, text)| *text)
    };
    let page = text(PAGES).with_context(|| format!("docs/findings has no {}", row.page))?;
    Ok(Some(Known {
        subject: row.subject,
        page,
        repair: text(REPAIRS),
    }))
}

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

    /// A page that no row names would never be in a mail, and a repair without a page neither.
    #[test]
    fn every_row_and_repair_has_its_page() -> anyhow::Result<()> {
        let rows: Vec<Row> = serde_json::from_str(FINDINGS)?;
        let names: Vec<&str> = rows
            .iter()
            .map(|r| r.page.trim_end_matches(".md"))
            .collect();
        for row in &rows {
            assert!(!row.signatures.is_empty(), "{}", row.page);
            for signature in &row.signatures {
                let known = known(signature)?.context("it is known")?;
                assert_eq!(known.subject, row.subject);
                assert!(known.repair.is_some(), "{}", row.page);
            }
        }
        assert!(REPAIRS.iter().all(|(repair, _)| names.contains(repair)));
        assert!(known("save_fpu.f0-is-fpscr")?.is_none());
        Ok(())
    }
}
