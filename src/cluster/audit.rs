//! Whether everything in a node's ledger was decided by those who could, for anyone who has the
//! directory, and without a word from any node.
//!
//! It begins with the founding lines, and for each height checks the certificate against the registry
//! as it was then, and decides the commands again. What comes out must be the ledger, byte for byte.

use std::io::{self, Read as _};
use std::path::Path;

use super::certificate::CertificateError;
use super::engine::{Height, ValidatorSet};
use super::judge::{Objection, judge};
use super::replica::GENESIS_FILE;
use super::store::{Decisions, StoreError};
use super::value::{Value, ValueError};
use crate::chain::line::Head;
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::ledger::{LedgerReader, MemoryLedger, OpenError, Refusal};
use crate::node::{Node, NodeError};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The ledger.
    pub ledger: LedgerId,
    /// The hash of the last founding entry, to be compared with one that is known.
    pub origin: Digest,
    /// How many heights are decided.
    pub heights: u64,
    /// How many signatures were checked for that.
    pub signatures: usize,
    /// The last entry.
    pub head: Head,
    /// The hash of the state after it.
    pub state_hash: Digest,
}

/// What does not hold.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The founding lines can't be read.
    #[error("{GENESIS_FILE}: {0}")]
    Genesis(io::Error),
    /// They are no ledger.
    #[error("{GENESIS_FILE}: {0}")]
    Founding(Refusal),
    /// The ledger can't be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The decisions can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rules refuse the founding, or what follows from a decision can't be recorded.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// What was decided is no value.
    #[error("height {height}: {error}")]
    Value {
        /// The height.
        height: u64,
        /// Why not.
        error: ValueError,
    },
    /// A certificate does not show the decision.
    #[error("height {height}: {error}")]
    Certificate {
        /// The height.
        height: u64,
        /// Why not.
        error: CertificateError,
    },
    /// The rules refuse what was decided.
    #[error("height {height}: {objection}")]
    Illegal {
        /// The height.
        height: u64,
        /// Why.
        objection: Objection,
    },
    /// The ledger is not what was decided.
    #[error("the ledger differs from what was decided, from byte {0} on")]
    Differs(usize),
}

impl AuditError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "cluster.io",
            Self::Founding(refusal) => refusal.code,
            Self::Open(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Node(error) => error.code(),
            Self::Value { error, .. } => error.code(),
            Self::Certificate { error, .. } => error.code(),
            Self::Illegal { .. } => "cluster.illegal-decision",
            Self::Differs(_) => "cluster.ledger-differs",
        }
    }
}

/// Checks the directory of a node. A running node may append meanwhile: what is decided is read
/// after the ledger, so that nothing in the ledger lacks its decision.
///
/// # Errors
/// [`AuditError`] with the first thing that does not hold.
pub fn audit(dir: &Path) -> Result<Audit, AuditError> {
    let mut recorded = Vec::new();
    let reader = LedgerReader::open(dir)?;
    (reader.reader())
        .read_to_end(&mut recorded)
        .map_err(|error| AuditError::Node(error.into()))?;
    let genesis = std::fs::read(dir.join(GENESIS_FILE)).map_err(AuditError::Genesis)?;
    let ledger = MemoryLedger::from_bytes(genesis).map_err(AuditError::Founding)?;
    let mut node = Node::open(ledger)?;
    let decisions = Decisions::read(dir)?;
    let mut signatures = 0;
    for height in 1..=decisions.height() {
        let Some(decision) = decisions.get(height)? else {
            break;
        };
        let deciders = ValidatorSet::of(node.state());
        decision
            .certificate
            .verify(node.state().ledger(), &deciders)
            .map_err(|error| AuditError::Certificate { height, error })?;
        signatures += decision.certificate.signatures.len();
        let value = Value::decode(decision.value.as_bytes())
            .map_err(|error| AuditError::Value { height, error })?;
        judge(&node, Height(height), &value, None)
            .map_err(|objection| AuditError::Illegal { height, objection })?;
        node.submit_all(value.commands(), value.header().time)?;
    }
    let decided = node.ledger().bytes();
    if !decided.starts_with(&recorded) {
        let same = decided.iter().zip(&recorded).take_while(|(a, b)| a == b);
        return Err(AuditError::Differs(same.count()));
    }
    Ok(Audit {
        ledger: node.state().ledger(),
        origin: node.state().identity().origin,
        heights: decisions.height(),
        signatures,
        head: *node.head(),
        state_hash: node.state().hash(),
    })
}
