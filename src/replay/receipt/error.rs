//! Why a receipt shows nothing.

use crate::chain::checkpoint::CheckpointError;
use crate::chain::line::LineError;
use crate::governance::digest::Digest;
use crate::governance::event::EventError;
use crate::governance::id::GrantId;
use crate::governance::tree_head::Origin;
use crate::replay::error::{Illegal, ReplayProblem};

/// Why a receipt is refused: what is wrong, and at which entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// A line's bytes don't have the hash that it states.
    #[error("line {number} hashes to {computed}, it states {stated}")]
    Hash {
        /// The line's place in the receipt, from 1.
        number: usize,
        /// The hash in the line.
        stated: Digest,
        /// The hash of its bytes.
        computed: Digest,
    },
    /// Bytes that are no line of a ledger.
    #[error("line {number}: {error}")]
    Line {
        /// Its place in the receipt, from 1.
        number: usize,
        /// What is wrong with it.
        error: LineError,
    },
    /// An entry that does not stand behind the one before it.
    #[error("line {number}: expected an entry behind {previous}, found {found}")]
    Order {
        /// Its place in the receipt, from 1.
        number: usize,
        /// The entry before it.
        previous: u64,
        /// The entry found.
        found: u64,
    },
    /// An entry that does not stand in the checkpoint's tree.
    #[error("entry {seq} is not shown to stand in the checkpoint's tree")]
    Inclusion {
        /// The entry.
        seq: u64,
    },
    /// An entry that holds no event that this version knows.
    #[error("entry {seq}: {error}")]
    Event {
        /// The entry.
        seq: u64,
        /// What is wrong with it.
        error: EventError,
    },
    /// An entry that is not what the rules give after those before it.
    #[error("entry {seq}: {illegal}")]
    Illegal {
        /// The entry.
        seq: u64,
        /// How it differs.
        illegal: Illegal,
    },
    /// An entry that no decision depends on, or a second record of the state.
    #[error("entry {seq} has no place in a receipt: no decision depends on it")]
    ForeignEntry {
        /// The entry.
        seq: u64,
    },
    /// The checkpoint, or what is pinned, is of another ledger than the entries.
    #[error("expected the ledger {expected}, found {found}")]
    OtherLedger {
        /// Which ledger it has to be.
        expected: Box<Origin>,
        /// Which one it is.
        found: Box<Origin>,
    },
    /// Another ledger than the pinned one.
    #[error("expected a ledger whose genesis ends with {expected}, found {found}")]
    OtherOrigin {
        /// The hash pinned.
        expected: Digest,
        /// The hash of the last genesis entry.
        found: Digest,
    },
    /// The entries don't lead to the grant.
    #[error("the entries don't give the grant {grant}")]
    NoGrant {
        /// The grant.
        grant: GrantId,
    },
    /// What should show that the grant was live does not.
    #[error("the receipt does not show what it claims: that the grant was live")]
    Liveness,
    /// A change of membership, of a key or of the policy was left out, or evidence.
    #[error(
        "the ledger recorded the registry {expected}, the receipt's entries give {found}: a change \
         of membership, of a key or of the policy is missing"
    )]
    RegistryDiffers {
        /// The registry hash that the ledger recorded.
        expected: Digest,
        /// That of the receipt's own registry.
        found: Digest,
    },
    /// The founders did not sign, and nothing shows who sits in the group now.
    #[error(
        "{founders_signed} of {founders_total} founding weight signed, which is too little, and the \
         checkpoint does not end with a record of the registry: nothing shows who sits in the group \
         now"
    )]
    RegistryUnproven {
        /// The founders' weight behind the checkpoint.
        founders_signed: u64,
        /// The weight of all founders.
        founders_total: u64,
    },
    /// Two thirds or less signed the checkpoint.
    #[error("expected more than two thirds of {total} {whose} weight, found {signed}")]
    TooFewSignatures {
        /// Of which weight: pinned or active.
        whose: &'static str,
        /// How much signed.
        signed: u64,
        /// How much there is.
        total: u64,
    },
    /// A signature under the checkpoint that is none.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl ReceiptError {
    /// The stable code; for a line, an event and a refusal their own.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Hash { .. } => "chain.hash",
            Self::Line { error, .. } => error.code(),
            Self::Order { .. } => "receipt.order",
            Self::Inclusion { .. } => "receipt.inclusion",
            Self::Event { error, .. } => error.code(),
            Self::Illegal { illegal, .. } => illegal.code(),
            Self::ForeignEntry { .. } => "receipt.foreign-entry",
            Self::OtherLedger { .. } | Self::OtherOrigin { .. } => "receipt.other-ledger",
            Self::NoGrant { .. } => "receipt.no-grant",
            Self::Liveness => "receipt.liveness",
            Self::RegistryDiffers { .. } | Self::RegistryUnproven { .. } => {
                "receipt.registry-unproven"
            }
            Self::TooFewSignatures { .. } => "receipt.too-few-signatures",
            Self::Checkpoint(error) => error.code(),
        }
    }

    /// Whether a line's bytes were changed.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Hash { .. } | Self::Line { .. })
    }

    /// Whether a signature does not verify.
    #[must_use]
    pub fn is_signature(&self) -> bool {
        match self {
            Self::Checkpoint(CheckpointError::Signature { .. }) => true,
            Self::Illegal { illegal, .. } => ReplayProblem::Illegal(illegal.clone()).is_signature(),
            _ => false,
        }
    }

    /// Whether the bytes are intact, and an entry is not what the rules give.
    #[must_use]
    pub const fn is_illegal(&self) -> bool {
        matches!(
            self,
            Self::Event { .. } | Self::Illegal { .. } | Self::ForeignEntry { .. }
        )
    }
}
