//! The layers, and what the pure ones never touch. Read from the source itself.

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer with the layers that it may name.
const LAYERS: &[(&str, &[&str])] = &[
    ("governance", &[]),
    ("chain", &["governance"]),
    ("replay", &["chain", "governance"]),
    ("identity", &["governance"]),
    ("ledger", &["chain", "governance"]),
    ("parallel", &["chain", "governance", "ledger", "replay"]),
    ("views", &["chain", "governance"]),
    ("pages", &["chain", "governance", "views"]),
    ("state_dir", &["identity"]),
    ("clock", &["governance"]),
    (
        "node",
        &[
            "chain",
            "governance",
            "identity",
            "ledger",
            "parallel",
            "replay",
            "state_dir",
        ],
    ),
    ("postgres", &["chain", "governance", "ledger"]),
    (
        "cluster",
        &["chain", "clock", "governance", "identity", "ledger", "node"],
    ),
    (
        "server",
        &[
            "chain",
            "clock",
            "governance",
            "identity",
            "ledger",
            "node",
            "pages",
            "replay",
            "views",
        ],
    ),
    (
        "simulation",
        &[
            "chain",
            "governance",
            "identity",
            "ledger",
            "node",
            "replay",
        ],
    ),
    (
        "testing",
        &[
            "chain",
            "governance",
            "identity",
            "ledger",
            "node",
            "replay",
        ],
    ),
];

const PURE: &[&str] = &["governance", "chain", "replay"];

/// What gives another answer on another machine or at another time.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::time",
    "std::thread",
    "std::env",
    "std::net",
    "std::process",
    "rand::",
    "HashMap",
    "HashSet",
    "SystemTime",
    "Instant::",
    "Utc::now",
    "new_v4",
    "f32",
    "f64",
];

/// A line of a source file that is neither a comment nor a test.
struct Line {
    place: String,
    text: String,
}

/// The source files below `path`, tests left out.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).expect("the directory is readable") {
        let path = entry.expect("the directory is readable").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if !stem.is_some_and(|stem| stem == "tests" || stem.ends_with("_tests")) {
            found.extend(sources(&path));
        }
    }
    found.sort();
    found
}

/// The code of a layer, up to each file's tests.
fn code_of(layer: &str) -> Vec<Line> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (dir, file) = (src.join(layer), src.join(format!("{layer}.rs")));
    let parts = [dir, file].into_iter().filter(|path| path.exists());
    let mut lines = Vec::new();
    for file in parts.flat_map(|path| sources(&path)) {
        let text = fs::read_to_string(&file).expect("the file is readable");
        let code = (text.lines().enumerate())
            .take_while(|(_, line)| !line.starts_with("mod tests {"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"));
        lines.extend(code.map(|(number, line)| Line {
            place: format!("{}:{}", file.display(), number + 1),
            text: line.to_owned(),
        }));
    }
    assert!(!lines.is_empty(), "{layer} has no code");
    lines
}

/// The modules of this crate that a line names by `crate::`.
fn named_modules(line: &str) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for after in line.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => names.extend(
                group
                    .split(',')
                    .map(|name| name.trim().chars().take_while(|c| is_word(*c)).collect()),
            ),
            None => names.push(after.chars().take_while(|c| is_word(*c)).collect()),
        }
    }
    names
}

#[test]
fn each_layer_names_only_the_layers_below_it() {
    for (layer, below) in LAYERS {
        for line in code_of(layer) {
            for name in named_modules(&line.text) {
                assert!(
                    name == *layer || below.contains(&name.as_str()),
                    "{}: {layer} must not name {name}",
                    line.place
                );
            }
        }
    }
}

#[test]
fn pure_layers_know_no_clock_no_chance_no_files_no_floats_and_no_unordered_maps() {
    for layer in PURE {
        for line in code_of(layer) {
            for word in IMPURE {
                assert!(
                    !line.text.contains(word),
                    "{}: {layer} must not name {word}",
                    line.place
                );
            }
        }
    }
}

#[test]
fn every_layer_is_known() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src).expect("the sources are readable") {
        let path = entry.expect("the sources are readable").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap();
        // The program's own layers and what is no layer.
        if !["lib", "main", "cli", "test_support"].contains(&name) {
            assert!(LAYERS.iter().any(|(layer, _)| *layer == name), "{name}");
        }
    }
}

#[test]
fn nothing_below_the_command_line_names_it() {
    for (layer, _) in LAYERS {
        for line in code_of(layer) {
            assert!(!line.text.contains("crate::cli"), "{}", line.place);
        }
    }
}

#[test]
fn every_file_of_tests_is_run() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(dir.join("main.rs")).expect("the file is readable");
    for entry in fs::read_dir(dir).expect("the directory is readable") {
        let path = entry.expect("the directory is readable").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap();
        let declared = main.lines().any(|line| line == format!("mod {name};"));
        assert!(
            name == "main" || declared,
            "{name} is not declared in main.rs"
        );
    }
}
