//! The seeds, made from the golden ledger.
//!
//! `cargo test --manifest-path fuzz/Cargo.toml make_the_seeds -- --ignored` writes them; inputs
//! under other names, such as those that libFuzzer found, stay.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use althing::chain::checkpoint::Checkpoint;
use althing::chain::line::{Head, Line};
use althing::chain::place::Place;
use althing::chain::signing_request::SigningRequest;
use althing::governance::command::Command;
use althing::governance::key::Signature;
use althing::governance::merkle::{
    ConsistencyProof, ConsistencyProver, InclusionProver, LeafHash, MerkleAccumulator,
};
use althing::governance::state::authorization::GrantStatus;
use althing::governance::tree_head::{Cosignature, Origin, TreeHead};
use althing::ledger::MemoryLedger;
use althing::node::Node;
use althing::replay::receipt::Selection;
use althing::replay::snapshot::Header;
use althing::replay::{Replay, Unchecked};
use serde_json::Value;

use crate::ledger::with_good_hashes;

const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/golden/ledger-v1/ledger/00000000000000000001.jsonl"
);

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&dir).expect("the corpus can be written");
    fs::write(dir.join(name), bytes).expect("the corpus can be written");
}

/// The golden ledger without its signatures, which are most of it, chained anew.
fn unsigned() -> Vec<u8> {
    let mut text = fs::read_to_string(GOLDEN).expect("the golden ledger");
    for key in ["\"signature\":\"", "\"founding\":\""] {
        let mut pieces = text.split(key);
        let mut without = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (_, rest) = piece.split_once('"').expect("a text ends");
            without = without + key + "\"" + rest;
        }
        text = without;
    }
    with_good_hashes(text.as_bytes())
}

/// What stands between `"data":` and the hashes of a line.
fn data(line: &str) -> &str {
    let (_, rest) = line.split_once(",\"data\":").expect("a line has data");
    &rest[..rest.len() - 160]
}

/// The shortest line of each operation, and of each form of evidence.
fn shortest(ledger: &str) -> BTreeMap<String, &str> {
    let mut found: BTreeMap<String, &str> = BTreeMap::new();
    for line in ledger.lines() {
        let value: Value = serde_json::from_str(line).expect("a line is JSON");
        let operation = value["operation"].as_str().expect("a text");
        // Evidence has several forms, which differ in their first member.
        let (form, _) = data(line).split_once(':').expect("data have members");
        let operation = match form.trim_matches(['{', '"']) {
            form @ ("checkpoints" | "consensus") => format!("{operation}-{form}"),
            _ => operation.to_owned(),
        };
        let shortest = found.entry(operation).or_insert(line);
        if line.len() < shortest.len() {
            *shortest = line;
        }
    }
    found
}

#[test]
#[ignore = "writes the corpus"]
fn make_the_seeds() {
    let unsigned = unsigned();
    let ledger = std::str::from_utf8(&unsigned).expect("a ledger is text");
    for (name, line) in shortest(ledger) {
        let (operation, _) = name.split_once('-').unwrap_or((&name, ""));
        write("line", &name, line);
        write("event", &name, format!("{operation}\n{}", data(line)));
        if line.len() < 1_500 {
            write("canonical", &name, data(line));
        }
    }
    statements(ledger);
    policies(ledger);
    texts();
    ledgers(ledger);
    snapshots(ledger);
    proofs();
    checkpoints();
    receipts(ledger);
}

fn statements(ledger: &str) {
    for (operation, kind) in [
        ("ledger_created", "F"),
        ("proposal_created", "P"),
        ("vote_cast", "B"),
        ("proposal_withdrawn", "W"),
        ("key_rotated", "R"),
    ] {
        let of = |line: &&str| line.contains(&format!("\"operation\":\"{operation}\""));
        let mut statements: Vec<&str> = ledger
            .lines()
            .filter(of)
            .filter_map(|line| data(line).split_once("\"statement\":"))
            .map(|(_, rest)| statement(rest))
            .filter(|statement| statement.len() < 6_000)
            .collect();
        statements.sort_by_key(|statement| statement.len());
        statements.dedup_by_key(|statement| statement.len());
        for (number, statement) in statements.into_iter().take(16).enumerate() {
            write(
                "statement",
                &format!("{operation}-{number:02}"),
                format!("{kind}{statement}"),
            );
            let signed = format!("{kind}{{\"signature\":\"\",\"statement\":{statement}}}");
            if number == 0 {
                write("statement", &format!("{operation}-signed"), signed);
            }
        }
    }
}

/// The statement at the start of `rest`: up to its closing brace.
fn statement(rest: &str) -> &str {
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    assert!(values.next().is_some_and(|value| value.is_ok()));
    &rest[..values.byte_offset()]
}

fn policies(ledger: &str) {
    let founding: Value =
        serde_json::from_str(ledger.lines().next().expect("a line")).expect("JSON");
    let policy = founding["data"]["statement"]["policy"].clone();
    write("policy", "founding", format!("{policy}\n\u{1}\u{2}\u{3}"));
    let mut stricter = policy.clone();
    stricter["default"]["absolute"] = "2/3".into();
    stricter["default"]["timelock_seconds"] = 3_600.into();
    write(
        "policy",
        "absolute",
        format!("{stricter}\n\u{7}\u{7}\u{7}\u{1}"),
    );
    let mut lenient = policy;
    lenient["default"]["quorum"] = Value::Null;
    lenient["kinds"] = serde_json::json!({"add-node": {"absolute": null, "quorum": "1/3"}});
    lenient["early_decision"] = false.into();
    write("policy", "lenient", format!("{lenient}\n\u{1}"));
}

fn texts() {
    for (name, text) in [
        (
            "scope",
            "{\"environment\":[\"prod\",\"test\"],\"max_rate_qps\":50}",
        ),
        ("context", "{\"environment\":\"prod\",\"region\":\"eu\"}"),
        ("subject", "did:example:triage"),
        ("urn", "urn:model:triage:1.2"),
        (
            "node",
            "did:pqaid:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        ),
        (
            "hash",
            "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        ),
        ("uuid", "01234567-89ab-cdef-0123-456789abcdef"),
        ("timestamp", "2024-02-29T23:59:59.999999Z"),
        ("rfc3339", "2024-02-29T23:59:59+01:00"),
        ("fraction", "2/3"),
        ("weight", "9007199254740991"),
        ("base64", "aGVsbG8="),
        ("algorithm", "ML-DSA-65"),
        ("name", "Krankenhaus Süd 東"),
        ("everything", "*"),
    ] {
        write("text", name, text);
    }
}

/// Beginnings of the ledger that end with a batch, and for recovery others that do not.
fn ledgers(ledger: &str) {
    let mut ends = Vec::new();
    let mut bytes = 0;
    for line in ledger.split_inclusive('\n') {
        bytes += line.len();
        let value: Value = serde_json::from_str(line).expect("a line is JSON");
        if value["batch"][0] == value["batch"][1] {
            ends.push(bytes);
        }
    }
    for (name, end) in [
        ("founding", ends[0]),
        ("proposal", ends[1]),
        ("grant", ends[4]),
        ("half", ends[ends.len() / 2]),
        ("whole", ends[ends.len() - 1]),
    ] {
        write("ledger", name, &ledger[..end]);
    }
    for (name, how, ledger) in [
        ("founding", "0", ledger[..ends[0]].to_owned()),
        ("proposal", "5", ledger[..ends[1]].to_owned()),
        ("grant", "7", ledger[..ends[4]].to_owned()),
        ("predictions", "8", with_predictions(&ledger[..ends[4]])),
    ] {
        write("replay", name, format!("{how}{ledger}"));
    }
    let torn = &ledger[..ends[4] - 40];
    write("recovery", "clean", &ledger[..ends[4]]);
    write("recovery", "torn-line", torn);
    write("recovery", "torn-batch", &ledger[..ends[4] - 400]);
    write(
        "recovery",
        "torn-nul",
        format!("{}{}", &ledger[..ends[4] - 300], "\0".repeat(300)),
    );
    write(
        "recovery",
        "founding-nul",
        format!("{}{}", &ledger[..ends[0]], "\0".repeat(64)),
    );
    write(
        "recovery",
        "damaged",
        format!("{}garbage\n", &ledger[..ends[1]]),
    );
}

/// The ledger with predictions behind it: granted and not, in neighbours and apart, one by one and at
/// once, some of a form that is only read in full.
fn with_predictions(ledger: &str) -> String {
    let kept = MemoryLedger::from_bytes(ledger.as_bytes().to_vec()).expect("whole batches");
    let mut node = Node::open_with(kept, Box::new(Unchecked)).expect("it replays");
    let at = node.state().clock();
    let mut grants = node.state().authorizations().iter();
    let granted = grants
        .next_back()
        .map(|(_, grant)| grant.terms().subject.to_string());
    let granted = granted.expect("a grant");
    drop(grants);
    let prediction = |number: u32| {
        let model = if number % 5 == 3 {
            "did:example:other"
        } else {
            &granted
        };
        let worker = if number % 7 == 6 {
            "caf\u{e9}"
        } else {
            "worker"
        };
        let text = format!(
            r#"{{"context":{{"environment":"{}"}},"duration_ms":{number},"input_digest":"{}","model":"{model}","model_version":"1","output_summary":{{"mean":0.5}},"recorder":"{worker}"}}"#,
            if number % 8 < 5 { "prod" } else { "test" },
            "ab".repeat(32),
        );
        let prediction = serde_json::from_str(&text).expect("a prediction");
        Command::RecordPrediction(prediction)
    };
    for number in 0..8 {
        node.submit(&prediction(number), at).expect("recorded");
    }
    let rest: Vec<Command> = (8..24).map(prediction).collect();
    node.submit_all(&rest, at).expect("recorded");
    String::from_utf8(node.ledger().bytes().to_vec()).expect("a ledger is text")
}

/// The state at a few points of the ledger.
fn snapshots(ledger: &str) {
    let mut replay = Replay::new(&Unchecked);
    let mut merkle = MerkleAccumulator::new();
    let mut end = 0;
    let mut states = Vec::new();
    for text in ledger.split_inclusive('\n') {
        let raw = text.trim_end().as_bytes();
        // Without signatures a checkpoint's state is another one than it states.
        if replay.line(raw).is_err() {
            break;
        }
        let line = Line::decode(raw).expect("a line");
        merkle.push(&line.entry_hash);
        end += text.len() as u64;
        if line.batch.is_last() {
            let head = Head {
                seq: line.seq,
                hash: line.entry_hash,
            };
            let place = Place {
                segment: 1,
                before: 0,
                end,
                line: text.len() as u64,
            };
            let state = replay.state().expect("it is founded");
            let header = Header::of(state, &head, &merkle, place);
            let mut bytes = Vec::new();
            althing::replay::snapshot::write(&header, state, &mut bytes).expect("memory");
            states.push(bytes);
        }
    }
    for (name, index) in [
        ("founding", 0),
        ("grant", 4),
        ("half", states.len() / 2),
        ("long", states.len() - 1),
    ] {
        write("snapshot", name, &states[index]);
    }
}

fn leaf(number: u64) -> LeafHash {
    LeafHash::of(&number.to_be_bytes())
}

fn proofs() {
    for (index, size) in [(0, 1), (0, 2), (4, 5), (3, 8), (40, 100)] {
        let mut prover = InclusionProver::new(index, size).expect("sizes");
        (0..size).for_each(|number| prover.push(leaf(number)));
        let proof = prover.finish().expect("all leaves");
        let text = serde_json::to_string(&proof).expect("JSON");
        write("proof", &format!("inclusion-{index}-{size}"), text);
    }
    for (from, to) in [(1, 1), (1, 2), (3, 5), (4, 8), (64, 100), (37, 100)] {
        let proof = consistency(from, to);
        let text = serde_json::to_string(&proof).expect("JSON");
        write("proof", &format!("consistency-{from}-{to}"), text);
    }
}

fn consistency(from: u64, to: u64) -> ConsistencyProof {
    let mut prover = ConsistencyProver::new(from, to).expect("sizes");
    (0..to).for_each(|number| prover.push(leaf(number)));
    prover.finish().expect("all leaves")
}

fn checkpoints() {
    let mut tree = MerkleAccumulator::new();
    (0..100).for_each(|number| tree.push_leaf(leaf(number)));
    let origin = format!("althing/v1/{}/{}", "ab".repeat(32), "cd".repeat(32));
    let head = TreeHead {
        origin: origin.parse().expect("an origin"),
        tree: tree.tree_root(),
    };
    let mut checkpoint = Checkpoint::unsigned(head).expect("a size");
    write("checkpoint", "unsigned", checkpoint.to_string());
    // The form alone counts: nobody checks these signatures here.
    let witness = "\u{2014} witness.example/w AAAAAAAAAABkGFDLAQIDBA==\n";
    let node = format!(
        "\u{2014} did:pqaid:{} q80BAgAAAABkGFDLAQIDBA==\n",
        "ef".repeat(32)
    );
    for (name, lines) in [
        ("one-signature", node.clone()),
        ("two-signatures", format!("{node}{witness}")),
    ] {
        let text = format!("{checkpoint}{lines}");
        write("checkpoint", name, &text);
        checkpoint = Checkpoint::parse(text.as_bytes()).expect("a checkpoint");
        let request = SigningRequest {
            checkpoint: checkpoint.clone(),
            consistency: Some(consistency(37, 100)),
        };
        write(
            "checkpoint",
            &format!("request-{name}"),
            request.to_string(),
        );
        checkpoint = Checkpoint::unsigned(head).expect("a size");
    }
    let request = SigningRequest {
        checkpoint,
        consistency: None,
    };
    write("checkpoint", "request-first", request.to_string());
    write("checkpoint", "note", format!("Any text.\n\n{witness}"));
}

/// Receipts of beginnings of the ledger, as far as it goes on without signatures, and of all of that:
/// of a live grant and of one that is over, with and without a record of the state.
fn receipts(ledger: &str) {
    let is_record = |line: &&str| line.contains("\"operation\":\"checkpoint_recorded\"");
    let history: Vec<&str> = (ledger.split_inclusive('\n'))
        .take_while(|line| !is_record(line))
        .collect();
    for (name, entries, is_live, is_recorded) in [
        ("live", 13, true, true),
        ("early", 13, true, false),
        ("over", 23, false, true),
        ("whole", history.len(), true, true),
    ] {
        let kept = MemoryLedger::from_bytes(history[..entries].concat().into_bytes());
        let kept = kept.expect("whole batches");
        let mut node = Node::open_with(kept, Box::new(Unchecked)).expect("it replays");
        let at = node.state().clock();
        if is_recorded {
            let record = Command::RecordCheckpoint(None);
            node.submit(&record, at).expect("the state can be recorded");
        }
        let grants = node.state().authorizations();
        let mut of_the_kind = grants
            .iter()
            .map(|(id, _)| id)
            .filter(|id| (grants.status(*id, at) == Some(GrantStatus::Live)) == is_live);
        let grant = of_the_kind.next().expect("there is one");
        let checkpoint = signed(&node);
        let bytes = node.ledger().bytes();
        let receipt = Selection::read(bytes, grant, &checkpoint, &Unchecked)
            .and_then(|selection| selection.receipt(bytes, checkpoint))
            .expect("a receipt");
        let bytes = receipt.to_bytes().expect("it can be written");
        write("receipt", name, bytes);
    }
}

/// A checkpoint of all that there is, with signatures that only the unchecked take for some.
fn signed(node: &Node<MemoryLedger>) -> Checkpoint {
    let identity = node.state().identity();
    let origin = Origin {
        ledger: identity.ledger,
        genesis: identity.origin,
    };
    let head = TreeHead {
        origin,
        tree: node.merkle().tree_root(),
    };
    let mut checkpoint = Checkpoint::unsigned(head).expect("a size");
    for (signer, registered) in node.state().registry().active() {
        let cosignature = Cosignature {
            signer,
            posix_seconds: 7,
            signature: Signature::new(b"unchecked").expect("short enough"),
        };
        let added = checkpoint.sign(&cosignature, registered.key());
        added.expect("each node signs once");
    }
    checkpoint
}
