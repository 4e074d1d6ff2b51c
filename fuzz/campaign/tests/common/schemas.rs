//! What reports for other programs must look like.

use std::fs;
use std::path::Path;

use roxmltree::{Document, Node};
use serde_json::{Value, json};

/// The schema of SARIF 2.1.0 as the crate `serde-sarif` has it: it is not ours to copy.
pub fn sarif_schema() -> Value {
    let metadata = super::metadata();
    let packages = metadata["packages"].as_array().expect("a list");
    let package = packages
        .iter()
        .find(|package| package["name"] == "serde-sarif");
    let manifest = package.expect("it is a dependency")["manifest_path"].as_str();
    let schema = Path::new(manifest.expect("a path")).with_file_name("src/schema.json");
    let schema = fs::read_to_string(schema).expect("the crate has the schema");
    let mut schema: Value = serde_json::from_str(&schema).expect("it is JSON");
    // The published pattern has a bracket too many. No log of ours has a language.
    for object in ["run", "toolComponent"] {
        schema["definitions"][object]["properties"]["language"] = json!(false);
    }
    schema
}

/// Holds a document to what readers of JUnit XML rely on. The schemas that are about are by one reader each and contradict one another; this is what they
/// agree on: which elements are where, which attributes they must have, and that the counts are those of the test cases.
pub fn assert_junit(written: &str) {
    if let Err(wrong) = check_junit(written) {
        panic!("{wrong}: {written}");
    }
}

/// The same, with the answer.
pub fn check_junit(written: &str) -> Result<(), String> {
    let document = Document::parse(written).map_err(|error| error.to_string())?;
    let root = document.root_element();
    element(root, "testsuites", &["name", "tests", "failures", "errors"])?;
    counts(root)?;
    for suite in elements(root) {
        element(suite, "testsuite", &["name", "tests", "failures", "errors"])?;
        counts(suite)?;
        for part in elements(suite) {
            match part.tag_name().name() {
                "properties" => {
                    for property in elements(part) {
                        element(property, "property", &["name", "value"])?;
                    }
                }
                _ => test_case(part)?,
            }
        }
    }
    Ok(())
}

fn test_case(case: Node<'_, '_>) -> Result<(), String> {
    element(case, "testcase", &["name", "classname"])?;
    let results: Vec<_> = elements(case).collect();
    match results.as_slice() {
        [] => Ok(()),
        [result] if result.has_tag_name("skipped") => Ok(()),
        [result] if result.has_tag_name("failure") => element(*result, "failure", &["type"]),
        [result] => element(*result, "error", &["type", "message"]),
        _ => Err("a test case has several results".to_owned()),
    }
}

fn elements<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(Node::is_element)
}

fn element(node: Node<'_, '_>, name: &str, attributes: &[&str]) -> Result<(), String> {
    if !node.has_tag_name(name) {
        return Err(format!("{:?} where {name} belongs", node.tag_name()));
    }
    for attribute in attributes {
        if node.attribute(*attribute).is_none_or(str::is_empty) {
            return Err(format!("{name} without {attribute}"));
        }
    }
    Ok(())
}

fn counts(node: Node<'_, '_>) -> Result<(), String> {
    let cases = node.descendants().filter(|n| n.has_tag_name("testcase"));
    let having = |result: &str| {
        let has = |case: &Node<'_, '_>| elements(*case).any(|part| part.has_tag_name(result));
        cases.clone().filter(has).count()
    };
    for (name, count) in [
        ("tests", cases.clone().count()),
        ("failures", having("failure")),
        ("errors", having("error")),
    ] {
        if node.attribute(name) != Some(&count.to_string()) {
            return Err(format!("{name} is {:?}, not {count}", node.attribute(name)));
        }
    }
    Ok(())
}
