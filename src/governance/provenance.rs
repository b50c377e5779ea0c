//! Why a subject is authorized: from the grant down to each ballot and the origin of its key.
//!
//! Specification, "Authorization". Everything here is derived from the state, so it can be asked of
//! any point in the history.

use serde::Serialize;

use super::ballot::Decision;
use super::digest::Digest;
use super::event::Conditions;
use super::id::{GrantId, NodeId, ProposalId, Subject, VoteId};
use super::kind::{AuthorizationKind, ProposalKind};
use super::label::{Name, Prose, Title};
use super::proposal::{FreezeTarget, GrantTerms};
use super::scope::CheckContext;
use super::state::State;
use super::state::authorization::{CheckOutcome, GrantStatus};
use super::state::proposal::{CastBallot, Member, ProposalState, Status};
use super::state::registry::Node;
use super::tally::{Standing, Tally};
use super::time::Timestamp;
use super::weight::Weight;

/// The answer to "why": the outcome of the check, and every grant of that subject and kind with
/// where it comes from.
#[derive(Debug, Clone)]
pub struct Why {
    /// What a check says.
    pub outcome: CheckOutcome,
    /// The freezes that are on and cover the subject.
    pub freezes: Vec<FreezeOrigin>,
    /// All grants of the subject and kind, in the order in which they were given.
    pub grants: Vec<GrantOrigin>,
}

/// A freeze and the decision that imposed it.
#[derive(Debug, Clone, Serialize)]
pub struct FreezeOrigin {
    /// The freeze, by the proposal that imposed it.
    pub id: ProposalId,
    /// What is frozen.
    pub target: FreezeTarget,
    /// When it began.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// The decision that imposed it.
    pub decision: Option<DecisionOrigin>,
}

/// A grant and the decision that gave it.
#[derive(Debug, Clone, Serialize)]
pub struct GrantOrigin {
    /// The grant.
    pub id: GrantId,
    /// What it allows, within which limits.
    pub terms: GrantTerms,
    /// Whether it holds.
    pub status: GrantStatus,
    /// The entry that gave it.
    pub granted_seq: u64,
    /// When it was given.
    pub granted_at: Timestamp,
    /// The decision that gave it.
    pub decision: Option<DecisionOrigin>,
    /// The decision that ended it.
    pub revoked_by: Option<DecisionOrigin>,
    /// The grant that a part of is passed on, with where that one comes from.
    pub parent: Option<Box<GrantOrigin>>,
}

/// A decision: proposal, rule, electorate, ballots.
#[derive(Debug, Clone, Serialize)]
pub struct DecisionOrigin {
    /// The proposal.
    pub proposal_id: ProposalId,
    /// Its kind.
    pub kind: ProposalKind,
    /// What it is about.
    pub title: Title,
    /// Who proposed it.
    pub proposer: NodeId,
    /// What the proposer is called.
    pub proposer_name: Option<Name>,
    /// The entry that opened it.
    pub seq: u64,
    /// The hash of that entry, which every ballot signs.
    pub proposal_hash: Digest,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Where it is in its life.
    pub status: Status,
    /// Whether a voter was found Byzantine afterwards.
    pub tainted: bool,
    /// The entry of the consensus.
    pub decided_seq: Option<u64>,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Whether it was decided before its deadline.
    pub decided_early: Option<bool>,
    /// The conditions that had to hold.
    pub rules: Vec<Conditions>,
    /// Where those conditions come from.
    pub policy: PolicyOrigin,
    /// The count.
    pub tally: Tally,
    /// The weight of the whole electorate, frozen at the opening.
    pub total_weight: u64,
    /// Every member of the electorate, with its ballot if it cast one.
    pub electorate: Vec<VoterOrigin>,
}

/// Where a policy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyOrigin {
    /// The founding statement.
    Founding,
    /// A passed proposal to change it.
    Proposal(ProposalId),
}

/// A member of an electorate.
#[derive(Debug, Clone, Serialize)]
pub struct VoterOrigin {
    /// The node.
    pub node: NodeId,
    /// What it is called.
    pub name: Option<Name>,
    /// Its weight, frozen at the opening.
    pub weight: Weight,
    /// How it counts.
    pub standing: Standing,
    /// Its ballot.
    pub ballot: Option<BallotOrigin>,
}

/// A recorded ballot and the key that signed it.
#[derive(Debug, Clone, Serialize)]
pub struct BallotOrigin {
    /// The ballot's id.
    pub vote_id: VoteId,
    /// What it says.
    pub decision: Decision,
    /// Why, in the voter's words.
    pub rationale: Prose,
    /// The entry that recorded it.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// SHA-256 of the key under which it verifies.
    pub key_fingerprint: Digest,
    /// The entry that brought the key into the registry.
    pub key_since_seq: u64,
}

impl State {
    /// Why `subject` may, or may not, act in `context` at `at`.
    #[must_use]
    pub fn why(
        &self,
        kind: AuthorizationKind,
        subject: &Subject,
        context: &CheckContext,
        at: Timestamp,
    ) -> Why {
        let authorizations = self.authorizations();
        let grants = authorizations.of(kind, subject);
        let freezes = authorizations.freezes().on(at);
        Why {
            outcome: authorizations.check(kind, subject, context, at),
            freezes: freezes
                .filter(|(_, freeze)| freeze.target().covers(subject))
                .map(|(id, freeze)| FreezeOrigin {
                    id,
                    target: freeze.target().clone(),
                    from: freeze.from(),
                    until: freeze.end(),
                    decision: self.decision_origin(id),
                })
                .collect(),
            grants: grants
                .filter_map(|(id, _)| self.grant_origin(id, at))
                .collect(),
        }
    }

    /// Where a grant comes from, up to the first grant of a chain of delegations.
    #[must_use]
    pub fn grant_origin(&self, id: GrantId, at: Timestamp) -> Option<GrantOrigin> {
        // Delegations are few levels deep, and a parent is always older than its child.
        let grant = self.authorizations().get(id)?;
        Some(GrantOrigin {
            id,
            terms: grant.terms().clone(),
            status: self.authorizations().status(id, at)?,
            granted_seq: grant.granted_seq(),
            granted_at: grant.granted_at(),
            decision: self.decision_origin(id),
            revoked_by: grant
                .revoked()
                .and_then(|revoked| self.decision_origin(revoked.by)),
            parent: grant
                .parent()
                .and_then(|parent| self.grant_origin(parent, at))
                .map(Box::new),
        })
    }

    /// Where a decision comes from.
    #[must_use]
    pub fn decision_origin(&self, id: ProposalId) -> Option<DecisionOrigin> {
        let proposal = self.proposals().get(id)?;
        let content = proposal.content();
        let decided = proposal.decided();
        let electorate = proposal.electorate();
        Some(DecisionOrigin {
            proposal_id: id,
            kind: proposal.kind(),
            title: content.title.clone(),
            proposer: content.proposer,
            proposer_name: self.name_of(content.proposer),
            seq: proposal.seq(),
            proposal_hash: *proposal.hash(),
            opened_at: proposal.opened_at(),
            status: proposal.status(),
            tainted: proposal.is_tainted(),
            decided_seq: decided.map(|decided| decided.seq),
            decided_at: decided.map(|decided| decided.at),
            decided_early: decided.map(|decided| decided.early),
            rules: proposal.rules().iter().map(Conditions::of).collect(),
            policy: self.policy_origin(proposal),
            tally: *proposal.tally(),
            total_weight: proposal.tally().total(),
            electorate: electorate
                .map(|(node, member)| self.voter_origin(node, member))
                .collect(),
        })
    }

    fn name_of(&self, node: NodeId) -> Option<Name> {
        self.registry().get(node).map(|node| node.name().clone())
    }

    /// The last change of policy before a proposal was opened.
    fn policy_origin(&self, proposal: &ProposalState) -> PolicyOrigin {
        let changes = self.proposals().iter().filter(|change| {
            change.kind() == ProposalKind::UpdatePolicy
                && change.status() == Status::Executed
                && change.ended_seq().is_some_and(|seq| seq < proposal.seq())
        });
        changes
            .max_by_key(|change| change.ended_seq())
            .map_or(PolicyOrigin::Founding, |change| {
                PolicyOrigin::Proposal(change.id())
            })
    }

    fn voter_origin(&self, node: NodeId, member: &Member) -> VoterOrigin {
        let registered = self.registry().get(node);
        VoterOrigin {
            node,
            name: self.name_of(node),
            weight: member.weight(),
            standing: member.standing(),
            ballot: member
                .ballot()
                .zip(registered)
                .map(|(ballot, node)| ballot_origin(ballot, node)),
        }
    }
}

fn ballot_origin(ballot: &CastBallot, node: &Node) -> BallotOrigin {
    let content = ballot.content();
    let (key, since) = node.key_at(ballot.seq);
    BallotOrigin {
        vote_id: content.vote_id,
        decision: content.decision,
        rationale: content.rationale.clone(),
        seq: ballot.seq,
        at: ballot.at,
        key_fingerprint: key.fingerprint(),
        key_since_seq: since,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Assembly, actions};

    #[test]
    fn an_origin_names_the_proposer_and_the_voters() {
        let mut assembly = Assembly::of(&[1, 1]);
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        let origin = assembly.state().decision_origin(proposal).unwrap();
        let registry = assembly.state().registry();
        let name = |index| Some(registry.get(assembly.id(index)).unwrap().name().clone());
        assert_eq!(origin.proposer_name, name(0));
        let voters: Vec<_> = origin.electorate.into_iter().map(|it| it.name).collect();
        assert_eq!(voters, [name(0), name(1)]);
    }
}
