//! Snapshots as users meet them: taken by themselves, used without being noticed, ignored aloud.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::harness::{Ran, TRIAGE, World};

const HOUR: &str = "2026-01-01T01:00:00Z";

/// The state as the program reports it, with these options.
fn replay(world: &World, options: &str) -> Ran {
    world
        .run(&format!("replay --json --now {HOUR} {options}"))
        .ok()
}

#[test]
fn commands_answer_the_same_from_a_snapshot() {
    let world = World::founded();
    let granted = world.pass(&format!("authorize-model {TRIAGE}"), HOUR);
    let questions = [
        format!("replay --json --now {HOUR}"),
        format!("replay --json --at 6 --now {HOUR}"),
        format!("replay --json --at 5 --now {HOUR}"),
        format!("replay --json --at {HOUR}"),
        format!("proposal show {granted} --json"),
        format!("authorization why {TRIAGE} --kind model --json --now {HOUR}"),
        "node list --json".to_owned(),
        "verify --json".to_owned(),
        "log --json".to_owned(),
        "export --format jsonl".to_owned(),
    ];
    let ask = |question: &String| {
        let ran = world.run(question).ok();
        (ran.stdout, ran.stderr)
    };
    let before: Vec<_> = questions.iter().map(ask).collect();
    let created = world.run("snapshot create --json").ok().json();
    let state_hash = replay(&world, "").json()["state_hash"].clone();
    assert_eq!(created["state_hash"], state_hash);
    for (question, expected) in questions.iter().zip(&before) {
        assert_eq!(ask(question), *expected, "{question}");
    }
    world.propose("authorize-agent did:example:agent", HOUR);
    assert_eq!(
        replay(&world, "").stdout,
        replay(&world, "--no-snapshot").stdout
    );
    let said = replay(&world, "-v").stderr;
    assert!(
        said.starts_with("replayed 1 entries behind the snapshot of entry "),
        "{said}"
    );
    let said = replay(&world, "-v --no-snapshot").stderr;
    assert!(!said.contains("snapshot"), "{said}");
    let said = replay(&world, "-v --at 6").stderr;
    assert_eq!(said, "", "a snapshot behind the point is of no use");
    world.verify();
}

#[test]
fn a_snapshot_is_taken_after_a_thousand_entries() {
    let world = World::founded();
    let prediction = json!({"model": TRIAGE, "model_version": "1", "input": 1}).to_string();
    let many = |count: usize| {
        (0..count).fold(String::new(), |mut lines, _| {
            let _ = writeln!(lines, "{prediction}");
            lines
        })
    };
    let list = || world.run("snapshot inspect --json").ok().json()["snapshots"].clone();
    let record = format!("predict record --now {HOUR}");
    world.run_with(&record, many(900)).ok();
    assert_eq!(list(), json!([]));
    assert!(!world.ledger().join("snapshots").exists());
    world
        .run_with(&format!("{record} --no-snapshot"), many(100))
        .ok();
    assert_eq!(list(), json!([]));
    world.run_with(&record, many(1)).ok();
    // The founding is of five entries.
    assert_eq!(list()[0]["seq"], 1006);
    assert_eq!(list()[0]["used"], true);
    world.run_with(&record, many(1)).ok();
    assert_eq!(list().as_array().map(Vec::len), Some(1));
    world.verify();
}

#[test]
fn a_snapshot_that_can_not_be_used_is_ignored_aloud() {
    let world = World::founded();
    world.run("snapshot create").ok();
    let whole = replay(&world, "");
    assert_eq!(whole.stderr, "");
    let stranger = world.path("elsewhere");
    for options in [format!("--state {stranger}"), String::new()] {
        if options.is_empty() {
            let file = world
                .ledger()
                .join("snapshots/00000000000000000005.snapshot");
            let mut bytes = fs::read(&file).unwrap();
            bytes[200] ^= 1;
            fs::write(file, bytes).unwrap();
        }
        let ran = replay(&world, &options);
        assert_eq!(ran.stdout, whole.stdout);
        assert!(ran.stderr.starts_with("warning: the snapshot "), "{ran:?}");
        assert!(
            ran.stderr.contains("[snapshot.ignored, snapshot.mac]"),
            "{ran:?}"
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert_eq!(replay(&world, &format!("{options} -q")).stderr, "");
        assert_eq!(
            replay(&world, &format!("{options} --no-snapshot")).stderr,
            ""
        );
        let inspected = world
            .run(&format!("snapshot inspect --json {options}"))
            .ok()
            .json();
        assert_eq!(inspected["snapshots"][0]["used"], false);
        assert_eq!(inspected["snapshots"][0]["reason"]["code"], "snapshot.mac");
    }
    assert!(!fs::exists(stranger).unwrap(), "looking makes no key");
    // The next one takes its place.
    world.run("snapshot create").ok();
    assert_eq!(replay(&world, "").stderr, "");
}

#[test]
fn readers_write_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::founded();
    world.run("snapshot create").ok();
    let before = world.fingerprint();
    let dirs = [
        world.ledger().to_owned(),
        world.ledger().join("snapshots"),
        world.ledger().join("ledger"),
    ];
    let set = |mode| {
        for dir in &dirs {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    let ran = replay(&world, "");
    world.run("snapshot inspect").ok();
    world.run("node list").ok();
    set(0o755);
    assert_eq!(ran.stderr, "");
    assert_eq!(world.fingerprint(), before);
}

/// What opening leaves unread is `verify`'s to find.
#[test]
fn verify_reads_everything_whatever_snapshots_there_are() {
    let world = World::founded();
    world.propose(&format!("authorize-model {TRIAGE}"), HOUR);
    world.run("snapshot create").ok();
    let mut bytes = world.bytes();
    bytes[300] ^= 1;
    fs::write(world.segment(), &bytes).unwrap();
    replay(&world, "");
    for options in ["", "--full"] {
        let report = world
            .run(&format!("verify --json {options}"))
            .exits(10)
            .json();
        assert_eq!(report["ok"], false);
        assert_eq!(report["problems"][0]["seq"], 1);
    }
    world.run("replay --no-snapshot").exits(10);
    world.run("log").exits(10);
}

#[test]
fn a_snapshot_that_can_not_be_taken_is_no_failure_of_the_command() {
    let world = World::founded();
    let state = world.path("open-to-all");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let prediction = json!({"model": TRIAGE, "model_version": "1", "input": 1}).to_string();
    let lines = vec![prediction; 1_000].join("\n");
    let ran = world
        .run_with(
            &format!("predict record --now {HOUR} --state {state}"),
            lines,
        )
        .ok();
    assert!(ran.stdout.contains("1000 predictions"), "{ran:?}");
    assert!(ran.stderr.contains("[snapshot.failed]"), "{ran:?}");
    let failed = world.run(&format!("snapshot create --json --state {state}"));
    failed.fails(1, "secret.permissions");
    world.verify();
}

#[test]
fn without_a_ledger_there_is_no_snapshot() {
    let world = World::empty();
    for command in ["create", "inspect"] {
        world
            .run(&format!("snapshot {command} --json"))
            .fails(1, "ledger.not-found");
    }
}
