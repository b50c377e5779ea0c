//! What hung on one node: the decisions that would have been others without its ballots.

use serde::Serialize;

use super::ballot::Decision;
use super::id::{NodeId, ProposalId};
use super::kind::ProposalKind;
use super::proposal::Action;
use super::state::proposal::{Decided, Member, ProposalState, Status};
use super::state::{EvidenceRecord, State};
use super::tally::{Standing, Tally, Verdict, judge_at_deadline};
use super::weight::Weight;

/// A decision that would have been another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// The proposal.
    pub proposal: ProposalId,
    /// Its kind.
    pub kind: ProposalKind,
    /// What it is about.
    pub subject: String,
    /// How it was decided.
    pub was: Verdict,
    /// How it would have been decided.
    pub without: Verdict,
}

/// The decisions that would have been others had `node` not voted, in the order in which the
/// proposals were opened.
///
/// Its weight stays in the total and its ballot is absent. Both outcomes are judged at the
/// deadline on the ballots that were counted when the proposal was decided: who else would have
/// voted had the decision not come early, nobody knows. So `was` is what was decided: an early
/// decision is the one that its ballots give at the deadline, but for rejections by ballots that
/// miss the quorum, and those miss it with one ballot less as well.
#[must_use]
pub fn blast_radius(state: &State, node: NodeId) -> Vec<Flip> {
    let proposals = state.proposals().iter();
    proposals
        .filter_map(|proposal| flip(state, proposal, node))
        .collect()
}

/// How many decided proposals count a ballot of `node`, or counted it as Byzantine.
#[must_use]
pub fn took_part_in(state: &State, node: NodeId) -> usize {
    let proposals = state.proposals().iter();
    proposals
        .filter(|proposal| takes_part(state, proposal, node))
        .count()
}

fn takes_part(state: &State, proposal: &ProposalState, node: NodeId) -> bool {
    let member = proposal.member(node);
    let counted = proposal.decided().zip(member).map(|(decided, member)| {
        let judged = Judged {
            state,
            proposal,
            decided,
        };
        judged.standing(node, member)
    });
    counted.is_some_and(|standing| !matches!(standing, Standing::Uncast | Standing::Barred))
}

fn flip(state: &State, proposal: &ProposalState, node: NodeId) -> Option<Flip> {
    if !takes_part(state, proposal, node) {
        return None;
    }
    let decided = proposal.decided()?;
    let judged = Judged {
        state,
        proposal,
        decided,
    };
    let was = judged.verdict(None)?;
    let without = judged.verdict(Some(node))?;
    (was != without).then(|| Flip {
        proposal: proposal.id(),
        kind: proposal.kind(),
        subject: proposal.content().action.subject(),
        was,
        without,
    })
}

/// A proposal as it stood when it was decided.
#[derive(Clone, Copy)]
struct Judged<'a> {
    state: &'a State,
    proposal: &'a ProposalState,
    decided: &'a Decided,
}

impl Judged<'_> {
    /// The outcome at the deadline, as if `absent` had not voted.
    fn verdict(self, absent: Option<NodeId>) -> Option<Verdict> {
        let members: Vec<(Weight, Standing)> = (self.proposal.electorate())
            .map(|(node, member)| {
                let standing = if Some(node) == absent {
                    Standing::Uncast
                } else {
                    self.standing(node, member)
                };
                (member.weight(), standing)
            })
            .collect();
        let tally = Tally::of(&members)?;
        Some(judge_at_deadline(self.proposal.rules(), &tally).verdict)
    }

    /// Where a member stood then. Only evidence on the proposal itself moves anybody after its
    /// decision, and only to the Byzantine side.
    fn standing(self, node: NodeId, member: &Member) -> Standing {
        if member.standing() != Standing::Byzantine || self.was_byzantine(node, member) {
            return member.standing();
        }
        let own = member.decision();
        own.map_or(Standing::Uncast, Decision::standing)
    }

    /// Whether the member counted as Byzantine when the proposal was decided: by evidence on the
    /// proposal, or by evidence on another one that silenced the node after it had voted here.
    fn was_byzantine(self, node: NodeId, member: &Member) -> bool {
        let before = |record: &EvidenceRecord| record.seq < self.decided.seq;
        let own = self.state.evidence_against(node, self.proposal.id());
        if own.is_some_and(before) {
            return true;
        }
        let Some(cast) = member.ballot() else {
            return false;
        };
        let mut records = self.state.convictions();
        records.any(|(accused, record)| {
            accused == node
                && before(record)
                && record.seq > cast.seq
                && (record.suspended || was_removed_before(self.state, node, record.seq))
        })
    }
}

/// Whether `node` had been removed when entry `seq` was recorded. Evidence then silences it
/// without a suspension; against the last active node it does not.
fn was_removed_before(state: &State, node: NodeId, seq: u64) -> bool {
    state.proposals().iter().any(|proposal| {
        proposal.content().action == Action::RemoveNode { node }
            && proposal.status() == Status::Executed
            && proposal.ended_seq().is_some_and(|ended| ended < seq)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::policy::Policy;
    use crate::testing::{Assembly, actions};

    /// Evidence against the last active node silences it nowhere else, whoever else was removed.
    #[test]
    fn the_last_active_nodes_other_ballots_counted_when_they_were_counted() {
        let policy = Policy {
            early_decision: false,
            ..Policy::uniform()
        };
        let mut assembly = Assembly::under(policy, &[3, 1]);
        let (node, removed) = (assembly.id(0), assembly.id(1));
        let removal = assembly.propose(0, actions::remove_node(removed));
        assembly.vote(0, removal, Decision::Approve);
        assembly.close_at_deadline(removal);
        let granted = assembly.propose(0, actions::authorize_model("triage"));
        let other = assembly.propose(0, actions::authorize_model("sepsis"));
        assembly.vote(0, granted, Decision::Approve);
        assembly.accuse(0, other);
        assembly.close_at_deadline(granted);
        assembly.accuse(0, granted);
        let flips: Vec<_> = (blast_radius(assembly.state(), node).into_iter())
            .map(|flip| (flip.proposal, flip.was, flip.without))
            .collect();
        let expected = [removal, granted].map(|id| (id, Verdict::Passed, Verdict::Expired));
        assert_eq!(flips, expected);
    }
}
