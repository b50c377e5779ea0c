//! What must hold in every run.

use std::fmt;

use serde::Serialize;

/// What must hold in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// No two honest replicas differ at the same height, in ledger or state.
    Agreement,
    /// Decisions and their effects follow from the recorded ballots, and none is left out.
    Validity,
    /// No ballot counts that its voter did not sign for this very proposal, and nobody counts
    /// twice.
    Integrity,
    /// Contradictions that reached honest nodes end in evidence that verifies alone, and no honest
    /// node is accused.
    Accountability,
    /// Every proposal ends, and every honest replica catches up.
    Liveness,
    /// A replica's ledger replays to its state.
    Replay,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Agreement,
        Self::Validity,
        Self::Integrity,
        Self::Accountability,
        Self::Liveness,
        Self::Replay,
    ];

    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Validity => "validity",
            Self::Integrity => "integrity",
            Self::Accountability => "accountability",
            Self::Liveness => "liveness",
            Self::Replay => "replay",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
