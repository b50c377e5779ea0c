//! What holds now, in the same forms as on the command line.

use serde_json::Value;

use super::harness::Server;
use crate::cli::harness::{FOUNDED, TRIAGE, World};

/// Leaves out the time of the question.
fn timeless(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.remove("at");
    }
    value
}

#[test]
fn the_service_shows_what_the_command_line_shows() {
    let world = World::founded();
    world.pass(
        &format!("authorize-model {TRIAGE} --scope environment=prod"),
        FOUNDED,
    );
    let open = world.propose("authorize-agent did:example:helper", FOUNDED);
    world
        .run(&format!("vote {open} approve --as ada --now {FOUNDED}"))
        .ok();
    world
        .run(&format!(
            "vote {open} reject --as ada --force --now {FOUNDED}"
        ))
        .exits(3);
    let node = world.run("node list --json").ok().json()["nodes"][1]["did"].clone();
    let node = node.as_str().unwrap();
    let evidence = world.run("evidence list --json").ok().json()["evidence"][0]["seq"].clone();
    let server = Server::start(&world);
    for (path, command) in [
        ("ledger".to_owned(), "replay".to_owned()),
        ("proposals".to_owned(), "proposal list".to_owned()),
        (
            "proposals?status=executed".to_owned(),
            "proposal list --status executed".to_owned(),
        ),
        (format!("proposals/{open}"), format!("proposal show {open}")),
        ("nodes".to_owned(), "node list".to_owned()),
        (format!("nodes/{node}"), format!("node show {node}")),
        ("nodes/ada".to_owned(), "node show ada".to_owned()),
        ("evidence".to_owned(), "evidence list".to_owned()),
        (
            format!("evidence/{evidence}"),
            format!("evidence show {evidence}"),
        ),
        ("authorizations".to_owned(), "authorization list".to_owned()),
        (
            format!(
                "authorizations/check?subject={TRIAGE}&kind=model&context=environment%3Dprod&context=region=eu"
            ),
            format!(
                "authorization check {TRIAGE} --kind model --context environment=prod --context region=eu"
            ),
        ),
        (
            format!("authorizations/check?subject={TRIAGE}&kind=model"),
            format!("authorization check {TRIAGE} --kind model"),
        ),
        (
            format!("authorizations/why?kind=model&subject={TRIAGE}"),
            format!("authorization why {TRIAGE} --kind model"),
        ),
        ("policy".to_owned(), "policy show".to_owned()),
    ] {
        let shown = server.get(&format!("/v1/{path}")).is(200).json();
        let printed = world.run(&format!("{command} --json")).json();
        assert_eq!(timeless(shown), timeless(printed), "{path}");
    }
}

/// What a query and the arguments of a command ask for.
fn pasts(last: usize, times: &[String]) -> Vec<(String, String)> {
    let mut pasts: Vec<(String, String)> = (6..=last)
        .map(|seq| (format!("at={seq}"), format!("--at {seq}")))
        .collect();
    for time in times {
        pasts.push((format!("at={time}"), format!("--at {time}")));
        let query = format!("as_known_at=7&at={time}");
        pasts.push((query, format!("--as-known-at 7 --at {time}")));
    }
    pasts.push(("as_known_at=9".to_owned(), "--as-known-at 9".to_owned()));
    pasts
}

#[test]
fn the_past_is_the_command_lines_byte_for_byte() {
    let world = World::founded();
    let grant = world.pass(
        &format!("authorize-model {TRIAGE} --scope environment=prod"),
        FOUNDED,
    );
    let open = world.propose("authorize-agent did:example:helper", FOUNDED);
    for vote in ["approve --as ada", "reject --as ada --force"] {
        world.run(&format!("vote {open} {vote} --now {FOUNDED}"));
    }
    let entries = world.lines();
    let time = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["timestamp"].as_str().unwrap().to_owned()
    };
    let evidence = 1
        + (entries.iter())
            .position(|line| line.contains("\"byzantine_detected\""))
            .unwrap();
    let times = [time(&entries[0]), time(&entries[entries.len() - 1])];
    let server = Server::start(&world);
    let check = format!("subject={TRIAGE}&kind=model&context=environment%3Dprod");
    let asked = format!("{TRIAGE} --kind model --context environment=prod");
    let mut compared = 0;
    for (past, arguments) in pasts(entries.len(), &times) {
        for (path, command) in [
            ("ledger?".to_owned(), "replay".to_owned()),
            ("policy?".to_owned(), "policy show".to_owned()),
            ("proposals?".to_owned(), "proposal list".to_owned()),
            (
                "proposals?status=executed&".to_owned(),
                "proposal list --status executed".to_owned(),
            ),
            (
                format!("proposals/{grant}?"),
                format!("proposal show {grant}"),
            ),
            ("nodes?".to_owned(), "node list".to_owned()),
            ("nodes/ada?".to_owned(), "node show ada".to_owned()),
            ("evidence?".to_owned(), "evidence list".to_owned()),
            (
                format!("evidence/{evidence}?"),
                format!("evidence show {evidence}"),
            ),
            (
                "authorizations?".to_owned(),
                "authorization list".to_owned(),
            ),
            (
                format!("authorizations/check?{check}&"),
                format!("authorization check {asked}"),
            ),
            (
                format!("authorizations/why?{check}&"),
                format!("authorization why {asked}"),
            ),
        ] {
            let shown = server.get(&format!("/v1/{path}{past}"));
            let printed = world.run(&format!("{command} {arguments} --json"));
            if shown.status == 200 {
                assert_eq!(shown.text() + "\n", printed.stdout, "{path}{past}");
                compared += 1;
            } else {
                let (_, code) = shown.outcome();
                assert_eq!(printed.json()["error"]["code"], code, "{path}{past}");
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn what_is_not_there_or_not_understood_has_a_code() {
    let world = World::founded();
    let server = Server::start(&world);
    let query = "request.query";
    for (path, status, code) in [
        ("/v1/proposals/x", 404, "proposal.unknown"),
        (
            "/v1/proposals/00000000-0000-0000-0000-000000000009",
            404,
            "proposal.unknown",
        ),
        ("/v1/proposals?status=no", 400, query),
        ("/v1/proposals?stat=voting", 400, query),
        ("/v1/nodes/nobody", 404, "node.unknown"),
        ("/v1/authorizations/check", 400, query),
        ("/v1/authorizations/check?subject=x&kind=model", 400, query),
        (
            "/v1/authorizations/check?subject=did:a:b&kind=no",
            400,
            query,
        ),
        (
            "/v1/authorizations/check?subject=did:a:b&kind=model&kind=model",
            400,
            query,
        ),
        (
            "/v1/authorizations/check?subject=did:a:b&kind=model&context=x",
            400,
            query,
        ),
        (
            "/v1/authorizations/why?subject=did:a:b&kind=model&at=3&at=4",
            400,
            query,
        ),
        ("/v1/nodes?at=yesterday", 400, query),
        ("/v1/nodes?as_known_at=-1", 400, query),
        ("/v1/nodes?until=3", 400, query),
        ("/v1/ledger?at=0", 404, "history.no-such-point"),
        ("/v1/ledger?at=1", 404, "history.no-such-point"),
        ("/v1/ledger?at=99", 404, "history.no-such-point"),
        ("/v1/policy?as_known_at=99", 404, "history.no-such-point"),
        (
            "/v1/nodes?at=2001-01-01T00:00:00Z",
            404,
            "history.no-such-point",
        ),
        (
            "/v1/nodes?at=2999-01-01T00:00:00Z",
            400,
            "history.after-now",
        ),
        (
            "/v1/nodes?as_known_at=5&at=2999-01-01T00:00:00Z",
            400,
            "history.after-now",
        ),
        ("/v1/nodes?as_known_at=5&at=5", 400, "history.two-entries"),
        ("/v1/evidence/1", 404, "evidence.unknown"),
        ("/v1/evidence/x", 400, "request.path"),
        ("/v1/log?after=-1", 400, query),
        ("/v1/log?after=1&after=2", 400, query),
        ("/v1/log?limit=0", 400, query),
        ("/v1/log?limit=1001", 400, query),
        ("/v1/log?operation=vote", 400, query),
        ("/v1/log?since=yesterday", 400, query),
        ("/v1/log/0", 404, "entry.unknown"),
        ("/v1/log/99", 404, "entry.unknown"),
        ("/v1/log/x", 400, "request.path"),
        ("/v1/segments/no", 404, "segment.unknown"),
        ("/v1/segments/..%2F..%2Ftokens.json", 404, "segment.unknown"),
        ("/v1/segments/SHA256SUMS", 404, "segment.unknown"),
        ("/v1/proofs/inclusion?entry=0", 400, "proof.range"),
        ("/v1/proofs/inclusion?entry=99", 400, "proof.range"),
        ("/v1/proofs/inclusion?entry=1&size=99", 400, "proof.range"),
        ("/v1/proofs/inclusion", 400, query),
        ("/v1/proofs/consistency?from=0", 400, "proof.range"),
        ("/v1/proofs/consistency?from=9&size=3", 400, "proof.range"),
        ("/v1/events?after=x", 400, query),
        ("/v1", 404, "request.unknown-path"),
        ("/v2/log", 404, "request.unknown-path"),
        (
            "/v1/segments/../../../etc/passwd",
            404,
            "request.unknown-path",
        ),
    ] {
        server.get(path).fails(status, code);
    }
    server
        .ask("DELETE", "/v1/log", &[], b"")
        .fails(405, "request.method");
    server
        .ask("POST", "/v1/nodes", &[], b"")
        .fails(405, "request.method");
}
