//! Recording predictions.

use std::thread;

use serde_json::{Value, json};

use super::harness::{Answer, Server, prediction, token};
use crate::cli::harness::{FOUNDED, TRIAGE, World};

fn post(server: &Server, token: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut headers = vec![("authorization", token)];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    server.post("/v1/predictions", &headers, body.to_string())
}

fn recorded(world: &World) -> Vec<Value> {
    let log = world.run("log --operation prediction_recorded --json").ok();
    log.json_lines()
}

#[test]
fn predictions_are_recorded_alone_and_together() {
    let world = World::founded();
    let grant = world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let token = token(&world, &["predict"]);
    let server = Server::start(&world);
    let one = post(&server, &token, None, &prediction(TRIAGE))
        .is(201)
        .json();
    assert_eq!(one["results"][0]["verdict"], grant.as_str(), "{one}");
    let other = prediction("did:example:other");
    let several = json!({"predictions": [prediction(TRIAGE), other]});
    let several = post(&server, &token, None, &several).is(201).json();
    assert_eq!(several["recorded"], 2);
    let verdicts: Vec<&Value> = (0..2)
        .map(|index| &several["results"][index]["verdict"])
        .collect();
    assert_eq!(verdicts, [&json!(grant), &json!("unauthorized")]);
    let first = &recorded(&world)[0]["data"]["prediction"];
    assert_eq!(first["recorder"], "tester", "the token's name");
    let digest = "0984b0577e7affbab1c4c09f457023192b78d70336566b79ae88d721868c0f5d";
    assert_eq!(
        first["input_digest"], digest,
        "the digest of its canonical JSON"
    );
    assert_eq!(recorded(&world).len(), 3);
    world.verify();
}

#[test]
fn user_ids_are_kept_as_the_command_line_keeps_them() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let server = Server::start(&world);
    let mut sent = prediction(TRIAGE);
    sent["user_id"] = json!("alice");
    post(&server, &token, None, &sent).is(201);
    world.run_with("predict record", sent.to_string()).ok();
    let users: Vec<Value> = recorded(&world)
        .iter()
        .map(|line| line["data"]["prediction"]["user_id"].clone())
        .collect();
    assert_eq!(users[0], users[1]);
    assert!(
        users[0].as_str().unwrap().starts_with("hmac-sha256:"),
        "{users:?}"
    );
}

#[test]
fn a_prediction_is_recorded_once_under_its_key_even_by_a_server_that_was_killed() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let mut server = Server::start(&world);
    let sent = prediction(TRIAGE);
    let several = json!({"predictions": [prediction(TRIAGE), prediction(TRIAGE)]});
    let first = post(&server, &token, Some("a"), &sent).is(201).json();
    let both = post(&server, &token, Some("b"), &several).is(201).json();
    for round in 0..2 {
        if round == 1 {
            server.kill();
            server = Server::start(&world);
        }
        let again = post(&server, &token, Some("a"), &sent).is(200).json();
        assert_eq!(again["replayed"], 1);
        for member in ["entry", "verdict"] {
            assert_eq!(again["results"][0][member], first["results"][0][member]);
        }
        let again = post(&server, &token, Some("b"), &several).is(200).json();
        assert_eq!(
            (&again["replayed"], &again["recorded"]),
            (&json!(2), &json!(0))
        );
        assert_eq!(again["results"][1]["entry"], both["results"][1]["entry"]);
        let mut other = sent.clone();
        other["model_version"] = json!("2");
        post(&server, &token, Some("a"), &other).fails(422, "idempotency.other-prediction");
    }
    assert_eq!(recorded(&world).len(), 3);
}

#[test]
fn the_same_key_many_times_at_once_is_one_prediction() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let server = Server::start(&world);
    let entries: Vec<Value> = thread::scope(|scope| {
        let workers: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let answer = post(&server, &token, Some("k"), &prediction(TRIAGE));
                    answer.json()["results"][0]["entry"].clone()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    assert!(
        entries.iter().all(|entry| *entry == entries[0]),
        "{entries:?}"
    );
    assert_eq!(recorded(&world).len(), 1);
}

#[test]
fn what_is_no_prediction_is_refused() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let server = Server::start(&world);
    let good = prediction(TRIAGE);
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed.to_string()
    };
    let many = json!({"predictions": vec![good.clone(); 1001]}).to_string();
    let malformed = "prediction.malformed";
    for (body, key, status, code) in [
        ("{".to_owned(), None, 400, "body.malformed"),
        (String::new(), None, 400, "body.malformed"),
        ("[]".to_owned(), None, 422, malformed),
        ("null".to_owned(), None, 422, malformed),
        ("{}".to_owned(), None, 422, malformed),
        (with("model", json!("no subject")), None, 422, malformed),
        (with("more", json!(1)), None, 422, malformed),
        (
            with("input_digest", json!("00".repeat(32))),
            None,
            422,
            malformed,
        ),
        (
            with("duration_ms", json!(1_u64 << 60)),
            None,
            422,
            malformed,
        ),
        (
            with("output_summary", json!({"a": "b"})),
            None,
            422,
            malformed,
        ),
        (
            "{\"predictions\":[]}".to_owned(),
            None,
            422,
            "prediction.batch",
        ),
        (many, None, 422, "prediction.batch"),
        (
            with("request_id", json!("r")),
            Some("k"),
            422,
            "idempotency.request-id",
        ),
        (good.to_string(), Some(""), 400, "idempotency.key"),
    ] {
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let shown: String = body.chars().take(60).collect();
        let answer = server.post("/v1/predictions", &headers, &body);
        assert_eq!(answer.outcome(), (status, code.to_owned()), "{shown}");
    }
    assert_eq!(recorded(&world).len(), 0);
}

#[test]
fn predictions_that_the_policy_refuses_are_named_one_by_one() {
    let world = World::under(&json!({"predictions": "refuse"}));
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let token = token(&world, &["predict"]);
    let server = Server::start(&world);
    let other = prediction("did:example:other");
    post(&server, &token, None, &other).fails(409, "prediction.unauthorized");
    let several = json!({"predictions": [other, prediction(TRIAGE)]});
    let several = post(&server, &token, None, &several).is(201).json();
    let counts = ["recorded", "refused"].map(|name| several[name].clone());
    assert_eq!(counts, [json!(1), json!(1)], "{several}");
    assert_eq!(
        several["results"][0]["problem"]["code"],
        "prediction.unauthorized"
    );
}
