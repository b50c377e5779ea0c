//! What the examples share: a group of nodes with keys, and short ways to propose and to vote.
//!
//! The examples set the time themselves, so that a deadline passes when the story needs it to. A
//! service takes the time from its clock instead, as `embed_in_a_service` does.

#![allow(
    dead_code,
    reason = "every example includes this file and uses a part of it"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "whoever gives commands makes the identifiers that come in with them"
)]

use std::error::Error;

use althing::governance::ballot::{Ballot, Decision};
use althing::governance::event::Recorded;
use althing::governance::founding::{Founder, Founding};
use althing::governance::genesis::Genesis;
use althing::governance::id::{NodeId, ProposalId, VoteId};
use althing::governance::key::Algorithm;
use althing::governance::label::Prose;
use althing::governance::policy::Policy;
use althing::governance::proposal::{Action, Proposal};
use althing::governance::statement::{Signed, Statement};
use althing::governance::time::{Seconds, Timestamp};
use althing::governance::weight::Weight;
use althing::governance::{Command, Event, State};
use althing::identity::SigningKey;
use althing::ledger::{Ledger, MemoryLedger};
use althing::node::{Node, NodeError};
use uuid::Uuid;

/// What the examples return from `main`.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A member of the group: its name and its key.
pub struct Member {
    pub name: String,
    pub key: SigningKey,
}

impl Member {
    /// A member with a new key.
    pub fn new(name: &str) -> Outcome<Self> {
        Ok(Self {
            name: name.to_owned(),
            key: SigningKey::generate(Algorithm::MlDsa65)?,
        })
    }

    /// The node id, which is derived from the key.
    pub fn id(&self) -> NodeId {
        self.key.node_id()
    }
}

/// A node with its ledger, the keys of all members, and the time of the story.
pub struct Group<L = MemoryLedger> {
    pub node: Node<L>,
    pub members: Vec<Member>,
    pub now: Timestamp,
}

/// The founding statement of `members` with these weights, signed by all of them.
pub fn genesis(
    members: &[Member],
    weights: &[u64],
    policy: Policy,
    created_at: Timestamp,
) -> Outcome<Genesis> {
    let mut founders = Vec::new();
    for (member, weight) in members.iter().zip(weights) {
        founders.push(Founder {
            did: member.id(),
            name: member.name.parse()?,
            weight: Weight::try_from(*weight)?,
        });
    }
    let statement = Statement::new(Founding {
        created_at,
        founders,
        name: "Example group".parse()?,
        nonce: Uuid::new_v4().to_string().parse()?,
        policy,
    })?;
    let mut signatures = Vec::new();
    for member in members {
        let signature = member.key.sign_message(&statement.message())?;
        signatures.push((member.key.public_key().clone(), signature));
    }
    Ok(Genesis {
        statement,
        founders: signatures,
    })
}

impl Group {
    /// Founds a group with a ledger in memory.
    pub fn found(founders: &[(&str, u64)], policy: Policy) -> Outcome<Self> {
        let now: Timestamp = "2026-05-04T09:30:00.000000Z".parse()?;
        let mut members = Vec::new();
        for (name, _) in founders {
            members.push(Member::new(name)?);
        }
        let weights: Vec<u64> = founders.iter().map(|(_, weight)| *weight).collect();
        let genesis = genesis(&members, &weights, policy, now)?;
        Ok(Self {
            node: Node::found(MemoryLedger::new(), &genesis, now)?,
            members,
            now,
        })
    }
}

impl<L: Ledger> Group<L> {
    /// The state as of the last entry.
    pub fn state(&self) -> &State {
        self.node.state()
    }

    /// The member with this name.
    pub fn member(&self, name: &str) -> &Member {
        let found = self.members.iter().find(|member| member.name == name);
        found.expect("the examples name members that exist")
    }

    /// Lets time pass.
    pub fn wait(&mut self, duration: Seconds) {
        self.now = self.now.saturating_add(duration);
    }

    /// Submits a command, prints what was recorded or why it was refused, and returns it.
    pub fn submit(&mut self, command: &Command) -> Result<Vec<Recorded>, NodeError> {
        let result = self.node.submit(command, self.now);
        match &result {
            Ok(recorded) if recorded.is_empty() => println!("    recorded already: no new entry"),
            Ok(recorded) => recorded.iter().for_each(print_entry),
            Err(error) => println!("    refused: {} ({error})", error.code()),
        }
        result
    }

    /// The signed proposal of `action` by the member with this name.
    pub fn proposal(&self, by: &str, title: &str, action: Action) -> Outcome<Signed<Proposal>> {
        let proposer = self.member(by);
        let statement = Statement::new(Proposal {
            action,
            created_at: self.now,
            description: Prose::default(),
            ledger: self.state().ledger(),
            parameters: serde_json::Map::new(),
            proposal_id: ProposalId::from_uuid(Uuid::new_v4()),
            proposer: proposer.id(),
            title: title.parse()?,
        })?;
        Ok(proposer.key.sign(statement)?)
    }

    /// Opens a proposal and returns its id.
    pub fn propose(&mut self, by: &str, title: &str, action: Action) -> Outcome<ProposalId> {
        println!("  {by} proposes: {title}");
        let signed = self.proposal(by, title, action)?;
        let id = signed.content().proposal_id;
        self.submit(&Command::Propose(signed))?;
        Ok(id)
    }

    /// The signed ballot of the member with this name.
    ///
    /// A real voter signs through its `SigningJournal`, which refuses to contradict itself.
    pub fn ballot(
        &self,
        by: &str,
        proposal: ProposalId,
        decision: Decision,
    ) -> Outcome<Signed<Ballot>> {
        let voter = self.member(by);
        let opened = self.state().proposals().get(proposal);
        let statement = Statement::new(Ballot {
            cast_at: self.now,
            decision,
            ledger: self.state().ledger(),
            proposal_hash: *opened.ok_or("no such proposal")?.hash(),
            proposal_id: proposal,
            rationale: Prose::default(),
            vote_id: VoteId::from_uuid(Uuid::new_v4()),
            voter: voter.id(),
        })?;
        Ok(voter.key.sign(statement)?)
    }

    /// Casts a ballot. A refusal is printed and no error: the examples show some on purpose.
    pub fn vote(&mut self, by: &str, proposal: ProposalId, decision: Decision) -> Outcome {
        println!("  {by} votes {decision}");
        let ballot = self.ballot(by, proposal, decision)?;
        let _ = self.submit(&Command::Vote(ballot));
        Ok(())
    }

    /// The name of the proposal's status.
    pub fn status(&self, proposal: ProposalId) -> &'static str {
        let found = self.state().proposals().get(proposal);
        found.map_or("unknown", |proposal| proposal.status().name())
    }
}

/// Prints an entry: its number, its operation, and for a decision the count.
pub fn print_entry(entry: &Recorded) {
    print!("    {:>3} {}", entry.seq, entry.event.operation());
    match &entry.event {
        Event::ConsensusReached(consensus) => print!(
            ": {} by {} of {} (reject {}, byzantine {})",
            consensus.decision.name(),
            consensus.approve_weight,
            consensus.total_weight,
            consensus.reject_weight,
            consensus.byzantine_weight,
        ),
        Event::ByzantineDetected(detected) => print!(
            ": {} {}",
            detected.node.short(),
            if detected.suspended {
                "is suspended"
            } else {
                "is flagged"
            },
        ),
        _ => {}
    }
    println!();
}
