//! The history: pages, live events, files, proofs and receipts.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::harness::{Server, prediction, token};
use crate::cli::harness::{FOUNDED, TRIAGE, World};

/// A ledger with some history, by four nodes.
fn eventful() -> World {
    let world = World::founded();
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    world.pass(&format!("revoke-model {TRIAGE}"), "2026-01-02T00:00:00Z");
    world
}

#[test]
fn pages_have_the_same_entries_as_the_log_for_every_filter() {
    let world = eventful();
    let server = Server::start(&world);
    let proposal = world.run("proposal list --json").ok().json()["proposals"][0].clone();
    let proposal = &proposal["proposal_id"].as_str().unwrap()[..8];
    for (query, arguments) in [
        (String::new(), String::new()),
        ("operation=vote_cast".into(), "--operation vote_cast".into()),
        (
            "operation=vote_cast&operation=node_added".into(),
            "--operation vote_cast --operation node_added".into(),
        ),
        (
            format!("proposal={proposal}"),
            format!("--proposal {proposal}"),
        ),
        ("actor=bea".into(), "--actor bea".into()),
        (
            "since=2026-01-02T00:00:00Z".into(),
            "--since 2026-01-02T00:00:00Z".into(),
        ),
        (
            "until=2026-01-02T00:00:00Z".into(),
            "--until 2026-01-02T00:00:00Z".into(),
        ),
    ] {
        let printed = world
            .run(&format!("log {arguments} --json"))
            .ok()
            .json_lines();
        for limit in [1, 3, 1000] {
            let (mut found, mut after) = (Vec::new(), 0);
            loop {
                let path = format!("/v1/log?after={after}&limit={limit}&{query}");
                let page = server.get(&path).is(200).json();
                let entries = page["entries"].as_array().unwrap();
                assert!(entries.len() <= limit, "{path}");
                found.extend(entries.iter().cloned());
                after = page["next_after"].as_u64().unwrap();
                if page["is_complete"] == true {
                    assert_eq!(page["next_after"], page["head"]);
                    break;
                }
            }
            assert_eq!(found, printed, "{query} {limit}");
        }
    }
    for (index, line) in world.lines().iter().enumerate() {
        let shown = server.get(&format!("/v1/log/{}", index + 1)).is(200).text();
        assert_eq!(shown, *line);
    }
}

/// Reads events until there are `count`; their ids and data.
fn events(
    server: &Server,
    headers: &str,
    path: &str,
    count: usize,
    meanwhile: impl FnOnce(),
) -> Vec<(u64, String)> {
    let mut stream = server.connect();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n"
    )
    .unwrap();
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    let mut read = |received: &mut Vec<u8>| {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the stream ended");
        received.extend_from_slice(&buffer[..length]);
    };
    read(&mut received);
    meanwhile();
    loop {
        let text = String::from_utf8_lossy(&received);
        let (_, text) = text.split_once("\r\n\r\n").unwrap_or_default();
        let found: Vec<(u64, String)> = text
            .split("\n\n")
            .filter_map(|event| {
                let (_, event) = event.rsplit_once("\nid: ").or(event.split_once("id: "))?;
                let (id, rest) = event.split_once('\n')?;
                let (_, data) = rest.split_once("data: ")?;
                let is_whole = serde_json::from_str::<Value>(data).is_ok();
                is_whole.then(|| (id.parse().unwrap(), data.to_owned()))
            })
            .collect();
        if found.len() >= count {
            return found;
        }
        read(&mut received);
    }
}

#[test]
fn events_come_as_they_happen_and_go_on_where_they_were_left() {
    let world = eventful();
    let server = Server::start(&world);
    let lines = world.lines();
    let all = events(&server, "", "/v1/events?after=0", lines.len(), || {});
    let expected: Vec<(u64, String)> = (1..).zip(lines.iter().cloned()).collect();
    assert_eq!(all, expected);
    let rest = events(
        &server,
        "last-event-id: 4\r\n",
        "/v1/events?after=1",
        lines.len() - 4,
        || {},
    );
    assert_eq!(rest, expected[4..]);
    // What the server records, and what another process records beside it.
    let token = token(&world, &["predict"]);
    let sent = prediction(TRIAGE).to_string();
    let new = events(&server, "", "/v1/events", 2, || {
        server
            .post("/v1/predictions", &[("authorization", &token)], &sent)
            .is(201);
        world.run_with("predict record", &sent).ok();
    });
    let lines = world.lines();
    let expected: Vec<(u64, String)> = (1..).zip(lines).skip(expected.len()).collect();
    assert_eq!(new, expected);
    let bad = server.ask("GET", "/v1/events", &[("last-event-id", "x")], b"");
    bad.fails(400, "request.last-event-id");
}

#[test]
fn many_streams_that_wake_up_together_all_go_on() {
    let world = eventful();
    let token = token(&world, &["predict"]);
    let server = Server::start(&world);
    let count = world.lines().len();
    let (ready, at_work) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..40 {
            let (server, ready) = (&server, ready.clone());
            scope.spawn(move || {
                let meanwhile = || ready.send(()).unwrap();
                let found = events(server, "", "/v1/events?after=0", count + 3, meanwhile);
                assert_eq!(found.len(), count + 3);
            });
        }
        for _ in 0..40 {
            at_work.recv().unwrap();
        }
        let sent = prediction(TRIAGE).to_string();
        for _ in 0..3 {
            server
                .post("/v1/predictions", &[("authorization", &token)], &sent)
                .is(201);
        }
    });
}

#[test]
fn a_mirror_is_the_ledger() {
    let world = eventful();
    let server = Server::start(&world);
    let listed = server.get("/v1/segments").is(200).json();
    let segment = &listed["segments"][0];
    let name = segment["name"].as_str().unwrap();
    let path = format!("/v1/segments/{name}");
    let whole = server.get(&path).is(200).body;
    assert_eq!(whole, world.bytes());
    assert_eq!(segment["bytes"], whole.len());
    let rest = server
        .ask("GET", &path, &[("range", "bytes=100-")], b"")
        .is(206);
    assert_eq!(rest.body, whole[100..]);
    let range = format!("bytes 100-{}/{}", whole.len() - 1, whole.len());
    assert_eq!(rest.header("content-range"), Some(range.as_str()));
    // What the mirror has is a ledger of its own.
    let mirror = world.path("mirror");
    fs::create_dir_all(Path::new(&mirror).join("ledger")).unwrap();
    fs::write(Path::new(&mirror).join("ledger").join(name), &whole).unwrap();
    world.run(&format!("verify --ledger {mirror}")).ok();
    // Half a batch behind it is nobody's business.
    let mut torn = whole.clone();
    torn.extend_from_slice(b"{\"v\":1,\"seq\":");
    fs::write(world.segment(), torn).unwrap();
    assert_eq!(server.get(&path).is(200).body, whole);
}

#[test]
fn an_entry_that_was_changed_on_disk_is_not_shown() {
    let world = eventful();
    let server = Server::start(&world);
    let text = String::from_utf8(world.bytes()).unwrap();
    fs::write(world.segment(), text.replace("parliament", "parliamenT")).unwrap();
    server.get("/v1/log/1").fails(500, "ledger.damaged");
    server.get("/v1/log").fails(500, "ledger.damaged");
    server.get("/v1/log/2").is(200);
}

#[test]
fn a_receipt_is_made_under_what_nodes_have_signed() {
    let world = World::founded();
    let grant = world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    world.run("checkpoint create").ok();
    let server = Server::start(&world);
    let note = server.get("/v1/checkpoint").is(200).text();
    let unsigned = world.file("note.txt", &note);
    for signer in ["ada", "bea", "cid"] {
        world
            .run(&format!("checkpoint sign {unsigned} --as {signer}"))
            .ok();
    }
    let signed = fs::read_to_string(unsigned).unwrap();
    let asked = |grant: &str, note: &str| {
        let body = json!({"grant": grant, "checkpoint": note}).to_string();
        server.post("/v1/receipts", &[], body)
    };
    let receipt = asked(&grant, &signed).is(200).text();
    let receipt = world.file("receipt.json", receipt);
    let origin = note.lines().next().unwrap().rsplit('/').next().unwrap();
    world
        .run(&format!("receipt verify {receipt} --origin {origin}"))
        .ok();
    let nobody = "00000000-0000-0000-0000-000000000009";
    asked(nobody, &signed).fails(409, "grant.unknown");
    asked(&grant, "no note").is(422);
    asked("x", &signed).fails(422, "receipt.request");
    let other = signed.replace(origin, &"0".repeat(64));
    asked(&grant, &other).fails(409, "checkpoint.other-ledger");
}

/// The two functions of RFC 6962, section 2.1.
fn node_hash(left: &[u8], right: &[u8]) -> Vec<u8> {
    Sha256::digest([&[1], left, right].concat()).to_vec()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn inclusion_is_proved_in_the_checkpoint_s_root() {
    let world = eventful();
    let server = Server::start(&world);
    let note = server.get("/v1/checkpoint").is(200).text();
    let root = note.lines().nth(2).unwrap().to_owned();
    let lines = world.lines();
    for entry in 1..=lines.len() {
        let proof = server
            .get(&format!("/v1/proofs/inclusion?entry={entry}"))
            .is(200)
            .json();
        let line: Value = serde_json::from_str(&lines[entry - 1]).unwrap();
        let entry_hash = bytes(line["entry_hash"].as_str().unwrap());
        let leaf = Sha256::digest([&[0][..], &entry_hash].concat()).to_vec();
        assert_eq!(bytes(proof["leaf"].as_str().unwrap()), leaf, "{entry}");
        // RFC 9162, section 2.1.3.2.
        let (mut index, mut last) = (entry - 1, lines.len() - 1);
        let mut hash = leaf;
        for sibling in proof["path"].as_array().unwrap() {
            let sibling = bytes(sibling.as_str().unwrap());
            if index % 2 == 1 || index == last {
                hash = node_hash(&sibling, &hash);
                while index % 2 == 0 && index != 0 {
                    (index, last) = (index >> 1, last >> 1);
                }
            } else {
                hash = node_hash(&hash, &sibling);
            }
            (index, last) = (index >> 1, last >> 1);
        }
        assert_eq!(base64(&hash), root, "{entry}");
    }
    server.get("/v1/proofs/consistency?from=3").is(200);
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |sum, index| {
            sum << 8 | usize::from(chunk.get(index).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let digit = char::from(DIGITS[number >> (18 - 6 * place) & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}
