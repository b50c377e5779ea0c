//! `althing checkpoint`: signing on one machine and on several, and what is refused.

use std::fs;

use althing::chain::checkpoint::Checkpoint;
use althing::governance::digest::Digest;
use althing::governance::id::NodeId;
use althing::governance::tree_head::TreeHead;
use althing::identity::KeyStore;
use serde_json::Value;

use super::harness::{FOUNDED, TRIAGE, World};

/// A group with one grant, and a checkpoint that the first three have signed.
fn signed() -> (World, String) {
    let world = World::founded();
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let path = world.path("checkpoint.txt");
    world
        .run(&format!(
            "checkpoint create --as ada --as bea --as cid -o {path} --now {FOUNDED}"
        ))
        .ok();
    (world, path)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap()
}

fn signatures(path: &str) -> usize {
    let checkpoint = Checkpoint::parse(read(path).as_bytes()).unwrap();
    checkpoint.note().signatures().len()
}

#[test]
fn a_checkpoint_covers_the_entry_that_records_the_state() {
    let world = World::founded();
    let before = world.lines().len() as u64;
    let created = world
        .run(&format!("checkpoint create --json --now {FOUNDED}"))
        .ok()
        .json();
    assert_eq!(created["size"], before + 1);
    assert_eq!(created["entries"], serde_json::json!([before + 1]));
    let verified = world.verify();
    assert_eq!(created["root"], verified["merkle_root"]);
    let line: Value = serde_json::from_str(world.lines().last().unwrap()).unwrap();
    assert_eq!(line["operation"], "checkpoint_recorded");
    assert_eq!(line["data"], created["recorded"]);
    let replayed = world.run(&format!("replay --json --at {before}")).ok();
    assert_eq!(line["data"]["state_hash"], replayed.json()["state_hash"]);
    // The note is what --json says it is.
    let text = created["checkpoint"].as_str().unwrap();
    let note = Checkpoint::parse(text.as_bytes()).unwrap();
    assert_eq!(note.head().tree.size, before + 1);
    // Recording nothing changes nothing.
    let fingerprint = world.fingerprint();
    let again = world.run("checkpoint create --no-record").ok();
    assert_eq!(again.stdout, text);
    assert_eq!(world.fingerprint(), fingerprint);
}

#[test]
fn more_than_two_thirds_make_a_checkpoint_believed() {
    let (world, path) = signed();
    let verified = world.run(&format!("checkpoint verify {path} --json")).ok();
    let verified = verified.json();
    assert_eq!(verified["believed"], true);
    assert_eq!(verified["signed_weight"], 3);
    assert_eq!(verified["active_weight"], 4);
    assert_eq!(verified["unknown_signatures"], 0);
    let names: Vec<_> = verified["signers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["ada", "bea", "cid"]);
    // Two of four are too few, and nobody is fewer.
    for signers in ["--as ada --as bea", ""] {
        let few = world.path("few.txt");
        let line = format!("checkpoint create --no-record {signers} -o {few}");
        world.run(&line).ok();
        let ran = world
            .run(&format!("checkpoint verify {few} --json"))
            .exits(12);
        assert_eq!(ran.json()["believed"], false);
    }
    // The checkpoint holds while the ledger grows.
    world.pass("authorize-agent did:example:agent", FOUNDED);
    world.run(&format!("checkpoint verify {path}")).ok();
}

#[test]
fn nodes_sign_one_after_the_other_with_the_ledger_at_hand() {
    let world = World::founded();
    let path = world.path("checkpoint.txt");
    world.run(&format!("checkpoint create -o {path}")).ok();
    for (number, name) in ["ada", "bea", "cid", "dan"].into_iter().enumerate() {
        assert_eq!(signatures(&path), number);
        world
            .run(&format!("checkpoint sign {path} --as {name}"))
            .ok();
    }
    let all = read(&path);
    // Signing again gives the very same bytes, at any time.
    let later = "--now 2031-01-01T00:00:00Z";
    world
        .run(&format!("checkpoint sign {path} --as ada {later}"))
        .ok();
    assert_eq!(read(&path), all);
    world.run(&format!("checkpoint verify {path}")).ok();
    let shown = world
        .run(&format!("checkpoint show {path} --json"))
        .ok()
        .json();
    assert_eq!(shown["signatures"].as_array().unwrap().len(), 4);
}

#[test]
fn a_node_without_the_ledger_signs_what_is_shown_to_continue_its_last() {
    let world = World::founded();
    let (first, second) = (world.path("first.txt"), world.path("second.txt"));
    world
        .run(&format!("checkpoint create -o {first} --now {FOUNDED}"))
        .ok();
    let sign = |path: &str, options: &str| {
        world.run(&format!(
            "checkpoint sign {path} --as ada --no-ledger --json {options} -o {path}.signed"
        ))
    };
    let size = sign(&first, "").ok().json()["size"].as_u64().unwrap();
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    world.run(&format!("checkpoint create -o {second}")).ok();
    sign(&second, "").fails(12, "checkpoint.no-consistency");
    let request = world.path("request.txt");
    for old in [0, 1, size - 1, size + 1] {
        let line = format!("checkpoint create --no-record --old {old} -o {request}");
        world.run(&line).ok();
        sign(&request, "").fails(12, "checkpoint.no-consistency");
    }
    let line = format!("checkpoint create --no-record --old {size} -o {request}");
    world.run(&line).ok();
    let body = read(&request);
    assert!(body.starts_with(&format!("old {size}\n")));
    // A proof that was changed on the way shows nothing.
    let proof = body.lines().nth(1).unwrap();
    let other = if proof.starts_with('A') { "B" } else { "A" };
    let changed = world.file(
        "changed.txt",
        body.replacen(proof, &format!("{other}{}", &proof[1..]), 1),
    );
    sign(&changed, "").fails(12, "checkpoint.no-consistency");
    sign(&request, "").ok();
    assert_eq!(signatures(&format!("{request}.signed")), 1);
    // The smaller one is behind it now.
    sign(&first, "").fails(4, "already-signed");
    world
        .run(&format!("checkpoint sign {first} --as ada --json"))
        .fails(4, "already-signed");
    let whole = format!("checkpoint create --no-record --old {} --json", size + 100);
    world.run(&whole).fails(2, "checkpoint.old-size");
}

#[test]
fn nobody_signs_two_histories() {
    let (world, path) = signed();
    // The same group at the same point, which goes another way.
    let other = world.copy();
    other.pass("authorize-agent did:example:one", FOUNDED);
    world.pass("authorize-agent did:example:two", FOUNDED);
    let (one, two) = (world.path("one.txt"), world.path("two.txt"));
    other.run(&format!("checkpoint create -o {one}")).ok();
    world
        .run(&format!("checkpoint create --as ada -o {two}"))
        .ok();
    // One more entry, so that neither size nor root fit.
    world
        .run(&format!("checkpoint sign {one} --as bea --json"))
        .fails(12, "checkpoint.inconsistent");
    world
        .run(&format!("checkpoint verify {one} --json"))
        .fails(12, "checkpoint.inconsistent");
    world
        .run(&format!(
            "checkpoint sign {one} --as ada --no-ledger --json"
        ))
        .fails(4, "already-signed");
    other.run(&format!("checkpoint verify {path}")).ok();
    // Another ledger.
    let stranger = World::founded();
    stranger
        .run(&format!("checkpoint verify {path} --json"))
        .fails(12, "checkpoint.other-ledger");
    stranger
        .run(&format!("checkpoint sign {path} --as ada --json"))
        .fails(12, "checkpoint.other-ledger");
}

#[test]
fn every_ledger_cut_below_a_checkpoint_is_found_out() {
    let (world, path) = signed();
    let whole = world.bytes();
    let lines = world.lines();
    let ends = lines.iter().scan(0, |end, line| {
        *end += line.len() + 1;
        Some((*end, line.contains(",\"batch\":[1,1],")))
    });
    let mut cuts = 0;
    for (end, _) in ends.collect::<Vec<_>>() {
        if end == whole.len() {
            break;
        }
        fs::write(world.segment(), &whole[..end]).unwrap();
        let ran = world.run(&format!("checkpoint verify {path} --json"));
        // Within a batch the end is torn or damaged besides.
        assert!(matches!(ran.code, Some(1 | 10 | 12)), "{ran:?}");
        if ran.code == Some(12) {
            ran.fails(12, "checkpoint.truncated");
            cuts += 1;
        }
    }
    assert!(cuts >= 4, "{cuts}");
    fs::write(world.segment(), &whole).unwrap();
    world.run(&format!("checkpoint verify {path}")).ok();
}

#[test]
fn a_changed_checkpoint_is_refused() {
    let (world, path) = signed();
    let text = read(&path);
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from));
        world.file("changed.txt", text.replacen(from, to, 1))
    };
    let lines: Vec<&str> = text.lines().collect();
    let verify = |path: &str| world.run(&format!("checkpoint verify {path} --json"));
    // A signature of somebody who is registered, with one character changed.
    let signature = lines[4];
    let place = signature.len() - 9;
    let other = if &signature[place..=place] == "A" {
        "B"
    } else {
        "A"
    };
    let forged = format!("{}{other}{}", &signature[..place], &signature[place + 1..]);
    verify(&changed(signature, &forged)).fails(11, "checkpoint.signature");
    let size = format!("\n{}\n", lines[1]);
    let fewer = format!("\n{}\n", lines[1].parse::<u64>().unwrap() - 1);
    verify(&changed(&size, &fewer)).fails(12, "checkpoint.inconsistent");
    verify(&changed(&size, "\n999\n")).fails(12, "checkpoint.truncated");
    verify(&changed("althing/v1/", "althing/v2/")).fails(1, "checkpoint.malformed");
    verify(&changed("\n\n", "\n")).fails(1, "checkpoint.malformed");
    let twice = world.file("twice.txt", format!("{text}{signature}\n"));
    verify(&twice).fails(1, "checkpoint.malformed");
    verify(&world.path("nowhere.txt")).fails(1, "file.io");
    let witness = world.file(
        "witness.txt",
        format!("{text}— witness.example/w AAAAAAA=\n"),
    );
    let verified = verify(&witness).ok().json();
    assert_eq!(verified["unknown_signatures"], 1);
}

#[test]
fn only_active_nodes_sign() {
    let (world, path) = signed();
    world.run("key new mallory").ok();
    for line in [
        format!("checkpoint sign {path} --as mallory --json"),
        "checkpoint create --as mallory --json".to_owned(),
    ] {
        let fingerprint = world.fingerprint();
        world.run(&line).fails(3, "node.unknown");
        assert_eq!(world.fingerprint(), fingerprint);
    }
    world
        .run("checkpoint create --as nobody --json")
        .fails(4, "key.not-found");
    world.pass("remove-node dan", FOUNDED);
    world
        .run(&format!("checkpoint sign {path} --as dan --json"))
        .fails(3, "node.not-active");
}

/// Signs a tree head with a key of a test's world, past the journal.
fn signed_past_the_journal(world: &World, name: &str, head: &TreeHead) -> (NodeId, Value) {
    let store = KeyStore::new(world.keys().to_owned());
    let key = store.load(name, || Ok(None)).unwrap();
    let node = key.node_id();
    let signature = key.sign_message(&head.message(node, 7)).unwrap();
    let signed = serde_json::json!({
        "posix_seconds": 7, "root": head.tree.root, "signature": signature, "size": head.tree.size,
    });
    (node, signed)
}

#[test]
fn contradicting_checkpoints_are_evidence_that_anybody_submits() {
    let (world, path) = signed();
    let head = *Checkpoint::parse(read(&path).as_bytes()).unwrap().head();
    let (node, one) = signed_past_the_journal(&world, "dan", &head);
    let mut other = head;
    other.tree.root = Digest::of(b"another history");
    let (_, other) = signed_past_the_journal(&world, "dan", &other);
    let evidence = serde_json::json!({
        "type": "althing/contradicting-checkpoints/v1",
        "checkpoints": {"first": one, "second": other, "node": node, "origin": head.origin},
    });
    let file = world.file("evidence.json", evidence.to_string());
    let submitted = world
        .run(&format!("submit {file} --json --now {FOUNDED}"))
        .ok()
        .json();
    assert_eq!(submitted["results"][0]["recorded"], true);
    let shown = world.run("node show dan --json").ok().json();
    assert_eq!(shown["status"], "suspended");
    let list = world.run("evidence list --json").ok().json();
    assert_eq!(list["evidence"][0]["proposal_id"], Value::Null);
    let copy = world.path("copy.json");
    world.run(&format!("evidence show dan --out {copy}")).ok();
    let again = world
        .run(&format!("submit {copy} --json --now {FOUNDED}"))
        .ok()
        .json();
    assert_eq!(again["results"][0]["recorded"], false);
    world.run("evidence show dan").ok();
    world.run("evidence list").ok();
    world.run("log").ok();
    world.verify();
    // A suspended node's signature counts for nothing, and it gives no further ones.
    let ran = world.run(&format!("checkpoint sign {path} --as dan --json"));
    ran.fails(3, "node.not-active");
}

/// A ledger, and a copy of it at the time when it was founded that went another way. Both signed
/// `size` entries, `dan` both times.
struct Split {
    here: World,
    there: World,
    /// A checkpoint of the one, of as many entries of the other, and of one more.
    mine: String,
    theirs: String,
    larger: String,
}

fn split() -> Split {
    let here = World::founded();
    let there = here.copy();
    here.pass("authorize-agent did:example:one", FOUNDED);
    there.pass("authorize-agent did:example:two", FOUNDED);
    let create = |world: &World, signers: &str, path: &str| {
        let line = format!("checkpoint create {signers} -o {path} --now {FOUNDED}");
        world.run(&line).ok();
    };
    let (mine, theirs) = (here.path("mine.txt"), here.path("theirs.txt"));
    create(&here, "--as ada --as dan", &mine);
    create(&there, "--as bea --as dan", &theirs);
    there.pass("authorize-agent did:example:three", FOUNDED);
    let larger = here.path("larger.txt");
    create(&there, "--as dan", &larger);
    Split {
        here,
        there,
        mine,
        theirs,
        larger,
    }
}

fn message_of(answer: &Value, part: &str) -> String {
    let text = answer["error"][part].as_str();
    text.unwrap_or_else(|| panic!("{part}: {answer}"))
        .to_owned()
}

#[test]
fn a_split_view_becomes_evidence_on_a_third_machine() {
    let split = split();
    // A third machine has a copy of the one history and both checkpoints, and no keys.
    let third = split.here.copy();
    fs::remove_dir_all(third.keys()).unwrap();
    let met = third.run(&format!("checkpoint verify {} --json", split.theirs));
    let hint = message_of(&met.fails(12, "checkpoint.inconsistent"), "hint");
    assert!(hint.contains("signed by bea, dan"), "{hint}");
    assert!(hint.contains("althing evidence checkpoints"), "{hint}");
    let met = third.run(&format!("verify --checkpoint {} --json", split.theirs));
    let report = met.exits(12).json();
    let hint = report["problems"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("althing evidence checkpoints"), "{hint}");
    let (mine, theirs) = (&split.mine, &split.theirs);
    let file = third.path("evidence.json");
    let made = format!("evidence checkpoints {mine} {theirs}");
    let fingerprint = third.fingerprint();
    third.run(&format!("{made} --out {file}")).ok();
    assert_eq!(third.fingerprint(), fingerprint);
    // The order of the two makes no difference.
    let turned = format!("evidence checkpoints {theirs} {mine} --out -");
    assert_eq!(third.run(&turned).ok().stdout, read(&file));
    // It is recorded in both histories: here from the file, there from the checkpoints.
    for world in [&split.here, &split.there] {
        let line = format!("submit {file} --json --now {FOUNDED}");
        let submitted = world.run(&line).ok().json();
        assert_eq!(submitted["results"][0]["recorded"], true);
        let shown = world.run("node show dan --json").ok().json();
        assert_eq!(shown["status"], "suspended");
        let list = world.run("evidence list --json").ok().json();
        let entry = &list["evidence"][0]["seq"];
        assert_eq!(
            shown["contradicting_checkpoints"],
            serde_json::json!([entry])
        );
        let text = world.run("node show dan").ok().stdout;
        assert!(
            text.contains(&format!("contradicting checkpoints, entry {entry}")),
            "{text}"
        );
        for name in ["ada", "bea"] {
            let shown = world.run(&format!("node show {name} --json")).ok().json();
            assert_eq!(shown["status"], "active");
        }
        world.verify();
    }
    let again = third
        .run(&format!("{made} --json --now {FOUNDED}"))
        .ok()
        .json();
    let made_here = &again["evidence"][0];
    assert_eq!(
        (&made_here["name"], &made_here["recorded"]),
        (&"dan".into(), &true.into())
    );
    assert_eq!(made_here["suspended"], true);
    let again = third
        .run(&format!("{made} --json --now {FOUNDED}"))
        .ok()
        .json();
    assert_eq!(again["evidence"][0]["recorded"], false);
    assert_eq!(again["evidence"][0]["entries"], serde_json::json!([]));
}

#[test]
fn checkpoints_of_different_sizes_need_what_the_larger_tree_began_with() {
    let split = split();
    let Split {
        here,
        there,
        mine,
        larger,
        ..
    } = &split;
    let made = format!("evidence checkpoints {mine} {larger} --out - --json");
    let hint = message_of(&here.run(&made).fails(12, "evidence.no-proof"), "hint");
    assert!(hint.contains("--other-ledger"), "{hint}");
    // This ledger again is no other one, and a torn copy may be one all the same.
    let own = here.ledger().display();
    here.run(&format!("{made} --other-ledger {own}"))
        .fails(12, "evidence.no-proof");
    let other = there.ledger().display();
    let from_copy = here
        .run(&format!("{made} --other-ledger {other}"))
        .ok()
        .stdout;
    assert!(
        from_copy.contains("\"divergence\":{\"path\":["),
        "{from_copy}"
    );
    assert_eq!(there.run(&made).ok().stdout, from_copy);
    here.run(&format!("{made} --other-ledger {}", here.path("nowhere")))
        .fails(1, "ledger.not-found");
    let line =
        format!("evidence checkpoints {mine} {larger} --other-ledger {other} --now {FOUNDED}");
    let text = here.run(&line).ok().stdout;
    assert!(text.contains("dan") && text.contains("yes"), "{text}");
    let shown = here.run("evidence show dan").ok().stdout;
    assert!(shown.contains("the second began with"), "{shown}");
    here.verify();
}

#[test]
fn what_does_not_contradict_is_no_evidence() {
    let split = split();
    let Split {
        here,
        there,
        mine,
        theirs,
        larger,
    } = &split;
    let made = |one: &str, other: &str| format!("evidence checkpoints {one} {other} --json");
    let fingerprints = (here.fingerprint(), there.fingerprint());
    // The same one twice, and honest growth.
    here.run(&made(mine, mine))
        .fails(3, "evidence.not-contradictory");
    there
        .run(&made(theirs, larger))
        .fails(3, "evidence.not-contradictory");
    here.run(&format!(
        "{} --other-ledger {}",
        made(larger, theirs),
        there.ledger().display()
    ))
    .fails(3, "evidence.not-contradictory");
    // Nobody in question signed both.
    for name in ["ada", "bea", "cid"] {
        here.run(&format!("{} --node {name}", made(mine, theirs)))
            .fails(3, "evidence.no-common-signer");
    }
    here.run(&format!("{} --node nobody", made(mine, theirs)))
        .fails(3, "node.unknown");
    let unsigned = here.path("unsigned.txt");
    here.run(&format!("checkpoint create --no-record -o {unsigned}"))
        .ok();
    here.run(&made(&unsigned, theirs))
        .fails(3, "evidence.no-common-signer");
    // A signature that was moved from another checkpoint is none.
    let text = read(larger);
    let line = text.lines().last().unwrap();
    let moved = here.file("moved.txt", format!("{}{line}\n", read(&unsigned)));
    here.run(&made(&moved, theirs))
        .fails(3, "evidence.no-common-signer");
    let stranger = World::founded();
    stranger
        .run(&made(mine, theirs))
        .fails(3, "statement.wrong-ledger");
    here.run(&made(mine, &here.path("nowhere.txt")))
        .fails(1, "file.io");
    assert_eq!((here.fingerprint(), there.fingerprint()), fingerprints);
}

#[test]
fn a_rotated_key_signs_what_its_former_key_could_have_signed() {
    let split = split();
    let Split {
        here,
        theirs,
        larger,
        ..
    } = &split;
    here.run("key new dan-2").ok();
    let rotate = format!("rotate-key dan-2 --as dan --now {FOUNDED}");
    let voted = here.propose("authorize-agent did:example:voted", FOUNDED);
    let vote = |decision: &str, name: &str| {
        let line = format!("vote {voted} {decision} --as {name} --out - --json --now {FOUNDED}");
        here.run(&line)
    };
    vote("approve", "dan").ok();
    here.run(&rotate).ok();
    // The former key's ballot never left; the new key gives no other one.
    vote("reject", "dan-2").fails(4, "already-signed");
    vote("approve", "dan-2").ok();
    let node = here.run("node show dan --json").ok().json()["did"].clone();
    let node = node.as_str().unwrap();
    for path in [theirs, larger] {
        let ran = here.run(&format!(
            "checkpoint sign {path} --as dan-2 --node {node} --no-ledger --json -o -"
        ));
        let code = ran.json()["error"]["code"].clone();
        assert!(
            code == "already-signed" || code == "checkpoint.no-consistency",
            "{code}"
        );
    }
    // What continues the former key's last checkpoint is signed.
    let path = here.path("next.txt");
    here.run(&format!(
        "checkpoint create --as dan-2 -o {path} --now {FOUNDED}"
    ))
    .ok();
    // With the ledger put back below it, it is not.
    let lines = here.lines();
    let ends: Vec<usize> = (1..lines.len())
        .filter(|end| lines[end - 1].contains(",\"batch\":[1,1],"))
        .collect();
    let back = here.copy();
    let kept = ends[ends.len() - 1];
    fs::write(back.segment(), lines[..kept].join("\n") + "\n").unwrap();
    back.run("verify --forget").ok();
    let line = format!("checkpoint create --no-record --as dan-2 -o {path} --json");
    back.run(&line).fails(4, "already-signed");
}
