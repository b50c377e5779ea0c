//! Fixtures and strategies for tests, ours and those of programs that build on this library.
//!
//! Behind the feature `testing`. Everything here is deterministic: keys come from seeds, ids from
//! a counter, time from a logical clock. Whatever goes wrong in a fixture panics.
//!
//! | to | use |
//! | --- | --- |
//! | set up a ledger and drive it step by step | [`Assembly`] |
//! | tell a history as given, when, then | [`scenario`] |
//! | say what is proposed | [`actions`] |
//! | sign as a node | [`Signer`] |
//! | run many histories quickly | [`StandInVerifier`], [`History`] |
//! | generate electorates, policies and histories | [`strategies`] |
//! | damage the bytes of a ledger | [`Tampering`] |
//! | rewrite a ledger with right hashes | [`Book`] |
//! | let one thing go wrong in a history | [`Mischief`] |
//! | hold an implementation against the rules | [`model`] |
//! | hold another ledger to what every ledger does | [`ledgers`] |
//!
//! ```
//! use althing::governance::ballot::Decision::Approve;
//! use althing::governance::state::proposal::Status;
//! use althing::testing::{Assembly, actions};
//!
//! let mut assembly = Assembly::of(&[1, 1, 1]);
//! let proposal = assembly.propose(0, actions::authorize_model("triage"));
//! assembly.vote(0, proposal, Approve);
//! assembly.vote(1, proposal, Approve);
//! assert_eq!(assembly.status(proposal), Status::Executed);
//! assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
//! ```

pub mod actions;
mod assembly;
mod book;
mod history;
pub mod ledgers;
mod mischief;
pub mod model;
pub mod scenario;
mod signer;
pub mod strategies;
mod tampering;

pub use assembly::{Assembly, founding, genesis, prediction};
pub use book::Book;
pub use history::{History, Matter, Played, Step};
pub use mischief::{Adversarial, Mischief, Outcome};
pub use scenario::Scenario;
pub use signer::{Signatures, Signer, StandInVerifier};
pub use tampering::Tampering;

/// The examples of the guide are run with the documentation's own.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
pub struct Guide;
