//! The reference side of a session: the model, and everything that it takes to make orders.
//!
//! It knows the engine neither by its state nor by its answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use althing::governance::id::{LedgerId, NodeId, ProposalId, VoteId};
use althing::governance::proposal::{Action, Proposal};
use althing::governance::time::{Seconds, Timestamp};
use althing::testing::model::{Answer, Model};
use uuid::Uuid;

use super::drafting::Drafting;
use super::orders::{Order, What, signer, symbol};
use super::steps::{Start, Step};

/// A label, key or node that no session gives away.
pub const NOWHERE: u32 = 9_999;

#[derive(Clone)]
pub struct World {
    pub start: Start,
    pub model: Model,
    pub ledger: LedgerId,
    /// The time as it passes, never before the last entry.
    pub now: Timestamp,
    /// Everything that was ever submitted.
    pub past: Vec<Order>,
    /// The proposals that were opened, and by whom.
    pub labels: BTreeMap<u32, usize>,
    /// The first ballot that each node has cast.
    pub votes: BTreeMap<NodeId, VoteId>,
    /// All nodes that a session has named, by their numbers.
    pub nodes: Vec<(usize, NodeId)>,
    /// What a scenario wants to happen, and how much of it has.
    pub script: Arc<[Step]>,
    pub done: usize,
    /// The last step's orders, the time they were given and what the model makes of them.
    pub submitted: Option<(Vec<Order>, Timestamp, Answer)>,
    pub ids: u128,
    /// Whether a step named what there is not.
    pub is_lost: bool,
}

pub fn proposal_id(label: u32) -> ProposalId {
    ProposalId::from_uuid(Uuid::from_u128(u128::from(label)))
}

pub fn label_of(proposal: ProposalId) -> u32 {
    u32::try_from(proposal.as_uuid().as_u128()).expect("a label")
}

pub fn node_id(number: usize) -> NodeId {
    signer(number).node()
}

impl World {
    pub fn found(start: Start, script: &[Step]) -> Self {
        let attempt = start.attempt();
        let statement = &attempt.genesis.statement;
        let ledger = LedgerId::of_founding(statement.as_str());
        let now = statement.content().created_at;
        let model = Model::found(ledger, statement.content(), &attempt.told, now)
            .expect("a session starts with a founding that stands");
        let nodes = (0..start.weights.len()).map(|number| (number, node_id(number)));
        Self {
            nodes: nodes.collect(),
            start,
            model,
            ledger,
            now,
            past: Vec::new(),
            labels: BTreeMap::new(),
            votes: BTreeMap::new(),
            script: script.into(),
            done: 0,
            submitted: None,
            ids: 0,
            is_lost: false,
        }
    }

    /// Whether a step makes sense by now: it names what there is.
    pub fn allows(&self, step: &Step) -> bool {
        match step {
            Step::Wait(seconds) => *seconds > 0,
            _ => self.draft(step).is_some(),
        }
    }

    /// The orders of a step, and when they are given.
    fn draft(&self, step: &Step) -> Option<(Vec<Order>, Timestamp, u128)> {
        let mut drafting = Drafting::of(self);
        let (orders, at) = match step {
            Step::Early(step) => {
                let before = self.model.clock().as_micros().checked_sub(1_000_000)?;
                (drafting.orders(step)?, Timestamp::from_micros(before)?)
            }
            _ => (drafting.orders(step)?, self.now),
        };
        Some((orders, at, drafting.ids))
    }

    /// The place of a step in what is left of the script.
    fn place_in_script(&self, step: &Step) -> Option<usize> {
        let mut rest = self.script.iter().enumerate().skip(self.done);
        rest.find(|(_, it)| *it == step).map(|(place, _)| place)
    }

    /// The first step of what is left of the script that makes sense.
    pub fn next_of_script(&self) -> Option<&Step> {
        let mut rest = self.script.iter().skip(self.done);
        rest.find(|step| self.allows(step))
    }

    pub fn take(mut self, step: &Step) -> Self {
        if let Some(place) = self.place_in_script(step) {
            self.done = place + 1;
        }
        self.submitted = None;
        if let Step::Wait(seconds) = step {
            let seconds = Seconds::new(*seconds).unwrap_or_default();
            self.now = self.now.saturating_add(seconds);
            return self;
        }
        let Some((orders, at, ids)) = self.draft(step) else {
            self.is_lost = true;
            return self;
        };
        self.ids = ids;
        let commands: Vec<_> = orders
            .iter()
            .map(|order| (order.command(|symbol| symbol), order.told.clone()))
            .collect();
        let answer = self.model.submit_all(&commands, at);
        for order in orders
            .iter()
            .filter(|_| matches!(answer, Answer::Accepted(_)))
        {
            self.note(order);
        }
        self.past.extend(orders.iter().cloned());
        self.submitted = Some((orders, at, answer));
        self
    }

    /// Remembers what was opened and cast.
    fn note(&mut self, order: &Order) {
        match &order.what {
            What::Propose(proposal) => self.note_proposal(proposal, order),
            What::Vote(ballot) => {
                self.votes.entry(ballot.voter).or_insert(ballot.vote_id);
            }
            _ => {}
        }
    }

    fn note_proposal(&mut self, proposal: &Proposal, order: &Order) {
        let id = proposal.proposal_id;
        self.model.learn_hash(id, symbol(id));
        let by = self.number_of(proposal.proposer).unwrap_or_default();
        self.labels.insert(label_of(id), by);
        if let (Action::AddNode(new), Some(told)) = (&proposal.action, &order.told.new_key)
            && self.number_of(new.node).is_none()
        {
            self.nodes.push((told.key, new.node));
        }
    }

    pub fn number_of(&self, node: NodeId) -> Option<usize> {
        let mut nodes = self.nodes.iter();
        nodes.find(|(_, id)| *id == node).map(|(number, _)| *number)
    }
}

impl fmt::Debug for World {
    /// How the session starts is all that a report of a failure needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.start.fmt(f)
    }
}
