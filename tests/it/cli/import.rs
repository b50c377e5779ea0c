//! `althing export --format segments` and `althing import`: a ledger moves as it is.

use std::fs;
use std::path::Path;

use super::harness::{TRIAGE, World};

const HOUR: &str = "2026-01-01T01:00:00Z";

fn world() -> World {
    let world = World::founded();
    world.propose(&format!("authorize-model {TRIAGE}"), HOUR);
    world
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir.join("ledger"))
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn it_is_the_same_ledger_afterwards() {
    let world = world();
    let (out, there) = (world.path("out"), World::empty());
    let export = format!("export --format segments {out}");
    world.run(&export).ok();
    assert_eq!(files(Path::new(&out)), files(world.ledger()));

    let import = |from: &str| there.run(&format!("import {from} --json"));
    let report = import(&out).ok().json();
    let entries = world.lines().len() as u64;
    assert_eq!(report["imported"], entries);
    assert_eq!(files(there.ledger()), files(world.ledger()));

    // What comes later is added, and again nothing.
    world.propose("authorize-agent did:example:scribe", HOUR);
    world.run(&export).ok();
    assert_eq!(import(&out).ok().json()["imported"], 1);
    assert_eq!(import(&out).ok().json()["imported"], 0);
    assert_eq!(files(there.ledger()), files(world.ledger()));
}

#[test]
fn another_or_a_damaged_history_is_refused_and_nothing_changes() {
    let (world, other) = (world(), World::founded());
    let before = files(other.ledger());
    let import = format!("import {}", world.ledger().display());
    other
        .run(&format!("{import} --json"))
        .fails(3, "import.other-history");
    assert_eq!(files(other.ledger()), before);

    // A longer one can't be completed by a shorter one.
    let shorter = world.copy();
    world.propose("authorize-agent did:example:scribe", HOUR);
    let import = format!("import {} --json", shorter.ledger().display());
    world.run(&import).fails(3, "import.other-history");

    let mut bytes = shorter.bytes();
    bytes[300] ^= 1;
    fs::write(shorter.segment(), bytes).unwrap();
    let there = World::empty();
    there.run(&import).fails(10, "chain.hash");
    assert!(!there.ledger().exists());
}

#[test]
fn segments_need_a_directory() {
    let world = world();
    world
        .run("export --format segments --json")
        .fails(2, "export.no-directory");
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_database_needs_the_feature() {
    let world = world();
    let log = "log --ledger postgres://nobody@nowhere/none --json";
    world.run(log).fails(2, "postgres.not-built");
}
