//! Who vouches for a receipt.

use althing::chain::checkpoint::Checkpoint;
use althing::chain::receipt::Receipt;
use althing::governance::ballot::Decision::Approve;
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::id::{GrantId, NodeId};
use althing::governance::key::Algorithm;
use althing::governance::policy::Policy;
use althing::governance::proposal::{Action, FreezeTarget};
use althing::governance::state::authorization::GrantStatus;
use althing::governance::time::Seconds;
use althing::governance::tree_head::{Cosignature, Origin};
use althing::governance::weight::Weight;
use althing::identity::MlDsaVerifier;
use althing::replay::Unchecked;
use althing::replay::receipt::{
    Basis, Liveness, Pinned, SelectError, Selection, Trust, TrustPolicy, Verdict,
};
use althing::testing::{Assembly, Signatures, StandInVerifier, actions};
use serde_json::json;

use super::{eventful_receipt, head, origin, recorded, select, signed_by};

fn basis(receipt: &Receipt, trust: &Trust) -> Result<Option<Basis>, &'static str> {
    let verdict = receipt.verify(trust, &StandInVerifier);
    verdict
        .map(|verdict| verdict.basis)
        .map_err(|error| error.code())
}

/// The same receipt under a checkpoint that others signed.
fn signed(assembly: &Assembly, receipt: &Receipt, by: &[usize]) -> Receipt {
    let by = by.iter().map(|node| assembly.id(*node));
    Receipt {
        checkpoint: signed_by(assembly, *receipt.checkpoint.head(), by),
        ..receipt.clone()
    }
}

#[test]
fn without_a_pin_everything_is_checked_and_nobody_vouches() {
    let (assembly, receipt) = eventful_receipt();
    assert_eq!(basis(&receipt, &Trust::Nothing), Ok(None));
    assert_eq!(
        basis(&signed(&assembly, &receipt, &[]), &Trust::Nothing),
        Ok(None)
    );
    let mut changed = receipt;
    changed.entries.remove(7);
    assert!(basis(&changed, &Trust::Nothing).is_err());
}

#[test]
fn an_origin_is_enough_where_two_thirds_of_the_founders_signed() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let grant = assembly.pass(0..3, actions::authorize_model("triage"));
    // No record of the registry anywhere: founders need none.
    let checkpoint = signed_by(&assembly, head(&assembly), (0..3).map(|it| assembly.id(it)));
    let receipt = select(&assembly, grant, checkpoint);
    let trust = origin(&assembly);
    let verdict = receipt.verify(&trust, &StandInVerifier).unwrap();
    let (signed_weight, total) = (3, 3);
    let founders = Basis::Founders {
        signed: signed_weight,
        total,
    };
    assert_eq!(verdict.basis, Some(founders));
    assert!(!verdict.registry_proven);
    assert_eq!(verdict.liveness, Liveness::NotShown(None));
    // Two of three are not more than two thirds.
    let two = signed(&assembly, &receipt, &[0, 1]);
    assert_eq!(basis(&two, &trust), Err("receipt.registry-unproven"));
    let other = Trust::Origin(Digest::ZERO);
    assert_eq!(basis(&receipt, &other), Err("receipt.other-ledger"));
}

#[test]
fn a_group_that_has_changed_vouches_by_what_the_ledger_recorded_of_it() {
    let (assembly, receipt) = eventful_receipt();
    let trust = origin(&assembly);
    let by = |nodes: &[usize]| basis(&signed(&assembly, &receipt, nodes), &trust);
    // 3 was suspended: its signature counts for nothing. 4 came later, and counts.
    for (nodes, expected) in [
        (&[0, 1, 2, 4][..], Ok(4)),
        (&[0, 1, 2], Ok(3)),
        (&[1, 2, 4], Ok(3)),
        (&[0, 1, 2, 3], Ok(3)),
        (&[0, 1], Err("receipt.too-few-signatures")),
        (&[0, 1, 3], Err("receipt.too-few-signatures")),
        (&[], Err("receipt.too-few-signatures")),
    ] {
        let found = by(nodes).map(|basis| match basis {
            Some(Basis::Registry { signed, total: 4 }) => signed,
            other => panic!("{other:?}"),
        });
        assert_eq!(found, expected, "{nodes:?}");
    }
    // With one entry behind the record, the checkpoint's registry is shown by nothing.
    let mut later = assembly;
    later.predict("other");
    let all = [0, 1, 2, 4].map(|node| later.id(node));
    let receipt = select(&later, receipt.grant, signed_by(&later, head(&later), all));
    assert_eq!(basis(&receipt, &trust), Err("receipt.registry-unproven"));
}

#[test]
fn a_signature_that_does_not_verify_refuses_the_receipt() {
    let (assembly, receipt) = eventful_receipt();
    let text = receipt.checkpoint.to_string();
    let line = text.lines().last().unwrap();
    let other = if line.ends_with("AA==") {
        "BA=="
    } else {
        "AA=="
    };
    let changed = text.replace(line, &format!("{}{other}", &line[..line.len() - 4]));
    let Ok(checkpoint) = Checkpoint::parse(changed.as_bytes()) else {
        panic!("the form is right: {changed}");
    };
    let changed = Receipt {
        checkpoint,
        ..receipt
    };
    for trust in [Trust::Nothing, origin(&assembly)] {
        assert_eq!(basis(&changed, &trust), Err("checkpoint.signature"));
    }
}

fn pinned(assembly: &Assembly, nodes: &[(usize, u64)]) -> Vec<Pinned> {
    let pin = |(node, weight): &(usize, u64)| Pinned {
        key: assembly.signer_of(assembly.id(*node)).key().clone(),
        node: assembly.id(*node),
        weight: Weight::new(*weight).unwrap(),
    };
    nodes.iter().map(pin).collect()
}

fn ledger(assembly: &Assembly) -> Origin {
    head(assembly).origin
}

#[test]
fn pinned_keys_need_two_thirds_of_both_weights() {
    let (assembly, receipt) = eventful_receipt();
    let by = |nodes: &[(usize, u64)]| {
        let policy = TrustPolicy::new(ledger(&assembly), pinned(&assembly, nodes)).unwrap();
        basis(&receipt, &Trust::Policy(policy))
    };
    let few = Err("receipt.too-few-signatures");
    for (nodes, expected) in [
        (&[(0, 1), (1, 1), (2, 1)][..], Ok(3)),
        (&[(0, 1), (1, 1), (2, 1), (4, 1)], Ok(3)),
        // 4 has not signed, and weighs a third or more.
        (&[(0, 1), (1, 1), (2, 1), (4, 2)], few),
        (&[(0, 5), (1, 1), (2, 1), (4, 2)], Ok(7)),
        // All that is pinned has signed, but is half of the group.
        (&[(0, 1), (1, 1)], few),
        (&[(4, 1)], few),
    ] {
        let found = by(nodes).map(|basis| match basis {
            Some(Basis::Policy { signed, .. }) => signed,
            other => panic!("{other:?}"),
        });
        assert_eq!(found, expected, "{nodes:?}");
    }
    // Another ledger of the same keys.
    let mut elsewhere = ledger(&assembly);
    elsewhere.genesis = Digest::ZERO;
    let nodes = pinned(&assembly, &[(0, 1), (1, 1), (2, 1)]);
    let policy = TrustPolicy::new(elsewhere, nodes).unwrap();
    let found = basis(&receipt, &Trust::Policy(policy));
    assert_eq!(found, Err("receipt.other-ledger"));
}

#[test]
fn two_thirds_of_the_pinned_weight_are_too_few() {
    let (assembly, receipt) = eventful_receipt();
    // 0, 1 and 2 have signed, which is enough of the group. 4 has not.
    for (unsigned, believed) in [(1, true), (2, false), (3, false)] {
        let nodes = pinned(&assembly, &[(0, 1), (1, 1), (2, 2), (4, unsigned)]);
        let policy = TrustPolicy::new(ledger(&assembly), nodes).unwrap();
        let found = basis(&receipt, &Trust::Policy(policy));
        assert_eq!(found.is_ok(), believed, "{unsigned}: {found:?}");
    }
}

#[test]
fn a_pinned_key_counts_for_no_more_than_its_node_does_in_the_group() {
    let mut assembly = Assembly::of(&[3, 1, 1, 1]);
    let grant = assembly.pass(0..3, actions::authorize_model("triage"));
    let pins = pinned(&assembly, &[(0, 1), (1, 1), (2, 1), (3, 1)]);
    let verdict = |assembly: &Assembly, nodes: &[usize]| {
        let head = head(assembly);
        let mut checkpoint = Checkpoint::unsigned(head).unwrap();
        for node in nodes {
            // With the key that is pinned, whatever the node has now.
            let signer = assembly.signer(*node);
            let cosignature = Cosignature {
                signer: signer.node(),
                posix_seconds: 7,
                signature: signer.sign_message(&head.message(signer.node(), 7)),
            };
            checkpoint.sign(&cosignature, signer.key()).unwrap();
        }
        let receipt = select(assembly, grant, checkpoint);
        let pins = nodes.iter().map(|node| pins[*node].clone()).collect();
        let policy = TrustPolicy::new(ledger(assembly), pins).unwrap();
        basis(&receipt, &Trust::Policy(policy)).map(drop)
    };
    let few = Err("receipt.too-few-signatures");
    // Five of six, four of six, three of six.
    assert_eq!(verdict(&assembly, &[0, 1, 2]), Ok(()));
    assert_eq!(verdict(&assembly, &[0, 1]), few);
    assert_eq!(verdict(&assembly, &[1, 2, 3]), few);
    // A key that its node has no longer counts for nothing.
    let (_, new_key) = assembly.new_key(assembly.id(0));
    let rotation = assembly.sign(0, assembly.rotation(new_key));
    assembly.accept(&Command::RotateKey(rotation));
    assert_eq!(verdict(&assembly, &[0, 1, 2]), few);
    // The key of a suspended node counts for nothing: three of the other five are left.
    let mut assembly = Assembly::of(&[3, 1, 1, 1]);
    assembly.pass(0..3, actions::authorize_model("triage"));
    let open = assembly.propose(1, actions::authorize_model("open"));
    assembly.accuse(1, open);
    assert_eq!(verdict(&assembly, &[0, 1]), few);
    assert_eq!(verdict(&assembly, &[0, 2]), Ok(()));
}

#[test]
fn a_trust_policy_has_one_meaning_or_is_refused() {
    let (assembly, _) = eventful_receipt();
    let policy = TrustPolicy::new(ledger(&assembly), pinned(&assembly, &[(0, 1), (1, 2)])).unwrap();
    let text = serde_json::to_string_pretty(&policy).unwrap();
    assert_eq!(TrustPolicy::parse(&text).unwrap(), policy);
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let with = |change: fn(&mut serde_json::Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        TrustPolicy::parse(&changed.to_string()).unwrap_err().code()
    };
    for change in [
        (|it| it["format"] = json!("althing/trust-policy/v2")) as fn(&mut serde_json::Value),
        |it| it["nodes"] = json!([]),
        |it| it["nodes"][1] = it["nodes"][0].clone(),
        |it| it["nodes"][1]["key"] = it["nodes"][0]["key"].clone(),
        |it| it["nodes"][0]["weight"] = json!(0),
        |it| it["nodes"][0]["weight"] = json!(9_007_199_254_740_991_u64),
        |it| it["nodes"][0]["name"] = json!("ada"),
        |it| it["origin"] = json!("here"),
        |it| it["also"] = json!(1),
    ] {
        assert_eq!(with(change), "receipt.trust-policy");
    }
    assert!(TrustPolicy::parse("").is_err());
}

fn verdict(assembly: &mut Assembly, grant: GrantId) -> Verdict {
    let checkpoint = recorded(assembly);
    let receipt = select(assembly, grant, checkpoint);
    receipt.verify(&origin(assembly), &StandInVerifier).unwrap()
}

#[test]
fn what_is_no_longer_live_is_not_shown_to_be() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let first = assembly.pass(0..3, actions::authorize_model("triage"));
    let second = assembly.pass(0..3, actions::authorize_model("other"));
    let found = verdict(&mut assembly, first);
    assert_eq!(found.liveness, Liveness::AuthorizedAsOf(assembly.now()));
    // A freeze, its end, a revocation.
    let until = assembly.now().saturating_add(Seconds::HOUR);
    let target = FreezeTarget::Everything;
    assembly.pass(0..3, Action::EmergencyFreeze { target, until });
    let found = verdict(&mut assembly, first);
    assert_eq!(
        found.liveness,
        Liveness::NotShown(Some(GrantStatus::Frozen))
    );
    assembly.wait_until(until);
    assembly.pass(0..3, actions::revoke_model("triage"));
    let found = verdict(&mut assembly, first);
    assert_eq!(
        found.liveness,
        Liveness::NotShown(Some(GrantStatus::Revoked))
    );
    let live = verdict(&mut assembly, second).liveness;
    assert_eq!(live, Liveness::AuthorizedAsOf(assembly.now()));
}

/// A revocation is a thing of the subject's: a receipt without it still holds, but shows no more than
/// that the grant was decided.
#[test]
fn whoever_leaves_out_a_revocation_gains_nothing() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let grant = assembly.pass(0..3, actions::authorize_model("triage"));
    let before = assembly.state().entries();
    assembly.pass(0..3, actions::revoke_model("triage"));
    let checkpoint = recorded(&mut assembly);
    let mut receipt = select(&assembly, grant, checkpoint);
    let last = receipt.entries.len() - 1;
    let mut number = 0;
    receipt.entries.retain(|entry| {
        number += 1;
        let line = althing::chain::line::Line::decode(entry.line.as_bytes()).unwrap();
        line.seq <= before || number > last
    });
    let found = receipt
        .verify(&origin(&assembly), &StandInVerifier)
        .unwrap();
    assert_eq!(found.liveness, Liveness::NotShown(None));
}

#[test]
fn there_is_no_receipt_under_another_or_an_older_checkpoint() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let older = recorded(&mut assembly);
    let grant = assembly.pass(0..3, actions::authorize_model("triage"));
    let open = assembly.propose(0, actions::authorize_model("open"));
    assembly.vote(0, open, Approve);
    let all = recorded(&mut assembly);
    let mut other = Assembly::of(&[1, 1, 1]);
    other.predict("other");
    let elsewhere = recorded(&mut other);
    let read = |checkpoint: &Checkpoint, grant| {
        Selection::read(assembly.bytes(), grant, checkpoint, &Unchecked)
            .map(drop)
            .map_err(|error: SelectError| error.code())
    };
    assert_eq!(read(&all, grant), Ok(()));
    assert_eq!(read(&older, grant), Err("receipt.older-checkpoint"));
    assert_eq!(read(&all, open), Err("grant.unknown"));
    assert_eq!(read(&older, open), Err("grant.unknown"));
    assert_eq!(read(&elsewhere, grant), Err("checkpoint.inconsistent"));
}

/// Everything once with real keys, as others would verify it.
#[test]
fn a_receipt_holds_under_real_signatures() {
    let mut assembly = Assembly::signing(
        Signatures::MlDsa(Algorithm::MlDsa44),
        Policy::default(),
        &[1, 1, 1],
    );
    let grant = assembly.pass(0..3, actions::authorize_model("triage"));
    let checkpoint = recorded(&mut assembly);
    let receipt = select(&assembly, grant, checkpoint);
    let receipt = Receipt::parse(&receipt.to_bytes().unwrap()).unwrap();
    let found = receipt.verify(&origin(&assembly), &MlDsaVerifier).unwrap();
    assert!(matches!(
        found.basis,
        Some(Basis::Registry { signed: 3, .. })
    ));
    assert!(matches!(found.liveness, Liveness::AuthorizedAsOf(_)));
    let nodes: Vec<NodeId> = found.endorsement.signers.iter().map(|it| it.0).collect();
    assert_eq!(nodes, [0, 1, 2].map(|node| assembly.id(node)));
    // Stand-ins are no signatures.
    assert!(
        receipt
            .verify(&origin(&assembly), &StandInVerifier)
            .is_err()
    );
}
