//! What holds after every event of every history.

use std::collections::BTreeSet;

use althing::governance::event::{Event, OPERATIONS};
use althing::governance::invariant;
use althing::governance::state::State;
use althing::governance::state::proposal::Status;
use althing::replay::Replay;
use althing::testing::{History, StandInVerifier, strategies};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The state after each entry, the batches half applied included.
fn states(ledger: &[u8]) -> Vec<State> {
    let mut replay = Replay::new(&StandInVerifier);
    let mut states = Vec::new();
    for line in ledger.split_inclusive(|byte| *byte == b'\n') {
        replay
            .line(&line[..line.len() - 1])
            .expect("a valid history");
        states.extend(replay.state().cloned());
    }
    states
}

proptest! {
    #![proptest_config(crate::config(150))]

    #[test]
    fn invariants_hold_after_every_event(history in strategies::histories(30)) {
        let played = history.play();
        let states = states(played.assembly.bytes());
        for state in &states {
            prop_assert_eq!(invariant::check(state), Ok(()));
        }
        for pair in states.windows(2) {
            prop_assert_eq!(invariant::check_later(&pair[0], &pair[1]), Ok(()));
        }
        prop_assert_eq!(invariant::check_settled(played.assembly.state()), Ok(()));
    }
}

/// The same histories in every run.
fn histories(count: usize) -> Vec<History> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = strategies::histories(40);
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).expect("a history").current())
        .collect()
}

/// What the properties say of generated histories is worth something only if they get anywhere.
#[test]
fn generated_histories_reach_every_event_status_and_most_refusals() {
    let mut operations = BTreeSet::new();
    let mut statuses = BTreeSet::new();
    let mut refusals = BTreeSet::new();
    let mut tainted = 0;
    for history in histories(500) {
        let played = history.play();
        for line in played.assembly.bytes().split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            if let Some((_, rest)) = line.split_once("\"operation\":\"") {
                operations.insert(rest.split('"').next().unwrap_or_default().to_owned());
            }
        }
        for proposal in played.assembly.state().proposals().iter() {
            statuses.insert(proposal.status().name());
            tainted += usize::from(proposal.is_tainted());
        }
        refusals.extend(played.refusals.iter().map(|refusal| refusal.code()));
    }
    let known: BTreeSet<String> = OPERATIONS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(operations, known);
    let settled = Status::ALL
        .iter()
        .filter(|status| **status != Status::Passed);
    assert_eq!(statuses, settled.map(|status| status.name()).collect());
    assert!(tainted > 0, "no decision was tainted");
    assert!(refusals.len() >= 18, "only {refusals:?}");
}

/// The checks themselves can fail: a state that events forged is caught.
#[test]
fn invariants_catch_states_that_no_history_leads_to() {
    use althing::governance::digest::Digest;
    use althing::governance::event::{AuthorizationGranted, NodeRemoved, Recorded};
    use althing::governance::evolve::evolve;
    use althing::governance::id::ProposalId;
    use althing::governance::kind::AuthorizationKind;
    use althing::governance::proposal::GrantTerms;
    use althing::testing::{Assembly, actions};

    let assembly = Assembly::of(&[1]);
    let after = |event: Event| {
        let recorded = Recorded {
            seq: assembly.state().entries() + 1,
            timestamp: assembly.now(),
            hash: Digest::ZERO,
            event,
        };
        invariant::check(&evolve(assembly.state().clone(), &recorded))
            .map_err(|violation| violation.invariant)
    };
    let nowhere = ProposalId::from_uuid(uuid::Uuid::nil());
    let grant = AuthorizationGranted {
        grant_id: nowhere,
        kind: AuthorizationKind::Model,
        parent: None,
        terms: GrantTerms::unrestricted(actions::model("x")),
    };
    let removal = NodeRemoved {
        node: assembly.id(0),
        proposal_id: nowhere,
    };
    assert_eq!(after(grant.into()), Err("grants-are-decided"));
    assert_eq!(after(removal.into()), Err("somebody-is-active"));
}
