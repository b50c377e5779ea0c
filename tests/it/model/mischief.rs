//! Commands that well-behaved nodes don't give.

use althing::governance::ballot::{Ballot, Decision};
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::id::{LedgerId, ProposalId};
use althing::governance::proposal::{
    Action, FreezeTarget, Proposal, RevocationTerms, Rotation, Withdrawal,
};
use althing::governance::statement::Signed;
use althing::governance::time::{Seconds, Timestamp};
use althing::governance::weight::{Fraction, Weight};
use althing::testing::{Assembly, actions};
use proptest::prelude::*;
use uuid::Uuid;

/// What goes wrong with a command, before the command itself is given.
#[derive(Debug, Clone, Copy)]
pub enum Mischief {
    /// Nothing.
    None,
    /// An earlier command comes again, so many back.
    Again(usize),
    /// The statement names another ledger.
    OtherLedger,
    /// Another node signs it.
    SignedBy(usize),
    /// It names another proposal hash.
    OtherHash,
    /// It names a proposal that does not exist.
    OtherProposal,
    /// The ballot has the id of the voter's first ballot.
    SameVoteId,
    /// The ballot claims to be cast at the end of time.
    CastLate,
    /// The grant to end does not exist, or is another's.
    OtherGrant(usize),
    /// The grant or freeze is over already, or too long.
    OtherEnd(u64),
    /// What is passed on is limited in other ways.
    Narrowed(bool, Option<u64>),
    /// Another target is to be lifted, another policy to hold, another weight to be given.
    Otherwise,
}

pub fn mischiefs() -> impl Strategy<Value = Mischief> {
    prop_oneof![
        12 => Just(Mischief::None),
        5 => (0..40_usize).prop_map(Mischief::Again),
        1 => Just(Mischief::OtherLedger),
        1 => (0..8_usize).prop_map(Mischief::SignedBy),
        1 => Just(Mischief::OtherHash),
        1 => Just(Mischief::OtherProposal),
        1 => Just(Mischief::SameVoteId),
        1 => Just(Mischief::CastLate),
        1 => (0..5_usize).prop_map(Mischief::OtherGrant),
        1 => prop_oneof![Just(0_u64), Just(500_u64), Just(1_000_000_u64)]
            .prop_map(Mischief::OtherEnd),
        1 => Just(Mischief::Otherwise),
        3 => (any::<bool>(), proptest::option::of(3..=5_u64)).prop_map(|(prod, limit)| Mischief::Narrowed(prod, limit)),
    ]
}

impl Mischief {
    /// Whether the command itself is left out.
    pub const fn is_instead(self) -> bool {
        matches!(
            self,
            Self::OtherGrant(_) | Self::OtherEnd(_) | Self::Narrowed(..)
        )
    }

    /// The command that is given instead, if this can go wrong with it.
    pub fn apply(
        self,
        command: &Command,
        past: &[Command],
        assembly: &mut Assembly,
    ) -> Option<Command> {
        match self {
            Self::None => None,
            Self::Again(back) => past.iter().rev().nth(back).cloned(),
            _ => match command {
                Command::Vote(signed) => self.garbled_ballot(signed.content(), past, assembly),
                Command::Propose(signed) => self.garbled_proposal(signed.content(), assembly),
                Command::Withdraw(signed) => self.garbled_withdrawal(signed.content(), assembly),
                Command::RotateKey(signed) => self.garbled_rotation(signed.content(), assembly),
                Command::SubmitEvidence(evidence) => {
                    let mut evidence = evidence.clone();
                    let mut first = evidence.first.content().clone();
                    let by = self.garble(&mut first, past, assembly)?;
                    if matches!(self, Self::SameVoteId) {
                        first.decision = Decision::Reject;
                    }
                    if matches!(self, Self::OtherHash | Self::OtherProposal) {
                        let mut second = evidence.second.content().clone();
                        self.garble(&mut second, past, assembly);
                        evidence.second = sign(by, second, assembly);
                    }
                    evidence.first = sign(by, first, assembly);
                    Some(Command::SubmitEvidence(evidence))
                }
                Command::Close(_) if matches!(self, Self::OtherProposal) => {
                    Some(Command::Close(nowhere()))
                }
                Command::Execute(_) if matches!(self, Self::OtherProposal) => {
                    Some(Command::Execute(nowhere()))
                }
                _ => None,
            },
        }
    }

    fn garbled_ballot(
        self,
        ballot: &Ballot,
        past: &[Command],
        assembly: &mut Assembly,
    ) -> Option<Command> {
        let mut ballot = ballot.clone();
        let by = self.garble(&mut ballot, past, assembly)?;
        Some(Command::Vote(sign(by, ballot, assembly)))
    }

    /// Changes a ballot and says who signs it: the voter, where nobody else does.
    fn garble(
        self,
        ballot: &mut Ballot,
        past: &[Command],
        assembly: &Assembly,
    ) -> Option<Option<usize>> {
        match self {
            Self::OtherLedger => ballot.ledger = elsewhere(),
            Self::SignedBy(by) => return Some(Some(by % assembly.signer_count())),
            Self::OtherHash => ballot.proposal_hash = Digest::of(b"another"),
            Self::OtherProposal => ballot.proposal_id = nowhere(),
            Self::CastLate => ballot.cast_at = Timestamp::MAX,
            Self::SameVoteId => {
                ballot.vote_id = past.iter().find_map(|command| match command {
                    Command::Vote(it) if it.content().voter == ballot.voter => {
                        Some(it.content().vote_id)
                    }
                    _ => None,
                })?;
            }
            _ => return None,
        }
        Some(None)
    }

    fn garbled_proposal(self, proposal: &Proposal, assembly: &mut Assembly) -> Option<Command> {
        let mut proposal = proposal.clone();
        // The proposal itself comes after this one.
        proposal.proposal_id = ProposalId::from_uuid(assembly.next_id());
        let mut by = None;
        match self {
            Self::OtherLedger => proposal.ledger = elsewhere(),
            Self::SignedBy(it) => by = Some(it % assembly.signer_count()),
            _ => self.garble_action(&mut proposal.action, assembly)?,
        }
        let signer = match by {
            Some(by) => assembly.signer(by),
            None => assembly.signer_of(proposal.proposer),
        };
        Some(Command::Propose(signer.sign(proposal)))
    }

    fn garble_action(self, action: &mut Action, assembly: &Assembly) -> Option<()> {
        let later = |seconds| {
            let seconds = Seconds::new(seconds).expect("a length of time");
            assembly.now().saturating_add(seconds)
        };
        match (self, action) {
            (
                Self::OtherGrant(number),
                Action::RevokeModel(terms)
                | Action::RevokeAgent(terms)
                | Action::RevokeDelegation(terms),
            ) => *terms = other_grant(number, terms, assembly),
            (Self::OtherGrant(number), Action::Delegation(terms)) => {
                let grants = assembly.state().authorizations();
                let grant = grants.iter().nth(number).map(|(id, _)| id);
                terms.parent = grant.unwrap_or_else(nowhere);
            }
            (
                Self::OtherEnd(seconds),
                Action::AuthorizeModel(terms) | Action::AuthorizeAgent(terms),
            ) => {
                terms.expires_at = Some(later(seconds));
                terms.not_before = (seconds > 0).then(|| later(seconds / 2 + 400));
            }
            (Self::OtherEnd(seconds), Action::Delegation(delegation)) => {
                delegation.terms.expires_at = Some(later(seconds / 3));
                delegation.terms.not_before = (seconds > 0).then(|| later(seconds / 4));
            }
            (Self::OtherEnd(seconds), Action::EmergencyFreeze { until, .. }) => {
                *until = later(seconds);
            }
            (Self::Narrowed(prod, limit), action) => {
                let terms = match action {
                    Action::AuthorizeModel(terms) | Action::AuthorizeAgent(terms) => terms,
                    Action::Delegation(delegation) => &mut delegation.terms,
                    _ => return None,
                };
                if prod {
                    (terms.scope.allow("environment", "prod")).expect("a key and a value");
                }
                if let Some(limit) = limit {
                    (terms.scope.allow("max_rate_qps", &limit.to_string()))
                        .expect("a key and a value");
                }
            }
            (Self::Otherwise, Action::LiftFreeze { target }) => {
                *target = FreezeTarget::Subject(actions::agent("2"));
            }
            (Self::Otherwise, Action::UpdatePolicy { policy }) => {
                if policy.early_decision {
                    policy.default.window_seconds = Seconds::ZERO;
                } else {
                    policy.floors.quorum = Fraction::new(1, 9);
                }
            }
            (Self::Otherwise, Action::AddNode(new)) => {
                new.weight = Weight::new((1 << 53) - 1).expect("a weight");
            }
            (Self::OtherProposal, Action::RemoveNode { node }) => {
                *node = assembly.state().registry().iter().last()?.0;
            }
            (Self::OtherProposal, Action::ReinstateNode(new) | Action::ReplaceKey(new)) => {
                new.node = assembly.state().registry().iter().last()?.0;
            }
            (Self::SameVoteId, Action::ReinstateNode(new) | Action::ReplaceKey(new)) => {
                new.key = assembly.signer(0).key().clone();
            }
            (Self::SameVoteId, Action::AddNode(new)) => {
                new.name = "node-0".parse().expect("a name");
            }
            (Self::CastLate, Action::AddNode(new)) => {
                new.key = assembly.signer(0).key().clone();
                new.node = assembly.signer(0).node();
            }
            (Self::OtherHash, Action::AddNode(new)) => {
                new.node = assembly.signer(0).node();
            }
            (Self::OtherHash, Action::ReinstateNode(new) | Action::ReplaceKey(new)) => {
                new.key_name = "another".parse().expect("a name");
            }
            _ => return None,
        }
        Some(())
    }

    fn garbled_withdrawal(self, withdrawal: &Withdrawal, assembly: &Assembly) -> Option<Command> {
        let mut withdrawal = withdrawal.clone();
        let mut signer = assembly.signer_of(withdrawal.proposer);
        match self {
            Self::OtherLedger => withdrawal.ledger = elsewhere(),
            Self::SignedBy(by) => signer = assembly.signer(by % assembly.signer_count()),
            Self::OtherHash => withdrawal.proposal_hash = Digest::of(b"another"),
            Self::OtherProposal => withdrawal.proposal_id = nowhere(),
            Self::OtherGrant(by) => {
                withdrawal.proposer = assembly.id(by % assembly.signer_count());
                signer = assembly.signer_of(withdrawal.proposer);
            }
            _ => return None,
        }
        Some(Command::Withdraw(signer.sign(withdrawal)))
    }

    fn garbled_rotation(self, rotation: &Rotation, assembly: &Assembly) -> Option<Command> {
        let mut rotation = rotation.clone();
        let mut signer = assembly.signer_of(rotation.new_key.node);
        match self {
            Self::OtherLedger => rotation.ledger = elsewhere(),
            Self::SignedBy(by) => signer = assembly.signer(by % assembly.signer_count()),
            Self::OtherHash => rotation.new_key.key_name = "another".parse().expect("a name"),
            Self::SameVoteId => rotation.new_key.key = assembly.signer(0).key().clone(),
            _ => return None,
        }
        Some(Command::RotateKey(signer.sign(rotation)))
    }
}

fn sign(by: Option<usize>, ballot: Ballot, assembly: &Assembly) -> Signed<Ballot> {
    match by {
        Some(by) => assembly.signer(by).sign(ballot),
        None => assembly.signer_of(ballot.voter).sign(ballot),
    }
}

fn other_grant(number: usize, terms: &RevocationTerms, assembly: &Assembly) -> RevocationTerms {
    let grants = assembly.state().authorizations();
    let grant = grants.iter().nth(number);
    RevocationTerms {
        grant_id: Some(grant.map_or_else(nowhere, |(id, _)| id)),
        subject: match number % 2 {
            0 => terms.subject.clone(),
            _ => grant.map_or_else(|| actions::model("0"), |(_, it)| it.terms().subject.clone()),
        },
    }
}

fn elsewhere() -> LedgerId {
    LedgerId::of_founding("elsewhere")
}

fn nowhere() -> ProposalId {
    ProposalId::from_uuid(Uuid::from_u128(u128::MAX))
}
