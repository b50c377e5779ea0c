//! `demo`: the story that newcomers see first.

use super::harness::World;

#[test]
fn the_story_ends_as_it_says() {
    let world = World::empty();
    let report = world.run("demo --json").ok().json();
    assert_eq!(report["states_equal"], true, "{report}");
    assert_eq!(report["tampering_code"], "chain.hash");
    assert_eq!(report["tampered_entry"], report["tampering_found_at"]);
    assert_eq!(report["state_hash"], report["replayed_state_hash"]);
    assert_eq!(report["receipt_refused"], "close.before-deadline");
    let entries = |name: &str| report[name].as_u64().unwrap();
    assert!(entries("receipt_entries") < entries("entries"));
}

#[test]
fn the_ledger_of_the_story_stays_to_look_around_in() {
    let world = World::empty();
    let told = world.run("demo --ledger ./demo").ok().stdout;
    for part in [
        "replay",
        "receipt verify",
        "chain.hash",
        "ballot.equivocation",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // What it suggests to try works, from where it was run.
    let suggested: Vec<&str> = told
        .lines()
        .filter_map(|line| line.trim().strip_prefix("althing "))
        .collect();
    assert!(suggested.len() >= 5, "{told}");
    for line in suggested {
        world.run(line).ok();
    }
    world
        .run("demo --ledger ./demo --json")
        .fails(1, "ledger.exists");
    world.run("verify --ledger ./demo").ok();
}
