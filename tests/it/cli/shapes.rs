//! The JSON that programs rely on: the names and types of every member, against golden files.
//!
//! A golden file holds the shape of an answer: objects with the shapes of their members, arrays
//! with the distinct shapes of their items, and the names of types. After an intended change run
//! `ALTHING_BLESS=1 cargo test --test it cli::shapes` and look at the difference: a member that
//! is gone or has another type breaks programs.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::consensus::equivocation;
use super::harness::{FOUNDED, Ran, TRIAGE, World};

const HOUR: &str = "2026-01-01T01:00:00Z";

/// Names and types, without values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(number) if number.is_u64() => "integer".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(items) => {
            let mut shapes: Vec<Value> = Vec::new();
            for item in items.iter().map(shape) {
                if !shapes.contains(&item) {
                    shapes.push(item);
                }
            }
            // Lists that are in the order of random ids have no order to tell of.
            shapes.sort_by_key(Value::to_string);
            shapes.into()
        }
        Value::Object(members) => {
            let mut shapes = Map::new();
            for (name, value) in members {
                let constant = name == "schema" || name == "code";
                shapes.insert(
                    name.clone(),
                    if constant {
                        value.clone()
                    } else {
                        shape(value)
                    },
                );
            }
            shapes.into()
        }
    }
}

fn golden(name: &str, ran: &Ran) {
    let found = shape(&ran.json());
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/cli")
        .join(format!("{name}.json"));
    if std::env::var_os("ALTHING_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        fs::write(&path, text).unwrap();
        return;
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run with ALTHING_BLESS=1", path.display());
    });
    let expected: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        serde_json::to_string_pretty(&expected).unwrap(),
        serde_json::to_string_pretty(&found).unwrap(),
        "{name} changed its shape"
    );
}

#[test]
fn the_stable_answers_keep_their_shape() {
    let world = World::empty();
    golden("key-new", &world.run("key new ada --json").ok());
    for name in ["bea", "cid", "dan"] {
        world.run(&format!("key new {name}")).ok();
    }
    golden("key-list", &world.run("key list --json").ok());
    let founders = "--founder ada --founder bea --founder cid --founder dan";
    let init = format!("init --name g {founders} --now {FOUNDED} --json");
    golden("init", &world.run(&init).ok());

    let propose = format!(
        "propose authorize-model {TRIAGE} --title T --scope environment=prod \
         --scope max_rate_qps=5 --expires 2027-01-01T00:00:00Z --as ada --now {HOUR} --json"
    );
    let proposed = world.run(&propose).ok();
    golden("propose", &proposed);
    let granted = proposed.json()["proposal_id"].as_str().unwrap().to_owned();
    let vote = |proposal: &str, voter: &str, decision: &str| {
        world.run(&format!(
            "vote {proposal} {decision} --rationale R --as {voter} --now {HOUR} --json"
        ))
    };
    golden("vote", &vote(&granted, "ada", "approve").ok());
    golden("vote-again", &vote(&granted, "ada", "approve").ok());
    golden(
        "proposal-show",
        &world.run(&format!("proposal show {granted} --json")).ok(),
    );
    world.approve(&granted, &["bea", "cid"], HOUR);
    let check = format!("authorization check {TRIAGE} --kind model --now {HOUR} --json");
    golden(
        "authorization-check",
        &world
            .run(&format!("{check} --context environment=prod"))
            .ok(),
    );
    golden("authorization-check-denied", &world.run(&check).exits(3));

    let open = world.propose("authorize-agent did:example:agent", HOUR);
    vote(&open, "dan", "approve").ok();
    golden("refusal", &vote("nope", "ada", "approve").exits(3));
    golden(
        "refusal-already-signed",
        &vote(&open, "dan", "reject").exits(4),
    );
    let conflicting = format!("vote {open} reject --force --as dan --now {HOUR} --json");
    golden("refusal-equivocation", &world.run(&conflicting).exits(3));
    golden("refusal-usage", &world.run("vote --json").exits(2));

    let prediction = json!({"model": TRIAGE, "model_version": "1", "input": 1}).to_string();
    let record = format!("predict record --now {HOUR} --json");
    golden("predict", &world.run_with(&record, &prediction).ok());
    golden(
        "predict-malformed",
        &world
            .run_with(&record, format!("{prediction}\n{{}}"))
            .exits(2),
    );
    let ballot = world
        .run(&format!(
            "vote {open} approve --as ada --now {HOUR} --out -"
        ))
        .ok()
        .stdout;
    golden(
        "submit",
        &world
            .run_with(&format!("submit - --now {HOUR} --json"), ballot)
            .ok(),
    );

    for (name, line) in [
        ("proposal-list", "proposal list"),
        ("node-list", "node list"),
        ("node-show", "node show dan"),
        ("evidence-list", "evidence list"),
        ("evidence-show", "evidence show dan"),
        ("authorization-list", "authorization list"),
        ("replay", "replay"),
        ("verify", "verify"),
    ] {
        golden(
            name,
            &world.run(&format!("{line} --now {HOUR} --json")).ok(),
        );
    }
    let path = world.path("checkpoint.txt");
    for (name, line) in [
        (
            "checkpoint-create",
            format!("create --as ada --as bea -o {path}"),
        ),
        ("checkpoint-sign", format!("sign {path} --as cid")),
        ("checkpoint-show", format!("show {path}")),
        ("checkpoint-verify", format!("verify {path}")),
    ] {
        let line = format!("checkpoint {line} --now {HOUR} --json");
        golden(name, &world.run(&line).ok());
    }
    let list = world.run("authorization list --json").ok().json();
    let grant = list["authorizations"][0]["id"].as_str().unwrap();
    let receipt = world.path("receipt.json");
    let create = format!("receipt create {grant} --checkpoint {path} -o {receipt} --json");
    golden("receipt-create", &world.run(&create).ok());
    let verify = format!("receipt verify {receipt} --json");
    golden("receipt-verify", &world.run(&verify).exits(12));
    let zeros = "0".repeat(64);
    let other = world.run(&format!("{verify} --origin {zeros}"));
    golden("refusal-receipt", &other.exits(12));
    let other = world.copy();
    world.propose("authorize-agent did:example:one", HOUR);
    other.propose("authorize-agent did:example:two", HOUR);
    let (one, two) = (world.path("one.txt"), world.path("two.txt"));
    let signed = "checkpoint create --as cid -o";
    world.run(&format!("{signed} {one} --now {HOUR}")).ok();
    other.run(&format!("{signed} {two} --now {HOUR}")).ok();
    golden(
        "evidence-made",
        &world
            .run(&format!(
                "evidence checkpoints {one} {two} --now {HOUR} --json"
            ))
            .ok(),
    );
    golden(
        "evidence-checkpoints",
        &world.run("evidence show cid --json").ok(),
    );
    golden(
        "node-show-checkpoints",
        &world.run("node show cid --json").ok(),
    );
    let equivocation = equivocation(&world, "bea");
    let submitted = format!("submit {equivocation} --now {HOUR} --json");
    golden("submit-consensus", &world.run(&submitted).ok());
    golden(
        "evidence-consensus",
        &world.run("evidence show bea --json").ok(),
    );
    golden("snapshot-create", &world.run("snapshot create --json").ok());
    golden(
        "snapshot-inspect",
        &world.run("snapshot inspect --json").ok(),
    );
    fs::remove_dir_all(world.ledger().join("snapshots")).unwrap();
    let other = world.copy();
    world.propose("authorize-agent did:example:one", HOUR);
    other.propose("authorize-agent did:example:two", HOUR);
    let (one, two) = (world.ledger().display(), other.ledger().display());
    let diff = format!("diff {one} {two} --json");
    golden("explain", &world.run("verify --explain 3 --json").ok());
    golden("diff", &world.run(&diff).exits(13));
    let mut bytes = world.bytes();
    bytes.pop();
    fs::write(world.segment(), &bytes).unwrap();
    golden(
        "verify-torn",
        &world
            .run(&format!("verify --forget --now {HOUR} --json"))
            .ok(),
    );
    let import = format!("import {} --json", world.ledger().display());
    golden("import", &World::empty().run(&import).ok());
    let repaired = world.path("repaired");
    let repair = format!("repair --out {repaired} --json");
    golden("repair", &world.run(&repair).ok());
    golden("repair-exists", &world.run(&repair).exits(1));
    bytes[300] ^= 1;
    fs::write(world.segment(), &bytes).unwrap();
    golden(
        "verify-broken",
        &world.run(&format!("verify --now {HOUR} --json")).exits(10),
    );
    let nothing = format!("repair --out {} --json", world.path("nothing"));
    golden("repair-nothing", &world.run(&nothing).exits(10));
}
