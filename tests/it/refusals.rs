//! Every refusal: what is refused, with which code, and that nothing happens then.

use std::collections::BTreeSet;

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::command::Command;
use althing::governance::decide::{Context, decide};
use althing::governance::digest::Digest;
use althing::governance::event::{
    AdmittedBy, AuthorizationGranted, CheckpointRecorded, Event, NodeAdded, Recorded,
};
use althing::governance::evolve::evolve;
use althing::governance::genesis::{Genesis, found};
use althing::governance::id::{LedgerId, NodeId, ProposalId};
use althing::governance::key::{Algorithm, PublicKey, Signature};
use althing::governance::kind::AuthorizationKind;
use althing::governance::policy::{Policy, PredictionPolicy};
use althing::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, NewNode, RevocationTerms,
};
use althing::governance::rejection::REJECTION_CODES;
use althing::governance::state::State;
use althing::governance::time::{Seconds, Timestamp};
use althing::governance::weight::Weight;
use althing::ledger::MemoryLedger;
use althing::node::{Node, NodeError};
use althing::testing::actions::{self, authorize_model};
use althing::testing::{
    Assembly, Signatures, Signer, StandInVerifier, founding, genesis, prediction,
};
use uuid::Uuid;

/// Something that must be refused.
enum Attempt {
    /// A command to a running node, now or at another time.
    Submit(Box<Assembly>, Command, Timestamp),
    /// Commands to a running node, in one batch.
    Together(Box<Assembly>, Vec<Command>),
    /// The founding of a ledger.
    Found(Genesis),
    /// A command to a state that takes too long to reach, or can't be reached yet.
    Decide(Box<State>, Command),
}

fn submit(assembly: Assembly, command: Command) -> Attempt {
    let now = assembly.now();
    Attempt::Submit(Box::new(assembly), command, now)
}

/// Lets `by` propose `action`.
fn proposing(mut assembly: Assembly, by: usize, action: Action) -> Attempt {
    let draft = assembly.draft(by, action);
    let signed = assembly.sign(by, draft);
    submit(assembly, Command::Propose(signed))
}

fn four() -> Assembly {
    Assembly::of(&[1, 1, 1, 1])
}

/// Four nodes and an open proposal of the first.
fn open() -> (Assembly, ProposalId) {
    let mut assembly = four();
    let proposal = assembly.propose(0, authorize_model("triage"));
    (assembly, proposal)
}

/// Four nodes and a decision that waits for its timelock.
fn queued() -> (Assembly, ProposalId) {
    let mut policy = Policy::default();
    policy.default.timelock_seconds = Seconds::HOUR;
    let mut assembly = Assembly::under(policy, &[1, 1, 1, 1]);
    let proposal = assembly.pass(0..3, authorize_model("triage"));
    (assembly, proposal)
}

fn nowhere() -> ProposalId {
    ProposalId::from_uuid(Uuid::nil())
}

fn elsewhere() -> LedgerId {
    LedgerId::of_founding("another ledger")
}

/// A genesis of two founders, after a change of its statement.
fn founded(change: fn(&mut althing::governance::founding::Founding)) -> Attempt {
    let mut statement = founding(&[1, 1], Policy::default(), Signatures::StandIn);
    change(&mut statement);
    Attempt::Found(genesis(statement, Signatures::StandIn))
}

/// A genesis of two founders, after a change of what is signed under it.
fn founded_by(change: fn(&mut Genesis)) -> Attempt {
    let statement = founding(&[1, 1], Policy::default(), Signatures::StandIn);
    let mut genesis = genesis(statement, Signatures::StandIn);
    change(&mut genesis);
    Attempt::Found(genesis)
}

/// A proposal to add a newcomer, after a change of what it says.
fn adding(weights: &[u64], change: impl FnOnce(&Assembly, &mut NewNode)) -> Attempt {
    let mut assembly = Assembly::of(weights);
    let mut new = assembly.newcomer(1);
    change(&assembly, &mut new);
    proposing(assembly, 0, Action::AddNode(new))
}

fn granting(change: impl FnOnce(Timestamp, &mut GrantTerms)) -> Attempt {
    let assembly = four();
    let mut terms = GrantTerms::unrestricted(actions::model("triage"));
    change(assembly.now(), &mut terms);
    proposing(assembly, 0, Action::AuthorizeModel(terms))
}

fn voting(
    (mut assembly, proposal): (Assembly, ProposalId),
    change: impl FnOnce(&mut althing::governance::ballot::Ballot),
) -> Attempt {
    let mut ballot = assembly.ballot(3, proposal, Approve);
    change(&mut ballot);
    let signed = assembly.sign(3, ballot);
    submit(assembly, Command::Vote(signed))
}

fn accusing(
    (mut assembly, proposal): (Assembly, ProposalId),
    change: impl FnOnce(&mut althing::governance::ballot::Ballot),
) -> Attempt {
    let mut first = assembly.ballot(3, proposal, Approve);
    change(&mut first);
    let mut second = first.clone();
    second.decision = Reject;
    let first = assembly.sign(3, first);
    let second = assembly.sign(3, second);
    let evidence = althing::governance::evidence::Equivocation { first, second };
    submit(assembly, Command::SubmitEvidence(evidence))
}

/// A checkpoint that claims what is so, after a change.
fn checkpointing(change: fn(&mut CheckpointRecorded)) -> Attempt {
    let assembly = four();
    let preview = (assembly.node()).preview(&Command::RecordCheckpoint(None), assembly.now());
    let Ok([Event::CheckpointRecorded(mut claim)]) = preview.as_deref().map(|it| [it[0].clone()])
    else {
        panic!("a checkpoint of what is so");
    };
    change(&mut claim);
    submit(assembly, Command::RecordCheckpoint(Some(claim)))
}

/// The state after `event`, however it came about.
fn after(state: State, event: Event) -> State {
    let recorded = Recorded {
        seq: state.entries() + 1,
        timestamp: state.clock(),
        hash: Digest::ZERO,
        event,
    };
    evolve(state, &recorded)
}

fn registered(name: &str, key: PublicKey, node: NodeId) -> Event {
    Event::NodeAdded(NodeAdded {
        admitted_by: AdmittedBy::Proposal(nowhere()),
        key,
        name: name.parse().expect("a name"),
        node,
        weight: Weight::ONE,
    })
}

/// A ledger of 10,000 nodes.
fn crowded() -> State {
    let algorithm = Algorithm::MlDsa44;
    (0_u16..9_999).fold(Assembly::of(&[1]).state().clone(), |state, number| {
        let mut bytes = vec![0; algorithm.public_key_bytes()];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        let key = PublicKey::new(algorithm, &bytes).expect("a key");
        let node = NodeId::of_first_key(&key);
        after(state, registered(&number.to_string(), key, node))
    })
}

fn deciding(state: State, action: Action, mut assembly: Assembly) -> Attempt {
    let draft = assembly.draft(0, action);
    let signed = assembly.sign(0, draft);
    Attempt::Decide(Box::new(state), Command::Propose(signed))
}

/// A freeze of everything until so many seconds from now.
fn freezing(seconds: u64) -> Attempt {
    let assembly = four();
    let length = Seconds::new(seconds).expect("a length of time");
    let until = assembly.now().saturating_add(length);
    let target = FreezeTarget::Everything;
    proposing(assembly, 0, Action::EmergencyFreeze { target, until })
}

type Case = (fn() -> Attempt, &'static str);

/// What is tried, and the code of the refusal; in the order of the specification.
#[rustfmt::skip]
const CASES: &[Case] = &[
    (|| {
        let (mut assembly, proposal) = open();
        let before = assembly.now();
        assembly.wait(1);
        assembly.vote(0, proposal, Approve);
        Attempt::Submit(Box::new(assembly), Command::Close(proposal), before)
    }, "clock.behind-head"),

    (|| founded(|statement| statement.founders.clear()), "genesis.no-founders"),
    (|| founded(|statement| statement.founders[1].did = statement.founders[0].did), "genesis.duplicate-founder"),
    (|| founded(|statement| statement.founders[1].name = statement.founders[0].name.clone()), "genesis.duplicate-founder"),
    (|| founded_by(|genesis| { genesis.founders.pop(); }), "genesis.founders-incomplete"),
    (|| founded_by(|genesis| genesis.founders.swap(0, 1)), "genesis.key-mismatch"),
    (|| founded_by(|genesis| genesis.founders[1].1 = genesis.founders[0].1.clone()), "genesis.signature"),
    (|| {
        let mut assembly = Assembly::of(&[1]);
        let new = assembly.newcomer(1);
        deciding(crowded(), Action::AddNode(new), assembly)
    }, "node.too-many"),
    (|| founded(|statement| for founder in &mut statement.founders {
        founder.weight = Weight::new(1 << 52).expect("a weight");
    }), "weight.overflow"),
    (|| adding(&[(1 << 53) - 1], |_, _| ()), "weight.overflow"),
    (|| founded(|statement| statement.policy.max_open_proposals = 0), "policy.invalid"),
    (|| proposing(four(), 0, actions::update_policy(Policy {
        max_open_proposals: 0, ..Policy::default()
    })), "policy.invalid"),

    (|| {
        let mut assembly = four();
        let mut draft = assembly.draft(0, authorize_model("triage"));
        draft.ledger = elsewhere();
        let signed = assembly.sign(0, draft);
        submit(assembly, Command::Propose(signed))
    }, "statement.wrong-ledger"),
    (|| voting(open(), |ballot| ballot.ledger = elsewhere()), "statement.wrong-ledger"),
    (|| accusing(open(), |ballot| ballot.ledger = elsewhere()), "statement.wrong-ledger"),
    (|| {
        let mut assembly = four();
        let _ = assembly.newcomer(1);
        proposing(assembly, 4, authorize_model("triage"))
    }, "node.unknown"),
    (|| {
        let mut assembly = four();
        let new = assembly.newcomer(1);
        proposing(assembly, 0, actions::remove_node(new.node))
    }, "node.unknown"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.accuse(3, proposal);
        proposing(assembly, 3, authorize_model("triage"))
    }, "node.not-active"),
    (|| {
        let mut assembly = four();
        assembly.pass(0..3, actions::remove_node(assembly.id(3)));
        proposing(assembly, 3, authorize_model("triage"))
    }, "node.not-active"),
    (|| {
        let mut assembly = four();
        let draft = assembly.draft(0, authorize_model("triage"));
        let signed = assembly.sign(1, draft);
        submit(assembly, Command::Propose(signed))
    }, "signature.invalid"),

    (|| {
        let (mut assembly, proposal) = open();
        let mut draft = assembly.draft(1, authorize_model("other"));
        draft.proposal_id = proposal;
        let signed = assembly.sign(1, draft);
        submit(assembly, Command::Propose(signed))
    }, "proposal.duplicate-id"),
    (|| {
        let mut assembly = four();
        let mut draft = assembly.draft(0, authorize_model("triage"));
        draft.parameters.insert("text".into(), "x".repeat(64 * 1024).into());
        let signed = assembly.sign(0, draft);
        submit(assembly, Command::Propose(signed))
    }, "proposal.parameters-too-large"),
    (|| {
        let mut assembly = Assembly::under(Policy { max_open_proposals: 1, ..Policy::default() }, &[1, 1]);
        assembly.propose(0, authorize_model("one"));
        proposing(assembly, 0, authorize_model("two"))
    }, "proposal.too-many-open"),
    (|| granting(|now, terms| terms.expires_at = Some(now)), "grant.expiry-in-past"),
    (|| granting(|now, terms| {
        terms.not_before = Some(now.saturating_add(Seconds::HOUR));
        terms.expires_at = terms.not_before;
    }), "grant.empty-period"),
    (|| adding(&[1], |assembly, new| {
        new.key = assembly.signer(0).key().clone();
        new.node = assembly.id(0);
    }), "node.already-registered"),
    (|| {
        // A key that a node has rotated to: its id is that of its first key.
        let mut assembly = Assembly::of(&[1]);
        let new = assembly.newcomer(1);
        let other = NodeId::of_first_key(Signer::nth(Signatures::StandIn, 9).key());
        let state = after(assembly.state().clone(), registered("rotated", new.key.clone(), other));
        deciding(state, Action::AddNode(new), assembly)
    }, "node.key-used"),
    (|| adding(&[1], |_, new| new.name = "node-0".parse().expect("a name")), "node.name-taken"),
    (|| adding(&[1], |assembly, new| new.node = assembly.id(0)), "node.id-mismatch"),
    (|| adding(&[1], |_, new| new.possession = Signature::new(&[0; 32]).expect("short")), "node.no-possession"),
    (|| adding(&[1], |_, new| new.name = "another".parse().expect("a name")), "node.no-possession"),
    (|| {
        let mut assembly = four();
        let (_, new) = assembly.new_key(assembly.id(3));
        proposing(assembly, 0, Action::ReinstateNode(new))
    }, "node.not-suspended"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.accuse(3, proposal);
        let (_, new) = assembly.new_key(assembly.id(3));
        proposing(assembly, 0, Action::ReplaceKey(new))
    }, "node.has-no-vote"),
    (|| freezing(0), "freeze.end-in-past"),
    (|| freezing(3 * 86_400 + 1), "freeze.too-long"),
    (|| proposing(four(), 0, Action::LiftFreeze { target: FreezeTarget::Everything }), "freeze.not-frozen"),
    (|| {
        let terms = GrantTerms::unrestricted(actions::agent("child"));
        let parent = nowhere();
        proposing(four(), 0, Action::Delegation(DelegationTerms { parent, terms }))
    }, "delegation.invalid"),
    (|| {
        let assembly = Assembly::of(&[1]);
        let grant = |number: u128| Event::from(AuthorizationGranted {
            grant_id: ProposalId::from_uuid(Uuid::from_u128(number)),
            kind: AuthorizationKind::Model,
            parent: None,
            terms: GrantTerms::unrestricted(actions::model("triage")),
        });
        let state = (0..1_000).fold(assembly.state().clone(), |state, number| after(state, grant(number)));
        deciding(state, authorize_model("triage"), assembly)
    }, "grant.too-many"),
    (|| {
        let assembly = Assembly::of(&[1]);
        let only = assembly.id(0);
        proposing(assembly, 0, actions::remove_node(only))
    }, "node.last-active"),

    (|| voting(open(), |ballot| ballot.proposal_id = nowhere()), "ballot.unknown-proposal"),
    (|| voting(open(), |ballot| ballot.proposal_hash = Digest::of(b"another history")), "ballot.hash-mismatch"),
    (|| {
        let (mut assembly, proposal) = open();
        let new = assembly.newcomer(1);
        assembly.pass(0..3, Action::AddNode(new));
        let late = assembly.signed_ballot(4, proposal, Approve);
        submit(assembly, Command::Vote(late))
    }, "ballot.not-in-electorate"),
    (|| {
        let (mut assembly, proposal) = open();
        let ballot = assembly.ballot(3, proposal, Approve);
        let signed = assembly.sign(2, ballot);
        submit(assembly, Command::Vote(signed))
    }, "ballot.signature"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.accuse(3, proposal);
        voting((assembly, proposal), |_| ())
    }, "ballot.equivocation"),
    (|| {
        let (mut assembly, proposal) = open();
        let other = assembly.propose(0, authorize_model("other"));
        assembly.accuse(3, other);
        voting((assembly, proposal), |_| ())
    }, "ballot.suspended"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.pass(0..3, actions::remove_node(assembly.id(3)));
        voting((assembly, proposal), |_| ())
    }, "ballot.node-removed"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.withdraw(proposal);
        voting((assembly, proposal), |_| ())
    }, "ballot.proposal-closed"),
    (|| {
        let (mut assembly, proposal) = open();
        let cast_at = assembly.now();
        assembly.wait_until(assembly.proposal(proposal).deadline());
        voting((assembly, proposal), |ballot| ballot.cast_at = cast_at)
    }, "ballot.outside-voting-period"),
    (|| {
        let (assembly, proposal) = open();
        let deadline = assembly.proposal(proposal).deadline();
        voting((assembly, proposal), |ballot| ballot.cast_at = deadline)
    }, "ballot.cast-after-deadline"),
    (|| {
        let (mut assembly, proposal) = open();
        let other = assembly.propose(0, authorize_model("other"));
        let before = assembly.signed_ballot(3, other, Approve);
        let used = before.content().vote_id;
        assembly.accept(&Command::Vote(before));
        voting((assembly, proposal), |ballot| ballot.vote_id = used)
    }, "ballot.vote-id-reused"),

    (|| submit(four(), Command::Close(nowhere())), "proposal.unknown"),
    (|| submit(four(), Command::Execute(nowhere())), "proposal.unknown"),
    (|| accusing(open(), |ballot| ballot.proposal_id = nowhere()), "proposal.unknown"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.withdraw(proposal);
        submit(assembly, Command::Close(proposal))
    }, "proposal.closed"),
    (|| {
        let (assembly, proposal) = queued();
        let signed = assembly.sign(0, assembly.withdrawal(proposal));
        submit(assembly, Command::Withdraw(signed))
    }, "proposal.closed"),
    (|| {
        let (assembly, proposal) = open();
        let mut withdrawal = assembly.withdrawal(proposal);
        withdrawal.proposer = assembly.id(1);
        let signed = assembly.sign(1, withdrawal);
        submit(assembly, Command::Withdraw(signed))
    }, "withdraw.not-proposer"),
    (|| {
        let (assembly, proposal) = open();
        let mut withdrawal = assembly.withdrawal(proposal);
        withdrawal.proposal_hash = Digest::of(b"another history");
        let signed = assembly.sign(0, withdrawal);
        submit(assembly, Command::Withdraw(signed))
    }, "withdraw.hash-mismatch"),
    (|| {
        let (assembly, proposal) = open();
        let signed = assembly.sign(1, assembly.withdrawal(proposal));
        submit(assembly, Command::Withdraw(signed))
    }, "signature.invalid"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.vote(1, proposal, Reject);
        let signed = assembly.sign(0, assembly.withdrawal(proposal));
        submit(assembly, Command::Withdraw(signed))
    }, "withdraw.ballots-cast"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.wait_until(assembly.proposal(proposal).deadline());
        let signed = assembly.sign(0, assembly.withdrawal(proposal));
        submit(assembly, Command::Withdraw(signed))
    }, "withdraw.after-deadline"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.wait(86_399);
        submit(assembly, Command::Close(proposal))
    }, "close.before-deadline"),
    (|| {
        let (assembly, proposal) = open();
        submit(assembly, Command::Execute(proposal))
    }, "execute.not-queued"),
    (|| {
        let (mut assembly, proposal) = queued();
        assembly.wait(3_599);
        submit(assembly, Command::Execute(proposal))
    }, "execute.before-timelock"),
    (|| {
        let mut assembly = four();
        let target = FreezeTarget::Everything;
        let until = assembly.now().saturating_add(Seconds::HOUR);
        assembly.pass(0..3, Action::EmergencyFreeze { target, until });
        let proposal = assembly.pass(0..3, authorize_model("triage"));
        submit(assembly, Command::Execute(proposal))
    }, "execute.frozen"),

    (|| {
        let (mut assembly, proposal) = open();
        let mut evidence = assembly.equivocation(3, proposal);
        evidence.second = evidence.first.clone();
        submit(assembly, Command::SubmitEvidence(evidence))
    }, "evidence.not-contradictory"),
    (|| {
        let (mut assembly, proposal) = open();
        let mut evidence = assembly.equivocation(3, proposal);
        evidence.second = assembly.signed_ballot(2, proposal, Reject);
        submit(assembly, Command::SubmitEvidence(evidence))
    }, "evidence.not-contradictory"),
    (|| accusing(open(), |ballot| ballot.proposal_hash = Digest::of(b"another history")), "evidence.hash-mismatch"),
    (|| {
        let (mut assembly, proposal) = open();
        let _ = assembly.newcomer(1);
        let evidence = assembly.equivocation(4, proposal);
        submit(assembly, Command::SubmitEvidence(evidence))
    }, "evidence.not-in-electorate"),
    (|| {
        let (mut assembly, proposal) = open();
        let mut evidence = assembly.equivocation(3, proposal);
        evidence.second.signature = evidence.first.signature.clone();
        submit(assembly, Command::SubmitEvidence(evidence))
    }, "evidence.signature"),
    (|| {
        let (mut assembly, proposal) = open();
        assembly.withdraw(proposal);
        assembly.wait(30 * 86_400);
        let evidence = assembly.equivocation(3, proposal);
        submit(assembly, Command::SubmitEvidence(evidence))
    }, "evidence.window-over"),

    (|| {
        let policy = Policy { predictions: PredictionPolicy::Refuse, ..Policy::default() };
        submit(Assembly::under(policy, &[1]), Command::RecordPrediction(prediction("triage")))
    }, "prediction.unauthorized"),
    (|| {
        let mut long = prediction("triage");
        long.duration_ms = Some(1 << 53);
        submit(four(), Command::RecordPrediction(long))
    }, "prediction.duration"),
    (|| {
        let again = Command::RecordCheckpoint(None);
        Attempt::Together(Box::new(four()), vec![again.clone(), again])
    }, "checkpoint.place"),
    (|| checkpointing(|claim| claim.state_hash = Digest::ZERO), "checkpoint.state-hash"),
    (|| checkpointing(|claim| claim.registry_hash = Digest::ZERO), "checkpoint.registry-hash"),
    (|| checkpointing(|claim| claim.grants_root = Digest::ZERO), "checkpoint.grants-root"),
    (|| checkpointing(|claim| claim.live_grants += 1), "checkpoint.grants-root"),
    (|| proposing(four(), 0, actions::revoke_grant("triage", nowhere())), "grant.unknown"),
    (|| {
        let mut assembly = four();
        let grant = assembly.pass(0..3, authorize_model("triage"));
        proposing(assembly, 0, actions::revoke_grant("other", grant))
    }, "grant.of-another"),
    (|| {
        let mut assembly = four();
        let grant = assembly.pass(0..3, authorize_model("triage"));
        proposing(assembly, 0, Action::RevokeAgent(RevocationTerms {
            grant_id: Some(grant),
            subject: actions::model("triage"),
        }))
    }, "grant.of-another"),
];

/// The code of the refusal; nothing else may have happened.
fn refusal(attempt: Attempt) -> &'static str {
    match attempt {
        Attempt::Submit(mut assembly, command, at) => {
            let bytes = assembly.bytes().to_vec();
            let state = assembly.state().hash();
            let preview = assembly.node().preview(&command, at);
            let error = assembly
                .node_mut()
                .submit(&command, at)
                .expect_err("the rules refuse it");
            assert_eq!(preview.expect_err("as a preview too").code(), error.code());
            assert_eq!(assembly.bytes(), bytes, "the ledger changed");
            assert_eq!(assembly.state().hash(), state, "the state changed");
            error.code()
        }
        Attempt::Together(mut assembly, commands) => {
            let bytes = assembly.bytes().to_vec();
            let state = assembly.state().hash();
            let now = assembly.now();
            let refused = assembly.node_mut().submit_all(&commands, now);
            assert_eq!(assembly.bytes(), bytes, "the ledger changed");
            assert_eq!(assembly.state().hash(), state, "the state changed");
            refused.expect_err("the rules refuse it").code()
        }
        Attempt::Found(genesis) => {
            let at = genesis.statement.content().created_at;
            let context = Context {
                at,
                verifier: &StandInVerifier,
            };
            let refused = found(&genesis, &context).expect_err("the rules refuse it");
            let node = Node::found_with(
                MemoryLedger::new(),
                &genesis,
                at,
                Signatures::StandIn.boxed_verifier(),
            );
            assert!(matches!(node, Err(NodeError::Refused(_))));
            refused.code()
        }
        Attempt::Decide(state, command) => {
            let context = Context {
                at: state.clock(),
                verifier: &StandInVerifier,
            };
            let refused = decide(&state, &command, &context);
            refused.expect_err("the rules refuse it").code()
        }
    }
}

#[test]
fn every_refusal_has_its_code_and_changes_nothing() {
    for (number, (attempt, code)) in CASES.iter().enumerate() {
        assert_eq!(refusal(attempt()), *code, "case {number}");
    }
}

#[test]
fn every_code_has_a_case() {
    let covered: BTreeSet<&str> = CASES.iter().map(|(_, code)| *code).collect();
    let all: BTreeSet<&str> = REJECTION_CODES.iter().copied().collect();
    assert_eq!(covered, all);
}

/// What can be wrong with a ballot, in the order in which the specification looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Defect {
    WrongLedger,
    UnknownProposal,
    HashMismatch,
    NotInElectorate,
    Signature,
    Equivocation,
    Suspended,
    Removed,
    Closed,
    Outside,
    CastLate,
    VoteIdReused,
}

const DEFECTS: [(Defect, &str); 12] = [
    (Defect::WrongLedger, "statement.wrong-ledger"),
    (Defect::UnknownProposal, "ballot.unknown-proposal"),
    (Defect::HashMismatch, "ballot.hash-mismatch"),
    (Defect::NotInElectorate, "ballot.not-in-electorate"),
    (Defect::Signature, "ballot.signature"),
    (Defect::Equivocation, "ballot.equivocation"),
    (Defect::Suspended, "ballot.suspended"),
    (Defect::Removed, "ballot.node-removed"),
    (Defect::Closed, "ballot.proposal-closed"),
    (Defect::Outside, "ballot.outside-voting-period"),
    (Defect::CastLate, "ballot.cast-after-deadline"),
    (Defect::VoteIdReused, "ballot.vote-id-reused"),
];

/// Whether nothing can have both: a node has one status, an outsider none at all, and only
/// members have cast ballots and contradicted themselves.
fn exclude_each_other(one: Defect, other: Defect) -> bool {
    use Defect::{Equivocation, NotInElectorate, Removed, Suspended, VoteIdReused};
    let pair = |a, b| (one, other) == (a, b) || (one, other) == (b, a);
    pair(Suspended, Removed)
        || [Equivocation, Suspended, Removed, VoteIdReused]
            .into_iter()
            .any(|member| pair(NotInElectorate, member))
}

/// A ballot of the last node with all of `defects`.
fn defective(defects: &[Defect]) -> Attempt {
    let has = |defect| defects.contains(&defect);
    // The seventh signer is an outsider, whose ballots nothing else is wrong with.
    let voter = if has(Defect::NotInElectorate) { 6 } else { 5 };
    let mut assembly = six();
    let _ = assembly.newcomer(1);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let other = assembly.propose(0, authorize_model("other"));
    let deadline = assembly.proposal(proposal).deadline();
    let mut ballot = assembly.ballot(voter, proposal, Approve);

    if has(Defect::VoteIdReused) {
        let before = assembly.signed_ballot(voter, other, Approve);
        ballot.vote_id = before.content().vote_id;
        assembly.accept(&Command::Vote(before));
    }
    if has(Defect::Equivocation) {
        assembly.accuse(voter, proposal);
    }
    if has(Defect::Suspended) {
        assembly.accuse(voter, other);
    }
    if has(Defect::Removed) {
        assembly.pass(0..5, actions::remove_node(assembly.id(voter)));
    }
    if has(Defect::Closed) {
        assembly.withdraw(proposal);
    }
    if has(Defect::Outside) {
        assembly.wait_until(deadline);
    }
    if has(Defect::CastLate) {
        ballot.cast_at = deadline;
    }
    if has(Defect::HashMismatch) {
        ballot.proposal_hash = Digest::of(b"another history");
    }
    if has(Defect::UnknownProposal) {
        ballot.proposal_id = nowhere();
    }
    if has(Defect::WrongLedger) {
        ballot.ledger = elsewhere();
    }
    let signer = if has(Defect::Signature) { 0 } else { voter };
    let signed = assembly.sign(signer, ballot);
    submit(assembly, Command::Vote(signed))
}

fn six() -> Assembly {
    Assembly::of(&[1; 6])
}

#[test]
fn of_two_defects_of_a_ballot_the_earlier_one_is_named() {
    for (place, (first, code)) in DEFECTS.iter().enumerate() {
        assert_eq!(refusal(defective(&[*first])), *code);
        for (second, _) in &DEFECTS[place + 1..] {
            if !exclude_each_other(*first, *second) {
                let found = refusal(defective(&[*first, *second]));
                assert_eq!(found, *code, "{first:?} and {second:?}");
            }
        }
    }
}

#[test]
fn a_recorded_ballot_is_repeated_without_effect_even_when_too_late() {
    let cases: [fn(&mut Assembly, ProposalId); 4] = [
        |_, _| (),
        // Removed since, decided, or past the deadline.
        |assembly, _| {
            assembly.pass(0..5, actions::remove_node(assembly.id(5)));
        },
        |assembly, proposal| assembly.vote_all(0..3, proposal, Approve),
        |assembly, proposal| assembly.wait_until(assembly.proposal(proposal).deadline()),
    ];
    for prepare in cases {
        let mut assembly = six();
        let proposal = assembly.propose(0, authorize_model("triage"));
        let ballot = assembly.signed_ballot(5, proposal, Approve);
        assembly.accept(&Command::Vote(ballot.clone()));
        prepare(&mut assembly, proposal);
        let bytes = assembly.bytes().to_vec();
        assert_eq!(assembly.accept(&Command::Vote(ballot)), []);
        // Another ballot that says the same is the same vote.
        assert_eq!(assembly.vote(5, proposal, Approve), []);
        assert_eq!(assembly.bytes(), bytes);
    }
}

#[test]
fn a_suspended_nodes_recorded_ballot_is_refused_and_not_repeated() {
    let mut assembly = six();
    let proposal = assembly.propose(0, authorize_model("triage"));
    let other = assembly.propose(0, authorize_model("other"));
    let ballot = assembly.signed_ballot(5, proposal, Approve);
    assembly.accept(&Command::Vote(ballot.clone()));
    assembly.accuse(5, other);
    let attempt = submit(assembly, Command::Vote(ballot));
    assert_eq!(refusal(attempt), "ballot.suspended");
}

#[test]
fn a_contradiction_is_recorded_even_when_the_ballot_comes_too_late_to_count() {
    let cases: [fn(&mut Assembly, ProposalId); 4] = [
        |_, _| (),
        |assembly, _| {
            assembly.pass(0..5, actions::remove_node(assembly.id(5)));
        },
        |assembly, proposal| assembly.vote_all(0..3, proposal, Approve),
        |assembly, proposal| {
            let _ = assembly.close_at_deadline(proposal);
        },
    ];
    for prepare in cases {
        let mut assembly = six();
        let proposal = assembly.propose(0, authorize_model("triage"));
        assembly.vote(5, proposal, Approve);
        prepare(&mut assembly, proposal);
        let events = assembly.vote(5, proposal, Reject);
        assert!(
            matches!(events[..], [Event::ByzantineDetected(_), ..]),
            "{events:?}"
        );
        let evidence = assembly.state().evidence_against(assembly.id(5), proposal);
        assert!(evidence.is_some());
    }
}
