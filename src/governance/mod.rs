//! What governance means: the rules, pure and total.
//!
//! A [`Command`] is an intent. [`decide`](decide::decide) says what follows from it, or refuses
//! it; [`evolve`](evolve::evolve) says what an [`Event`] does to the [`State`]. Neither knows a
//! clock, chance, files, floating-point numbers or unordered maps, so that the same history gives
//! the same state everywhere.
//!
//! | to find | look in |
//! | --- | --- |
//! | what can be signed | [`founding`], [`proposal`], [`ballot`], [`possession`], [`tree_head`], [`consensus`] |
//! | what can happen | [`event`], [`command`] |
//! | when it may happen | [`genesis`], [`decide`], [`policy`], [`tally`] |
//! | what follows by itself | [`consequence`] |
//! | what it changes | [`evolve`], [`state`] |
//! | why it may not happen | [`rejection`] |
//! | what always holds | [`invariant`] |
//! | what a policy means, and what hung on a node | [`policy_lint`], [`blast_radius`] |

pub mod ballot;
pub mod blast_radius;
pub mod canonical;
pub mod command;
pub mod command_text;
pub mod consensus;
pub mod consequence;
pub mod decide;
pub mod delegation;
pub mod digest;
pub mod display_text;
pub mod event;
pub mod evidence;
pub mod evolve;
pub mod founding;
pub mod genesis;
pub mod grants_root;
pub mod id;
pub mod invariant;
pub mod key;
pub mod kind;
pub mod label;
pub mod merkle;
pub mod policy;
pub mod policy_lint;
pub mod possession;
pub mod prediction;
pub(crate) mod prediction_sketch;
pub mod proposal;
mod proposal_rules;
pub mod provenance;
pub mod rejection;
pub mod scope;
pub mod state;
pub mod statement;
pub mod tally;
pub(crate) mod text;
pub mod time;
pub mod tree_head;
pub mod weight;

pub use command::Command;
pub use event::{Event, Recorded};
pub use rejection::Rejection;
pub use state::State;

/// The largest integer anywhere in a ledger: 2^53 − 1, which JavaScript and `jq` read exactly.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A number above [`MAX_INTEGER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an integer of at most 9007199254740991")]
pub struct IntegerTooLarge;
