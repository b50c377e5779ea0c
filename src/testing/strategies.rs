//! Generators for property tests.
//!
//! What they make shrinks towards fewer founders, the default policy and fewer steps.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use super::history::{History, Matter, Step};
use super::tampering::Tampering;
use crate::governance::ballot::Decision;
use crate::governance::id::{ProposalId, Subject, VoteId};
use crate::governance::policy::{Policy, PredictionPolicy};
use crate::governance::time::Seconds;
use crate::governance::weight::Fraction;

/// Founders' weights: one to six founders, mostly of small weight.
pub fn electorates() -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![6 => 1..=4_u64, 1 => 1..=1_000_000_u64], 1..=6)
}

/// Decisions, more often in favour.
pub fn decisions() -> impl Strategy<Value = Decision> {
    prop_oneof![
        5 => Just(Decision::Approve),
        2 => Just(Decision::Reject),
        1 => Just(Decision::Abstain),
    ]
}

/// Ids of proposals.
pub fn proposal_ids() -> impl Strategy<Value = ProposalId> {
    any::<u128>().prop_map(|number| ProposalId::from_uuid(Uuid::from_u128(number)))
}

/// Ids of ballots.
pub fn vote_ids() -> impl Strategy<Value = VoteId> {
    any::<u128>().prop_map(|number| VoteId::from_uuid(Uuid::from_u128(number)))
}

/// Subjects of all forms.
pub fn subjects() -> impl Strategy<Value = Subject> {
    "(did|urn):[a-z]{1,8}:[!-~]{1,40}".prop_map(|text| text.parse().expect("a DID or URN"))
}

/// Fractions from 0 to 1 with small parts.
pub fn fractions() -> impl Strategy<Value = Fraction> {
    (1..=9_u64).prop_flat_map(|denominator| {
        (0..=denominator)
            .prop_map(move |numerator| Fraction::new(numerator, denominator).expect("at most one"))
    })
}

/// Policies that can stand: the presets, and departures from them in conditions and times.
pub fn policies() -> impl Strategy<Value = Policy> {
    let preset = prop_oneof![Just(Policy::default()), Just(Policy::uniform())];
    let conditions = option::of((fractions(), fractions()));
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    (preset, conditions, switches, 1..=6_u64)
        .prop_map(
            |(mut policy, conditions, (late, timelock, refuse), max_open)| {
                if let Some((quorum, approval)) = conditions {
                    policy.default.quorum = Some(quorum);
                    policy.default.approval = Some(approval);
                }
                policy.early_decision = !late;
                if timelock {
                    policy.default.timelock_seconds = Seconds::HOUR;
                    policy.default.window_seconds = Seconds::DAY;
                }
                if refuse {
                    policy.predictions = PredictionPolicy::Refuse;
                }
                policy.max_open_proposals = max_open;
                policy
            },
        )
        .prop_filter("a policy that can stand", |policy| {
            policy.validate().is_ok()
        })
}

/// Ends of grants: before most decisions, before executions and after them.
fn expiries() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(60_u64),
        Just(1_800_u64),
        Just(50_000_u64),
        Just(200_000_u64)
    ]
}

/// What can be proposed: every kind that is in force.
pub fn matters() -> impl Strategy<Value = Matter> {
    prop_oneof![
        4 => (0..3_usize, any::<bool>(), option::of(expiries())).prop_map(
            |(model, in_prod, seconds)| Matter::AuthorizeModel { model, in_prod, seconds }
        ),
        2 => (0..3_usize).prop_map(|agent| Matter::AuthorizeAgent { agent }),
        2 => (0..3_usize, any::<bool>())
            .prop_map(|(model, newest)| Matter::RevokeModel { model, newest }),
        1 => (0..3_usize).prop_map(|agent| Matter::RevokeAgent { agent }),
        2 => (1..=4_u64).prop_map(|weight| Matter::AddNode { weight }),
        2 => (0..8_usize).prop_map(|node| Matter::RemoveNode { node }),
        1 => policies().prop_map(|policy| Matter::UpdatePolicy(Box::new(policy))),
        2 => (option::of(0..3_usize), prop_oneof![Just(3_600_u64), Just(90_000_u64)])
            .prop_map(|(model, seconds)| Matter::Freeze { model, seconds }),
        3 => (0..3_usize).prop_map(|freeze| Matter::LiftFreeze { freeze }),
        2 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Matter::Delegate { from, to }),
        1 => (0..3_usize).prop_map(|agent| Matter::RevokeDelegation { agent }),
        2 => (0..8_usize).prop_map(|node| Matter::Reinstate { node }),
        1 => (0..8_usize).prop_map(|node| Matter::ReplaceKey { node }),
    ]
}

/// How far back a proposal lies: mostly it is one of the newest.
fn recency() -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(0_usize), 3 => 1..3_usize, 1 => 0..20_usize]
}

/// Lengths of time at which something ends: timelocks, windows and voting periods.
fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..120_u64,
        2 => Just(3_600_u64),
        3 => Just(86_400_u64),
        1 => Just(14 * 86_400_u64),
        1 => Just(31 * 86_400_u64),
    ]
}

/// One step of a history.
pub fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6_usize, matters()).prop_map(|(by, matter)| Step::Propose { by, matter }),
        3 => (0..6_usize, matters()).prop_map(|(by, matter)| Step::Agree { by, matter }),
        6 => (recency(), vec(decisions(), 1..=7))
            .prop_map(|(proposal, decisions)| Step::Round { proposal, decisions }),
        5 => (0..8_usize, recency(), decisions())
            .prop_map(|(by, proposal, decision)| Step::Vote { by, proposal, decision }),
        4 => pauses().prop_map(Step::Wait),
        3 => recency().prop_map(|proposal| Step::Close { proposal }),
        3 => recency().prop_map(|proposal| Step::Execute { proposal }),
        1 => recency().prop_map(|proposal| Step::Withdraw { proposal }),
        1 => (0..8_usize).prop_map(|by| Step::Rotate { by }),
        1 => (0..8_usize, recency()).prop_map(|(node, proposal)| Step::Accuse { node, proposal }),
        2 => (0..4_usize, any::<bool>())
            .prop_map(|(model, in_prod)| Step::Predict { model, in_prod }),
        1 => (0..8_usize).prop_map(|node| Step::AccuseOfFork { node }),
        1 => Just(Step::Recover),
        1 => Just(Step::Checkpoint),
    ]
}

/// Histories of at most `most` steps. Whatever comes out leads to a valid ledger.
pub fn histories(most: usize) -> impl Strategy<Value = History> {
    (electorates(), policies(), vec(steps(), 0..=most)).prop_map(|(weights, policy, steps)| {
        History {
            weights,
            policy,
            steps,
        }
    })
}

/// Ways to damage a ledger.
pub fn tamperings() -> impl Strategy<Value = Tampering> {
    let place = any::<usize>;
    prop_oneof![
        4 => (place(), 0..8_u8).prop_map(|(byte, bit)| Tampering::FlipBit { byte, bit }),
        1 => place().prop_map(Tampering::DeleteLine),
        1 => place().prop_map(Tampering::DuplicateLine),
        1 => (place(), place()).prop_map(|(one, other)| Tampering::SwapLines(one, other)),
        1 => (place(), place())
            .prop_map(|(line, before)| Tampering::InsertLine { line, before }),
        1 => place().prop_map(Tampering::Truncate),
    ]
}

/// A ledger and a damaged copy of it that differs.
pub fn tampered_ledgers(most: usize) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (histories(most), tamperings())
        .prop_map(|(history, tampering)| {
            let ledger = history.play().assembly.bytes().to_vec();
            let damaged = tampering.apply(&ledger);
            (ledger, damaged)
        })
        .prop_filter("a ledger that differs", |(ledger, damaged)| {
            ledger != damaged
        })
}
