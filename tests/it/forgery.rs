//! Histories that are well hashed and illegal: whoever can write the file can compute the hashes,
//! but not make the rules agree.

use althing::governance::ballot::Decision::{Abstain, Approve, Reject};
use althing::governance::event::{
    AdmittedBy, AuthorizationGranted, DecisionOverturned, Event, FailureReason, NodeAdded,
    NodeRemoved, PolicyUpdated, ProposalFailed, ProposalSuperseded, SupersededBy, Timing,
};
use althing::governance::id::ProposalId;
use althing::governance::kind::AuthorizationKind;
use althing::governance::policy::Policy;
use althing::governance::prediction::PredictionVerdict;
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::tally::{Reason, Verdict};
use althing::governance::time::{Seconds, Timestamp};
use althing::governance::weight::{TotalWeight, Weight};
use althing::testing::actions::{
    self, authorize_agent, authorize_model, remove_node, revoke_model, update_policy,
};
use althing::testing::{Assembly, Book, Signatures, Signer, StandInVerifier};
use uuid::Uuid;

/// Ids of the history's proposals, in the order in which it opens them.
const TRIAGE: u128 = 1;
const OPEN: u128 = 6;

fn id(number: u128) -> ProposalId {
    ProposalId::from_uuid(Uuid::from_u128(number))
}

/// Four nodes: a grant, an open proposal with a ballot, an equivocation, and everything else that
/// can be forged.
fn history() -> (Book, Assembly) {
    let mut assembly = Assembly::of(&[1; 5]);
    let triage = assembly.pass(0..4, authorize_model("triage"));
    assert_eq!(triage, id(TRIAGE));
    let open = assembly.propose(0, authorize_agent("open"));
    assert_eq!(open, id(OPEN));
    assembly.vote(0, open, Approve);
    assembly.predict("triage");
    assembly.predict("unknown");
    let new = assembly.newcomer(1);
    assembly.pass(0..5, Action::AddNode(new));
    assembly.accuse(4, open);
    assembly.pass(0..5, remove_node(assembly.id(4)));
    assembly.pass(0..4, update_policy(Policy::uniform()));
    assembly.pass(0..4, authorize_model("triage"));
    assembly.pass(0..4, revoke_model("triage"));
    let withdrawn = assembly.propose(1, authorize_agent("withdrawn"));
    assembly.withdraw(withdrawn);
    let late = assembly.propose(1, authorize_agent("late"));
    assembly.vote(1, late, Abstain);
    assembly.wait(86_400);
    assembly.close(late);
    (Book::read(assembly.bytes()), assembly)
}

fn weight(total: u64) -> TotalWeight {
    TotalWeight::new(total).expect("small")
}

macro_rules! edit {
    ($variant:ident, $content:ident => $change:expr) => {
        |event: &mut Event| {
            let Event::$variant($content) = event else {
                panic!("{event:?}");
            };
            $change;
        }
    };
}

fn grant(number: u128) -> Event {
    Event::AuthorizationGranted(AuthorizationGranted {
        grant_id: id(number),
        kind: AuthorizationKind::Agent,
        parent: None,
        terms: GrantTerms::unrestricted(actions::agent("open")),
    })
}

fn admission(admitted_by: AdmittedBy) -> Event {
    let signer = Signer::nth(Signatures::StandIn, 9);
    Event::NodeAdded(NodeAdded {
        admitted_by,
        key: signer.key().clone(),
        name: "forged".parse().expect("a name"),
        node: signer.node(),
        weight: Weight::ONE,
    })
}

/// Changes a history and says at which entry it must be refused. What can be done to any history is
/// a `Mischief`, which `adversarial` is about.
type Forge = fn(&mut Book, &mut Assembly) -> u64;

#[rustfmt::skip]
const FORGERIES: &[(&str, Forge, &str)] = &[
    // Genesis.
    ("a founder's signature is missing", |book, _| {
        book.0[0].pop();
        book.0[0].len() as u64
    }, "genesis.founders-incomplete"),
    ("a founder signed something else", |book, _| {
        let other = Signer::nth(Signatures::StandIn, 4).sign_message(b"something else");
        book.change("node_added", 4, edit!(NodeAdded, it => it.admitted_by = AdmittedBy::Founding(other)))
    }, "genesis.signature"),
    ("a founder has more weight than was signed", |book, _| {
        book.change("node_added", 0, edit!(NodeAdded, it => it.weight = Weight::new(9).unwrap()));
        book.0[0].len() as u64
    }, "replay.genesis"),
    ("a founder has another name than was signed", |book, _| {
        book.change("node_added", 0, edit!(NodeAdded, it => it.name = "forged".parse().unwrap()));
        book.0[0].len() as u64
    }, "replay.genesis"),
    ("founders in another order than was signed", |book, _| {
        book.0[0].swap(1, 2);
        book.0[0].len() as u64
    }, "genesis.key-mismatch"),
    ("a founding in two batches", |book, _| { book.cut_before(3); 2 }, "genesis.founders-incomplete"),
    ("a founding at two times", |book, _| {
        let at = &mut book.0[0].last_mut().unwrap().0;
        *at = at.saturating_add(Seconds::HOUR);
        book.0.truncate(1);
        book.last()
    }, "replay.genesis"),
    ("a history without a founding", |book, _| { book.0.remove(0); 1 }, "replay.genesis"),
    ("a second founding", |book, _| {
        let founding = book.event(1).clone();
        book.insert_after(book.seq("proposal_created", 0), founding)
    }, "replay.no-cause"),
    ("a founder who comes later", |book, _| {
        let signature = Signer::nth(Signatures::StandIn, 9).sign_message(b"");
        book.insert_after(6, admission(AdmittedBy::Founding(signature)))
    }, "replay.no-cause"),

    // Openings.
    ("a shorter deadline", |book, _| book.change("proposal_created", 0, edit!(ProposalCreated, it => {
        it.deadline = Timestamp::from_micros(it.deadline.as_micros() - 1).unwrap();
    })), "replay.divergence"),
    ("a longer deadline", |book, _| book.change("proposal_created", 0, edit!(ProposalCreated, it => {
        it.deadline = it.deadline.saturating_add(Seconds::HOUR);
    })), "replay.divergence"),
    ("another epoch", |book, _| book.change("proposal_created", 0, edit!(ProposalCreated, it => it.epoch += 1)), "replay.divergence"),
    ("another total weight", |book, _| book.change("proposal_created", 0, edit!(ProposalCreated, it => it.total_weight = weight(3))), "replay.divergence"),
    ("a proposal signed by another node", |book, assembly| {
        let signer = assembly.signer(1).clone();
        book.change("proposal_created", 0, edit!(ProposalCreated, it => {
            it.signature = signer.sign_message(&it.statement.message());
        }))
    }, "signature.invalid"),
    ("a proposal opened twice", |book, _| {
        let opened = book.event(book.seq("proposal_created", 0)).clone();
        book.insert_after(book.seq("authorization_granted", 0), opened)
    }, "proposal.duplicate-id"),

    // Ballots.
    ("a ballot counted twice", |book, _| {
        let seq = book.seq("vote_cast", 0);
        let ballot = book.event(seq).clone();
        book.insert_after(seq, ballot)
    }, "replay.already-recorded"),
    ("a contradicting ballot recorded as a vote", |book, assembly| {
        let other = assembly.signed_ballot(0, id(OPEN), Reject);
        book.insert_after(book.seq("prediction_recorded", 0), Event::VoteCast(other))
    }, "replay.divergence"),
    ("a ballot after the decision", |book, assembly| {
        let late = assembly.signed_ballot(4, id(TRIAGE), Approve);
        book.insert_after(book.seq("authorization_granted", 0), Event::VoteCast(late))
    }, "ballot.proposal-closed"),
    ("a ballot of a node that joined later", |book, assembly| {
        let late = assembly.signed_ballot(5, id(OPEN), Approve);
        book.insert_after(book.seq("node_added", 5), Event::VoteCast(late))
    }, "ballot.not-in-electorate"),
    ("a ballot of a suspended node", |book, assembly| {
        let ballot = assembly.signed_ballot(4, id(OPEN), Approve);
        book.insert_after(book.seq("byzantine_detected", 0), Event::VoteCast(ballot))
    }, "ballot.equivocation"),
    ("a ballot in front of its proposal", |book, _| {
        let (batch, _) = book.place(book.seq("vote_cast", 0));
        book.0.swap(batch, batch - 1);
        book.seq("vote_cast", 0)
    }, "ballot.unknown-proposal"),

    // Decisions.
    ("a consensus that is none", |book, _| {
        let consensus = book.event(book.seq("consensus_reached", 0)).clone();
        let mut forged = consensus;
        edit!(ConsensusReached, it => it.proposal_id = id(OPEN))(&mut forged);
        book.insert_after(book.seq("prediction_recorded", 0), forged)
    }, "close.before-deadline"),
    ("a consensus in the batch of a ballot that decides nothing", |book, _| {
        let mut forged = book.event(book.seq("consensus_reached", 0)).clone();
        edit!(ConsensusReached, it => it.proposal_id = id(OPEN))(&mut forged);
        let (batch, _) = book.place(book.seq("proposal_created", 1));
        book.append_to(book.0[..=batch + 1].iter().map(Vec::len).sum::<usize>() as u64, forged)
    }, "close.before-deadline"),
    ("a decision left out", |book, _| {
        book.leave_out("authorization_granted", 0);
        book.leave_out("consensus_reached", 0) - 1
    }, "replay.missing-consequence"),
    ("an effect without its decision", |book, _| book.leave_out("consensus_reached", 0), "replay.divergence"),
    ("a batch cut between consequences", |book, _| {
        let seq = book.seq("authorization_granted", 0);
        book.cut_before(seq);
        seq - 1
    }, "replay.missing-consequence"),
    ("the opposite decision", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.decision = Verdict::Rejected)), "replay.divergence"),
    ("another reason", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.reason = Reason::Absolute)), "replay.divergence"),
    ("another timing", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.timing = Timing::Close)), "replay.divergence"),
    ("more weight in favour", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.approve_weight = weight(5))), "replay.divergence"),
    ("more weight against", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.reject_weight = weight(1))), "replay.divergence"),
    ("more weight abstaining", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.abstain_weight = weight(1))), "replay.divergence"),
    ("more weight Byzantine", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.byzantine_weight = weight(1))), "replay.divergence"),
    ("a smaller total", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.total_weight = weight(4))), "replay.divergence"),
    ("a ballot left out of the list", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => { it.votes.pop(); })), "replay.divergence"),
    ("ballots listed in another order", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.votes.reverse())), "replay.divergence"),
    ("easier conditions", |book, _| book.change("consensus_reached", 0, edit!(ConsensusReached, it => it.rules[0].absolute = None)), "replay.divergence"),
    ("a close that passes what did not", |book, _| {
        let last = book.last();
        edit!(ConsensusReached, it => it.decision = Verdict::Passed)(book.event(last));
        last
    }, "replay.divergence"),
    ("a close a moment too early", |book, _| {
        let last = book.last();
        let batch = book.0.last_mut().unwrap();
        batch[0].0 = Timestamp::from_micros(batch[0].0.as_micros() - 1).unwrap();
        last
    }, "close.before-deadline"),

    // Grants and revocations.
    ("a grant of no proposal", |book, _| book.insert_after(book.seq("prediction_recorded", 0), grant(99)), "proposal.unknown"),
    ("a grant given twice", |book, _| {
        let granted = book.event(book.seq("authorization_granted", 0)).clone();
        book.append_to(book.seq("authorization_granted", 0), granted)
    }, "execute.not-queued"),
    ("a grant on other terms", |book, _| book.change("authorization_granted", 0, edit!(AuthorizationGranted, it => {
        it.terms.subject = actions::model("other");
    })), "replay.divergence"),
    ("a grant of another kind", |book, _| book.change("authorization_granted", 0, edit!(AuthorizationGranted, it => it.kind = AuthorizationKind::Agent)), "replay.divergence"),
    ("a revocation that spares a grant", |book, _| book.change("authorization_revoked", 0, edit!(AuthorizationRevoked, it => { it.grant_ids.pop(); })), "replay.divergence"),
    ("a revocation of more grants", |book, _| book.change("authorization_revoked", 0, edit!(AuthorizationRevoked, it => it.grant_ids.push(id(OPEN)))), "replay.divergence"),
    ("a revocation of another subject", |book, _| book.change("authorization_revoked", 0, edit!(AuthorizationRevoked, it => it.subject = actions::model("other"))), "replay.divergence"),
    ("a revocation that nobody decided", |book, _| {
        let mut forged = book.event(book.seq("authorization_revoked", 0)).clone();
        edit!(AuthorizationRevoked, it => it.proposal_id = id(OPEN))(&mut forged);
        book.insert_after(book.seq("prediction_recorded", 0), forged)
    }, "execute.not-queued"),

    // Membership and policy.
    ("a node without a proposal", |book, _| book.insert_after(6, admission(AdmittedBy::Proposal(id(99)))), "proposal.unknown"),
    ("a node in the name of another decision", |book, _| book.insert_after(book.seq("authorization_granted", 0), admission(AdmittedBy::Proposal(id(TRIAGE)))), "execute.not-queued"),
    ("a node with another weight than was decided", |book, _| book.change("node_added", 5, edit!(NodeAdded, it => it.weight = Weight::new(7).unwrap())), "replay.divergence"),
    ("a node with another key than was decided", |book, _| {
        let key = Signer::nth(Signatures::StandIn, 9).key().clone();
        book.change("node_added", 5, edit!(NodeAdded, it => it.key = key))
    }, "replay.divergence"),
    ("a removal that nobody decided", |book, assembly| {
        let node = assembly.id(1);
        book.insert_after(6, Event::NodeRemoved(NodeRemoved { node, proposal_id: id(99) }))
    }, "proposal.unknown"),
    ("a removal of another node", |book, assembly| {
        let node = assembly.id(1);
        book.change("node_removed", 0, edit!(NodeRemoved, it => it.node = node))
    }, "replay.divergence"),
    ("a policy that nobody decided", |book, _| book.insert_after(6, Event::PolicyUpdated(PolicyUpdated {
        policy: Box::new(Policy::uniform()),
        proposal_id: id(99),
    })), "proposal.unknown"),
    ("another policy than was decided", |book, _| book.change("policy_updated", 0, edit!(PolicyUpdated, it => it.policy.max_open_proposals = 1)), "replay.divergence"),

    // Evidence.
    ("a suspension left out", |book, _| book.change("byzantine_detected", 0, edit!(ByzantineDetected, it => it.suspended = false)), "replay.divergence"),
    ("evidence against another node", |book, assembly| {
        let node = assembly.id(1);
        book.change("byzantine_detected", 0, edit!(ByzantineDetected, it => it.node = node))
    }, "replay.divergence"),
    ("evidence of another proposal", |book, _| book.change("byzantine_detected", 0, edit!(ByzantineDetected, it => it.proposal_id = id(TRIAGE))), "replay.divergence"),
    ("evidence in another order", |book, _| book.change("byzantine_detected", 0, edit!(ByzantineDetected, it => std::mem::swap(&mut it.first, &mut it.second))), "replay.divergence"),
    ("evidence that the accused did not sign", |book, assembly| {
        let signer = assembly.signer(1).clone();
        book.change("byzantine_detected", 0, edit!(ByzantineDetected, it => {
            it.second.signature = signer.sign_message(&it.second.statement.message());
        }))
    }, "evidence.signature"),
    ("evidence twice", |book, _| {
        let seq = book.seq("byzantine_detected", 0);
        let evidence = book.event(seq).clone();
        book.insert_after(seq, evidence)
    }, "replay.already-recorded"),
    ("an overturned decision that stands", |book, _| book.insert_after(book.seq("authorization_granted", 0), Event::DecisionOverturned(DecisionOverturned {
        approve_weight: weight(0),
        byzantine_weight: weight(4),
        proposal_id: id(TRIAGE),
    })), "replay.no-cause"),

    // Other ends.
    ("a failure that is none", |book, _| book.change("authorization_granted", 0, |event| *event = Event::ProposalFailed(ProposalFailed {
        proposal_id: id(TRIAGE),
        reason: FailureReason::Expired,
    })), "replay.divergence"),
    ("a supersession that is none", |book, _| book.insert_after(book.seq("prediction_recorded", 0), Event::ProposalSuperseded(ProposalSuperseded {
        proposal_id: id(OPEN),
        reason: SupersededBy::Revocation,
    })), "execute.not-queued"),
    ("a withdrawal that the proposer did not sign", |book, assembly| {
        let signer = assembly.signer(2).clone();
        book.change("proposal_withdrawn", 0, edit!(ProposalWithdrawn, it => it.signature = signer.sign_message(&it.statement.message())))
    }, "signature.invalid"),
    ("a withdrawal after a ballot", |book, assembly| {
        let mut content = assembly.withdrawal(id(TRIAGE));
        let decided = book.seq("consensus_reached", 0);
        let (batch, _) = book.place(decided);
        content.proposer = assembly.id(0);
        let forged = assembly.sign(0, content);
        // In front of the batch that decides: others have voted by then.
        let before = book.0[..batch].iter().map(Vec::len).sum::<usize>() as u64;
        book.insert_after(before, Event::ProposalWithdrawn(forged))
    }, "withdraw.ballots-cast"),

    // Predictions.
    ("an unauthorized prediction made authorized", |book, _| book.change("prediction_recorded", 1, edit!(PredictionRecorded, it => {
        it.verdict = PredictionVerdict::Granted(id(TRIAGE));
    })), "replay.divergence"),
    ("an authorized prediction made unauthorized", |book, _| book.change("prediction_recorded", 0, edit!(PredictionRecorded, it => {
        it.verdict = PredictionVerdict::Unauthorized;
    })), "replay.divergence"),
    ("a prediction under another grant", |book, _| book.change("prediction_recorded", 0, edit!(PredictionRecorded, it => {
        it.verdict = PredictionVerdict::Granted(id(OPEN));
    })), "replay.divergence"),
];

#[test]
fn the_untouched_history_is_written_and_read_back_as_it_was() {
    let (book, assembly) = history();
    assert_eq!(book.write(), assembly.bytes());
    let replayed = book.replay(&StandInVerifier).expect("a valid history");
    assert_eq!(replayed.state.hash(), assembly.state().hash());
}

#[test]
fn every_well_hashed_forgery_is_refused_where_it_starts() {
    for (what, forge, code) in FORGERIES {
        let (mut book, mut assembly) = history();
        let seq = forge(&mut book, &mut assembly);
        let error = book.replay(&StandInVerifier).expect_err(what);
        assert_eq!((error.code(), error.seq), (*code, seq), "{what}: {error}");
        assert!(error.problem.is_illegal(), "{what}: the bytes are intact");
    }
}

/// Every consequence, whichever it is, can neither be left out nor come twice.
#[test]
fn no_consequence_can_be_left_out_or_repeated() {
    let (book, _) = history();
    for (batch, entries) in book.0.iter().enumerate().skip(1) {
        for (place, consequence) in entries.iter().enumerate().skip(1) {
            let mut without = book.clone();
            without.0[batch].remove(place);
            without.0.truncate(batch + 1);
            assert!(
                without.replay(&StandInVerifier).is_err(),
                "batch {batch} without {place}"
            );
            let mut twice = book.clone();
            twice.0[batch].insert(place, consequence.clone());
            twice.0.truncate(batch + 1);
            assert!(
                twice.replay(&StandInVerifier).is_err(),
                "batch {batch} with {place} twice"
            );
        }
    }
}
