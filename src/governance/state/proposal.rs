//! Proposals: their electorates, ballots, counts and ends.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::governance::ballot::{Ballot, Decision};
use crate::governance::digest::Digest;
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::kind::{AuthorizationKind, ProposalKind};
use crate::governance::policy::Rule;
use crate::governance::proposal::{Action, Proposal as Content};
use crate::governance::statement::Signed;
use crate::governance::tally::{Standing, Tally};
use crate::governance::time::{Seconds, Timestamp};
use crate::governance::weight::Weight;

/// All proposals that ever were, in the order in which they were opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposals {
    all: IndexMap<ProposalId, Arc<ProposalState>>,
    /// Places in `all` of those in voting, and of decided ones that still await their execution.
    undecided: BTreeSet<usize>,
    unfinished: BTreeSet<usize>,
    /// Places in `all` of withdrawn ones, which count against their proposer until their deadline.
    withdrawn: BTreeSet<usize>,
    /// Places in `all` of ended ones that still keep signed ballots, after the end of their evidence
    /// windows.
    contestable: BTreeSet<(Timestamp, usize)>,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalState {
    pub(in crate::governance) content: Content,
    pub(in crate::governance) hash: Digest,
    pub(in crate::governance) seq: u64,
    pub(in crate::governance) opened_at: Timestamp,
    pub(in crate::governance) deadline: Timestamp,
    pub(in crate::governance) epoch: u64,
    pub(in crate::governance) rules: Vec<Rule>,
    pub(in crate::governance) early_decision: bool,
    pub(in crate::governance) evidence_window: Seconds,
    pub(in crate::governance) electorate: IndexMap<NodeId, Member>,
    pub(in crate::governance) tally: Tally,
    pub(in crate::governance) status: Status,
    pub(in crate::governance) decided: Option<Decided>,
    pub(in crate::governance) ended_at: Option<Timestamp>,
    pub(in crate::governance) ended_seq: Option<u64>,
    pub(in crate::governance) tainted: bool,
}

/// When and how a proposal was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The entry of the consensus.
    pub seq: u64,
    /// When it was reached.
    pub at: Timestamp,
    /// Whether it was judged before the deadline.
    pub early: bool,
}

/// One node's place in an electorate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub(in crate::governance) weight: Weight,
    pub(in crate::governance) standing: Standing,
    pub(in crate::governance) ballot: Option<CastBallot>,
}

/// A ballot as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CastBallot {
    pub(in crate::governance) kept: KeptBallot,
    /// The entry that recorded it.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
}

/// How much is kept of a ballot. A signature weighs twenty times what it signs, so it goes once it
/// can be of no more use; the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::governance) enum KeptBallot {
    /// All of it: half of the evidence, should its voter contradict it.
    Signed(Arc<Signed<Ballot>>),
    /// What it said. No evidence is taken any more.
    Said(Arc<Ballot>),
}

impl CastBallot {
    /// What it says.
    #[must_use]
    pub fn content(&self) -> &Ballot {
        match &self.kept {
            KeptBallot::Signed(signed) => signed.content(),
            KeptBallot::Said(content) => content,
        }
    }

    /// The signed ballot, while evidence against its voter may still need it.
    #[must_use]
    pub fn signed(&self) -> Option<&Signed<Ballot>> {
        match &self.kept {
            KeptBallot::Signed(signed) => Some(signed),
            KeptBallot::Said(_) => None,
        }
    }

    fn forget_signature(&mut self) {
        if let KeptBallot::Signed(signed) = &self.kept {
            self.kept = KeptBallot::Said(Arc::new(signed.content().clone()));
        }
    }
}

impl Member {
    /// The node's weight, frozen at the opening.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        self.weight
    }

    /// Where it stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// What it has cast.
    #[must_use]
    pub const fn ballot(&self) -> Option<&CastBallot> {
        self.ballot.as_ref()
    }

    /// How it decided, whatever became of the ballot since.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        self.ballot.as_ref().map(|ballot| ballot.content().decision)
    }
}

/// Where a proposal is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Open for ballots, or waiting to be closed.
    Voting,
    /// Passed, and about to be executed within the same command.
    Passed,
    /// Passed, and waiting for its timelock and execution.
    Queued,
    /// Carried out.
    Executed,
    /// Failed a condition other than the quorum.
    Rejected,
    /// Missed its quorum.
    Expired,
    /// Taken back by its proposer.
    Withdrawn,
    /// Overtaken by another decision.
    Superseded,
    /// Passed, but lost its majority to evidence while it was queued.
    Overturned,
    /// Passed, but not executed in time.
    Lapsed,
    /// Passed, but impossible to carry out.
    Failed,
}

impl Status {
    /// All of them, in the order of a proposal's life.
    pub const ALL: [Self; 11] = [
        Self::Voting,
        Self::Passed,
        Self::Queued,
        Self::Executed,
        Self::Rejected,
        Self::Expired,
        Self::Withdrawn,
        Self::Superseded,
        Self::Overturned,
        Self::Lapsed,
        Self::Failed,
    ];

    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voting => "voting",
            Self::Passed => "passed",
            Self::Queued => "queued",
            Self::Executed => "executed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Superseded => "superseded",
            Self::Overturned => "overturned",
            Self::Lapsed => "lapsed",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing can happen to the proposal any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Voting | Self::Passed | Self::Queued)
    }
}

impl ProposalState {
    /// What was proposed.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// The proposal's id.
    #[must_use]
    pub const fn id(&self) -> ProposalId {
        self.content.proposal_id
    }

    /// The proposal's kind.
    #[must_use]
    pub const fn kind(&self) -> ProposalKind {
        self.content.action.kind()
    }

    /// The hash of its entry, which every ballot on it names.
    #[must_use]
    pub const fn hash(&self) -> &Digest {
        &self.hash
    }

    /// Whether `hash` is that of the proposal's entry. Nothing is before the entry is written: a
    /// proposal that is only tried has no hash yet, and stands with zeros.
    #[must_use]
    pub fn is_named_by(&self, hash: &Digest) -> bool {
        self.hash != Digest::ZERO && self.hash == *hash
    }

    /// The entry that opened it.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// When it was opened.
    #[must_use]
    pub const fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// The first instant at which no ballot is taken.
    #[must_use]
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The conditions that must all hold: the policy's at the opening, and for a change of policy
    /// the new policy's as well.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether it is decided as soon as no further ballot can change the outcome.
    #[must_use]
    pub const fn is_decided_early(&self) -> bool {
        self.early_decision
    }

    /// The nodes that may vote, with the weights they had at the opening.
    pub fn electorate(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.electorate.iter().map(|(node, member)| (*node, member))
    }

    /// One node's place in the electorate.
    #[must_use]
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.electorate.get(&node)
    }

    /// The count.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// How it was decided, if it was.
    #[must_use]
    pub const fn decided(&self) -> Option<&Decided> {
        self.decided.as_ref()
    }

    /// When it ended, if it has.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// The entry that ended it, if it has ended.
    #[must_use]
    pub const fn ended_seq(&self) -> Option<u64> {
        self.ended_seq
    }

    /// The first instant at which no evidence against its voters is taken; `None` before it has
    /// ended.
    #[must_use]
    pub fn evidence_until(&self) -> Option<Timestamp> {
        let ended_at = self.ended_at?;
        Some(ended_at.saturating_add(self.evidence_window))
    }

    fn keeps_signatures(&self) -> bool {
        let mut cast = self.electorate.values().filter_map(Member::ballot);
        cast.any(|ballot| ballot.signed().is_some())
    }

    /// Whether a voter was found Byzantine after the decision was carried out.
    #[must_use]
    pub const fn is_tainted(&self) -> bool {
        self.tainted
    }

    /// The longest timelock of its rules.
    #[must_use]
    pub fn timelock(&self) -> Seconds {
        let longest = self.rules.iter().map(|rule| rule.timelock_seconds).max();
        longest.unwrap_or(Seconds::ZERO)
    }

    /// From when and until when a decision can be executed if no freeze stretches the window.
    #[must_use]
    pub(in crate::governance) fn execution_window(&self) -> Option<(Timestamp, Timestamp)> {
        let eta = self.decided?.at.saturating_add(self.timelock());
        let window = self.rules.iter().map(|rule| rule.window_seconds).min()?;
        Some((eta, eta.saturating_add(window)))
    }

    /// Moves a member to another standing; the tally follows.
    pub(in crate::governance) fn stand(&mut self, node: NodeId, standing: Standing) {
        if let Some(member) = self.electorate.get_mut(&node) {
            self.tally.shift(member.weight, member.standing, standing);
            member.standing = standing;
        }
    }
}

impl Proposals {
    /// A proposal by its id.
    #[must_use]
    pub fn get(&self, proposal: ProposalId) -> Option<&ProposalState> {
        self.all.get(&proposal).map(AsRef::as_ref)
    }

    /// All proposals in the order in which they were opened.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ProposalState> {
        self.all.values().map(AsRef::as_ref)
    }

    /// Those in voting, in the order in which they were opened.
    pub fn undecided(&self) -> impl Iterator<Item = &ProposalState> {
        self.at(&self.undecided)
    }

    /// Those decided and waiting for their execution, in the order in which they were opened.
    pub fn unfinished(&self) -> impl Iterator<Item = &ProposalState> {
        self.at(&self.unfinished)
    }

    fn at<'a>(&'a self, places: &'a BTreeSet<usize>) -> impl Iterator<Item = &'a ProposalState> {
        places
            .iter()
            .filter_map(|place| self.all.get_index(*place))
            .map(|(_, proposal)| proposal.as_ref())
    }

    /// How many proposals of `proposer` count against its limit at `now`: those in voting, and
    /// withdrawn ones until their deadline.
    #[must_use]
    pub fn open_of(&self, proposer: NodeId, now: Timestamp) -> usize {
        let withdrawn = self
            .at(&self.withdrawn)
            .filter(|proposal| now < proposal.deadline);
        self.undecided()
            .chain(withdrawn)
            .filter(|proposal| proposal.content.proposer == proposer)
            .count()
    }

    /// The proposals to grant something that are not final yet, with what they would grant.
    pub(in crate::governance) fn pending_grants(
        &self,
    ) -> impl Iterator<Item = (&ProposalState, AuthorizationKind)> {
        self.undecided()
            .chain(self.unfinished())
            .filter_map(|proposal| {
                let (kind, _) = proposal.content.action.grants()?;
                Some((proposal, kind))
            })
    }

    /// The proposals to reinstate a node that are not final yet, with that node.
    pub(in crate::governance) fn pending_reinstatements(
        &self,
    ) -> impl Iterator<Item = (&ProposalState, NodeId)> {
        let pending = self.undecided().chain(self.unfinished());
        pending.filter_map(|proposal| match &proposal.content.action {
            Action::ReinstateNode(new) => Some((proposal, new.node)),
            _ => None,
        })
    }

    pub(in crate::governance) fn open(&mut self, proposal: ProposalState) {
        let (place, _) = self.all.insert_full(proposal.id(), Arc::new(proposal));
        self.undecided.insert(place);
    }

    /// Puts a proposal back that was read from a snapshot, wherever it is in its life.
    pub(super) fn restore(&mut self, proposal: ProposalState) {
        let (id, status) = (proposal.id(), proposal.status);
        self.open(proposal);
        if status != Status::Voting {
            self.update(id, |_| {});
        }
    }

    /// Changes one proposal and keeps the lists of unfinished ones right.
    pub(in crate::governance) fn update(
        &mut self,
        id: ProposalId,
        change: impl FnOnce(&mut ProposalState),
    ) {
        let Some((place, _, proposal)) = self.all.get_full_mut(&id) else {
            return;
        };
        let proposal = Arc::make_mut(proposal);
        change(proposal);
        let voting = proposal.status == Status::Voting;
        let waiting = matches!(proposal.status, Status::Passed | Status::Queued);
        set_membership(&mut self.undecided, place, voting);
        set_membership(&mut self.unfinished, place, waiting);
        let withdrawn = proposal.status == Status::Withdrawn;
        set_membership(&mut self.withdrawn, place, withdrawn);
        if let Some(until) = proposal.evidence_until() {
            let keeps = proposal.keeps_signatures();
            set_membership(&mut self.contestable, (until, place), keeps);
        }
    }

    /// Lets go of the signatures that nothing can need from `now` on.
    pub(in crate::governance) fn forget_signatures(&mut self, now: Timestamp) {
        while let Some((until, place)) = self.contestable.first().copied()
            && until <= now
        {
            self.contestable.remove(&(until, place));
            if let Some((_, proposal)) = self.all.get_index_mut(place) {
                let electorate = &mut Arc::make_mut(proposal).electorate;
                let cast = electorate.values_mut().filter_map(|it| it.ballot.as_mut());
                cast.for_each(CastBallot::forget_signature);
            }
        }
    }

    /// The ids of those in voting, for changes that concern all of them.
    pub(in crate::governance) fn undecided_ids(&self) -> Vec<ProposalId> {
        self.undecided().map(ProposalState::id).collect()
    }
}

fn set_membership<T: Ord>(set: &mut BTreeSet<T>, place: T, member: bool) {
    if member {
        set.insert(place);
    } else {
        set.remove(&place);
    }
}
