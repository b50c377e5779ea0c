//! `authorization check`: the answer as exit code and reason.

use serde_json::{Value, json};

use super::harness::{TRIAGE, World};

const GRANTED: &str = "2026-01-01T01:00:00Z";

/// A group that authorized one model, from the second to the tenth, in two environments.
fn granted() -> (World, String) {
    let world = World::founded();
    let grant = world.pass(
        &format!(
            "authorize-model {TRIAGE} --scope environment=prod --scope environment=test \
             --scope max_rate_qps=50 --not-before 2026-01-02T00:00:00Z \
             --expires 2026-01-10T00:00:00Z"
        ),
        GRANTED,
    );
    (world, grant)
}

#[test]
fn a_check_says_why() {
    let (world, grant) = granted();
    let prod = "--context environment=prod";
    // Arguments, time, exit code, reason.
    let cases = [
        (
            format!("{TRIAGE} --kind model {prod}"),
            "2026-01-02T00:00:00Z",
            0,
            "granted",
        ),
        (
            format!("{TRIAGE} --kind model {prod} --context ward=7"),
            "2026-01-09T23:59:59.999999Z",
            0,
            "granted",
        ),
        (
            format!("{TRIAGE} --kind authorize-model {prod}"),
            "2026-01-02T00:00:00Z",
            0,
            "granted",
        ),
        (
            format!("{TRIAGE} --kind model {prod}"),
            "2026-01-01T23:59:59.999999Z",
            3,
            "not-yet-valid",
        ),
        (
            format!("{TRIAGE} --kind model {prod}"),
            "2026-01-10T00:00:00Z",
            3,
            "expired",
        ),
        (
            format!("{TRIAGE} --kind model --context environment=lab"),
            "2026-01-02T00:00:00Z",
            3,
            "out-of-scope",
        ),
        (
            format!("{TRIAGE} --kind model"),
            "2026-01-02T00:00:00Z",
            3,
            "out-of-scope",
        ),
        (
            format!("{TRIAGE} --kind agent {prod}"),
            "2026-01-02T00:00:00Z",
            3,
            "no-grant",
        ),
        (
            format!("{TRIAGE} --kind delegation {prod}"),
            "2026-01-02T00:00:00Z",
            3,
            "no-grant",
        ),
        (
            format!("did:example:unknown --kind model {prod}"),
            "2026-01-02T00:00:00Z",
            3,
            "no-grant",
        ),
    ];
    for (arguments, now, exit, reason) in cases {
        let line = format!("authorization check {arguments} --now {now}");
        let answer = world.run(&format!("{line} --json")).exits(exit).json();
        assert_eq!(answer["allowed"], exit == 0, "{line}");
        assert_eq!(answer["reason"], reason, "{line}");
        if exit == 0 {
            assert_eq!(answer["grants"][0]["id"], grant.as_str());
            assert_eq!(answer["obligations"], json!({"max_rate_qps": 50}));
        } else {
            assert_eq!(answer["obligations"], json!({}), "{line}");
        }
        let text = world.run(&line).exits(exit).stdout;
        let word = if exit == 0 { "allowed" } else { "denied" };
        assert!(text.starts_with(word) && text.contains(reason), "{text}");
    }
}

#[test]
fn a_revocation_ends_a_grant_and_history_remembers_it() {
    let (world, _) = granted();
    let before = world.lines().len();
    world.pass(&format!("revoke-model {TRIAGE}"), "2026-01-03T00:00:00Z");
    let after = world.lines().len();
    let check = |at: &str| -> (i32, Value) {
        let ran = world.run(&format!(
            "authorization check {TRIAGE} --kind model --context environment=prod {at} --json"
        ));
        (ran.code.unwrap(), ran.json())
    };
    // Option, exit code, reason, entries that it knows.
    let cases = [
        ("--now 2026-01-04T00:00:00Z".to_owned(), 3, "revoked", after),
        ("--at 2026-01-02T12:00:00Z".to_owned(), 0, "granted", before),
        (
            "--at 2026-01-01T01:00:00Z".to_owned(),
            3,
            "not-yet-valid",
            before,
        ),
        ("--at 2026-01-01T00:30:00Z".to_owned(), 3, "no-grant", 5),
        ("--at 2026-01-03T00:00:00Z".to_owned(), 3, "revoked", after),
        // As of an entry, at that entry's time.
        (format!("--at {before}"), 3, "not-yet-valid", before),
        (format!("--at {}", before - 1), 3, "no-grant", before - 1),
        (format!("--at {}", before + 1), 0, "granted", before + 1),
        (format!("--at {after}"), 3, "revoked", after),
    ];
    for (at, exit, reason, seq) in cases {
        let (code, answer) = check(&at);
        assert_eq!(
            (code, answer["reason"].as_str()),
            (exit, Some(reason)),
            "{at}"
        );
        assert_eq!(answer["as_of_seq"], seq, "{at}");
    }
    let list = world
        .run(&format!("authorization list --at {} --json", before + 1))
        .ok()
        .json();
    assert_eq!(list["authorizations"][0]["status"], "live");
    let text = world
        .run("authorization list --now 2026-01-04T00:00:00Z")
        .ok()
        .stdout;
    assert!(text.contains("revoked"), "{text}");
}

#[test]
fn a_read_behind_the_head_takes_the_time_of_the_head() {
    let (world, _) = granted();
    let answer = world
        .run(&format!(
            "authorization check {TRIAGE} --kind model --now 2020-01-01T00:00:00Z --json"
        ))
        .exits(3)
        .json();
    assert_eq!(answer["at"], "2026-01-01T01:00:00.000000Z");
}
