//! Holes that were found in other systems by running them. Each is shown to be closed here.

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::command::Command;
use althing::governance::event::{Event, NodeRemoved};
use althing::governance::id::ProposalId;
use althing::governance::key::{Algorithm, Signature, SignatureVerifier as _};
use althing::governance::kind::{AuthorizationKind, ProposalKind};
use althing::governance::policy::Policy;
use althing::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, RevocationTerms,
};
use althing::governance::scope::{CheckContext, Scope};
use althing::governance::state::authorization::CheckReason;
use althing::governance::state::proposal::Status;
use althing::governance::tally::{Standing, Tally, Verdict, judge_at_deadline};
use althing::governance::time::{Seconds, Timestamp};
use althing::governance::weight::Weight;
use althing::identity::MlDsaVerifier;
use althing::ledger::MemoryLedger;
use althing::node::Node;
use althing::testing::actions::{self, authorize_model, remove_node, revoke_model};
use althing::testing::{Assembly, Signatures, Signer, Tampering};

fn code(assembly: &mut Assembly, command: &Command) -> &'static str {
    let entries = assembly.state().entries();
    let refusal = assembly.submit(command).expect_err("it is refused");
    assert_eq!(assembly.state().entries(), entries);
    refusal.code()
}

fn real(weights: &[u64]) -> Assembly {
    let signatures = Signatures::MlDsa(Algorithm::MlDsa65);
    Assembly::signing(signatures, Policy::default(), weights)
}

fn reason(assembly: &Assembly, context: &CheckContext, at: Timestamp) -> CheckReason {
    let subject = actions::model("triage");
    let authorizations = assembly.state().authorizations();
    authorizations
        .check(AuthorizationKind::Model, &subject, context, at)
        .reason
}

/// There, a ballot's own key was believed.
#[test]
fn hole_01_an_outsiders_key_never_casts_members_votes() {
    let mut assembly = real(&[1; 4]);
    let outsider = Signer::nth(assembly.signatures(), 9);
    let proposal = assembly.propose(0, authorize_model("triage"));
    for member in 0..4 {
        let ballot = assembly.ballot(member, proposal, Approve);
        let forged = Command::Vote(outsider.sign(ballot));
        assert_eq!(code(&mut assembly, &forged), "ballot.signature");
    }
    // Nor under its own name: it is no member.
    let mut own = assembly.ballot(0, proposal, Approve);
    own.voter = outsider.node();
    let own = Command::Vote(outsider.sign(own));
    assert_eq!(code(&mut assembly, &own), "ballot.not-in-electorate");
    // A ballot has no place for a key.
    let statement = assembly.signed_ballot(0, proposal, Approve).statement;
    let with_key = statement.as_str().replacen('{', "{\"a_key\":\"\",", 1);
    assert!(serde_json::from_str::<althing::governance::ballot::Ballot>(&with_key).is_err());
    assert_eq!(assembly.status(proposal), Status::Voting);
}

/// There, a result with approval 10^6 of a total of 1 verified, and an unsigned proposal of a
/// non-member passed.
#[test]
fn hole_02_results_are_counted_and_proposals_are_members_signed_ones() {
    let mut assembly = real(&[1, 1, 1]);
    let outsider = Signer::nth(assembly.signatures(), 9);
    let mut draft = assembly.draft(0, authorize_model("triage"));
    let unsigned = outsider.sign(draft.clone());
    assert_eq!(
        code(&mut assembly, &Command::Propose(unsigned)),
        "signature.invalid"
    );
    draft.proposer = outsider.node();
    let foreign = outsider.sign(draft);
    assert_eq!(
        code(&mut assembly, &Command::Propose(foreign)),
        "node.unknown"
    );
    // No command carries a result: weights come from the electorate. What a record claims must be
    // what the ballots add up to; see `forgery` for each of its members.
    let proposal = assembly.pass(0..2, authorize_model("triage"));
    let tally = assembly.proposal(proposal).tally();
    assert_eq!((tally.approve(), tally.total()), (2, 3));
    // Parts that exceed their whole can't even be counted.
    let members = [(Weight::new((1 << 53) - 1).unwrap(), Standing::Approve); 2];
    assert_eq!(Tally::of(&members), None);
}

/// There, finalizing with no votes signed "rejected", and a second finalizing signed "passed".
#[test]
fn hole_03_a_decision_is_taken_once_and_not_before_its_time() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let close = Command::Close(proposal);
    assert_eq!(code(&mut assembly, &close), "close.before-deadline");
    assembly.close_at_deadline(proposal);
    assert_eq!(assembly.status(proposal), Status::Expired);
    let ballot = Command::Vote(assembly.signed_ballot(0, proposal, Approve));
    assert_eq!(code(&mut assembly, &ballot), "ballot.proposal-closed");
    assert_eq!(code(&mut assembly, &close), "proposal.closed");
    assert_eq!(
        code(&mut assembly, &Command::Execute(proposal)),
        "execute.not-queued"
    );
}

/// There, an equivocator's first vote still counted, and the evidence was thrown away.
#[test]
fn hole_04_an_equivocators_votes_count_for_nothing_and_the_evidence_stays() {
    let mut assembly = real(&[1; 4]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    assembly.vote(3, proposal, Approve);
    let events = assembly.vote(3, proposal, Reject);
    let [Event::ByzantineDetected(detected)] = &events[..] else {
        panic!("{events:?}");
    };
    let tally = assembly.proposal(proposal).tally();
    assert_eq!((tally.approve(), tally.byzantine()), (0, 1));
    // The record convinces anyone who knows the key, without the ledger.
    for ballot in [&detected.first, &detected.second] {
        assert!(ballot.is_signed_by(assembly.signer(3).key(), &MlDsaVerifier));
    }
    assert_ne!(
        detected.first.content().decision,
        detected.second.content().decision
    );
    let replayed = assembly.replay();
    assert!(
        replayed
            .state
            .evidence_against(assembly.id(3), proposal)
            .is_some()
    );
}

/// There, the audit log dropped its oldest entries, could be edited, and was never replayed.
#[test]
fn hole_05_the_ledger_is_the_state_and_forgets_nothing() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    for _ in 0..40 {
        let proposal = assembly.pass(0..2, authorize_model("triage"));
        assert_eq!(assembly.status(proposal), Status::Executed);
    }
    let ledger = assembly.bytes().to_vec();
    let lines = ledger.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(lines, assembly.state().entries());
    assert!(ledger.starts_with(b"{\"v\":1,\"seq\":1,"));
    // The state is what the ledger says, and the ledger can't be edited.
    let reopened = Node::open_with(
        MemoryLedger::from_bytes(ledger.clone()).unwrap(),
        assembly.signatures().boxed_verifier(),
    );
    assert_eq!(reopened.unwrap().state().hash(), assembly.state().hash());
    for edit in [
        Tampering::DeleteLine(0),
        Tampering::DeleteLine(9),
        Tampering::FlipBit {
            byte: 3_000,
            bit: 0,
        },
    ] {
        assert!(MemoryLedger::from_bytes(edit.apply(&ledger)).is_err());
    }
}

/// There, removing members in mid-vote turned 2 of 4 into 2 of 2; negative weights passed.
#[test]
fn hole_06_removing_members_never_changes_an_open_votes_total() {
    let mut assembly = Assembly::of(&[1; 6]);
    let open = assembly.propose(0, authorize_model("triage"));
    assembly.vote_all([0, 1], open, Approve);
    for node in [5, 4] {
        assembly.pass(0..node, remove_node(assembly.id(node)));
    }
    assert_eq!(assembly.state().registry().active_count(), 4);
    assert_eq!(assembly.proposal(open).tally().total(), 6);
    assert_eq!(assembly.status(open), Status::Voting);
    assembly.close_at_deadline(open);
    assert_eq!(
        assembly.status(open),
        Status::Expired,
        "two of six, not two of four"
    );
    // A removed member's weight is gone from what is opened afterwards.
    let next = assembly.propose(0, authorize_model("next"));
    assert_eq!(assembly.proposal(next).tally().total(), 4);
    for weight in ["-1", "0", "1.5", "9007199254740992", "\"1\""] {
        assert!(serde_json::from_str::<Weight>(weight).is_err(), "{weight}");
    }
}

/// There, an unsigned result, or one of another subject and kind, authorized.
#[test]
fn hole_07_only_an_executed_proposal_authorizes_and_only_its_own_subject_and_kind() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let rejected = assembly.propose(0, authorize_model("triage"));
    assembly.vote_all([0, 1], rejected, Reject);
    let open = CheckContext::default();
    let now = assembly.now();
    assert_eq!(reason(&assembly, &open, now), CheckReason::NoGrant);
    assembly.pass(0..2, actions::authorize_agent("triage"));
    assembly.pass(0..2, authorize_model("other"));
    assert_eq!(reason(&assembly, &open, now), CheckReason::NoGrant);
    // The same name as an agent is another subject, and another kind.
    let authorizations = assembly.state().authorizations();
    for (kind, subject, allowed) in [
        (AuthorizationKind::Agent, actions::agent("triage"), true),
        (AuthorizationKind::Model, actions::agent("triage"), false),
        (
            AuthorizationKind::Delegation,
            actions::agent("triage"),
            false,
        ),
        (AuthorizationKind::Agent, actions::model("other"), false),
        (AuthorizationKind::Model, actions::model("other"), true),
    ] {
        let outcome = authorizations.check(kind, &subject, &open, now);
        assert_eq!(outcome.is_allowed(), allowed, "{kind} {subject}");
    }
}

/// There, expiry and scope had no effect, and an expiry that could not be parsed never came.
#[test]
fn hole_08_expiry_scope_and_revocation_take_effect() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let now = assembly.now();
    let mut scope = Scope::unrestricted();
    scope.allow("environment", "prod").unwrap();
    scope.allow("max_rate_qps", "50").unwrap();
    let terms = GrantTerms {
        not_before: Some(now.saturating_add(Seconds::HOUR)),
        expires_at: Some(now.saturating_add(Seconds::DAY)),
        scope,
        ..GrantTerms::unrestricted(actions::model("triage"))
    };
    assembly.pass(0..2, Action::AuthorizeModel(terms));
    let context = |environment: &str| {
        let mut context = CheckContext::default();
        context.set("environment", environment).unwrap();
        context
    };
    let at = |seconds: u64| now.saturating_add(Seconds::new(seconds).unwrap());
    for (place, seconds, expected) in [
        ("prod", 3_599, CheckReason::NotYetValid),
        ("prod", 3_600, CheckReason::Granted),
        ("test", 3_600, CheckReason::OutOfScope),
        ("prod", 86_399, CheckReason::Granted),
        ("prod", 86_400, CheckReason::Expired),
    ] {
        let found = reason(&assembly, &context(place), at(seconds));
        assert_eq!(found, expected, "{place} after {seconds} s");
    }
    let nowhere = CheckContext::default();
    assert_eq!(
        reason(&assembly, &nowhere, at(3_600)),
        CheckReason::OutOfScope
    );
    let authorizations = assembly.state().authorizations();
    let subject = actions::model("triage");
    let outcome = authorizations.check(
        AuthorizationKind::Model,
        &subject,
        &context("prod"),
        at(3_600),
    );
    assert_eq!(outcome.obligations["max_rate_qps"], 50);

    assembly.wait(3_600);
    assembly.pass(0..2, revoke_model("triage"));
    assert_eq!(
        reason(&assembly, &context("prod"), at(3_600)),
        CheckReason::Revoked
    );
    for bad in ["never", "2026-13-01T00:00:00.000000Z", "2026-01-01", ""] {
        let terms =
            format!(r#"{{"expires_at":"{bad}","scope":{{}},"subject":"urn:model:triage"}}"#);
        assert!(serde_json::from_str::<GrantTerms>(&terms).is_err(), "{bad}");
    }
    // A freeze denies, and a delegation ends when it is revoked.
    let root = assembly.pass(0..2, actions::authorize_agent("root"));
    let until = assembly.now().saturating_add(Seconds::HOUR);
    let terms = GrantTerms::unrestricted(actions::agent("child"));
    let parent = root;
    assembly.pass(0..2, Action::Delegation(DelegationTerms { parent, terms }));
    let child = |assembly: &Assembly| {
        let nowhere = CheckContext::default();
        let grants = assembly.state().authorizations();
        let (kind, subject) = (AuthorizationKind::Delegation, actions::agent("child"));
        grants
            .check(kind, &subject, &nowhere, assembly.now())
            .reason
    };
    assert_eq!(child(&assembly), CheckReason::Granted);
    let target = FreezeTarget::Everything;
    assembly.pass(0..2, Action::EmergencyFreeze { target, until });
    assert_eq!(child(&assembly), CheckReason::Frozen);
    assembly.wait(3_600);
    assert_eq!(child(&assembly), CheckReason::Granted);
    let (grant_id, subject) = (None, actions::agent("child"));
    let revocation = RevocationTerms { grant_id, subject };
    assembly.pass(0..2, Action::RevokeDelegation(revocation));
    assert_eq!(child(&assembly), CheckReason::Revoked);
}

/// There, signatures were Ed25519 under the name ML-DSA-65, and a vote took 10,980 bytes.
#[test]
fn hole_09_signatures_are_what_they_are_called_and_votes_are_small() {
    let mut assembly = real(&[1, 1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let mut ballot = assembly.signed_ballot(0, proposal, Approve);
    assert_eq!(ballot.signature.as_bytes().len(), 3_309);
    let before = assembly.bytes().len();
    assembly.accept(&Command::Vote(ballot.clone()));
    let line = assembly.bytes().len() - before;
    assert!(line < 5_500, "a vote takes {line} bytes");
    // Another algorithm's signature, or one of the length of Ed25519's, is none.
    for length in [0, 64, 2_420, 3_308, 3_310, 4_627] {
        ballot.signature = Signature::new(&vec![7; length]).unwrap();
        let key = assembly.signer(0).key();
        assert!(!MlDsaVerifier.verify(key, &ballot.statement.message(), &ballot.signature));
    }
    for name in ["Ed25519", "ml-dsa-65", "ML-DSA-65-SHAKE", "Dilithium3"] {
        assert!(name.parse::<Algorithm>().is_err());
    }
    // A signature under one purpose is worthless for any other.
    let statement = assembly.signed_ballot(1, proposal, Approve).statement;
    let bare = assembly
        .signer(1)
        .sign_message(statement.as_str().as_bytes());
    let undomained = Command::Vote(statement.with_signature(bare));
    assert_eq!(code(&mut assembly, &undomained), "ballot.signature");
}

/// How nine equal nodes vote on one of two contradictory proposals: 4 in favour, 2 against.
fn contradictory(policy: &Policy, action: fn() -> Action) -> [Status; 2] {
    let mut policy = policy.clone();
    policy.early_decision = false;
    let mut assembly = Assembly::under(policy, &[1; 9]);
    let outcomes = [[0, 1, 2, 3], [5, 6, 7, 8]].map(|approvers| {
        let proposal = assembly.propose(4, action());
        assembly.vote_all(approvers, proposal, Approve);
        let against = if approvers[0] == 0 { [4, 5] } else { [4, 0] };
        assembly.vote_all(against, proposal, Reject);
        proposal
    });
    outcomes.map(|proposal| {
        assembly.close_at_deadline(proposal);
        assembly.status(proposal)
    })
}

/// There, two contradictory proposals passed with disjoint approvers, 4 of 9 each.
#[test]
fn hole_10_contradictory_proposals_never_pass_with_disjoint_approvers() {
    let grant = || authorize_model("triage");
    // Under a policy without absolute conditions they do; it is what that preset is.
    assert_eq!(
        contradictory(&Policy::uniform(), grant),
        [Status::Executed; 2]
    );
    assert_eq!(
        contradictory(&Policy::default(), grant),
        [Status::Rejected; 2]
    );

    // For every kind whose decisions can contradict each other, and every split of small
    // electorates: two disjoint sides never both pass, whoever abstains.
    let policy = Policy::default();
    let decides = |kind, yes: u64, no: u64, abstain: u64| {
        let side = |count, standing| (0..count).map(move |_| (Weight::ONE, standing));
        let members: Vec<_> = side(yes, Standing::Approve)
            .chain(side(no, Standing::Reject))
            .chain(side(abstain, Standing::Abstain))
            .collect();
        let tally = Tally::of(&members).unwrap();
        judge_at_deadline(&[policy.rule(kind)], &tally).verdict == Verdict::Passed
    };
    for kind in [
        ProposalKind::AuthorizeModel,
        ProposalKind::AuthorizeAgent,
        ProposalKind::Delegation,
        ProposalKind::AddNode,
        ProposalKind::RemoveNode,
        ProposalKind::UpdatePolicy,
    ] {
        for total in 1..=12_u64 {
            for one in 1..total {
                for other in 1..=total - one {
                    let at_best = |yes: u64| {
                        (0..=total - yes).any(|no| decides(kind, yes, no, total - yes - no))
                    };
                    assert!(
                        !(at_best(one) && at_best(other)),
                        "{kind}: {one} and {other} of {total}"
                    );
                }
            }
        }
    }
}

/// The event that removes a node is never taken from a log without the decision behind it.
#[test]
fn hole_06_a_removal_in_the_log_alone_removes_nobody() {
    let event = Event::NodeRemoved(NodeRemoved {
        node: Signer::nth(Signatures::StandIn, 1).node(),
        proposal_id: ProposalId::from_uuid(uuid::Uuid::nil()),
    });
    let mut assembly = Assembly::of(&[1, 1]);
    let command = Command::that_causes(&event).unwrap();
    assert_eq!(code(&mut assembly, &command), "proposal.unknown");
}
