//! A node of a simulation: its replica, which may be down, and what it keeps beside the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::Clock;
use super::engine::Engine;
use super::heads::ToldHead;
use super::random::Random;
use super::signer::Signer;
use crate::governance::ballot::Ballot;
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::statement::Signed;

/// One node.
pub(super) struct Replica {
    pub(super) signer: Signer,
    pub(super) clock: Clock,
    pub(super) byzantine: bool,
    /// Chance for what the node does by itself.
    pub(super) random: Random,
    /// `None` while the node is down.
    pub(super) engine: Option<Box<dyn Engine>>,
    /// The ledger's bytes while the node is down.
    pub(super) disk: Vec<u8>,
    /// The place in the order of the next command to apply.
    pub(super) next: usize,
    /// Commands that arrived before their turn.
    pub(super) pending: BTreeSet<usize>,
    /// How many entries the ledger had after each command.
    pub(super) entries_after: Vec<u64>,
    /// The one ballot that the node ever signs on a proposal; like a signing journal it outlives
    /// every crash.
    pub(super) journal: BTreeMap<ProposalId, Signed<Ballot>>,
    /// Ballots that the node has got from anybody.
    pub(super) heard: BTreeMap<(NodeId, ProposalId), Vec<Signed<Ballot>>>,
    /// Signed heads that the node has got from anybody; like the journal they outlive every crash.
    pub(super) heads: BTreeMap<NodeId, Vec<ToldHead>>,
    /// Nodes with a signed head that did not agree with the node's own ledger when it came.
    pub(super) suspects: BTreeSet<NodeId>,
}

impl Replica {
    /// Takes the next command whose turn it is, if it has arrived.
    pub(super) fn take_next(&mut self) -> Option<usize> {
        let next = self.next;
        self.pending.remove(&next).then(|| {
            self.next += 1;
            next
        })
    }

    /// Goes back to a ledger with this many entries: how many commands it holds.
    pub(super) fn rewind(&mut self, entries: u64) {
        let held = |after: &&u64| **after <= entries;
        self.next = self.entries_after.iter().take_while(held).count();
        self.entries_after.truncate(self.next);
        self.pending.clear();
    }
}
