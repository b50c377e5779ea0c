//! A ballot: one node's signed vote on one proposal.
//!
//! Specification, "Ballots".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::id::{LedgerId, NodeId, ProposalId, VoteId};
use super::label::Prose;
use super::statement::StatementContent;
use super::tally::Standing;
use super::time::Timestamp;

/// What a ballot says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ballot {
    /// When the voter says it voted; must lie before the deadline.
    pub cast_at: Timestamp,
    /// The voter's decision.
    pub decision: Decision,
    /// The ledger that the ballot is for.
    pub ledger: LedgerId,
    /// The hash of the proposal's entry, and thereby of the whole history before it.
    pub proposal_hash: Digest,
    /// The proposal that is voted on.
    pub proposal_id: ProposalId,
    /// Why, in the voter's words; may be empty.
    pub rationale: Prose,
    /// An id unique among the voter's ballots.
    pub vote_id: VoteId,
    /// The voting node.
    pub voter: NodeId,
}

impl StatementContent for Ballot {
    const DOMAIN: &'static str = "althing/ballot/v1";
    // A rationale of nothing but control characters takes six bytes for each.
    const MAX_BYTES: usize = 6 * Prose::MAX_BYTES + 4 * 1024;
}

/// The three ways to vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// In favour.
    Approve,
    /// Against.
    Reject,
    /// Present, on neither side.
    Abstain,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Approve, Self::Reject, Self::Abstain];

    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Abstain => "abstain",
        }
    }

    /// Where a voter with this decision stands.
    #[must_use]
    pub const fn standing(self) -> Standing {
        match self {
            Self::Approve => Standing::Approve,
            Self::Reject => Standing::Reject,
            Self::Abstain => Standing::Abstain,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected approve, reject or abstain")]
pub struct ParseDecisionError;

impl FromStr for Decision {
    type Err = ParseDecisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|decision| decision.name() == text)
            .ok_or(ParseDecisionError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::statement::Signed;

    #[test]
    fn decisions_are_written_as_they_are_read() {
        for (decision, name) in [
            (Decision::Approve, "approve"),
            (Decision::Reject, "reject"),
            (Decision::Abstain, "abstain"),
        ] {
            assert_eq!(decision.name(), name);
            assert_eq!(decision.to_string(), name);
            assert_eq!(name.parse(), Ok(decision));
        }
        assert!("maybe".parse::<Decision>().is_err());
    }

    #[test]
    fn a_signed_ballot_is_read_in_one_pass_only_where_that_reads_the_same() {
        const STATEMENT: &str = concat!(
            r#"{"cast_at":"2026-05-04T09:30:00.000000Z","decision":"approve","#,
            r#""ledger":"0000000000000000000000000000000000000000000000000000000000000000","#,
            r#""proposal_hash":"0000000000000000000000000000000000000000000000000000000000000000","#,
            r#""proposal_id":"00000000-0000-0000-0000-000000000001","rationale":"\"}","#,
            r#""vote_id":"00000000-0000-0000-0000-000000000002","#,
            r#""voter":"did:pqaid:0000000000000000000000000000000000000000000000000000000000000000"}"#
        );
        let with = |start: &str, end: &str| format!("{start}{STATEMENT}{end}");
        let honest = with(r#"{"signature":"AQIDBA==","statement":"#, "}");
        let read = Signed::<Ballot>::read_canonical(&honest).expect("it is read");
        assert_eq!(serde_json::from_str(&honest).ok(), Some(read));
        for other in [
            with(r#"{"signature":"AQIDBA==","statement":"#, r#","then":1}"#),
            with(r#"{"signature":"AQIDBA==","statement":"#, "}}"),
            with(r#"{"signature":"AQIDBA==","statement":"#, ""),
            with(r#"{"signature":"AQIDBA==","statement":{}"#, "}"),
            with(r#"{"signature":"AQIDBA","statement":"#, "}"),
            with(r#"{"signature":"AQID\"","statement":"#, "}"),
            with(r#"{"reason":1,"signature":"AQIDBA==","statement":"#, "}"),
            with(r#"{"statement":"#, "}"),
            honest.replace("approve", "perhaps"),
            honest.replace("voter\":", "voters\":"),
        ] {
            assert_eq!(Signed::<Ballot>::read_canonical(&other), None, "{other}");
            assert!(
                serde_json::from_str::<Signed<Ballot>>(&other).is_err(),
                "{other}"
            );
        }
    }
}
