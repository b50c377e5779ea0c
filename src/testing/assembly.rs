//! A ledger with its nodes' keys, a clock and a counter of ids.

use serde_json::Map;
use uuid::Uuid;

use super::actions;
use super::signer::{Signatures, Signer};
use crate::governance::ballot::{Ballot, Decision};
use crate::governance::command::Command;
use crate::governance::consensus::{
    ConsensusChoice, ConsensusEquivocation, ConsensusPlace, ConsensusStep, SignedChoice,
};
use crate::governance::digest::Digest;
use crate::governance::event::{Event, Recorded};
use crate::governance::evidence::{ContradictingHeads, Equivocation, SignedHead};
use crate::governance::founding::{Founder, Founding};
use crate::governance::genesis::Genesis;
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::label::Prose;
use crate::governance::merkle::TreeRoot;
use crate::governance::policy::Policy;
use crate::governance::possession::KeyPossession;
use crate::governance::prediction::{OutputSummary, Prediction};
use crate::governance::proposal::{Action, NewKey, NewNode, Proposal, Rotation, Withdrawal};
use crate::governance::rejection::Rejection;
use crate::governance::scope::CheckContext;
use crate::governance::state::State;
use crate::governance::state::proposal::{ProposalState, Status};
use crate::governance::statement::{Signed, Statement, StatementContent};
use crate::governance::time::{Seconds, Timestamp};
use crate::governance::tree_head::{Origin, TreeHead};
use crate::governance::weight::Weight;
use crate::ledger::{Ledger, MemoryLedger};
use crate::node::{Node, NodeError};
use crate::replay::{Replayed, replay};

/// The first instant of a test: 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600_000_000;

/// A founding statement of nodes with these weights, named `node-0`, `node-1`, ….
///
/// # Panics
/// Where a weight is none.
#[must_use]
pub fn founding(weights: &[u64], policy: Policy, signatures: Signatures) -> Founding {
    let founders = weights.iter().enumerate().map(|(index, weight)| Founder {
        did: Signer::nth(signatures, index).node(),
        name: format!("node-{index}").parse().expect("a name"),
        weight: Weight::new(*weight).expect("a weight"),
    });
    Founding {
        created_at: Timestamp::from_micros(START).expect("in range"),
        founders: founders.collect(),
        name: "Assembly".parse().expect("a name"),
        nonce: "1".parse().expect("a label"),
        policy,
    }
}

/// The founding statement with the keys and signatures of the first signers, one for each founder.
///
/// # Panics
/// Where the statement can't be stated.
#[must_use]
pub fn genesis(founding: Founding, signatures: Signatures) -> Genesis {
    let count = founding.founders.len();
    let statement = Statement::new(founding).expect("the founding can be stated");
    let message = statement.message();
    let founders = (0..count).map(|index| {
        let signer = Signer::nth(signatures, index);
        (signer.key().clone(), signer.sign_message(&message))
    });
    Genesis {
        founders: founders.collect(),
        statement,
    }
}

/// A prediction of `urn:model:NAME`.
///
/// # Panics
/// Where `model` makes no URN.
#[must_use]
pub fn prediction(model: &str) -> Prediction {
    Prediction {
        context: CheckContext::default(),
        duration_ms: None,
        input_digest: Digest::of(b"input"),
        model: actions::model(model),
        model_version: "1".parse().expect("a label"),
        output_summary: OutputSummary::default(),
        recorder: None,
        request_id: None,
        user_id: None,
    }
}

/// A ledger with everything that it takes to drive it: keys, ids and a clock.
///
/// Nodes are meant by their number: founders first, then those that
/// [`newcomer`](Self::newcomer) made up, registered or not.
#[derive(Debug)]
pub struct Assembly<L = MemoryLedger> {
    node: Node<L>,
    signatures: Signatures,
    signers: Vec<Signer>,
    now: Timestamp,
    ids: u128,
    /// Further keys of signers that are nodes already.
    new_keys: Vec<Signer>,
}

/// Signers from this number on are keys of nodes that had another one before.
const FIRST_NEW_KEY: usize = 1_000;

impl Assembly {
    /// Founders of these weights under the default policy, with stand-in signatures.
    #[must_use]
    pub fn of(weights: &[u64]) -> Self {
        Self::under(Policy::default(), weights)
    }

    /// Founders of these weights under `policy`, with stand-in signatures.
    #[must_use]
    pub fn under(policy: Policy, weights: &[u64]) -> Self {
        Self::found(MemoryLedger::new(), policy, weights, Signatures::StandIn)
    }

    /// Founders of these weights under `policy`, with signatures of a given kind.
    #[must_use]
    pub fn signing(signatures: Signatures, policy: Policy, weights: &[u64]) -> Self {
        Self::found(MemoryLedger::new(), policy, weights, signatures)
    }

    /// The ledger's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.node.ledger().bytes()
    }
}

impl<L: Ledger> Assembly<L> {
    /// Founds a ledger on an empty one.
    ///
    /// # Panics
    /// Where the founding is refused.
    #[must_use]
    pub fn found(ledger: L, policy: Policy, weights: &[u64], signatures: Signatures) -> Self {
        let founding = founding(weights, policy, signatures);
        let now = founding.created_at;
        let genesis = genesis(founding, signatures);
        let node = Node::found_with(ledger, &genesis, now, signatures.boxed_verifier())
            .expect("the founding is accepted");
        Self {
            node,
            signatures,
            signers: (0..weights.len())
                .map(|index| Signer::nth(signatures, index))
                .collect(),
            now,
            ids: 0,
            new_keys: Vec::new(),
        }
    }

    /// The node under test.
    #[must_use]
    pub const fn node(&self) -> &Node<L> {
        &self.node
    }

    /// The node under test, for commands that the assembly has no word for.
    #[must_use]
    pub const fn node_mut(&mut self) -> &mut Node<L> {
        &mut self.node
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &State {
        self.node.state()
    }

    /// Which signatures the nodes make.
    #[must_use]
    pub const fn signatures(&self) -> Signatures {
        self.signatures
    }

    /// Replays the ledger.
    ///
    /// # Panics
    /// Where the ledger's history is refused, which must never happen.
    #[must_use]
    pub fn replay(&self) -> Replayed {
        let reader = self.node.ledger().reader().expect("the ledger is readable");
        replay(reader, self.signatures.verifier()).expect("what a node writes replays")
    }

    /// The logical time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass.
    ///
    /// # Panics
    /// Above 2^53 − 1 seconds.
    pub fn wait(&mut self, seconds: u64) {
        let seconds = Seconds::new(seconds).expect("a length of time");
        self.now = self.now.saturating_add(seconds);
    }

    /// Lets time pass until `instant`, unless it has passed already.
    pub fn wait_until(&mut self, instant: Timestamp) {
        self.now = self.now.max(instant);
    }

    /// How many signers there are: the founders and all newcomers.
    #[must_use]
    pub const fn signer_count(&self) -> usize {
        self.signers.len()
    }

    /// A signer by its number.
    ///
    /// # Panics
    /// Where there is none of that number.
    #[must_use]
    pub fn signer(&self, index: usize) -> &Signer {
        &self.signers[index]
    }

    /// A node's id by its number; it stays when the node's key changes.
    #[must_use]
    pub fn id(&self, index: usize) -> NodeId {
        self.signer(index).node()
    }

    /// A proposal.
    ///
    /// # Panics
    /// Where there is none of that id.
    #[must_use]
    pub fn proposal(&self, proposal: ProposalId) -> &ProposalState {
        self.state()
            .proposals()
            .get(proposal)
            .expect("the proposal exists")
    }

    /// Where a proposal is in its life.
    #[must_use]
    pub fn status(&self, proposal: ProposalId) -> Status {
        self.proposal(proposal).status()
    }

    /// An id that was not used before.
    pub const fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    /// Signs `content` with the present key of a node by its number, whoever the content claims to
    /// be.
    #[must_use]
    pub fn sign<T: StatementContent>(&self, by: usize, content: T) -> Signed<T> {
        self.present_signer(self.signer(by)).sign(content)
    }

    /// The signer whose key the registry holds by now for the node that `first` was.
    fn present_signer<'a>(&'a self, first: &'a Signer) -> &'a Signer {
        let registered = self.state().registry().get(first.node());
        registered
            .and_then(|node| {
                let mut others = self.new_keys.iter();
                others.find(|signer| signer.key() == node.key())
            })
            .unwrap_or(first)
    }

    /// A rotation yet to be signed.
    #[must_use]
    pub fn rotation(&self, new_key: NewKey) -> Rotation {
        Rotation {
            ledger: self.state().ledger(),
            new_key,
            rotated_at: self.now,
        }
    }

    /// A proposal yet to be signed.
    ///
    /// # Panics
    /// Never: the title is one.
    pub fn draft(&mut self, by: usize, action: Action) -> Proposal {
        Proposal {
            created_at: self.now,
            description: Prose::default(),
            ledger: self.state().ledger(),
            parameters: Map::new(),
            proposal_id: ProposalId::from_uuid(self.next_id()),
            proposer: self.id(by),
            title: action.kind().name().parse().expect("a title"),
            action,
        }
    }

    /// A ballot yet to be signed.
    pub fn ballot(&mut self, by: usize, proposal: ProposalId, decision: Decision) -> Ballot {
        let hash = (self.state().proposals().get(proposal)).map_or(Digest::ZERO, |it| *it.hash());
        Ballot {
            cast_at: self.now,
            decision,
            ledger: self.state().ledger(),
            proposal_hash: hash,
            proposal_id: proposal,
            rationale: Prose::default(),
            vote_id: VoteId::from_uuid(self.next_id()),
            voter: self.id(by),
        }
    }

    /// A signed ballot.
    pub fn signed_ballot(
        &mut self,
        by: usize,
        proposal: ProposalId,
        decision: Decision,
    ) -> Signed<Ballot> {
        let ballot = self.ballot(by, proposal, decision);
        self.sign(by, ballot)
    }

    /// A withdrawal by the proposer yet to be signed.
    #[must_use]
    pub fn withdrawal(&self, proposal: ProposalId) -> Withdrawal {
        let withdrawn = self.proposal(proposal);
        Withdrawal {
            ledger: self.state().ledger(),
            proposal_hash: *withdrawn.hash(),
            proposal_id: proposal,
            proposer: withdrawn.content().proposer,
            withdrawn_at: self.now,
        }
    }

    /// Two ballots of one node with different decisions.
    pub fn equivocation(&mut self, by: usize, proposal: ProposalId) -> Equivocation {
        Equivocation {
            first: self.signed_ballot(by, proposal, Decision::Approve),
            second: self.signed_ballot(by, proposal, Decision::Reject),
        }
    }

    /// Two checkpoints of one size that one node signed.
    pub fn contradicting_heads(&self, by: usize) -> ContradictingHeads {
        let identity = self.state().identity();
        let origin = Origin {
            ledger: identity.ledger,
            genesis: identity.origin,
        };
        let node = self.id(by);
        let sign = |root: &[u8]| {
            let tree = TreeRoot {
                size: self.state().entries(),
                root: Digest::of(root),
            };
            let message = TreeHead { origin, tree }.message(node, 1);
            SignedHead {
                posix_seconds: 1,
                root: tree.root,
                signature: self.signer_of(node).sign_message(&message),
                size: tree.size,
            }
        };
        let heads = ContradictingHeads {
            divergence: None,
            first: sign(b"one"),
            node,
            origin,
            second: sign(b"other"),
        };
        heads.ordered()
    }

    /// Two messages of consensus of one node at a height: a vote for nothing and one for a value, or
    /// proposals of two values.
    pub fn consensus_equivocation(
        &self,
        by: usize,
        height: u64,
        step: ConsensusStep,
    ) -> ConsensusEquivocation {
        let place = ConsensusPlace {
            height,
            ledger: self.state().ledger(),
            node: self.id(by),
            round: 0,
            step,
        };
        let sign = |value: Option<&[u8]>| {
            let choice = ConsensusChoice {
                earlier_round: None,
                value: value.map(Digest::of),
            };
            let signer = self.signer_of(place.node);
            SignedChoice {
                earlier_round: None,
                signature: signer.sign_message(&place.message(&choice)),
                value: choice.value,
            }
        };
        let is_proposal = step == ConsensusStep::Propose;
        let one = sign(is_proposal.then_some(b"one value"));
        ConsensusEquivocation::new(place, one, sign(Some(b"another value")))
    }

    /// A node that is not registered yet, with the proof that it holds its key. It takes the next
    /// number.
    ///
    /// # Panics
    /// Where `weight` is none.
    pub fn newcomer(&mut self, weight: u64) -> NewNode {
        let index = self.signers.len();
        let signer = Signer::nth(self.signatures, index);
        let name = format!("node-{index}");
        let possession = KeyPossession::new(signer.key().clone(), &name).expect("a name");
        let new = NewNode {
            key: signer.key().clone(),
            name: name.parse().expect("a name"),
            node: signer.node(),
            possession: signer.sign(possession).signature,
            weight: Weight::new(weight).expect("a weight"),
        };
        self.signers.push(signer);
        new
    }

    /// A key that nobody has used, with the proof that it is held, for a node that is registered.
    ///
    /// # Panics
    /// Never: the names are well formed.
    pub fn new_key(&mut self, node: NodeId) -> (Signer, NewKey) {
        let number = self.new_keys.len();
        let signer = Signer::nth(self.signatures, FIRST_NEW_KEY + number);
        self.new_keys.push(signer.clone());
        let name = format!("key-{number}");
        let possession = KeyPossession::new(signer.key().clone(), &name).expect("a name");
        let new = NewKey {
            key: signer.key().clone(),
            key_name: name.parse().expect("a name"),
            node,
            possession: signer.sign(possession).signature,
        };
        (signer, new)
    }

    /// Submits a command now.
    ///
    /// # Errors
    /// [`Rejection`] where the rules refuse it.
    ///
    /// # Panics
    /// Where anything else goes wrong.
    pub fn submit(&mut self, command: &Command) -> Result<Vec<Recorded>, Rejection> {
        self.node
            .submit(command, self.now)
            .map_err(|error| match error {
                NodeError::Refused(rejection) => rejection,
                other => panic!("{other:?}"),
            })
    }

    /// Submits a command that must be accepted, and gives what followed.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn accept(&mut self, command: &Command) -> Vec<Event> {
        let recorded = self.submit(command).expect("the command is accepted");
        recorded.into_iter().map(|entry| entry.event).collect()
    }

    /// Opens a proposal.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn propose(&mut self, by: usize, action: Action) -> ProposalId {
        let draft = self.draft(by, action);
        let id = draft.proposal_id;
        let signed = self.sign(by, draft);
        self.accept(&Command::Propose(signed));
        id
    }

    /// Casts a ballot.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn vote(&mut self, by: usize, proposal: ProposalId, decision: Decision) -> Vec<Event> {
        let ballot = self.signed_ballot(by, proposal, decision);
        self.accept(&Command::Vote(ballot))
    }

    /// Lets nodes cast the same ballot, one after the other.
    ///
    /// # Panics
    /// Where one of them is refused.
    pub fn vote_all(
        &mut self,
        by: impl IntoIterator<Item = usize>,
        proposal: ProposalId,
        decision: Decision,
    ) {
        for voter in by {
            self.vote(voter, proposal, decision);
        }
    }

    /// Opens a proposal and lets nodes approve of it until it is decided.
    ///
    /// # Panics
    /// Where something is refused.
    pub fn pass(&mut self, by: impl IntoIterator<Item = usize>, action: Action) -> ProposalId {
        let mut voters = by.into_iter().peekable();
        let proposer = *voters.peek().expect("at least one node approves");
        let proposal = self.propose(proposer, action);
        for voter in voters {
            if self.status(proposal) == Status::Voting {
                self.vote(voter, proposal, Decision::Approve);
            }
        }
        proposal
    }

    /// Lets the proposer withdraw a proposal.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn withdraw(&mut self, proposal: ProposalId) -> Vec<Event> {
        let withdrawal = self.withdrawal(proposal);
        let proposer = self.signer_of(withdrawal.proposer).clone();
        self.accept(&Command::Withdraw(proposer.sign(withdrawal)))
    }

    /// Closes a proposal.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn close(&mut self, proposal: ProposalId) -> Vec<Event> {
        self.accept(&Command::Close(proposal))
    }

    /// Waits for a proposal's deadline and closes it.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn close_at_deadline(&mut self, proposal: ProposalId) -> Vec<Event> {
        self.wait_until(self.proposal(proposal).deadline());
        self.close(proposal)
    }

    /// Executes a queued decision.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn execute(&mut self, proposal: ProposalId) -> Vec<Event> {
        self.accept(&Command::Execute(proposal))
    }

    /// Submits the evidence that a node contradicted itself.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn accuse(&mut self, node: usize, proposal: ProposalId) -> Vec<Event> {
        let evidence = self.equivocation(node, proposal);
        self.accept(&Command::SubmitEvidence(evidence))
    }

    /// Records a prediction of `urn:model:NAME`.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn predict(&mut self, model: &str) -> Vec<Event> {
        self.accept(&Command::RecordPrediction(prediction(model)))
    }

    /// The signer with the present key of a node.
    ///
    /// # Panics
    /// Where no signer is that node.
    #[must_use]
    pub fn signer_of(&self, node: NodeId) -> &Signer {
        let first = (self.signers.iter())
            .find(|signer| signer.node() == node)
            .expect("the node is one of the assembly's");
        self.present_signer(first)
    }
}
