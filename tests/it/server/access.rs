//! Who may do what.

use super::harness::{Server, prediction, token};
use crate::cli::harness::{TRIAGE, World};

#[test]
fn a_token_opens_its_scopes_and_nothing_else() {
    let world = World::founded();
    let read = token(&world, &["read"]);
    let predict = token(&world, &["predict"]);
    let submit = token(&world, &["submit"]);
    let last = if read.ends_with('0') { '1' } else { '0' };
    let wrong = format!("{}{last}", &read[..read.len() - 1]);
    let old = world
        .run("token create old --scope read --scope predict --expires 2026-01-01T00:00:00Z --json");
    let old = format!("Bearer {}", old.ok().json()["secret"].as_str().unwrap());
    let (reading, predicting, submitting) = ("/v1/nodes", "/v1/predictions", "/v1/statements");
    let (ok, missing, invalid, scope) = (
        "",
        "access.token-missing",
        "access.token-invalid",
        "access.scope",
    );
    let open = Server::start(&world);
    let closed = Server::with(&world, &["--access", "tokens"]);
    let body = prediction(TRIAGE).to_string();
    for (server, path, token, status, code) in [
        (&open, reading, None, 200, ok),
        (&open, predicting, None, 401, missing),
        (&open, submitting, None, 422, "statement.malformed"),
        (&open, reading, Some(&predict), 403, scope),
        (&open, reading, Some(&wrong), 401, invalid),
        (&open, reading, Some(&old), 401, invalid),
        (&open, predicting, Some(&predict), 201, ok),
        (&open, predicting, Some(&read), 403, scope),
        (&open, predicting, Some(&old), 401, invalid),
        (&closed, reading, None, 401, missing),
        (&closed, reading, Some(&read), 200, ok),
        (&closed, reading, Some(&submit), 403, scope),
        (&closed, submitting, None, 401, missing),
        (&closed, submitting, Some(&predict), 403, scope),
        (
            &closed,
            submitting,
            Some(&submit),
            422,
            "statement.malformed",
        ),
        (&closed, predicting, Some(&predict), 201, ok),
        (&closed, "/metrics", None, 401, missing),
        (&closed, "/metrics", Some(&read), 200, ok),
        (&closed, "/healthz", None, 200, ok),
        (&closed, "/readyz", None, 200, ok),
        (&closed, "/openapi.json", None, 200, ok),
    ] {
        let headers: Vec<(&str, &str)> = token
            .iter()
            .map(|it| ("authorization", it.as_str()))
            .collect();
        let answer = if path.ends_with('s') && path.starts_with("/v1/") && path != reading {
            server.post(path, &headers, &body)
        } else {
            server.ask("GET", path, &headers, b"")
        };
        assert_eq!(
            answer.outcome(),
            (status, code.to_owned()),
            "{path} {token:?}"
        );
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
}

#[test]
fn a_token_that_is_taken_back_opens_nothing_from_then_on() {
    let world = World::founded();
    let server = Server::with(&world, &["--access", "tokens"]);
    let token = token(&world, &["read"]);
    let ask = || server.ask("GET", "/v1/nodes", &[("authorization", &token)], b"");
    ask().is(200);
    let listed = world.run("token list --json").ok().json();
    let id = listed["tokens"][0]["id"].as_str().unwrap();
    world.run(&format!("token revoke {id}")).ok();
    ask().fails(401, "access.token-invalid");
    world
        .run(&format!("token revoke {id} --json"))
        .fails(1, "token.unknown");
}

#[test]
fn other_machines_are_not_listened_to_without_tls_unless_that_is_said() {
    let world = World::founded();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = world.run(&format!("serve --listen {address} --json"));
        refused.fails(2, "server.insecure");
    }
    let no_file = "serve --listen 127.0.0.1:0 --tls-cert no.pem --tls-key no.pem --json";
    world.run(no_file).fails(1, "server.tls");
    // Where they are, tokens are asked for.
    let server = Server::with(&world, &["--listen", "0.0.0.0:0", "--insecure"]);
    server.get("/v1/nodes").fails(401, "access.token-missing");
}

#[test]
fn who_asks_too_often_is_told_so() {
    let world = World::founded();
    let server = Server::with(&world, &["--rate", "2"]);
    let answers: Vec<_> = (0..20).map(|_| server.get("/v1/nodes")).collect();
    let refused = answers.iter().find(|answer| answer.status != 200).unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.clone().fails(429, "limit.rate");
    // Another client is not.
    let token = token(&world, &["read"]);
    server
        .ask("GET", "/v1/nodes", &[("authorization", &token)], b"")
        .is(200);
    server.get("/healthz").is(200);
}

/// A certificate for localhost, and its key: for this test alone.
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

#[test]
fn a_client_with_tls_is_answered_and_one_without_is_not() {
    let world = World::founded();
    let certificate = format!("{VECTORS}/tls-certificate.pem");
    let key = format!("{VECTORS}/tls-key.pem");
    let files = ["--tls-cert", &certificate, "--tls-key", &key];
    let server = Server::unready(&world, &files);
    let port = server.address.rsplit(':').next().unwrap();
    let ask = || {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-fsS", "--cacert", &certificate]);
        curl.arg(format!("https://localhost:{port}/readyz"))
            .output()
            .unwrap()
    };
    let ready = |output: &std::process::Output| {
        String::from_utf8_lossy(&output.stdout).contains("\"status\":\"ready\"")
    };
    // Until the ledger is replayed.
    let answered = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        ready(&ask())
    });
    assert!(answered, "{:?}", ask());
    let plain = server.send(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(plain.is_none(), "{plain:?}");
    // A key that is not the certificate's.
    let files = format!("--tls-cert {certificate} --tls-key {certificate}");
    world
        .run(&format!("serve --listen 127.0.0.1:0 {files} --json"))
        .fails(1, "server.tls");
}
