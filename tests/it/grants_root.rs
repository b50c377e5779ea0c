//! `checkpoint_recorded`: what it says is what replay computes, and a grant can be shown to be live.

use althing::chain::line::{NewEntry, encode_batch};
use althing::chain::merkle::{LeafHash, TreeRoot, node_hash};
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::event::{CheckpointRecorded, Event};
use althing::governance::grants_root::{grants_root, prove_live};
use althing::governance::id::GrantId;
use althing::governance::proposal::{Action, DelegationTerms, FreezeTarget, GrantTerms};
use althing::governance::scope::Scope;
use althing::governance::state::State;
use althing::governance::state::authorization::GrantStatus;
use althing::governance::time::Seconds;
use althing::replay::{ReplayError, Replayed, replay};
use althing::testing::actions::{self, authorize_agent, authorize_model};
use althing::testing::{Assembly, StandInVerifier, strategies};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The leaf of a grant, written out from the specification.
fn leaf(state: &State, id: GrantId) -> String {
    let grant = state.authorizations().get(id).unwrap();
    let terms = grant.terms();
    let mut inner = serde_json::Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            inner.insert(key.to_owned(), value);
        }
    };
    put(
        "artifact_digest",
        terms.artifact_digest.map(|it| json!(it.to_string())),
    );
    put(
        "expires_at",
        terms.expires_at.map(|it| json!(it.to_string())),
    );
    put(
        "not_before",
        terms.not_before.map(|it| json!(it.to_string())),
    );
    put("scope", Some(serde_json::to_value(&terms.scope).unwrap()));
    put("subject", Some(json!(terms.subject.as_str())));
    let mut outer =
        json!({"grant_id": id.to_string(), "kind": grant.kind().name(), "terms": inner});
    if let Some(parent) = grant.parent() {
        outer["parent"] = json!(parent.to_string());
    }
    serde_json_canonicalizer::to_string(&outer).unwrap()
}

fn naive(leaves: &[LeafHash]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf.digest(),
        _ => {
            let split = (1..)
                .map(|bit| 1 << bit)
                .find(|k| k * 2 >= leaves.len())
                .unwrap_or(1);
            let split = if leaves.len() == 2 { 1 } else { split };
            let (left, right) = leaves.split_at(split);
            node_hash(&naive(left), &naive(right))
        }
    }
}

/// What a checkpoint says now, from the answers of the state alone.
fn expected(assembly: &Assembly) -> CheckpointRecorded {
    let state = assembly.state();
    let grants = state.authorizations();
    let mut live: Vec<GrantId> = grants
        .iter()
        .map(|(id, _)| id)
        .filter(|id| grants.status(*id, assembly.now()) == Some(GrantStatus::Live))
        .collect();
    live.sort_by_key(ToString::to_string);
    let leaves: Vec<_> = live
        .iter()
        .map(|id| LeafHash::of(leaf(state, *id).as_bytes()))
        .collect();
    CheckpointRecorded {
        grants_root: naive(&leaves),
        live_grants: live.len() as u64,
        registry_hash: registry_hash(state),
        state_hash: state.hash(),
    }
}

/// The registry hash, from the projection of the whole state.
fn registry_hash(state: &State) -> Digest {
    let whole: Value = serde_json::from_str(&state.projection()).unwrap();
    let mut nodes = whole["nodes"].clone();
    for node in nodes["registered"].as_array_mut().unwrap() {
        node.as_object_mut().unwrap().remove("votes").unwrap();
    }
    let registry = json!({
        "epoch": whole["epoch"],
        "evidence": whole["evidence"],
        "ledger": whole["ledger"]["id"],
        "nodes": nodes,
        "policy": whole["policy"],
        "projection": 1,
    });
    let text = serde_json_canonicalizer::to_string(&registry).unwrap();
    assert_eq!(state.registry_projection(), text);
    Digest::of(text.as_bytes())
}

fn record(assembly: &mut Assembly) -> CheckpointRecorded {
    let expected = expected(assembly);
    let events = assembly.accept(&Command::RecordCheckpoint(None));
    assert_eq!(events, [Event::CheckpointRecorded(expected)]);
    expected
}

fn replayed(bytes: &[u8]) -> Result<Replayed, ReplayError> {
    replay(bytes, &StandInVerifier)
}

/// The bytes of `assembly`'s ledger, with these events as one more batch.
fn with(assembly: &Assembly, events: &[Event]) -> Vec<u8> {
    let entries: Vec<NewEntry> = events
        .iter()
        .map(|event| NewEntry {
            timestamp: assembly.now(),
            operation: event.operation().into(),
            data: event.data().unwrap(),
        })
        .collect();
    let batch = encode_batch(assembly.node().head(), &entries).unwrap();
    [assembly.bytes(), batch.bytes()].concat()
}

#[test]
fn a_checkpoint_changes_nothing_but_the_count_of_entries() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let open = assembly.propose(0, authorize_model("triage"));
    let first = record(&mut assembly);
    let second = record(&mut assembly);
    assert_ne!(first.state_hash, second.state_hash);
    assert_eq!(first.grants_root, Digest::of(b""));
    assert_eq!(assembly.proposal(open).tally().approve(), 0);
    assert_eq!(assembly.state().epoch(), 0);
    assert_eq!(
        replayed(assembly.bytes()).unwrap().state.hash(),
        assembly.state().hash()
    );
}

#[test]
fn only_live_grants_are_under_the_root() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let all = 0..3;
    let count = |assembly: &mut Assembly| record(assembly).live_grants;
    assembly.pass(all.clone(), authorize_model("a"));
    let parent = assembly.pass(all.clone(), authorize_agent("b"));
    let mut terms = GrantTerms::unrestricted(actions::agent("c"));
    let mut scope = Scope::unrestricted();
    scope.allow("environment", "prod").unwrap();
    terms.scope = scope;
    terms.expires_at = Some(assembly.now().saturating_add(Seconds::DAY));
    let child = Action::Delegation(DelegationTerms { parent, terms });
    let child = assembly.pass(all.clone(), child);
    let mut later = GrantTerms::unrestricted(actions::model("d"));
    later.not_before = Some(assembly.now().saturating_add(Seconds::HOUR));
    assembly.pass(all.clone(), Action::AuthorizeModel(later));
    assert_eq!(count(&mut assembly), 3);
    assembly.wait(3_600);
    assert_eq!(count(&mut assembly), 4);
    // A frozen parent takes its delegations with it.
    let until = assembly.now().saturating_add(Seconds::HOUR);
    let target = FreezeTarget::Subject(actions::agent("b"));
    assembly.pass(all.clone(), Action::EmergencyFreeze { target, until });
    assert_eq!(count(&mut assembly), 2);
    assembly.wait(3_600);
    assert_eq!(count(&mut assembly), 4);
    assembly.pass(all.clone(), actions::revoke_model("a"));
    assert_eq!(count(&mut assembly), 3);
    let at = assembly.now();
    assert!(prove_live(assembly.state().authorizations(), child, at).is_some());
    assembly.wait(86_400);
    assert_eq!(count(&mut assembly), 2);
    let at = assembly.now();
    assert!(prove_live(assembly.state().authorizations(), child, at).is_none());
    assembly.pass(all, actions::revoke_agent("b"));
    assert_eq!(count(&mut assembly), 1);
    replayed(assembly.bytes()).unwrap();
}

#[test]
fn a_checkpoint_that_claims_something_else_is_refused_by_name() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    assembly.pass(0..3, authorize_model("triage"));
    let right = expected(&assembly);
    let wrong = Digest::of(b"wrong");
    for (claim, code) in [
        (
            CheckpointRecorded {
                state_hash: wrong,
                ..right
            },
            "checkpoint.state-hash",
        ),
        (
            CheckpointRecorded {
                registry_hash: wrong,
                ..right
            },
            "checkpoint.registry-hash",
        ),
        (
            CheckpointRecorded {
                grants_root: wrong,
                ..right
            },
            "checkpoint.grants-root",
        ),
        (
            CheckpointRecorded {
                live_grants: 0,
                ..right
            },
            "checkpoint.grants-root",
        ),
        (
            CheckpointRecorded {
                live_grants: 2,
                ..right
            },
            "checkpoint.grants-root",
        ),
    ] {
        let error = replayed(&with(&assembly, &[Event::CheckpointRecorded(claim)])).unwrap_err();
        assert_eq!(error.problem.code(), code);
        assert_eq!(error.seq, assembly.state().entries() + 1);
        let refused = assembly.submit(&Command::RecordCheckpoint(Some(claim)));
        assert_eq!(refused.unwrap_err().code(), code);
    }
    replayed(&with(&assembly, &[Event::CheckpointRecorded(right)])).unwrap();
    assembly.accept(&Command::RecordCheckpoint(Some(right)));
}

#[test]
fn a_checkpoint_stands_first_in_its_batch() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let now = assembly.now();
    let draft = assembly.draft(0, authorize_model("triage"));
    let propose = Command::Propose(assembly.sign(0, draft));
    let both = [propose, Command::RecordCheckpoint(None)];
    let before = (assembly.bytes().to_vec(), assembly.state().hash());
    let refused = assembly.node_mut().submit_all(&both, now).unwrap_err();
    assert_eq!(refused.code(), "checkpoint.place");
    assert_eq!((assembly.bytes().to_vec(), assembly.state().hash()), before);
    let [propose, checkpoint] = both;
    let recorded = assembly
        .node_mut()
        .submit_all(&[checkpoint, propose], now)
        .unwrap();
    assert_eq!(recorded.len(), 2);
    let state = replayed(assembly.bytes()).unwrap().state;
    assert_eq!(state.hash(), assembly.state().hash());
    // Two right ones in one batch: the second is in the wrong place all the same.
    let first = expected(&assembly);
    let ahead = replayed(&with(&assembly, &[Event::CheckpointRecorded(first)])).unwrap();
    let second = CheckpointRecorded {
        state_hash: ahead.state.hash(),
        ..first
    };
    let events = [first, second].map(Event::CheckpointRecorded);
    let error = replayed(&with(&assembly, &events)).unwrap_err();
    assert_eq!(error.problem.code(), "checkpoint.place");
}

#[test]
fn a_live_grant_is_shown_by_the_bytes_that_gave_it() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let mut grants = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        grants.push(assembly.pass(0..3, authorize_model(name)));
    }
    let tree = |assembly: &Assembly| grants_root(assembly.state().authorizations(), assembly.now());
    let whole = tree(&assembly);
    let ledger = String::from_utf8(assembly.bytes().to_vec()).unwrap();
    for grant in &grants {
        let live = prove_live(assembly.state().authorizations(), *grant, assembly.now()).unwrap();
        assert!(live.is_under(&whole));
        assert!(ledger.contains(&format!("\"data\":{},\"prev_hash\"", live.data)));
        let mut changed = live.clone();
        changed.data = changed.data.replace("urn:model:", "urn:model:x");
        assert!(!changed.is_under(&whole));
        assert!(!live.is_under(&TreeRoot {
            root: Digest::ZERO,
            ..whole
        }));
        assert!(!live.is_under(&TreeRoot { size: 4, ..whole }));
    }
    let live = prove_live(assembly.state().authorizations(), grants[2], assembly.now()).unwrap();
    assembly.pass(0..3, actions::revoke_model("c"));
    assert!(!live.is_under(&tree(&assembly)));
    assert!(prove_live(assembly.state().authorizations(), grants[2], assembly.now()).is_none());
}

proptest! {
    #![proptest_config(crate::config(100))]

    #[test]
    fn after_any_history_a_checkpoint_is_what_the_specification_says(
        history in strategies::histories(24),
    ) {
        let mut assembly = history.play().assembly;
        let recorded = record(&mut assembly);
        let tree = TreeRoot { size: recorded.live_grants, root: recorded.grants_root };
        let grants = assembly.state().authorizations();
        let proofs = grants.iter().filter_map(|(id, _)| prove_live(grants, id, assembly.now()));
        let mut count = 0;
        for proof in proofs {
            prop_assert!(proof.is_under(&tree));
            count += 1;
        }
        prop_assert_eq!(count, tree.size);
        prop_assert!(replayed(assembly.bytes()).is_ok());
    }
}
