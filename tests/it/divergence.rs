//! Where two histories part, against the plain comparison of their lines.

use althing::governance::ballot::Decision;
use althing::replay::divergence::{Relation, compare};
use althing::replay::state_differences::{state_at, state_differences};
use althing::testing::{History, Matter, StandInVerifier, Step, Tampering, strategies};
use proptest::prelude::*;

fn lines(ledger: &[u8]) -> Vec<&[u8]> {
    ledger.split_inclusive(|byte| *byte == b'\n').collect()
}

/// How many lines both have, counted one by one.
fn shared(a: &[u8], b: &[u8]) -> u64 {
    let same = lines(a)
        .into_iter()
        .zip(lines(b))
        .take_while(|(a, b)| a == b);
    same.count() as u64
}

/// A history that goes on in two ways.
fn forks() -> impl Strategy<Value = (History, Vec<Step>, Vec<Step>)> {
    let steps = || proptest::collection::vec(strategies::steps(), 0..4);
    (strategies::histories(6), steps(), steps())
}

fn play(history: &History, then: &[Step]) -> Vec<u8> {
    let mut history = history.clone();
    history.steps.extend_from_slice(then);
    history.play().assembly.bytes().to_vec()
}

proptest! {
    #![proptest_config(crate::config(80))]

    #[test]
    fn histories_part_where_their_lines_do((history, one, other) in forks()) {
        let (a, b) = (play(&history, &one), play(&history, &other));
        let found = compare(a.as_slice(), b.as_slice());
        let common = shared(&a, &b);
        prop_assert_eq!(found.common.seq, common);
        let (more_a, more_b) = (lines(&a).len() as u64 > common, lines(&b).len() as u64 > common);
        let expected = match (more_a, more_b) {
            (false, false) => Relation::Equal,
            (true, false) => Relation::AIsLonger,
            (false, true) => Relation::BIsLonger,
            (true, true) => Relation::Diverged,
        };
        prop_assert_eq!(found.relation, expected);
        prop_assert_eq!(found.a.head.seq, lines(&a).len() as u64);
        prop_assert_eq!((&found.a.damage, &found.b.damage), (&None, &None));
        if let Some(entry) = &found.entry {
            prop_assert_eq!(entry.seq, common + 1);
            prop_assert!(!entry.fields.is_empty());
            prop_assert!(entry.fields.iter().all(|field| field.a != field.b));
        }
        // The other way round it is the same, with the sides exchanged.
        let turned = compare(b.as_slice(), a.as_slice());
        prop_assert_eq!((turned.a, turned.b), (found.b.clone(), found.a.clone()));
        prop_assert_eq!(turned.common, found.common);
        let state = |bytes: &[u8], last| state_at(bytes, &StandInVerifier, last).expect("legal");
        let (one, other) = (state(&a, found.a.head.seq), state(&b, found.b.head.seq));
        let differences = state_differences(Some(&one), Some(&other));
        let nothing = differences == state_differences(None, None);
        prop_assert!(nothing || one.hash() != other.hash());
    }

    #[test]
    fn a_damaged_copy_is_compared_as_far_as_it_is_whole(
        (ledger, damaged) in strategies::tampered_ledgers(8),
    ) {
        let found = compare(ledger.as_slice(), damaged.as_slice());
        let seq = Tampering::first_difference(&ledger, &damaged).expect("they differ");
        prop_assert_eq!(found.common.seq + 1, seq);
        prop_assert_eq!(found.a.damage, None);
        prop_assert!(found.entry.is_none(), "a line that is not whole is no other line");
        if found.relation == Relation::Damaged {
            prop_assert_eq!(found.b.damage.map(|damage| damage.seq), Some(seq));
        } else {
            prop_assert_eq!(found.relation, Relation::AIsLonger);
            prop_assert!(ledger.starts_with(&damaged));
        }
    }
}

/// The properties above meet both kinds of end.
#[test]
fn a_fork_is_found_where_one_ballot_differs() {
    let history = History {
        weights: vec![1, 1, 1],
        policy: althing::governance::policy::Policy::default(),
        steps: vec![Step::Propose {
            by: 0,
            matter: Matter::AuthorizeAgent { agent: 0 },
        }],
    };
    let vote = |decision| Step::Vote {
        by: 1,
        proposal: 0,
        decision,
    };
    let a = play(&history, &[vote(Decision::Approve)]);
    let b = play(&history, &[vote(Decision::Reject)]);
    let found = compare(a.as_slice(), b.as_slice());
    assert_eq!(found.relation, Relation::Diverged);
    let entry = found.entry.expect("the ballot");
    let paths: Vec<&str> = entry
        .fields
        .iter()
        .map(|field| field.path.as_str())
        .collect();
    assert_eq!(paths, ["/data/signature", "/data/statement/decision"]);
}
