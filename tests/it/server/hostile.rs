//! What nobody should send.

use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Server, parse, prediction, token};
use crate::cli::harness::{TRIAGE, World};

/// The memory that a process has in use, in bytes.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

fn posted(body: &str, kind: &str, more: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/statements HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n{more}\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[test]
fn hostile_requests_have_clear_answers() {
    let world = World::founded();
    let server = Server::start(&world);
    let json = "application/json";
    let deep = "[".repeat(200_000);
    let deeper = format!("{}{}", "{\"type\":".repeat(20_000), "}".repeat(20_000));
    let long = format!("\"{}\"", "x".repeat((1 << 20) + 1));
    let head = format!(
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let many: String = (0..200).map(|number| format!("x{number}: y\r\n")).collect();
    let chunked = |body: &str| {
        format!(
            "POST /v1/statements HTTP/1.1\r\nhost: localhost\r\ncontent-type: {json}\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n{body}"
        )
    };
    let endless: String = (0..40)
        .map(|_| format!("8000\r\n{}\r\n", "x".repeat(0x8000)))
        .collect();
    for (name, request, status, code) in [
        ("too long", posted(&long, json, ""), 413, "body.too-long"),
        ("too long without saying so", chunked(&endless), 413, "body.too-long"),
        ("deep", posted(&deep, json, ""), 400, "statement.malformed"),
        ("deep objects", posted(&deeper, json, ""), 400, "statement.malformed"),
        ("no type", posted("{}", "text/plain", ""), 415, "body.not-json"),
        ("a form", posted("a=b", "application/x-www-form-urlencoded", ""), 415, "body.not-json"),
        ("almost JSON", posted("{}", "application/jsonx", ""), 415, "body.not-json"),
        ("with a charset", posted("{}", "application/JSON; charset=utf-8", ""), 422, "statement.malformed"),
        ("a lie about the length", posted("{}", json, "content-length: 5\r\n"), 400, ""),
        ("two framings", posted("{}", json, "transfer-encoding: chunked\r\n"), 400, "body.incomplete"),
        ("a bad chunk", chunked("zz\r\n"), 400, "body.incomplete"),
        ("a long head", head, 431, ""),
        ("many headers", format!("GET /healthz HTTP/1.1\r\n{many}\r\n"), 431, ""),
        ("no HTTP", "SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(), 400, ""),
        ("a path of dots", "GET /v1/../../etc/passwd HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 404, "request.unknown-path"),
        ("a coded path", "GET /v1/segments/%2e%2e%2ftokens.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 404, "segment.unknown"),
        ("a path that is no text", "GET /v1/nodes/%ff HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 400, "request.path"),
        ("a null in a path", "GET /v1/nodes/a%00b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 404, "node.unknown"),
        ("a method of its own", "BREW /v1/nodes HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 405, "request.method"),
        ("a name of somebody else's", "GET /v1/nodes HTTP/1.1\r\nhost: evil.example:8460\r\nconnection: close\r\n\r\n".into(), 421, "access.host"),
        ("no name", "GET /v1/nodes HTTP/1.0\r\n\r\n".into(), 421, "access.host"),
        ("an address", "GET /v1/nodes HTTP/1.1\r\nhost: [::1]:8460\r\nconnection: close\r\n\r\n".into(), 200, ""),
        ("basic credentials", posted("{}", json, "authorization: Basic eDp5\r\n"), 401, "access.token-invalid"),
        ("credentials in no words", posted("{}", json, "authorization: x\r\n"), 401, "access.token-invalid"),
    ] {
        let answer = server.send(request.as_bytes());
        let answer = answer.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.outcome(), (status, code.to_owned()), "{name}");
    }
    server.get("/readyz").is(200);
}

#[test]
fn slow_and_stuck_clients_hold_nobody() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let server = Server::with(&world, &["--patience", "1", "--max-connections", "300"]);
    let mut stuck = Vec::new();
    for _ in 0..64 {
        // Heads that never end, bodies that never come, and readers who never read.
        let mut head = server.connect();
        head.write_all(b"POST /v1/predictions HTTP/1.1\r\nhost:")
            .unwrap();
        let mut body = server.connect();
        let request = format!(
            "POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
        );
        body.write_all(request.as_bytes()).unwrap();
        let mut deaf = server.connect();
        deaf.write_all(b"GET /v1/events?after=0 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        stuck.push((head, body, deaf));
    }
    let sent = prediction(TRIAGE).to_string();
    for _ in 0..20 {
        server
            .post("/v1/predictions", &[("authorization", &token)], &sent)
            .is(201);
    }
    // Each is told, or hung up on.
    for (mut head, mut body, _deaf) in stuck {
        let mut received = Vec::new();
        let _ = head.read_to_end(&mut received);
        received.clear();
        let _ = body.read_to_end(&mut received);
        let answer = parse(&received).unwrap();
        assert_eq!(answer.outcome(), (408, "body.slow".to_owned()));
    }
}

#[test]
fn memory_stays_flat_under_bodies_that_are_too_much() {
    let world = World::founded();
    let server = Server::start(&world);
    let body = format!("{{\"type\":\"{}\"}}", "x".repeat(900_000));
    let round = || {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..6 {
                        let answer = server.send(posted(&body, "application/json", "").as_bytes());
                        let status = answer.map(|answer| answer.status);
                        assert!([Some(422), Some(503)].contains(&status), "{status:?}");
                    }
                });
            }
        });
        memory(&server)
    };
    let first = round();
    let last = (0..3).fold(first, |_, _| round());
    assert!(last < first + (32 << 20), "{first} {last}");
}

#[test]
fn a_reader_who_takes_nothing_is_dropped() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let server = Server::with(&world, &["--patience", "1"]);
    // More than what the system keeps for a reader.
    let mut sent = prediction(TRIAGE);
    sent["request_id"] = "r".into();
    let several = serde_json::json!({"predictions": vec![sent; 1000]}).to_string();
    for _ in 0..20 {
        server
            .post("/v1/predictions", &[("authorization", &token)], &several)
            .is(201);
    }
    let mut deaf = server.connect();
    deaf.write_all(b"GET /v1/events?after=0 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let streams = || {
        let text = server.get("/metrics").text();
        let line = text
            .lines()
            .find(|line| line.starts_with("althing_streams "))
            .unwrap()
            .to_owned();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let start = Instant::now();
    while streams() != "0" || start.elapsed() < Duration::from_millis(200) {
        assert!(start.elapsed() < Duration::from_secs(30), "still there");
        thread::sleep(Duration::from_millis(50));
    }
}
