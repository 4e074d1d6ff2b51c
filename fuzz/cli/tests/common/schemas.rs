//! What reports for other programs must look like.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use roxmltree::{Document, Node};
use serde_json::{Value, json};

/// The schema of SARIF 2.1.0 as the crate `serde-sarif` has it: it is not ours to copy.
pub fn sarif_schema() -> Value {
    let schema = of_package("serde-sarif", "src/schema.json");
    let mut schema: Value = serde_json::from_str(&schema).expect("it is JSON");
    // The published pattern has a bracket too many. No log of ours has a language.
    for object in ["run", "toolComponent"] {
        schema["definitions"][object]["properties"]["language"] = json!(false);
    }
    schema
}

/// A file of a package that this one depends on.
fn of_package(name: &str, file: &str) -> String {
    let metadata = super::metadata();
    let packages = metadata["packages"].as_array().expect("a list");
    let package = packages.iter().find(|package| package["name"] == name);
    let manifest = package.expect("it is a dependency")["manifest_path"].as_str();
    let path = Path::new(manifest.expect("a path")).with_file_name(file);
    fs::read_to_string(path).expect("the package has the file")
}

/// Jenkins' schema of JUnit XML as the crate `junit-report` has it: it is not ours to copy.
static JUNIT_SCHEMA: LazyLock<String> = LazyLock::new(|| {
    let schema = of_package("junit-report", "tests/JUnit.xsd");
    let old = r#"<xs:element name="skipped" type="xs:string"/>"#;
    assert!(schema.contains(old), "{schema}");
    // This is its fourth version. Since the tenth a reason may be given, as that of a failure.
    let new = r#"<xs:element name="skipped"><xs:complexType mixed="true">
        <xs:attribute name="type" type="xs:string"/><xs:attribute name="message" type="xs:string"/>
        </xs:complexType></xs:element>"#;
    schema.replace(old, new)
});

/// What Jenkins' schema says against a document.
fn validate_junit(written: &str) -> Result<(), String> {
    let schema = uppsala::parse(&JUNIT_SCHEMA).map_err(|error| error.to_string())?;
    let schema = uppsala::XsdValidator::from_schema(&schema).map_err(|error| error.to_string())?;
    let document = uppsala::parse(written).map_err(|error| error.to_string())?;
    let wrong = schema.validate(&document);
    let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("; ")),
    }
}

/// Holds a document to Jenkins' schema, and to what readers of JUnit XML rely on. The schemas that
/// are about are by one reader each and contradict one another; beyond that one this is what they
/// agree on: which elements are where, which attributes they must have, and that the counts are
/// those of the test cases.
pub fn assert_junit(written: &str) {
    if let Err(wrong) = check_junit(written) {
        panic!("{wrong}: {written}");
    }
}

/// The same, with the answer.
pub fn check_junit(written: &str) -> Result<(), String> {
    validate_junit(written)?;
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
