//! Generators for property tests.
//!
//! | what | shrinks towards |
//! | --- | --- |
//! | [`node_ids`], [`proposal_ids`], [`vote_ids`] | the first of all |
//! | [`subjects`], [`names`], [`labels`], [`prose`] | short texts of plain letters |
//! | [`bad_names`] | a text with one fault |
//! | [`weights`], [`fractions`], [`electorates`] | 1; 0 of 1; one founder of weight 1 |
//! | [`scopes`], [`contexts`] | no restriction; nothing claimed |
//! | [`policies`] | the default policy |
//! | [`bad_policies`] | the default policy with one fault |
//! | [`histories`] | fewer founders and steps, the default policy |
//! | [`adversarial`] | the plainest [`Mischief`], after a shorter history |
//! | [`tamperings`], [`tampered_ledgers`] | a flip of the first bit, of a shorter history |
//!
//! A history is shrunk by taking steps out: any list of steps gives a valid ledger, so what is left
//! is the few steps that it takes.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::history::{History, Matter, Step};
use super::mischief::{Adversarial, Mischief};
use super::signer::{Signatures, Signer};
use super::tampering::Tampering;
use crate::governance::ballot::Decision;
use crate::governance::id::{NodeId, ProposalId, Subject, VoteId};
use crate::governance::label::{Label, Name, Prose};
use crate::governance::policy::{Policy, PolicyError, PredictionPolicy};
use crate::governance::scope::{CheckContext, Scope};
use crate::governance::time::Seconds;
use crate::governance::weight::{Fraction, Weight};

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

/// Ids of nodes, those of the first few signers.
pub fn node_ids() -> impl Strategy<Value = NodeId> {
    (0..20_usize).prop_map(|index| Signer::nth(Signatures::StandIn, index).node())
}

/// Plain text: no white space at its ends, no control and no format characters.
fn plain(most: usize) -> impl Strategy<Value = String> {
    let inner = format!("[a-zA-Z0-9äøł漢 '/-]{{0,{}}}", most.saturating_sub(2));
    let inner = proptest::string::string_regex(&inner).expect("a pattern");
    ("[a-zé漢]", inner, "[a-z0-9]").prop_map(|(first, inner, last)| first + &inner + &last)
}

/// Names of ledgers and nodes.
pub fn names() -> impl Strategy<Value = Name> {
    plain(20).prop_map(|text| text.parse().expect("a name"))
}

/// Titles and labels.
pub fn labels() -> impl Strategy<Value = Label> {
    plain(60).prop_map(|text| text.parse().expect("a label"))
}

/// Descriptions and rationales, control characters and empty ones included.
pub fn prose() -> impl Strategy<Value = Prose> {
    prop_oneof![2 => "[a-z \n]{0,40}", 1 => "\\PC{0,40}"]
        .prop_map(|text| text.parse().expect("short enough"))
}

/// What is no name: empty, too long, blank at an end, or with a character that nobody sees.
pub fn bad_names() -> impl Strategy<Value = String> {
    let unseen = select(vec![
        '\0', '\n', '\u{7f}', '\u{ad}', '\u{200b}', '\u{202e}', '\u{feff}',
    ]);
    prop_oneof![
        Just(String::new()),
        plain(20).prop_map(|text| format!(" {text}")),
        plain(20).prop_map(|text| format!("{text} ")),
        (plain(10), unseen, plain(10))
            .prop_map(|(one, unseen, other)| format!("{one}{unseen}{other}")),
        (257..300_usize).prop_map(|count| "x".repeat(count)),
    ]
}

/// Weights, mostly small.
pub fn weights() -> impl Strategy<Value = Weight> {
    prop_oneof![6 => 1..=9_u64, 1 => 1..=crate::governance::MAX_INTEGER]
        .prop_map(|weight| Weight::new(weight).expect("a weight"))
}

/// Scopes of few keys, so that they meet [`contexts`].
pub fn scopes() -> impl Strategy<Value = Scope> {
    let allowed = btree_set(select(vec!["prod", "test", "lab"]), 0..=2);
    (allowed.clone(), allowed, option::of(0..=100_u64)).prop_map(|(environments, sites, limit)| {
        let mut scope = Scope::unrestricted();
        let environments = environments
            .into_iter()
            .map(|value| ("environment", value.to_owned()));
        let sites = sites.into_iter().map(|value| ("site", value.to_owned()));
        let limit = limit.map(|limit| ("max_rate_qps", limit.to_string()));
        for (key, value) in environments.chain(sites).chain(limit) {
            scope.allow(key, &value).expect("a key and a value");
        }
        scope
    })
}

/// Contexts of the keys of [`scopes`].
pub fn contexts() -> impl Strategy<Value = CheckContext> {
    let value = || option::of(select(vec!["prod", "test", "lab", "elsewhere"]));
    (value(), value()).prop_map(|(environment, site)| {
        let mut context = CheckContext::default();
        for (key, value) in [("environment", environment), ("site", site)] {
            if let Some(value) = value {
                context.set(key, value).expect("a key and a value");
            }
        }
        context
    })
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
    let max_open = prop_oneof![1 => Just(Policy::default().max_open_proposals), 3 => 1..=6_u64];
    (preset, conditions, switches, max_open)
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

/// Policies that can't stand, each with the reason.
pub fn bad_policies() -> impl Strategy<Value = (Policy, PolicyError)> {
    let faults: [fn(&mut Policy) -> PolicyError; 6] = [
        |policy| {
            policy.max_open_proposals = 0;
            PolicyError::NoProposals
        },
        |policy| {
            policy.delegation_depth = crate::governance::MAX_INTEGER + 1;
            PolicyError::TooLarge
        },
        |policy| {
            policy.default.approval = None;
            policy.default.absolute = None;
            PolicyError::NoApproval(None)
        },
        |policy| {
            policy.default.approval = Fraction::new(0, 1);
            PolicyError::ZeroApproval(None)
        },
        |policy| {
            policy.default.absolute = Fraction::new(3, 3);
            PolicyError::AbsoluteOutOfReach(None)
        },
        |policy| {
            policy.default.voting_seconds = Seconds::ZERO;
            PolicyError::NoTime(None)
        },
    ];
    (policies(), select(faults.to_vec())).prop_map(|(mut policy, spoil)| {
        let error = spoil(&mut policy);
        (policy, error)
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
        1 => (0..8_usize).prop_map(|node| Step::AccuseInConsensus { node }),
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

/// Everything that can go wrong.
pub fn mischiefs() -> impl Strategy<Value = Mischief> {
    select(Mischief::ALL.to_vec())
}

/// Histories of at most `most` steps after which, or in which, exactly one thing goes wrong.
///
/// A history in which there is nothing to forge yet gets a decision that everybody agrees on.
pub fn adversarial(most: usize) -> impl Strategy<Value = Adversarial> {
    (mischiefs(), histories(most), any::<u8>()).prop_filter_map(
        "a history in which this can happen",
        |(mischief, history, at)| {
            mischief.after(&history, usize::from(at)).or_else(|| {
                let agreed = Matter::AuthorizeModel {
                    model: 0,
                    in_prod: false,
                    seconds: None,
                };
                let mut history = history;
                history.steps.push(Step::Agree {
                    by: 0,
                    matter: agreed,
                });
                mischief.after(&history, usize::from(at))
            })
        },
    )
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
