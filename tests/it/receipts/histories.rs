//! After any history, what a receipt leads to is what the whole ledger leads to.

use std::collections::{BTreeMap, BTreeSet};

use althing::chain::line::Line;
use althing::chain::receipt::{Receipt, ReceiptEntry};
use althing::governance::event::Event;
use althing::governance::id::ProposalId;
use althing::governance::policy::Policy;
use althing::governance::state::State;
use althing::governance::state::authorization::GrantStatus;
use althing::replay::receipt::{Basis, Liveness, Verdict};
use althing::testing::{History, Matter, Played, StandInVerifier, Step, strategies};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use super::{origin, recorded, select};

/// What a state says of one proposal, from the projection under the state hash.
fn proposal(state: &State, id: &str) -> Value {
    let whole: Value = serde_json::from_str(&state.projection()).unwrap();
    let proposals = whole["proposals"].as_array().unwrap();
    let found = proposals.iter().find(|it| it["proposal"] == id);
    found.unwrap_or_else(|| panic!("no proposal {id}")).clone()
}

fn check(played: &mut Played) -> usize {
    let assembly = &mut played.assembly;
    let checkpoint = recorded(assembly);
    let at = assembly.now();
    let full = assembly.replay().state;
    let mut seen = 0;
    for (grant, given) in full.authorizations().iter() {
        seen += 1;
        let receipt = select(assembly, grant, checkpoint.clone());
        let bytes = receipt.to_bytes().unwrap();
        assert_eq!(Receipt::parse(&bytes).unwrap(), receipt);
        let verdict: Verdict = receipt
            .verify(&origin(assembly), &StandInVerifier)
            .unwrap_or_else(|error| panic!("{grant}: {} {error}", error.code()));
        let state = &verdict.state;
        assert_eq!(state.registry_projection(), full.registry_projection());
        assert_eq!(state.policy(), full.policy());
        assert_eq!(
            state.authorizations().freezes(),
            full.authorizations().freezes()
        );
        assert_eq!(state.authorizations().get(grant), Some(given));
        let lineage = |state: &State| {
            let grants = state.authorizations();
            grants
                .lineage(grant)
                .map(|(id, grant)| (id, grant.clone(), grants.status(id, at)))
                .collect::<Vec<_>>()
        };
        assert_eq!(lineage(state), lineage(&full));
        for found in state.proposals().iter() {
            let id = found.id().to_string();
            assert_eq!(proposal(state, &id), proposal(&full, &id));
        }
        let status = full.authorizations().status(grant, at).unwrap();
        let expected = match status {
            GrantStatus::Live => Liveness::AuthorizedAsOf(at),
            ended => Liveness::NotShown(Some(ended)),
        };
        assert_eq!(verdict.liveness, expected);
        assert!(verdict.registry_proven);
        assert!(matches!(
            verdict.basis,
            Some(Basis::Founders { .. } | Basis::Registry { .. })
        ));
    }
    seen
}

fn event(entry: &ReceiptEntry) -> Event {
    let line = Line::decode(entry.line.as_bytes()).unwrap();
    Event::decode(line.operation, line.data).unwrap()
}

/// The proposals that the receipt holds evidence about.
fn accused(receipt: &Receipt) -> BTreeSet<ProposalId> {
    let about = |entry: &ReceiptEntry| match event(entry) {
        Event::ByzantineDetected(detected) => Some(detected.proposal_id),
        _ => None,
    };
    receipt.entries.iter().filter_map(about).collect()
}

/// Leaves out each entry of each receipt by itself, and answers which were not missed.
fn leave_out(played: &mut Played) -> BTreeMap<&'static str, usize> {
    let assembly = &mut played.assembly;
    let checkpoint = recorded(assembly);
    let trust = origin(assembly);
    let full = assembly.replay().state;
    let mut unseen = BTreeMap::new();
    for (grant, given) in full.authorizations().iter() {
        let receipt = select(assembly, grant, checkpoint.clone());
        let accused = accused(&receipt);
        let whole = receipt.verify(&trust, &StandInVerifier).unwrap();
        for at in 0..receipt.entries.len() {
            let mut shorter = receipt.clone();
            let left_out = event(&shorter.entries.remove(at));
            let Ok(verdict) = shorter.verify(&trust, &StandInVerifier) else {
                continue;
            };
            *unseen.entry(left_out.operation()).or_default() += 1;
            let proposal = match &left_out {
                Event::VoteCast(ballot) => ballot.content().proposal_id,
                Event::ConsensusReached(consensus) => consensus.proposal_id,
                Event::ProposalWithdrawn(withdrawal) => withdrawal.content().proposal_id,
                Event::ProposalFailed(failed) => failed.proposal_id,
                Event::ProposalLapsed(lapsed) => lapsed.proposal_id,
                Event::CheckpointRecorded(_) => {
                    assert!(!verdict.registry_proven && whole.registry_proven);
                    continue;
                }
                other => panic!("not missed: {other:?}"),
            };
            assert!(accused.contains(&proposal), "not missed: {left_out:?}");
            // It shows the same all the same.
            let state = &verdict.state;
            assert_eq!(state.authorizations().get(grant), Some(given));
            assert_eq!(state.registry_projection(), full.registry_projection());
            assert_eq!(state.policy(), full.policy());
            assert_eq!(verdict.liveness, whole.liveness);
            assert_eq!(verdict.basis, whole.basis);
        }
    }
    unseen
}

/// Histories in which much is decided: agreements of all kinds among whatever else happens.
fn busy(most: usize) -> impl Strategy<Value = History> {
    let small = || 0..3_usize;
    let matter = prop_oneof![
        3 => (small(), any::<bool>(), option::of(0..4_000_u64)).prop_map(|(model, in_prod, seconds)| {
            Matter::AuthorizeModel { model, in_prod, seconds }
        }),
        3 => small().prop_map(|agent| Matter::AuthorizeAgent { agent }),
        3 => (small(), small()).prop_map(|(from, to)| Matter::Delegate { from, to }),
        1 => (small(), any::<bool>())
            .prop_map(|(model, newest)| Matter::RevokeModel { model, newest }),
        1 => small().prop_map(|agent| Matter::RevokeAgent { agent }),
        1 => small().prop_map(|agent| Matter::RevokeDelegation { agent }),
        1 => (1..4_u64).prop_map(|weight| Matter::AddNode { weight }),
        1 => small().prop_map(|node| Matter::RemoveNode { node }),
        1 => (option::of(small()), 1..4_000_u64)
            .prop_map(|(model, seconds)| Matter::Freeze { model, seconds }),
        1 => small().prop_map(|freeze| Matter::LiftFreeze { freeze }),
        2 => small().prop_map(|node| Matter::Reinstate { node }),
        1 => small().prop_map(|node| Matter::ReplaceKey { node }),
        1 => strategies::policies().prop_map(|policy| Matter::UpdatePolicy(Box::new(policy))),
    ];
    let agreements = vec((0..4_usize, matter), 1..=most);
    (strategies::histories(most), agreements, any::<bool>()).prop_map(
        |(mut history, agreements, default)| {
            if default {
                history.policy = Policy::default();
            }
            for (at, (by, matter)) in agreements.into_iter().enumerate() {
                let place = (2 * at).min(history.steps.len());
                history.steps.insert(place, Step::Agree { by, matter });
            }
            history
        },
    )
}

proptest! {
    #![proptest_config(crate::config(40))]

    #[test]
    fn the_receipt_of_every_grant_leads_to_what_the_ledger_leads_to(
        history in busy(12),
    ) {
        check(&mut history.play());
    }
}

proptest! {
    #![proptest_config(crate::config(10))]

    #[test]
    fn what_a_receipt_does_not_miss_changes_nothing_that_it_shows(history in busy(8)) {
        leave_out(&mut history.play());
    }
}

/// `ALTHING_RECEIPTS=20000 cargo test --release --test it receipts::histories -- --ignored --nocapture`
#[test]
#[ignore = "as long as it is told to"]
fn the_receipts_of_many_long_histories() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let runs: usize = std::env::var("ALTHING_RECEIPTS").map_or(1_000, |runs| runs.parse().unwrap());
    let mut runner = TestRunner::deterministic();
    let (mut receipts, mut entries) = (0, 0);
    let mut unseen: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..runs {
        let tree = busy(40).new_tree(&mut runner).unwrap();
        let mut played = tree.current().play();
        receipts += check(&mut played);
        entries += played.assembly.state().entries();
        for (operation, count) in leave_out(&mut tree.current().play()) {
            *unseen.entry(operation).or_default() += count;
        }
    }
    println!(
        "{receipts} receipts of {runs} ledgers with {entries} entries; not missed: {unseen:?}"
    );
}
