//! Althing: an event-sourced governance ledger.
//!
//! A group of *nodes* decides together, by signed weighted votes, which AI models may run, which
//! agents may act, and who sits in the group. Every proposal, ballot, decision, grant, removal and
//! prediction is a typed event on a SHA-256 hash chain. Replaying the chain rebuilds the
//! authoritative registry and authorizations, byte for byte the same on every machine: nothing is
//! believed because it stands in the log, every signature is checked and every decision is taken
//! again.
//!
//! # The layers
//!
//! | layer | what it does | knows |
//! | --- | --- | --- |
//! | [`governance`] | the rules: commands are decided, events evolve the state | nothing but values |
//! | [`chain`] | how events bind: lines, hashes, batches, the Merkle tree | `governance` |
//! | [`replay`] | from a history to the state, strictly | `governance`, `chain` |
//! | [`identity`] | ML-DSA keys, key files, the signing journal | `governance`'s values |
//! | [`ledger`] | where lines are kept: memory, durable files | `chain` |
//! | [`state_dir`] | what a user's programs remember | `identity` |
//! | [`parallel`] | replay on several threads | `replay`, `ledger` |
//! | [`node`] | decide → append → evolve: the one writer | all of the above |
//! | [`views`] | what programs are shown of a ledger, and its JSON | `governance`, `chain` |
//!
//! Behind the feature `pages` (on by default) a ledger becomes a page for auditors.
//! Behind the feature `simulation` (on by default) rounds of consensus with Byzantine nodes are
//! simulated over these very layers.
//!
//! The first three are pure: no clock, no chance, no files, no threads, no floating-point numbers,
//! no unordered maps.
//!
//! # A decision, from key to grant
//!
//! ```
//! use althing::governance::ballot::{Ballot, Decision};
//! use althing::governance::command::Command;
//! use althing::governance::founding::{Founder, Founding};
//! use althing::governance::genesis::Genesis;
//! use althing::governance::id::{ProposalId, Subject, VoteId};
//! use althing::governance::key::Algorithm;
//! use althing::governance::kind::AuthorizationKind;
//! use althing::governance::policy::Policy;
//! use althing::governance::proposal::{Action, GrantTerms, Proposal};
//! use althing::governance::scope::CheckContext;
//! use althing::governance::statement::Statement;
//! use althing::governance::time::Timestamp;
//! use althing::governance::weight::Weight;
//! use althing::identity::SigningKey;
//! use althing::ledger::MemoryLedger;
//! use althing::node::Node;
//! use uuid::Uuid;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now: Timestamp = "2026-05-04T09:30:00.000000Z".parse()?;
//! let key = SigningKey::generate(Algorithm::MlDsa65)?;
//! let clinic = key.node_id();
//!
//! // Every founder signs the constitution.
//! let statement = Statement::new(Founding {
//!     created_at: now,
//!     founders: vec![Founder { did: clinic, name: "clinic".parse()?, weight: Weight::ONE }],
//!     name: "One clinic".parse()?,
//!     nonce: "2026-05-04".parse()?,
//!     policy: Policy::default(),
//! })?;
//! let signature = key.sign_message(&statement.message())?;
//! let founders = vec![(key.public_key().clone(), signature)];
//! let mut node = Node::found(MemoryLedger::new(), &Genesis { statement, founders }, now)?;
//!
//! // Somebody proposes.
//! let triage: Subject = "did:example:triage".parse()?;
//! let proposal_id = ProposalId::from_uuid(Uuid::from_u128(1));
//! let proposal = key.sign(Statement::new(Proposal {
//!     action: Action::AuthorizeModel(GrantTerms::unrestricted(triage.clone())),
//!     created_at: now,
//!     description: "".parse()?,
//!     ledger: node.state().ledger(),
//!     parameters: Default::default(),
//!     proposal_id,
//!     proposer: clinic,
//!     title: "Triage 1.2".parse()?,
//! })?)?;
//! node.submit(&Command::Propose(proposal), now)?;
//!
//! // A ballot names the proposal's hash, and so the whole history before it.
//! let proposal_hash = *node.state().proposals().get(proposal_id).ok_or("no proposal")?.hash();
//! let ballot = key.sign(Statement::new(Ballot {
//!     cast_at: now,
//!     decision: Decision::Approve,
//!     ledger: node.state().ledger(),
//!     proposal_hash,
//!     proposal_id,
//!     rationale: "".parse()?,
//!     vote_id: VoteId::from_uuid(Uuid::from_u128(2)),
//!     voter: clinic,
//! })?)?;
//! let recorded = node.submit(&Command::Vote(ballot), now)?;
//! let operations: Vec<&str> = recorded.iter().map(|entry| entry.event.operation()).collect();
//! assert_eq!(operations, ["vote_cast", "consensus_reached", "authorization_granted"]);
//!
//! // The answer, and the same answer from the history alone.
//! let before = node.state().hash();
//! let node = Node::open(node.into_ledger())?;
//! assert_eq!(node.state().hash(), before);
//! let grants = node.state().authorizations();
//! let anywhere = CheckContext::default();
//! assert!(grants.check(AuthorizationKind::Model, &triage, &anywhere, now).is_allowed());
//! # Ok(())
//! # }
//! ```

// One module lifts this, for one call: `chain::digests::sha_ni`.
#![deny(unsafe_code)]
#![warn(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro,
    clippy::float_arithmetic
)]

pub mod chain;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
mod clock;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod governance;
pub mod identity;
pub mod ledger;
pub mod node;
#[cfg(feature = "pages")]
pub mod pages;
pub mod parallel;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod replay;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod state_dir;
#[cfg(test)]
mod test_support;
#[cfg(feature = "testing")]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "fixtures fail the test that uses them"
)]
pub mod testing;
pub mod views;
