//! Every rule of the specification has a test that stands for it.
//!
//! `tests/specification.txt` says which: one line a rule, in the order of the documents. A rule
//! that says nothing a program could get wrong is marked `-`, with the reason behind it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../specification.txt");

/// Rules that state what does not exist yet.
const NOT_IN_FORCE: &str = "NIF-";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The identifier that a line of a document defines: bold at the start of a paragraph or of a row
/// of a table.
fn defined(line: &str) -> Option<&str> {
    let line = line.strip_prefix("| ").unwrap_or(line);
    let (identifier, _) = line.strip_prefix("**")?.split_once("**")?;
    let (subject, number) = identifier.rsplit_once('-')?;
    let is_identifier = !subject.is_empty()
        && subject.bytes().all(|byte| byte.is_ascii_uppercase())
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit());
    is_identifier.then_some(identifier)
}

/// The identifiers of all rules in force, in the order of the documents.
fn rules() -> Vec<String> {
    let documents = fs::read_dir(root().join("docs/specification")).expect("the specification");
    let mut paths: Vec<PathBuf> = documents
        .map(|entry| entry.expect("a document").path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_digit()))
        })
        .collect();
    paths.sort();
    let mut rules = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a document is text");
        let defined = text.lines().filter_map(defined);
        rules.extend(
            defined
                .filter(|rule| !rule.starts_with(NOT_IN_FORCE))
                .map(str::to_owned),
        );
    }
    rules
}

/// The rules of the table, each with what stands behind it.
fn table() -> Vec<(&'static str, &'static str)> {
    let lines = TABLE.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (rule, rest) = line.split_once(' ').unwrap_or((line, ""));
            (rule, rest.trim())
        })
        .collect()
}

/// Whether there is a test of this name: `module::function` below `tests/it`, or
/// `src/path::tests::function`. It has to be run, too.
fn exists(test: &str) -> bool {
    let Some((module, function)) = test.rsplit_once("::") else {
        return false;
    };
    let path = match module.strip_prefix("src/") {
        Some(unit) => format!("src/{}", unit.strip_suffix("::tests").unwrap_or(unit)),
        None => format!("tests/it/{module}"),
    };
    let path = root().join(path.replace("::", "/") + ".rs");
    let Ok(text) = fs::read_to_string(path) else {
        return false;
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {function}(");
    lines.iter().enumerate().any(|(place, line)| {
        let above = || lines[..place].iter().rev();
        let attributes = || above().take_while(|line| line.starts_with("#[") || is_remark(line));
        line.starts_with(&head)
            && attributes().any(|line| *line == "#[test]")
            && !attributes().any(|line| line.starts_with("#[ignore"))
    })
}

fn is_remark(line: &str) -> bool {
    line.starts_with("//")
}

#[test]
fn every_rule_is_in_the_table_once_and_in_order() {
    let rules = rules();
    assert!(rules.len() > 150, "only {} rules were found", rules.len());
    let unique: BTreeSet<&String> = rules.iter().collect();
    assert_eq!(unique.len(), rules.len(), "an identifier is used twice");
    let listed: Vec<&str> = table().into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(listed, rules);
}

#[test]
fn every_rule_has_tests_that_exist() {
    let mut bad = Vec::new();
    let mut without = 0;
    for (rule, tests) in table() {
        if let Some(reason) = tests.strip_prefix('-') {
            without += 1;
            if reason.trim().is_empty() {
                bad.push(format!("{rule}: no reason"));
            }
            continue;
        }
        for test in tests.split(',').map(str::trim) {
            if !exists(test) {
                bad.push(format!("{rule}: there is no test {test:?}"));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(
        without * 10 < table().len(),
        "{without} rules without a test"
    );
}

/// The checks themselves can fail.
#[test]
fn what_is_no_test_is_not_found() {
    assert!(exists("specification::what_is_no_test_is_not_found"));
    assert!(exists("src/governance/kind::tests::names_and_json_agree"));
    for test in [
        "",
        "MISSING",
        "specification::exists",
        "specification::what",
        "nowhere::what_is_no_test_is_not_found",
        "src/governance/kind::tests::name",
    ] {
        assert!(!exists(test), "{test}");
    }
    assert_eq!(defined("**TALLY-3** A rule"), Some("TALLY-3"));
    assert_eq!(defined("| **LIM-1** | any integer |"), Some("LIM-1"));
    for line in ["as **TALLY-3** says", "**Bold** words", "TALLY-3", "**A-**"] {
        assert_eq!(defined(line), None, "{line}");
    }
}
