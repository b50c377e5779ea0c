//! Evidence of Byzantine behaviour that anyone can check alone.
//!
//! Specification, "Byzantine behaviour".

use serde::{Deserialize, Serialize};

use super::ballot::Ballot;
use super::statement::Signed;

/// Two ballots that claim to be one node's and contradict each other.
///
/// Unverified until the rules have checked both signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivocation {
    /// One ballot.
    pub first: Signed<Ballot>,
    /// The other.
    pub second: Signed<Ballot>,
}

impl Equivocation {
    /// The same evidence in its one order: by the statements' bytes.
    #[must_use]
    pub fn ordered(self) -> Self {
        if self.first.statement.as_str() <= self.second.statement.as_str() {
            self
        } else {
            Self {
                first: self.second,
                second: self.first,
            }
        }
    }

    /// Whether both ballots are one voter's on one proposal of one history, with different
    /// decisions.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        let (first, second) = (self.first.content(), self.second.content());
        first.voter == second.voter
            && first.ledger == second.ledger
            && first.proposal_id == second.proposal_id
            && first.proposal_hash == second.proposal_hash
            && first.decision != second.decision
    }
}
