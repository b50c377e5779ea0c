//! What was seen of a ledger once is held against it: nobody cuts it, puts it back or swaps it
//! unnoticed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use althing::chain::line::{Head, Line, NewEntry, encode_batch};
use serde_json::Value;

use super::harness::{FOUNDED, TRIAGE, World, copy_dir};

/// A group with a grant, seen by `verify`.
fn seen() -> World {
    let world = World::founded();
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    world.verify();
    world
}

fn verify(world: &World, options: &str) -> Value {
    let ran = world.run(&format!("verify --json {options}")).exits(12);
    let report = ran.json();
    assert_eq!(report["ok"], false);
    report
}

#[track_caller]
fn finds(world: &World, code: &str) {
    let report = verify(world, "");
    assert_eq!(report["problems"][0]["code"], code, "{report}");
    // Nor does anybody write to it.
    let fingerprint = world.fingerprint();
    let line = format!("propose authorize-model {TRIAGE} --title Test --as ada --json");
    world.run(&line).fails(12, code);
    assert_eq!(world.fingerprint(), fingerprint);
}

/// The ends of the batches, in bytes.
fn batch_ends(bytes: &[u8]) -> Vec<usize> {
    let mut end = 0;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter_map(|raw| {
            end += raw.len();
            let line = Line::decode(&raw[..raw.len() - 1]).unwrap();
            line.batch.is_last().then_some(end)
        })
        .collect()
}

#[test]
fn every_cut_at_a_batch_end_is_found_out() {
    let world = seen();
    let whole = world.bytes();
    let ends = batch_ends(&whole);
    let (_, earlier) = ends.split_last().unwrap();
    assert!(earlier.len() >= 4);
    for end in earlier {
        fs::write(world.segment(), &whole[..*end]).unwrap();
        finds(&world, "checkpoint.truncated");
    }
    fs::write(world.segment(), &whole).unwrap();
    world.verify();
}

#[test]
fn what_was_seen_is_never_a_torn_tail() {
    let world = seen();
    let whole = world.bytes();
    fs::write(world.segment(), &whole[..whole.len() - 7]).unwrap();
    assert_eq!(
        verify(&world, "")["problems"][0]["code"],
        "checkpoint.truncated"
    );
    let line = format!("propose authorize-model {TRIAGE} --title Test --as ada --json");
    world.run(&line).fails(10, "tail.checkpoint");
    assert_eq!(world.bytes(), whole[..whole.len() - 7]);
}

/// The lines with one byte of the last entry's time changed, hashed and linked anew.
fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let mut head = Head::GENESIS;
    let mut written = Vec::new();
    let mut batch = Vec::new();
    let ends = batch_ends(bytes);
    let mut at = 0;
    for raw in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += raw.len();
        let line = Line::decode(&raw[..raw.len() - 1]).unwrap();
        let is_last_batch = at > ends[ends.len() - 2];
        let timestamp = if is_last_batch {
            line.timestamp
                .to_string()
                .replace(".000000Z", ".000001Z")
                .parse()
                .unwrap()
        } else {
            line.timestamp
        };
        batch.push(NewEntry {
            timestamp,
            operation: line.operation.to_owned().into(),
            data: serde_json::value::RawValue::from_string(line.data.to_owned()).unwrap(),
        });
        if ends.contains(&at) {
            let encoded = encode_batch(&head, &batch).unwrap();
            head = *encoded.head();
            written.extend_from_slice(encoded.bytes());
            batch.clear();
        }
    }
    written
}

#[test]
fn a_rewritten_history_is_found_out() {
    let world = seen();
    let changed = rewritten(&world.bytes());
    assert_eq!(changed.len(), world.bytes().len());
    assert_ne!(changed, world.bytes());
    fs::write(world.segment(), &changed).unwrap();
    finds(&world, "checkpoint.inconsistent");
    // It is legal all the same, for whoever has not seen the other one.
    world.run("verify --state elsewhere").ok();
    // And continued it is as wrong as before.
    let line = format!("propose authorize-model {TRIAGE} --title Test --as ada");
    world.run(&format!("{line} --state elsewhere")).ok();
    finds(&world, "checkpoint.inconsistent");
}

#[test]
fn an_older_copy_and_another_ledger_at_the_same_path_are_found_out() {
    let world = World::founded();
    let backup = world.path("backup");
    copy_dir(world.ledger(), Path::new(&backup));
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    world.verify();
    fs::remove_dir_all(world.ledger()).unwrap();
    copy_dir(Path::new(&backup), world.ledger());
    finds(&world, "checkpoint.truncated");
    // By its id it is known everywhere.
    let elsewhere = world
        .run(&format!("verify --json --ledger {backup}"))
        .exits(12);
    assert_eq!(
        elsewhere.json()["problems"][0]["code"],
        "checkpoint.truncated"
    );
    // A wholly different one.
    let other = World::founded();
    fs::remove_dir_all(world.ledger()).unwrap();
    copy_dir(other.ledger(), world.ledger());
    finds(&world, "checkpoint.other-ledger");
    world.run("verify --forget").ok();
    world.verify();
}

/// With a snapshot what it stands for is not read again, and what was seen counts as before.
#[test]
fn a_snapshot_hides_nothing_from_who_has_seen_more() {
    let world = World::founded();
    world.run("snapshot create").ok();
    let begun = world.bytes();
    let propose = format!("propose authorize-model {TRIAGE} --title Test --as ada");
    let other = "propose authorize-agent did:example:a --title Test --as bea --state";
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let seen = world.bytes();
    world
        .run(&format!("{other} elsewhere --now {FOUNDED}"))
        .ok();
    let whole = world.bytes();
    let put = |bytes: &[u8]| fs::write(world.segment(), bytes).unwrap();
    // Cut, or put back.
    let ends = batch_ends(&seen);
    for end in ends.into_iter().rev().skip(1).take(2) {
        put(&whole[..end]);
        finds(&world, "checkpoint.truncated");
    }
    // Rewritten behind the snapshot, and continued.
    let changed = rewritten(&seen);
    assert!(changed.starts_with(&begun) && changed.len() == seen.len() && changed != seen);
    put(&changed);
    finds(&world, "checkpoint.inconsistent");
    let later = FOUNDED.replace("2026-01-01", "2026-01-02");
    world.run(&format!("{other} nowhere --now {later}")).ok();
    finds(&world, "checkpoint.inconsistent");
    // As it was, but for a byte before the snapshot: nobody reads that but `verify`.
    let mut flipped = whole.clone();
    flipped[begun.len() / 2] ^= 1;
    put(&flipped);
    let line = format!("{propose} --now {later}");
    world.run(&format!("{line} --no-snapshot")).exits(10);
    world.run(&line).ok();
    world.run("verify").exits(10);
}

/// What is remembered may be older than the snapshot: then the snapshot's tree says nothing of it.
#[test]
fn a_snapshot_of_more_than_was_seen_is_no_contradiction() {
    let world = World::founded();
    world.verify();
    let kept = world.path("kept");
    copy_dir(Path::new(&world.path("state")), Path::new(&kept));
    let propose = format!("propose authorize-model {TRIAGE} --title Test --as ada");
    world.run(&format!("{propose} --now {FOUNDED}")).ok();
    world.run("snapshot create").ok();
    let key = "snapshot.key";
    let state = world.path("state");
    fs::copy(Path::new(&state).join(key), Path::new(&kept).join(key)).unwrap();
    let line = format!("{propose} --now {FOUNDED} --state {kept}");
    let ran = world.run(&format!("{line} --verbose")).ok();
    assert!(
        ran.stderr.contains("behind the snapshot of entry 6"),
        "{ran:?}"
    );
}

#[test]
fn forgetting_takes_what_is_there_now_for_the_truth() {
    let world = seen();
    let whole = world.bytes();
    let ends = batch_ends(&whole);
    fs::write(world.segment(), &whole[..ends[ends.len() - 2]]).unwrap();
    finds(&world, "checkpoint.truncated");
    let forgot = world.run("verify --forget --json").ok().json();
    assert_eq!(forgot["ok"], true);
    world.verify();
    // From now on that is what counts.
    fs::write(world.segment(), &whole[..ends[ends.len() - 3]]).unwrap();
    finds(&world, "checkpoint.truncated");
}

#[test]
fn a_ledger_that_grew_is_remembered_as_it_is() {
    let world = seen();
    for name in ["a", "b", "c"] {
        world.pass(&format!("authorize-model urn:model:{name}"), FOUNDED);
        world.verify();
    }
    let ends = batch_ends(&world.bytes());
    let cut = world.bytes()[..ends[ends.len() - 2]].to_vec();
    fs::write(world.segment(), cut).unwrap();
    finds(&world, "checkpoint.truncated");
}

#[test]
fn writers_remember_what_they_wrote() {
    let world = World::founded();
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    // Nobody has verified since.
    let ends = batch_ends(&world.bytes());
    let cut = world.bytes()[..ends[ends.len() - 2]].to_vec();
    fs::write(world.segment(), cut).unwrap();
    finds(&world, "checkpoint.truncated");
}

#[test]
fn a_checkpoint_pins_the_ledger_for_those_who_have_seen_nothing() {
    let world = World::founded();
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let path = world.path("checkpoint.txt");
    world
        .run(&format!("checkpoint create -o {path} --now {FOUNDED}"))
        .ok();
    world.pass("authorize-agent did:example:agent", FOUNDED);
    let whole = world.bytes();
    let pinned = |number: u32| {
        let line = format!("verify --json --state state-{number} --checkpoint {path}");
        world.run(&line)
    };
    pinned(0).ok();
    let size = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap();
    let mut lines = 0;
    for (number, end) in (1..).zip(batch_ends(&whole)) {
        lines = lines.max(whole[..end].iter().filter(|byte| **byte == b'\n').count());
        fs::write(world.segment(), &whole[..end]).unwrap();
        if lines >= size {
            pinned(number).ok();
        } else {
            let report = pinned(number).exits(12).json();
            assert_eq!(report["problems"][0]["code"], "checkpoint.truncated");
        }
    }
    let other = World::founded();
    let report = other
        .run(&format!("verify --json --checkpoint {path}"))
        .exits(12)
        .json();
    assert_eq!(report["problems"][0]["code"], "checkpoint.other-ledger");
    let bad = world.file("bad.txt", "no checkpoint");
    world
        .run(&format!("verify --json --checkpoint {bad}"))
        .fails(1, "checkpoint.malformed");
}

#[test]
fn what_is_remembered_is_for_its_owner_alone() {
    let world = seen();
    let state = world.path("state");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(Path::new(&state)), 0o700);
    let mut files = 0;
    for part in ["ledgers", "paths"] {
        let dir = Path::new(&state).join(part);
        assert_eq!(mode(&dir), 0o700);
        for file in fs::read_dir(dir).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600);
            files += 1;
            // Damaged, it is no answer to anything.
            let text = fs::read(&path).unwrap();
            fs::write(&path, "{}").unwrap();
            world.run("verify --json").fails(1, "state.malformed");
            fs::write(&path, text).unwrap();
        }
    }
    assert_eq!(files, 2);
    world.verify();
    // Where nothing can be remembered, what was asked for is done all the same.
    let file = world.file("no-directory", "");
    world.run(&format!("verify --state {file}")).exits(1);
}
