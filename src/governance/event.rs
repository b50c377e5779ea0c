//! Events: facts in the past tense, one a line of the ledger.
//!
//! An event is a *cause* (a statement, evidence, a close, a prediction) or a *consequence*, which
//! the rules derive from the causes before it. Specification, "Events".

mod content;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::canonical::{self, Numbers};
use super::digest::Digest;
use super::statement::Signed;
use super::time::Timestamp;

pub use content::*;

/// Defines the [`Event`] enum together with the operation string of each variant.
macro_rules! events {
    (
        $($(#[$doc:meta])* $variant:ident($content:ty) = $operation:literal, $numbers:expr;)*
        => {$(
            $(#[$also_doc:meta])*
            $also:ident($also_content:ty) = $known:literal, where data starts with $start:literal;
        )*}
    ) => {
        /// Something that happened.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $variant($content),)*
            $($(#[$also_doc])* $also($also_content),)*
        }

        /// The `operation` of every event, in the order of the specification.
        pub const OPERATIONS: &[&str] = &[$($operation),*];

        impl Event {
            /// The stable string under which the event stands in a ledger.
            #[must_use]
            pub const fn operation(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $operation,)*
                    $(Self::$also(_) => $known,)*
                }
            }

            /// The event's content as canonical JSON, signed statements as their exact bytes.
            ///
            /// # Errors
            /// A message where the content has no canonical form.
            pub fn data(&self) -> Result<Box<RawValue>, String> {
                match self {
                    $(Self::$variant(content) => canonical::write(content, $numbers),)*
                    $(Self::$also(content) => canonical::write(content, Numbers::Integers),)*
                }
            }

            /// Reads an event from a line's `operation` and `data`.
            ///
            /// # Errors
            /// [`EventError`] for an operation that this version does not know, and for content
            /// that the operation can't have.
            pub fn decode(operation: &str, data: &str) -> Result<Self, EventError> {
                let known = [$(($operation, $numbers)),*];
                if let Some((operation, numbers)) = known.iter().find(|it| it.0 == operation) {
                    canonical::check(data, *numbers)
                        .map_err(|error| EventError::content(operation, &error))?;
                }
                Self::decode_canonical(operation, data)
            }

            /// As [`decode`](Self::decode), of the data of a decoded line: these are canonical.
            pub(crate) fn decode_canonical(
                operation: &str,
                data: &str,
            ) -> Result<Self, EventError> {
                $(if operation == $known && data.starts_with($start) {
                    return content($known, data).map(Self::$also);
                })*
                if operation == "vote_cast"
                    && let Some(ballot) = Signed::read_canonical(data)
                {
                    return Ok(Self::VoteCast(ballot));
                }
                match operation {
                    $($operation => content($operation, data).map(Self::$variant),)*
                    _ => Err(EventError::UnknownOperation {
                        operation: operation.chars().take(80).collect(),
                    }),
                }
            }
        }

        $(impl From<$also_content> for Event {
            fn from(content: $also_content) -> Self {
                Self::$also(content)
            }
        })*

        $(impl From<$content> for Event {
            fn from(content: $content) -> Self {
                Self::$variant(content)
            }
        })*
    };
}

events! {
    /// A group gave itself a ledger.
    LedgerCreated(LedgerCreated) = "ledger_created", Numbers::Integers;
    /// A node joined: a founder, or by a passed proposal.
    NodeAdded(NodeAdded) = "node_added", Numbers::Integers;
    /// A node was removed by a passed proposal.
    NodeRemoved(NodeRemoved) = "node_removed", Numbers::Integers;
    /// A node proposed something.
    ProposalCreated(ProposalCreated) = "proposal_created", Numbers::Integers;
    /// A proposer withdrew its proposal.
    ProposalWithdrawn(ProposalWithdrawn) = "proposal_withdrawn", Numbers::Integers;
    /// A proposal ended because another decision overtook it.
    ProposalSuperseded(ProposalSuperseded) = "proposal_superseded", Numbers::Integers;
    /// A passed proposal could not be carried out.
    ProposalFailed(ProposalFailed) = "proposal_failed", Numbers::Integers;
    /// A passed proposal was not executed in time.
    ProposalLapsed(ProposalLapsed) = "proposal_lapsed", Numbers::Integers;
    /// A node voted.
    VoteCast(VoteCast) = "vote_cast", Numbers::Integers;
    /// A proposal was decided.
    ConsensusReached(ConsensusReached) = "consensus_reached", Numbers::Integers;
    /// A decision that waited for its execution lost its majority to evidence.
    DecisionOverturned(DecisionOverturned) = "decision_overturned", Numbers::Integers;
    /// A node was found to have signed two conflicting ballots.
    ByzantineDetected(ByzantineDetected) = "byzantine_detected", Numbers::Integers;
    /// A subject was authorized.
    AuthorizationGranted(AuthorizationGranted) = "authorization_granted", Numbers::Integers;
    /// A subject's grants ended.
    AuthorizationRevoked(AuthorizationRevoked) = "authorization_revoked", Numbers::Integers;
    /// Authorizations were suspended for a while.
    FreezeImposed(FreezeImposed) = "freeze_imposed", Numbers::Integers;
    /// A freeze ended early.
    FreezeLifted(FreezeLifted) = "freeze_lifted", Numbers::Integers;
    /// A node changed its own key.
    KeyRotated(KeyRotated) = "key_rotated", Numbers::Integers;
    /// A node that lost its key got another one by a passed proposal.
    KeyReplaced(KeyReplaced) = "key_replaced", Numbers::Integers;
    /// A suspended node takes part again, with a new key, by a passed proposal.
    NodeReinstated(NodeReinstated) = "node_reinstated", Numbers::Integers;
    /// The policy changed.
    PolicyUpdated(PolicyUpdated) = "policy_updated", Numbers::Integers;
    /// A model made a prediction.
    PredictionRecorded(PredictionRecorded) = "prediction_recorded", Numbers::Any;
    /// The writer found an unacknowledged tail after a crash and set it aside.
    RecoveryRecorded(RecoveryRecorded) = "recovery_recorded", Numbers::Integers;
    /// The state and the live grants were put under the chain.
    CheckpointRecorded(CheckpointRecorded) = "checkpoint_recorded", Numbers::Integers;
    => {
        /// A node was found to have signed two contradicting checkpoints.
        CheckpointsContradicted(CheckpointsContradicted) = "byzantine_detected",
            where data starts with "{\"checkpoints\":";
        /// A node was found to have signed two contradicting messages of consensus.
        ConsensusContradicted(ConsensusContradicted) = "byzantine_detected",
            where data starts with "{\"consensus\":";
    }
}

fn content<T: DeserializeOwned>(operation: &'static str, data: &str) -> Result<T, EventError> {
    serde_json::from_str(data).map_err(|error| EventError::content(operation, &error))
}

/// Why a line's content is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An operation that this version does not know.
    #[error("unknown operation {operation:?}")]
    UnknownOperation {
        /// The operation found, cut to 80 characters.
        operation: String,
    },
    /// Content that this operation can't have.
    #[error("malformed {operation}: {message}")]
    Content {
        /// The operation.
        operation: &'static str,
        /// What was expected and found.
        message: String,
    },
}

impl EventError {
    fn content(operation: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self::Content {
            operation,
            message: error.to_string(),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownOperation { .. } => "event.unknown-operation",
            Self::Content { .. } => "event.malformed",
        }
    }
}

/// An event with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The entry's number, from 1.
    pub seq: u64,
    /// When it was written.
    pub timestamp: Timestamp,
    /// The entry's hash.
    pub hash: Digest,
    /// What happened.
    pub event: Event,
}
