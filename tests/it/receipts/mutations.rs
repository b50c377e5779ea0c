//! Every change of a receipt is noticed, by name.

use std::collections::BTreeMap;

use althing::chain::line::Line;
use althing::chain::merkle::{LeafHash, WholeTree};
use althing::chain::receipt::{LivePath, MAX_PATH, Receipt, ReceiptEntry};
use althing::governance::digest::Digest;
use althing::governance::event::Event;
use althing::governance::id::ProposalId;
use althing::governance::tree_head::TreeHead;
use althing::replay::receipt::{Basis, Liveness, Trust};
use althing::testing::{Assembly, Book, StandInVerifier, actions};
use serde_json::{Value, json};

use super::{eventful, eventful_receipt, head, origin, recorded, select, signed_by};

/// The code with which bytes are refused; none where they are believed.
fn code(bytes: &[u8], trust: &Trust) -> Option<&'static str> {
    match Receipt::parse(bytes) {
        Err(_) => Some("receipt.malformed"),
        Ok(receipt) => refused(&receipt, trust),
    }
}

fn refused(receipt: &Receipt, trust: &Trust) -> Option<&'static str> {
    let verdict = receipt.verify(trust, &StandInVerifier);
    verdict.err().map(|error| error.code())
}

/// The places of all leaves of a value.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                leaves(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{at}/{index}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// Another value of the same type: of a text, the first, a middle or the last character.
fn other(value: &Value, place: usize) -> Value {
    match value {
        Value::Bool(it) => json!(!it),
        Value::Number(it) => json!(it.as_u64().unwrap() + 1),
        Value::String(it) if it.is_empty() => json!("x"),
        Value::String(it) => {
            let mut characters: Vec<char> = it.chars().collect();
            let at = place * (characters.len() - 1) / 2;
            characters[at] = if characters[at] == '2' { '3' } else { '2' };
            json!(characters.into_iter().collect::<String>())
        }
        other => panic!("{other} in a receipt"),
    }
}

fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap()
}

#[test]
fn the_receipt_itself_is_believed() {
    let (assembly, receipt) = eventful_receipt();
    let verdict = receipt
        .verify(&origin(&assembly), &StandInVerifier)
        .unwrap();
    assert_eq!(
        verdict.basis,
        Some(Basis::Registry {
            signed: 3,
            total: 4
        })
    );
    assert_eq!(verdict.liveness, Liveness::AuthorizedAsOf(assembly.now()));
    // Of 45 entries or so it leaves out those of no importance.
    let operations: Vec<_> = receipt
        .entries
        .iter()
        .map(|it| {
            Line::decode(it.line.as_bytes())
                .unwrap()
                .operation
                .to_owned()
        })
        .collect();
    assert!(!operations.contains(&"prediction_recorded".to_owned()));
    assert!(receipt.entries.len() as u64 + 5 < assembly.state().entries());
    assert!(
        !receipt
            .entries
            .iter()
            .any(|it| it.line.contains("urn:model:other"))
    );
}

#[test]
fn every_changed_member_is_noticed() {
    let (assembly, receipt) = eventful_receipt();
    let trust = origin(&assembly);
    let bytes = receipt.to_bytes().unwrap();
    assert_eq!(code(&bytes, &trust), None);
    let whole: Value = serde_json::from_slice(&bytes).unwrap();
    let mut places = Vec::new();
    leaves(&whole, "", &mut places);
    assert!(places.len() > 100);
    // All hashes of a path are alike: the first of each has to do.
    places.retain(|at| !at.contains("/path/") || at.ends_with("/path/0"));
    for (number, at) in places.iter().enumerate() {
        {
            let place = number % 3;
            let mut changed = whole.clone();
            let leaf = changed.pointer_mut(at).unwrap();
            *leaf = other(leaf, place);
            let bytes = canonical(&changed) + "\n";
            let found = code(bytes.as_bytes(), &trust);
            assert!(found.is_some(), "{at} at {place} may be changed");
            let names: &[_] = match at.split('/').nth(1).unwrap() {
                "format" => &["receipt.malformed"],
                "grant" => &["receipt.malformed", "receipt.no-grant"],
                "live" => &["receipt.liveness"],
                "entries" if at.ends_with("/line") => {
                    &["chain.hash", "line.malformed", "line.version"]
                }
                "entries" => &["receipt.inclusion"],
                _ => &[
                    "receipt.malformed",
                    "receipt.inclusion",
                    "receipt.other-ledger",
                    "receipt.too-few-signatures",
                    "checkpoint.signature",
                ],
            };
            let found = found.unwrap();
            let is_path = at.contains("/path/") && found == "receipt.malformed";
            assert!(
                is_path || names.contains(&found),
                "{at} at {place}: {found}"
            );
        }
        // A member that is gone, or of another type.
        let mut changed = whole.clone();
        *changed.pointer_mut(at).unwrap() = Value::Null;
        let bytes = canonical(&changed) + "\n";
        assert_eq!(
            code(bytes.as_bytes(), &trust),
            Some("receipt.malformed"),
            "{at}"
        );
    }
}

/// A line with its hash made good again.
fn rehashed(line: &str) -> String {
    let covered = &line[..line.len() - 81];
    format!(
        "{covered},\"entry_hash\":\"{}\"}}",
        Digest::of(covered.as_bytes())
    )
}

#[test]
fn a_line_that_is_changed_and_hashed_again_is_not_in_the_tree() {
    let (assembly, receipt) = eventful_receipt();
    let trust = origin(&assembly);
    let mut seen = BTreeMap::new();
    for (number, entry) in receipt.entries.iter().enumerate() {
        let line: Value = serde_json::from_str(&entry.line).unwrap();
        let mut places = Vec::new();
        leaves(&line, "", &mut places);
        for at in places.iter().filter(|at| *at != "/entry_hash") {
            let value = line.pointer(at).unwrap();
            if value.is_null() {
                continue;
            }
            let (old, new) = (value.to_string(), other(value, 1).to_string());
            // The member's key keeps other places of the same value out of it.
            let key = at.rsplit('/').next().unwrap();
            let (old, new) = match key.parse::<usize>() {
                Ok(_) => (old, new),
                Err(_) => (format!("\"{key}\":{old}"), format!("\"{key}\":{new}")),
            };
            let text = entry.line.replacen(&old, &new, 1);
            if text == entry.line {
                continue;
            }
            let mut changed = receipt.clone();
            changed.entries[number].line = rehashed(&text);
            let found = refused(&changed, &trust).expect("a forged line is refused");
            *seen.entry(found).or_insert(0) += 1;
        }
    }
    let forms = [
        "line.malformed",
        "line.data",
        "line.version",
        "receipt.order",
    ];
    let inclusion = seen.get("receipt.inclusion").copied().unwrap_or(0);
    assert!(inclusion > 300, "{seen:?}");
    seen.remove("receipt.inclusion");
    assert!(seen.keys().all(|found| forms.contains(found)), "{seen:?}");
}

#[test]
fn no_entry_can_be_left_out_put_twice_or_moved() {
    let (assembly, receipt) = eventful_receipt();
    let trust = origin(&assembly);
    let with = |entries: Vec<ReceiptEntry>| {
        let changed = Receipt {
            entries,
            ..receipt.clone()
        };
        refused(&changed, &trust)
    };
    let (count, mut unnoticed) = (receipt.entries.len(), Vec::new());
    for at in 0..count {
        let mut dropped = receipt.entries.clone();
        let line = dropped.remove(at).line;
        if with(dropped).is_none() {
            unnoticed.push(line);
        }
        let mut twice = receipt.entries.clone();
        twice.insert(at, twice[at].clone());
        assert_eq!(with(twice), Some("receipt.order"));
        let mut swapped = receipt.entries.clone();
        let next = (at + 1) % count;
        swapped.swap(at, next);
        assert_eq!(with(swapped), Some("receipt.order"), "{at}");
        let mut proofs = receipt.entries.clone();
        let (one, other) = (proofs[at].path.clone(), proofs[next].path.clone());
        (proofs[at].path, proofs[next].path) = (other, one);
        assert_eq!(with(proofs), Some("receipt.inclusion"), "{at}");
    }
    assert_eq!(with(Vec::new()), Some("replay.genesis"));
    // Evidence needs the proposal that it is about, but no ballot there: it holds both itself.
    let [ballot] = unnoticed.as_slice() else {
        panic!("not needed: {unnoticed:?}");
    };
    let open = format!("{:?}", actions::authorize_model("open"));
    assert!(ballot.contains(&proposal(&assembly, &open).to_string()));
}

/// Which entries are left out.
type Choice = Box<dyn Fn(u64, &Event) -> bool>;

/// The receipt without the entries for which `out` holds.
fn without(receipt: &Receipt, out: impl Fn(u64, &Event) -> bool) -> Receipt {
    let mut changed = receipt.clone();
    changed.entries.retain(|entry| {
        let line = Line::decode(entry.line.as_bytes()).unwrap();
        !out(line.seq, &Event::decode(line.operation, line.data).unwrap())
    });
    assert!(changed.entries.len() < receipt.entries.len());
    changed
}

fn is_about(event: &Event, proposal: ProposalId) -> bool {
    let data = event.data().unwrap();
    data.get().contains(&proposal.to_string())
}

/// The proposals of an eventful history, by what they are about.
fn proposal(assembly: &Assembly, title: &str) -> ProposalId {
    let mut proposals = assembly.state().proposals().iter();
    let found = proposals.find(|it| format!("{:?}", it.content().action).starts_with(title));
    found.unwrap().id()
}

#[test]
fn what_is_left_out_in_whole_is_missed() {
    let (assembly, receipt) = eventful_receipt();
    let trust = origin(&assembly);
    let newcomer = proposal(&assembly, "AddNode");
    let parent = proposal(&assembly, "AuthorizeAgent");
    let table: [(&str, Choice, &str); 7] = [
        (
            "a newcomer behind the grant",
            Box::new(move |_, event| is_about(event, newcomer)),
            "receipt.registry-unproven",
        ),
        (
            "evidence and a suspension behind the grant",
            Box::new(|_, event| matches!(event, Event::ByzantineDetected(_))),
            "receipt.registry-unproven",
        ),
        (
            "a rotation before the grant",
            Box::new(|_, event| matches!(event, Event::KeyRotated(_))),
            "replay.divergence",
        ),
        (
            "the parent of a delegation",
            Box::new(move |seq, event| {
                seq < 20
                    && is_about(event, parent)
                    && !matches!(event, Event::ProposalCreated(it) if it.statement.content().proposal_id != parent)
            }),
            "delegation.invalid",
        ),
        (
            "a ballot",
            Box::new(
                |_, event| matches!(event, Event::VoteCast(it) if it.content().decision == althing::governance::ballot::Decision::Reject),
            ),
            "replay.divergence",
        ),
        (
            "the record of the state",
            Box::new(|_, event| matches!(event, Event::CheckpointRecorded(_))),
            "receipt.liveness",
        ),
        (
            "the founding",
            Box::new(|seq, _| seq <= 5),
            "replay.genesis",
        ),
    ];
    for (what, out, expected) in table {
        let changed = without(&receipt, out);
        assert_eq!(refused(&changed, &trust), Some(expected), "{what}");
    }
    // Without the record, and without the claim to liveness: who sits in the group is not shown.
    let mut changed = without(&receipt, |_, event| {
        matches!(event, Event::CheckpointRecorded(_))
    });
    changed.live = None;
    assert_eq!(refused(&changed, &trust), Some("receipt.registry-unproven"));
    // Without the claim alone, the decision stands, and nothing is said of the present.
    let mut changed = receipt.clone();
    changed.live = None;
    let verdict = changed.verify(&trust, &StandInVerifier).unwrap();
    assert_eq!(verdict.liveness, Liveness::NotShown(None));
}

#[test]
fn parts_of_other_receipts_do_not_fit() {
    let (mut assembly, receipt) = eventful_receipt();
    let trust = origin(&assembly);
    // Another ledger's checkpoint, entries, and pin.
    let mut foreign = Assembly::of(&[1, 1, 2]);
    let grant = foreign.pass(0..3, actions::authorize_model("triage"));
    let checkpoint = recorded(&mut foreign);
    let foreign_receipt = select(&foreign, grant, checkpoint);
    assert_eq!(refused(&foreign_receipt, &origin(&foreign)), None);
    assert_eq!(
        refused(&foreign_receipt, &trust),
        Some("receipt.other-ledger")
    );
    let mut changed = receipt.clone();
    changed.checkpoint = foreign_receipt.checkpoint.clone();
    assert_eq!(
        refused(&changed, &origin(&foreign)),
        Some("receipt.inclusion")
    );
    // The same tree under another ledger's name.
    let claimed = TreeHead {
        origin: foreign_receipt.checkpoint.head().origin,
        ..*receipt.checkpoint.head()
    };
    changed.checkpoint = signed_by(&assembly, claimed, [0, 1, 2].map(|it| assembly.id(it)));
    assert_eq!(
        refused(&changed, &origin(&foreign)),
        Some("receipt.other-ledger")
    );
    // Another grant: of another proposal among the entries, and of none.
    let mut changed = receipt.clone();
    changed.grant = proposal(&assembly, "AuthorizeAgent");
    assert_eq!(refused(&changed, &trust), Some("receipt.liveness"));
    changed.grant = proposal(&assembly, "AuthorizeModel");
    assert_eq!(refused(&changed, &trust), Some("receipt.no-grant"));
    // A later checkpoint has other proofs; an older one does not reach far enough.
    let later = recorded(&mut assembly);
    let mut changed = receipt.clone();
    changed.checkpoint = later;
    assert_eq!(refused(&changed, &trust), Some("receipt.inclusion"));
    // A path longer than any, an index of another leaf.
    let mut changed = receipt.clone();
    changed.entries[3].path = vec![Digest::ZERO; MAX_PATH + 1];
    assert_eq!(refused(&changed, &trust), Some("receipt.inclusion"));
    assert!(changed.to_bytes().is_err());
    let mut changed = receipt;
    let live = changed.live.clone().unwrap();
    for index in [live.index + 1, u64::MAX] {
        changed.live = Some(LivePath {
            index,
            ..live.clone()
        });
        assert_eq!(refused(&changed, &trust), Some("receipt.liveness"));
    }
}

/// The receipt that a whole group forges: other entries, and everybody's signature under them.
fn conspiracy(assembly: &Assembly, receipt: &Receipt, bytes: &[u8]) -> Receipt {
    let lines: Vec<&str> = std::str::from_utf8(bytes).unwrap().lines().collect();
    let decode = |line: &&str| Line::decode(line.as_bytes()).unwrap().entry_hash;
    let tree = WholeTree::over(lines.iter().map(|line| LeafHash::of_entry(&decode(line))));
    let claimed = TreeHead {
        tree: tree.tree_root(),
        ..head(assembly)
    };
    let wanted: Vec<u64> = receipt
        .entries
        .iter()
        .map(|it| Line::decode(it.line.as_bytes()).unwrap().seq)
        .collect();
    let entry = |(line, seq): (&&str, u64)| ReceiptEntry {
        line: (*line).to_owned(),
        path: tree.prove(seq - 1).unwrap().path().to_vec(),
    };
    Receipt {
        checkpoint: signed_by(assembly, claimed, [0, 1, 2].map(|it| assembly.id(it))),
        entries: (lines.iter().zip(1..))
            .filter(|(_, seq)| wanted.contains(seq))
            .map(entry)
            .collect(),
        ..receipt.clone()
    }
}

/// What the rules refuse stays refused, whoever signs the checkpoint.
#[test]
fn a_signed_checkpoint_makes_no_forgery_legal() {
    let (assembly, receipt) = eventful_receipt();
    let trust = origin(&assembly);
    let book = Book::read(assembly.bytes());
    let same = conspiracy(&assembly, &receipt, &book.write());
    assert_eq!(same, receipt);
    type Forge = fn(&mut Book);
    let forgeries: [(&str, Forge, &str); 7] = [
        (
            "a ballot turned around",
            |book| {
                let other = book.seq("vote_cast", 7);
                let stolen = book.event(other).clone();
                book.change("vote_cast", 6, |event| {
                    let (Event::VoteCast(ballot), Event::VoteCast(stolen)) = (event, stolen) else {
                        panic!("two ballots");
                    };
                    ballot.signature = stolen.signature;
                });
            },
            "ballot.signature",
        ),
        (
            "a wider scope than was proposed",
            |book| {
                book.change("authorization_granted", 2, |event| {
                    let Event::AuthorizationGranted(granted) = event else {
                        panic!("a grant");
                    };
                    granted.terms.subject = actions::agent("c");
                });
            },
            "replay.divergence",
        ),
        (
            "more weight than there was",
            |book| {
                book.change("consensus_reached", 2, |event| {
                    let Event::ConsensusReached(consensus) = event else {
                        panic!("a decision");
                    };
                    std::mem::swap(&mut consensus.approve_weight, &mut consensus.reject_weight);
                });
            },
            "replay.divergence",
        ),
        (
            "another electorate",
            |book| {
                book.change("proposal_created", 2, |event| {
                    let Event::ProposalCreated(created) = event else {
                        panic!("a proposal");
                    };
                    created.epoch += 1;
                });
            },
            "replay.divergence",
        ),
        (
            "another registry",
            |book| {
                book.change("checkpoint_recorded", 0, |event| {
                    let Event::CheckpointRecorded(recorded) = event else {
                        panic!("a record");
                    };
                    recorded.registry_hash = Digest::ZERO;
                });
            },
            "receipt.registry-unproven",
        ),
        (
            "a record of the state behind something else in its batch",
            |book| {
                let seq = book.seq("checkpoint_recorded", 0);
                let recorded = book.event(seq).clone();
                let (batch, _) = book.place(seq);
                book.0.remove(batch);
                book.append_to(book.last(), recorded);
            },
            "checkpoint.place",
        ),
        (
            "no live grant",
            |book| {
                book.change("checkpoint_recorded", 0, |event| {
                    let Event::CheckpointRecorded(recorded) = event else {
                        panic!("a record");
                    };
                    recorded.grants_root = Digest::ZERO;
                });
            },
            "receipt.liveness",
        ),
    ];
    for (what, forge, expected) in forgeries {
        let mut book = book.clone();
        forge(&mut book);
        let forged = conspiracy(&assembly, &receipt, &book.write());
        let found = refused(&forged, &trust);
        assert_eq!(found, Some(expected), "{what}");
    }
}

fn decode(line: &str) -> Line<'_> {
    Line::decode(line.as_bytes()).unwrap()
}

#[test]
fn entries_that_no_decision_depends_on_are_refused() {
    let (assembly, receipt) = eventful_receipt();
    let mut more = conspiracy(&assembly, &receipt, assembly.bytes());
    let lines: Vec<&str> = std::str::from_utf8(assembly.bytes())
        .unwrap()
        .lines()
        .collect();
    let tree = WholeTree::over(
        lines
            .iter()
            .map(|line| LeafHash::of_entry(&decode(line).entry_hash)),
    );
    let prediction = lines
        .iter()
        .map(|line| decode(line))
        .find(|line| line.operation == "prediction_recorded")
        .unwrap();
    let place = more
        .entries
        .iter()
        .position(|it| decode(&it.line).seq > prediction.seq)
        .unwrap();
    let at = usize::try_from(prediction.seq).unwrap() - 1;
    let entry = ReceiptEntry {
        line: lines[at].to_owned(),
        path: tree.prove(prediction.seq - 1).unwrap().path().to_vec(),
    };
    more.entries.insert(place, entry);
    assert_eq!(
        refused(&more, &origin(&assembly)),
        Some("receipt.foreign-entry")
    );
}

#[test]
fn only_the_one_form_is_read() {
    let (_, receipt) = eventful_receipt();
    let bytes = receipt.to_bytes().unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let member = format!("\"grant\":\"{}", receipt.grant);
    assert!(member.contains("\"0"));
    for (what, changed) in [
        ("nothing", String::new()),
        ("no line feed", text.trim_end().to_owned()),
        ("two line feeds", format!("{text}\n")),
        ("a space", text.replacen(":", ": ", 1)),
        (
            "another format",
            text.replacen("receipt/v1", "receipt/v2", 1),
        ),
        (
            "a grant in capitals",
            text.replacen(&member, &member.replacen("\"0", "\"A", 1), 1),
        ),
        (
            "another member",
            text.replacen("\"format\"", "\"also\":1,\"format\"", 1),
        ),
        (
            "a member twice",
            text.replacen("\"format\"", "\"format\":\"x\",\"format\"", 1),
        ),
        (
            "no entries",
            text.replacen("\"entries\":[", "\"entries\":null,\"x\":[", 1),
        ),
        (
            "liveness that is null",
            text.replacen("\"live\":{", "\"live\":null,\"x\":{", 1),
        ),
        (
            "a checkpoint that is none",
            text.replacen("althing/v1/", "althing/v2/", 1),
        ),
    ] {
        assert!(Receipt::parse(changed.as_bytes()).is_err(), "{what}");
    }
    for cut in (0..bytes.len()).step_by(97) {
        assert!(Receipt::parse(&bytes[..cut]).is_err());
    }
    assert!(Receipt::parse(b"\xff\n").is_err());
    assert!(eventful().0.bytes().len() > bytes.len() / 4);
}
