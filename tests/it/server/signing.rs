//! A service that signs for one node, and those that don't.

use std::thread;

use serde_json::{Value, json};

use super::harness::{Answer, Server, token};
use crate::cli::harness::{FOUNDED, TRIAGE, World};

fn draft(title: &str) -> Value {
    json!({
        "title": title,
        "description": "Because.",
        "action": {"kind": "authorize-model", "subject": TRIAGE, "scope": {"environment": ["prod"]}},
        "parameters": {"ticket": 4711}
    })
}

struct Desk {
    world: World,
    server: Server,
    token: String,
}

impl Desk {
    fn of(world: World) -> Self {
        let token = token(&world, &["sign"]);
        let server = Server::with(&world, &["--sign-as", "ada"]);
        Self {
            world,
            server,
            token,
        }
    }

    fn post(&self, path: &str, more: &[(&str, &str)], body: &Value) -> Answer {
        let token = ("authorization", self.token.as_str());
        let headers: Vec<_> = more.iter().copied().chain([token]).collect();
        let path = format!("/v1/proposals{path}");
        self.server.post(&path, &headers, body.to_string())
    }

    fn vote(&self, id: &str, decision: &str) -> Answer {
        self.post(
            &format!("/{id}/votes"),
            &[],
            &json!({"decision": decision, "rationale": "so it is"}),
        )
    }
}

fn id_of(answer: &Value) -> String {
    let id = answer["proposal"]["proposal_id"].as_str();
    id.unwrap().to_owned()
}

#[test]
fn the_node_proposes_votes_and_withdraws_once_however_often_it_is_asked() {
    let desk = Desk::of(World::founded());
    let key = [("idempotency-key", "ticket-4711")];
    let opened = desk.post("", &key, &draft("One")).is(201).json();
    let id = id_of(&opened);
    let again = desk.post("", &key, &draft("One")).is(200).json();
    assert_eq!(id_of(&again), id);
    assert_eq!(again["entries"], opened["entries"], "the same entry");
    desk.post("", &key, &draft("Two"))
        .fails(422, "idempotency.other-proposal");
    // Without a key, another one is another one.
    let other = desk.post("", &[], &draft("One")).is(201).json();
    assert_ne!(id_of(&other), id);

    let cast = desk.vote(&id, "approve").is(201).json();
    let again = desk.vote(&id, "approve").is(200).json();
    assert_eq!(
        (&again["recorded"], &again["entries"]),
        (&json!(false), &cast["entries"])
    );
    desk.vote(&id, "reject").fails(409, "already-signed");

    let other = format!("/{}/withdraw", id_of(&other));
    let withdrawn = desk.post(&other, &[], &json!({})).is(201).json();
    let again = desk.post(&other, &[], &json!({})).is(200).json();
    assert_eq!(again["entries"], withdrawn["entries"]);

    // To everyone else it is a node like any other.
    let shown = desk
        .world
        .run(&format!("proposal show {id} --json"))
        .ok()
        .json();
    assert_eq!(shown["parameters"], json!({"ticket": 4711}));
    assert_eq!(shown["ballots"][0]["name"], "ada");
    assert_eq!(shown["ballots"][0]["rationale"], "so it is");
    desk.world.verify();
}

#[test]
fn one_key_opens_one_proposal_also_for_many_at_once_and_after_a_restart() {
    let mut desk = Desk::of(World::founded());
    let key = [("idempotency-key", "at once")];
    let ids: Vec<String> = thread::scope(|scope| {
        let askers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| desk.post("", &key, &draft("One"))))
            .collect();
        let answers = askers.into_iter().map(|asker| asker.join().unwrap());
        answers
            .map(|answer| {
                assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
                id_of(&answer.json())
            })
            .collect()
    });
    desk.server.kill();
    desk.server = Server::with(&desk.world, &["--sign-as", "ada"]);
    let after = desk.post("", &key, &draft("One")).is(200).json();
    assert!(ids.iter().all(|id| *id == id_of(&after)), "{ids:?}");
    let list = desk.world.run("proposal list --json").ok().json();
    assert_eq!(list["proposals"].as_array().unwrap().len(), 1);
}

#[test]
fn a_ballot_that_was_signed_elsewhere_is_not_contradicted() {
    let desk = Desk::of(World::founded());
    let id = id_of(&desk.post("", &[], &draft("One")).is(201).json());
    // Signed on this machine, and not handed in.
    let kept = desk
        .world
        .run(&format!("vote {id} reject --as ada --out -"))
        .ok()
        .stdout;
    desk.vote(&id, "approve").fails(409, "already-signed");
    desk.vote(&id, "reject").is(201);
    // It is that very ballot.
    let statements = token(&desk.world, &["submit"]);
    desk.server
        .post("/v1/statements", &[("authorization", &statements)], kept)
        .is(200);
    let evidence = desk.world.run("evidence list --json").ok().json();
    assert_eq!(evidence["evidence"], json!([]));
}

#[test]
fn what_the_rules_refuse_is_refused_before_it_is_signed_or_after() {
    let world = World::founded();
    let late = world.propose("authorize-agent did:example:helper", FOUNDED);
    let desk = Desk::of(world);
    let of_bea = desk
        .world
        .run(&format!(
            "propose authorize-model {TRIAGE} --title T --as bea --json"
        ))
        .ok()
        .json();
    let of_bea = of_bea["proposal_id"].as_str().unwrap();
    let nobody = "00000000-0000-0000-0000-000000000009";
    // Until the service has seen what others wrote.
    while desk.vote(of_bea, "abstain").status == 404 {
        thread::sleep(std::time::Duration::from_millis(10));
    }
    let none = json!({});
    let revoke = json!({"title": "T", "action": {"kind": "remove-node", "node": "did:x:y"}});
    for (path, body, status, code) in [
        (
            format!("/{of_bea}/withdraw"),
            &none,
            403,
            "withdraw.not-proposer",
        ),
        (
            format!("/{nobody}/withdraw"),
            &none,
            404,
            "proposal.unknown",
        ),
        (
            format!("/{nobody}/votes"),
            &json!({"decision": "approve"}),
            404,
            "proposal.unknown",
        ),
        (
            format!("/{late}/votes"),
            &json!({"decision": "approve"}),
            409,
            "ballot.outside-voting-period",
        ),
        (
            format!("/{of_bea}/votes"),
            &json!({"decision": "maybe"}),
            422,
            "ballot.malformed",
        ),
        (
            format!("/{of_bea}/votes"),
            &json!({}),
            422,
            "ballot.malformed",
        ),
        (String::new(), &none, 422, "proposal.malformed"),
        (String::new(), &revoke, 422, "proposal.malformed"),
        (
            "/x/votes".to_owned(),
            &json!({"decision": "approve"}),
            400,
            "request.path",
        ),
    ] {
        assert_eq!(
            desk.post(&path, &[], body).outcome(),
            (status, code.to_owned()),
            "{path} {body}"
        );
    }
    desk.world.verify();
}

#[test]
fn nothing_is_signed_without_a_token_for_it_or_without_a_key() {
    let world = World::founded();
    let others = token(&world, &["read", "predict", "submit"]);
    let sign = token(&world, &["sign"]);
    let vote = "/v1/proposals/00000000-0000-0000-0000-000000000009/votes";
    let silent = Server::start(&world);
    for path in ["/v1/proposals", vote] {
        for headers in [&[][..], &[("authorization", sign.as_str())]] {
            let problem = silent.post(path, headers, "{}").fails(404, "signing.off");
            assert!(problem["hint"].as_str().unwrap().contains("--sign-as"));
        }
    }
    drop(silent);
    let server = Server::with(&world, &["--sign-as", "ada", "--access", "open"]);
    for path in ["/v1/proposals", vote] {
        server
            .post(path, &[], "{}")
            .fails(401, "access.token-missing");
        server
            .post(path, &[("authorization", &others)], "{}")
            .fails(403, "access.scope");
    }
    // The scope opens nothing else.
    server
        .post("/v1/predictions", &[("authorization", &sign)], "{}")
        .fails(403, "access.scope");
    world
        .run("serve --listen 127.0.0.1:0 --sign-as nobody --json")
        .fails(4, "key.not-found");
    // A key that others can read signs nothing, as everywhere.
    let secret = world.keys().join("ada.pem");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&secret, open).unwrap();
    world
        .run("serve --listen 127.0.0.1:0 --sign-as ada --json")
        .fails(1, "key.permissions");
}
