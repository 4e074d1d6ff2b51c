//! `fuzz --status-json` and `--status-prometheus`: what other programs are told of a campaign.

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::findings::campaign;
use common::json_lines;
use serde_json::Value;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[test]
fn the_files_say_what_the_campaign_says() -> Result {
    let folder = tempfile::tempdir()?;
    let more = [
        "--json",
        "--status-json",
        "s.json",
        "--status-prometheus",
        "s.prom",
    ];
    let called = campaign(folder.path(), &more);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let summary = &json_lines(&called.stdout)[0];
    let status: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("s.json"))?)?;
    let prometheus = fs::read_to_string(folder.path().join("s.prom"))?;
    let metrics: BTreeMap<&str, &str> = prometheus
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .collect();
    let labels = r#"a="clobbering",b="fixed",endian="le",seed="1""#;
    let metric = |name: &str| metrics.get(&*format!("{name}{{{labels}}}")).copied();
    for (value, name, of) in [
        (
            &status["executions"],
            "ctxfuzz_executions_total",
            &summary["executions"],
        ),
        (&status["corpus"], "ctxfuzz_corpus", &summary["corpus"]),
        (
            &status["edges"],
            "ctxfuzz_edges",
            &summary["counts"]["edges"],
        ),
        (
            &status["reported"],
            "ctxfuzz_reported_total",
            &summary["counts"]["reported"],
        ),
    ] {
        assert_eq!(value, of, "{name}");
        assert_eq!(metric(name), Some(&*of.to_string()), "{prometheus}");
    }
    assert_eq!(metric("ctxfuzz_running"), Some("0"));
    assert_eq!(status["running"], false);
    assert_eq!(status["findings"], serde_json::json!({"live": 2, "abi": 0}));
    let live = format!("ctxfuzz_findings{{{labels},verdict=\"live\"}}");
    assert_eq!(metrics.get(&*live), Some(&"2"));
    #[cfg(target_os = "linux")]
    for name in ["resident_bytes", "open_descriptors"] {
        assert!(
            status[name].as_u64().is_some_and(|value| value > 0),
            "{status}"
        );
    }
    Ok(())
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_the_campaign() -> Result {
    let folder = tempfile::tempdir()?;
    let called = campaign(folder.path(), &["--status-prometheus", "none/s.prom"]);
    assert_eq!(called.status, Some(2));
    assert!(
        called.stderr.contains("there is no directory none"),
        "{}",
        called.stderr
    );
    assert_eq!(fs::read_dir(folder.path())?.count(), 0, "nothing was made");
    Ok(())
}
