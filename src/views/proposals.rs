//! Proposals: their count, their ballots, where they are in their life.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{View, name_of};
use crate::governance::ballot::Decision;
use crate::governance::digest::Digest;
use crate::governance::event::Conditions;
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::kind::ProposalKind;
use crate::governance::proposal::Action;
use crate::governance::state::State;
use crate::governance::state::proposal::{ProposalState, Status};
use crate::governance::tally::Standing;
use crate::governance::time::Timestamp;

/// One proposal in a list. Weights are those of the electorate at the opening.
#[derive(Debug, Clone, Serialize)]
pub struct ProposalSummary {
    /// The proposal.
    pub proposal_id: ProposalId,
    /// What it asks for.
    pub kind: ProposalKind,
    /// The model, agent or node that it is about.
    pub subject: String,
    /// Its title.
    pub title: String,
    /// Where it is in its life.
    pub status: Status,
    /// Who proposed it.
    pub proposer: NodeId,
    /// Weight that approves.
    pub approve_weight: u64,
    /// Weight that rejects.
    pub reject_weight: u64,
    /// Weight that abstains.
    pub abstain_weight: u64,
    /// Weight of voters that contradicted themselves.
    pub byzantine_weight: u64,
    /// Weight of the whole electorate.
    pub total_weight: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Until when ballots are taken.
    pub deadline: Timestamp,
}

impl ProposalSummary {
    /// The summary of one proposal.
    #[must_use]
    pub fn of(proposal: &ProposalState) -> Self {
        let tally = proposal.tally();
        Self {
            proposal_id: proposal.id(),
            kind: proposal.kind(),
            subject: proposal.content().action.subject(),
            title: proposal.content().title.to_string(),
            status: proposal.status(),
            proposer: proposal.content().proposer,
            approve_weight: tally.approve(),
            reject_weight: tally.reject(),
            abstain_weight: tally.abstain(),
            byzantine_weight: tally.byzantine(),
            total_weight: tally.total(),
            opened_at: proposal.opened_at(),
            deadline: proposal.deadline(),
        }
    }
}

/// Proposals in the order in which they were opened.
#[derive(Debug, Clone, Serialize)]
pub struct ProposalList {
    /// The proposals.
    pub proposals: Vec<ProposalSummary>,
}

impl ProposalList {
    /// All proposals, or those in one status.
    #[must_use]
    pub fn of(state: &State, status: Option<Status>) -> Self {
        let proposals = state
            .proposals()
            .iter()
            .filter(|proposal| status.is_none_or(|status| status == proposal.status()))
            .map(ProposalSummary::of);
        Self {
            proposals: proposals.collect(),
        }
    }
}

impl View for ProposalList {
    const SCHEMA: &'static str = "althing.proposals/1";
}

/// One member of an electorate, and its ballot if it cast one.
#[derive(Debug, Clone, Serialize)]
pub struct BallotView {
    /// The member.
    pub voter: NodeId,
    /// What it is called.
    pub name: String,
    /// Its weight, frozen at the opening.
    pub weight: u64,
    /// How it counts.
    pub standing: Standing,
    /// What its ballot says.
    pub decision: Option<Decision>,
    /// The ballot's id.
    pub vote_id: Option<VoteId>,
    /// Why, in the voter's words.
    pub rationale: Option<String>,
    /// When the ballot was recorded.
    pub recorded_at: Option<Timestamp>,
    /// The entry that recorded it.
    pub seq: Option<u64>,
}

impl BallotView {
    fn of(proposal: &ProposalState, voter: NodeId, state: &State) -> Self {
        let member = proposal.member(voter);
        let cast = member.and_then(|member| member.ballot());
        let content = cast.map(|cast| cast.content());
        Self {
            voter,
            name: name_of(voter, state),
            weight: member.map_or(0, |member| member.weight().get()),
            standing: member.map_or(Standing::Barred, |member| member.standing()),
            decision: content.map(|ballot| ballot.decision),
            vote_id: content.map(|ballot| ballot.vote_id),
            rationale: content.map(|ballot| ballot.rationale.to_string()),
            recorded_at: cast.map(|cast| cast.at),
            seq: cast.map(|cast| cast.seq),
        }
    }
}

/// One proposal with its content, count and ballots.
#[derive(Debug, Clone, Serialize)]
pub struct ProposalView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: ProposalSummary,
    /// The hash of the entry that opened it, which every ballot signs.
    pub proposal_hash: Digest,
    /// The entry that opened it.
    pub seq: u64,
    /// What it asks for, with its parameters.
    pub action: Action,
    /// Its description.
    pub description: String,
    /// Free-form parameters.
    pub parameters: Map<String, Value>,
    /// The conditions that have to hold; all of them.
    pub rules: Vec<Conditions>,
    /// Weight that has not voted and still may.
    pub uncast_weight: u64,
    /// Where it is queued: from when it may be executed.
    pub executable_from: Option<Timestamp>,
    /// Where it is queued: until when it may be executed.
    pub executable_until: Option<Timestamp>,
    /// When its life ended.
    pub ended_at: Option<Timestamp>,
    /// Whether a voter was found Byzantine after the execution.
    pub tainted: bool,
    /// The ballots, in the order of the electorate.
    pub ballots: Vec<BallotView>,
    /// Every member of the electorate, voted or not. Not part of the JSON form.
    #[serde(skip)]
    pub electorate: Vec<BallotView>,
    /// What the proposer is called. Not part of the JSON form.
    #[serde(skip)]
    pub proposer_name: String,
}

impl ProposalView {
    /// The proposal as of `at`, which matters where it is queued.
    #[must_use]
    pub fn of(proposal: &ProposalState, state: &State, at: Timestamp) -> Self {
        let content = proposal.content();
        let window = state
            .execution_window(proposal, at)
            .filter(|_| proposal.status() == Status::Queued);
        let members = || {
            proposal
                .electorate()
                .map(|(voter, _)| BallotView::of(proposal, voter, state))
        };
        Self {
            summary: ProposalSummary::of(proposal),
            proposal_hash: *proposal.hash(),
            seq: proposal.seq(),
            action: content.action.clone(),
            description: content.description.to_string(),
            parameters: content.parameters.clone(),
            rules: proposal.rules().iter().map(Conditions::of).collect(),
            uncast_weight: proposal.tally().uncast(),
            executable_from: window.map(|(from, _)| from),
            executable_until: window.map(|(_, until)| until),
            ended_at: proposal.ended_at(),
            tainted: proposal.is_tainted(),
            ballots: members().filter(|view| view.decision.is_some()).collect(),
            electorate: members().collect(),
            proposer_name: name_of(content.proposer, state),
        }
    }
}

impl View for ProposalView {
    const SCHEMA: &'static str = "althing.proposal/1";
}
