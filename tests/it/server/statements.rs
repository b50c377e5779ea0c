//! Signed statements, handed in by whoever has them.

use serde_json::{Value, json};

use super::harness::{Answer, Server};
use crate::cli::harness::{TRIAGE, World};

/// Signs without submitting; the text of the file.
fn signed(world: &World, command: &str) -> String {
    world.run(&format!("{command} --out -")).ok().stdout
}

fn hand_in(server: &Server, statement: &str) -> Answer {
    server.post("/v1/statements", &[], statement)
}

/// A proposal that was handed in; its id.
fn proposed(world: &World, server: &Server) -> String {
    let proposal = signed(
        world,
        &format!("propose authorize-model {TRIAGE} --title T --as ada"),
    );
    let answer = hand_in(server, &proposal).is(201).json();
    assert_eq!(answer["type"], "althing/proposal/v1");
    answer["proposal"]["proposal_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_group_decides_by_statements_alone() {
    let world = World::founded();
    let server = Server::start(&world);
    let proposal = proposed(&world, &server);
    let mut status = Value::Null;
    for voter in ["ada", "bea", "cid"] {
        let ballot = signed(&world, &format!("vote {proposal} approve --as {voter}"));
        let answer = hand_in(&server, &ballot).is(201).json();
        assert_eq!(answer["recorded"], true);
        status = answer["proposal"]["status"].clone();
        // The same ballot once more is the same ballot.
        let again = hand_in(&server, &ballot).is(200).json();
        assert_eq!(
            (&again["recorded"], &again["entries"]),
            (&json!(false), &json!([]))
        );
    }
    assert_eq!(status, "executed");
    let asked = server.get(&format!(
        "/v1/authorizations/check?subject={TRIAGE}&kind=model"
    ));
    assert_eq!(asked.is(200).json()["allowed"], true);
    world.verify();
}

#[test]
fn what_the_rules_refuse_has_their_code() {
    let world = World::founded();
    world.run("key new eve").ok();
    let server = Server::start(&world);
    let text = signed(
        &world,
        &format!("propose authorize-model {TRIAGE} --title T --as ada"),
    );
    let id = hand_in(&server, &text).is(201).json()["proposal"]["proposal_id"].clone();
    let id = id.as_str().unwrap();
    let by_outsider = signed(
        &world,
        &format!("propose authorize-model {TRIAGE} --title T --as eve"),
    );
    let approve = signed(&world, &format!("vote {id} approve --as bea"));
    let reject = signed(&world, &format!("vote {id} reject --as bea --force"));
    let mut forged: Value = serde_json::from_str(&approve).unwrap();
    let other: Value = serde_json::from_str(&reject).unwrap();
    forged["signature"] = other["signature"].clone();
    let due = |what: &str, id: &str| {
        format!("{{\"type\":\"althing/{what}/v1\",\"proposal_id\":\"{id}\"}}")
    };
    let nobody = "00000000-0000-0000-0000-000000000009";
    for (body, status, code) in [
        (text, 409, "proposal.duplicate-id"),
        (by_outsider, 409, "node.unknown"),
        (forged.to_string(), 403, "ballot.signature"),
        (approve, 201, ""),
        (reject, 409, "ballot.equivocation"),
        (due("close", id), 409, "close.before-deadline"),
        (due("execute", nobody), 409, "proposal.unknown"),
        ("{".to_owned(), 400, "statement.malformed"),
        ("{}".to_owned(), 422, "statement.malformed"),
        ("[[[[[[]]]]]]".to_owned(), 422, "statement.malformed"),
        ("[".repeat(100_000), 400, "statement.malformed"),
    ] {
        let shown: String = body.chars().take(80).collect();
        assert_eq!(
            hand_in(&server, &body).outcome(),
            (status, code.to_owned()),
            "{shown}"
        );
    }
    // The contradiction is evidence all the same.
    let evidence = server.get("/v1/evidence").is(200).json();
    assert_eq!(evidence["evidence"].as_array().unwrap().len(), 1);
    world.verify();
}

#[test]
fn what_is_due_can_be_asked_for() {
    let world = World::founded();
    let server = Server::start(&world);
    let id = proposed(&world, &server);
    let post = |path: String| server.post(&path, &[], "");
    post(format!("/v1/proposals/{id}/close")).fails(409, "close.before-deadline");
    post(format!("/v1/proposals/{id}/execute")).is(409);
    post("/v1/proposals/x/close".to_owned()).fails(400, "request.path");
}
