//! Every target over its corpus and damaged copies of it: a short look without libFuzzer.
//!
//! `ALTHING_FUZZ_RUNS=100000 cargo test --manifest-path fuzz/Cargo.toml` looks longer,
//! `ALTHING_FUZZ_SEED=7` elsewhere.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::mutation::{Dice, damaged};
use crate::{TARGETS, Target};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().expect("a number"))
}

/// The corpus of a target, in the order of the file names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = root().join("corpus").join(target);
    let mut paths: Vec<PathBuf> = (fs::read_dir(&dir).expect("each target has a corpus"))
        .map(|entry| entry.expect("the corpus is readable").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).expect("a seed is readable"));
    paths.into_iter().map(read).collect()
}

fn is_finding(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("found-")
}

/// Runs a target; a finding is written down before it fails the test.
fn run(name: &str, target: Target, bytes: &[u8]) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(bytes)));
    outcome.unwrap_or_else(|_| {
        let path = std::env::temp_dir().join(format!("althing-fuzz-{name}"));
        fs::write(&path, bytes).expect("the finding can be written down");
        panic!("{name} failed; the input is in {}", path.display());
    })
}

/// Half a second in a warm development build; the large inputs take longer, so they are fewer.
fn look(name: &str) {
    let (_, target) = TARGETS
        .iter()
        .find(|(found, _)| *found == name)
        .expect("a target");
    let seeds = corpus(name);
    // What libFuzzer found is mostly refused, if late: pieces of it go into what is accepted.
    let (found, made): (Vec<_>, Vec<_>) =
        (seeds.iter()).partition(|(path, _)| path.file_name().is_some_and(is_finding));
    assert!(!made.is_empty(), "{name} has no seeds");
    for (_, bytes) in found {
        run(name, *target, bytes);
    }
    let accepted = made.iter().filter(|(_, bytes)| run(name, *target, bytes));
    assert!(
        accepted.count() * 2 > made.len(),
        "{name} refuses most of its seeds"
    );
    let bytes: usize = made.iter().map(|(_, bytes)| bytes.len()).sum();
    let affordable = 4_000_000 / (bytes / made.len() + 200);
    let runs = setting("ALTHING_FUZZ_RUNS", affordable as u64);
    let mut dice = Dice::new(setting("ALTHING_FUZZ_SEED", 1));
    let mut accepted = 0;
    for _ in 0..runs {
        let seed = &made[dice.below(made.len())].1;
        let other = &seeds[dice.below(seeds.len())].1;
        accepted += u64::from(run(name, *target, &damaged(seed, other, &mut dice)));
    }
    println!("{name}: {accepted} of {runs} damaged copies were accepted");
    assert!(accepted > 0 || runs < 100, "{name} refuses everything else");
}

macro_rules! looks {
    ($($name:ident)*) => {
        /// The targets that have a test.
        const LOOKS: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            look(stringify!($name));
        })*
    };
}

looks! { canonical checkpoint event ledger line policy proof receipt recovery replay snapshot statement text }

#[test]
fn every_target_is_complete() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        LOOKS.iter().copied().collect::<BTreeSet<_>>(),
        names,
        "the tests"
    );
    let listed = |dir: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join(dir)).expect("the directory is readable");
        entries
            .map(|entry| entry.expect("the directory is readable").path())
            .map(|path| {
                path.file_stem()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    };
    let owned: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(listed("fuzz_targets"), owned);
    assert_eq!(listed("corpus"), owned);
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    for name in &owned {
        assert!(
            manifest.contains(&format!("name = \"{name}\"\n")),
            "{name} is no program"
        );
    }
}

#[test]
fn the_corpus_stays_small() {
    let sizes = TARGETS.iter().flat_map(|(name, _)| corpus(name));
    let total: usize = sizes.map(|(_, bytes)| bytes.len()).sum();
    assert!(total < 1_000_000, "{total} bytes");
}
