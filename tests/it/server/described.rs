//! Every route and every way in which it succeeds, held to the description over real sockets.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::io::Write as _;

use serde_json::{Value, json};

use super::harness::{self, Server, prediction, token};
use crate::cli::harness::{FOUNDED, TRIAGE, World};

/// What was asked: method, path as described, status.
type Seen = BTreeSet<(String, String, u16)>;

struct Asker<'s> {
    server: &'s Server,
    token: &'s str,
    seen: Seen,
}

impl Asker<'_> {
    #[track_caller]
    fn ask(&mut self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Value {
        let mut headers = vec![
            ("authorization", self.token),
            ("content-type", "application/json"),
        ];
        headers.extend(more);
        let answer = self.server.ask(method, path, &headers, body.as_bytes());
        self.note(method, path, answer.status);
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    #[track_caller]
    fn get(&mut self, path: &str) -> Value {
        self.ask("GET", path, &[], "")
    }

    #[track_caller]
    fn post(&mut self, path: &str, body: &str) -> Value {
        self.ask("POST", path, &[], body)
    }

    fn note(&mut self, method: &str, path: &str, status: u16) {
        let (path, _) = harness::described(method, path).unwrap();
        self.seen
            .insert((method.to_ascii_lowercase(), path.to_owned(), status));
    }
}

/// Every success that the description names.
fn successes() -> Seen {
    let description = harness::description();
    let mut all = Seen::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys() {
                let status: u16 = status.parse().unwrap();
                if status < 300 {
                    all.insert((method.clone(), path.clone(), status));
                }
            }
        }
    }
    all
}

/// A ledger with something of everything: a grant, a decision that waits, one that is due, evidence.
struct Eventful {
    world: World,
    grant: String,
    queued: String,
    due: String,
    evidence: u64,
    receipt: String,
}

fn eventful() -> Eventful {
    let world = World::under(&json!({
        "kinds": {"authorize-agent": {"timelock_seconds": 1, "window_seconds": 315_360_000}}
    }));
    let grant = world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let queued = world.propose("authorize-agent did:example:helper", FOUNDED);
    world.approve(&queued, &["ada", "bea", "cid"], FOUNDED);
    let due = world.propose("authorize-model did:example:other", FOUNDED);
    for vote in ["approve --as dan", "reject --as dan --force"] {
        world.run(&format!("vote {due} {vote} --now {FOUNDED}"));
    }
    let evidence = world.run("evidence list --json").ok().json()["evidence"][0]["seq"].clone();
    let note = world.path("note.txt");
    world.run(&format!("checkpoint create --out {note}")).ok();
    for signer in ["ada", "bea", "cid"] {
        world
            .run(&format!("checkpoint sign {note} --as {signer}"))
            .ok();
    }
    let note = fs::read_to_string(note).unwrap();
    let receipt = json!({"grant": grant, "checkpoint": note}).to_string();
    Eventful {
        evidence: evidence.as_u64().unwrap(),
        world,
        grant,
        queued,
        due,
        receipt,
    }
}

#[test]
fn every_route_answers_as_it_is_described() {
    let ledger = eventful();
    let Eventful { world, .. } = &ledger;
    let token = token(world, &["read", "predict", "submit", "sign"]);
    let server = Server::with(world, &["--sign-as", "ada"]);
    let mut asker = Asker {
        server: &server,
        token: &token,
        seen: Seen::new(),
    };
    read_everything(&mut asker, &ledger);
    write_everything(&mut asker, &ledger);
    follow(&mut asker);
    let missing: Vec<_> = successes().difference(&asker.seen).cloned().collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    world.verify();
}

fn read_everything(asker: &mut Asker<'_>, ledger: &Eventful) {
    let Eventful {
        grant, evidence, ..
    } = ledger;
    let question = format!("subject={TRIAGE}&kind=model");
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/v1/ledger",
        "/v1/policy",
        "/v1/proposals",
        "/v1/nodes",
        "/v1/nodes/ada",
        "/v1/evidence",
        "/v1/authorizations",
        "/v1/log",
        "/v1/log/1",
        "/v1/segments",
        "/v1/checkpoint",
        "/v1/proofs/inclusion?entry=2",
        "/v1/proofs/consistency?from=2",
        "/v1/predictions/models",
        &format!("/v1/proposals/{grant}"),
        &format!("/v1/proposals/{grant}/outlook"),
        &format!("/v1/evidence/{evidence}"),
        &format!("/v1/authorizations/check?{question}"),
        &format!("/v1/authorizations/why?{question}"),
        "/v1/ledger?at=9",
    ] {
        asker.get(path);
    }
    let files = asker.get("/v1/segments");
    let name = files["segments"][0]["name"].as_str().unwrap();
    let path = format!("/v1/segments/{name}");
    asker.get(&path);
    asker.ask("GET", &path, &[("range", "bytes=10-")], "");
    asker.post("/v1/receipts", &ledger.receipt);
}

fn write_everything(asker: &mut Asker<'_>, ledger: &Eventful) {
    let Eventful {
        world, queued, due, ..
    } = ledger;
    let sent = prediction(TRIAGE).to_string();
    for _ in 0..2 {
        asker.ask(
            "POST",
            "/v1/predictions",
            &[("idempotency-key", "one")],
            &sent,
        );
    }
    for what in [
        format!("/v1/proposals/{due}/close"),
        format!("/v1/proposals/{queued}/execute"),
    ] {
        asker.post(&what, "");
    }
    let id = open(asker, "one");
    for _ in 0..2 {
        let vote = json!({"decision": "approve"}).to_string();
        asker.post(&format!("/v1/proposals/{id}/votes"), &vote);
    }
    let ballot = world
        .run(&format!("vote {id} approve --as bea --out -"))
        .ok()
        .stdout;
    for _ in 0..2 {
        asker.post("/v1/statements", &ballot);
    }
    let id = open(asker, "two");
    for _ in 0..2 {
        asker.post(&format!("/v1/proposals/{id}/withdraw"), "");
    }
}

/// Has a proposal opened, twice under one key; its id.
fn open(asker: &mut Asker<'_>, key: &str) -> String {
    let draft = json!({
        "title": key,
        "action": {"kind": "authorize-model", "subject": "did:example:third", "scope": {}}
    });
    let mut opened = || {
        let key = [("idempotency-key", key)];
        asker.ask("POST", "/v1/proposals", &key, &draft.to_string())
    };
    opened();
    let id = &opened()["proposal"]["proposal_id"];
    id.as_str().unwrap().to_owned()
}

/// The stream has no end: its head and its first event.
fn follow(asker: &mut Asker<'_>) {
    let mut stream = asker.server.connect();
    let token = asker.token;
    let request = format!(
        "GET /v1/events?after=0 HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("id: 1\n") {
        let mut more = [0; 1_024];
        let count = stream.read(&mut more).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&more[..count]);
    }
    let answer = harness::parse(&received).unwrap();
    harness::assert_documented("GET", "/v1/events", &answer);
    asker.note("GET", "/v1/events", answer.status);
}
