//! Whether a value may be decided. Every node judges for itself before it votes.

use super::engine::Height;
use super::value::Value;
use crate::chain::line::Head;
use crate::governance::command::Command;
use crate::governance::proposal::Action;
use crate::governance::state::State;
use crate::governance::time::{Seconds, Timestamp};
use crate::ledger::Ledger;
use crate::node::{Node, NodeError, Rehearsal};

/// Why a node does not vote for a value.
#[derive(Debug, thiserror::Error)]
pub enum Objection {
    /// It is of another ledger.
    #[error("the value is of another ledger")]
    Ledger,
    /// It is of another height.
    #[error("expected a value of height {expected}, found one of {found}")]
    Height {
        /// The next height.
        expected: u64,
        /// The value's.
        found: u64,
    },
    /// It extends another entry than the last.
    #[error("expected a value that extends {expected}, found one that extends {found}")]
    Head {
        /// The last entry.
        expected: Head,
        /// The one that it extends.
        found: Head,
    },
    /// Its time lies before the last entry's.
    #[error("the value's time {found} lies before the last entry's, {head}")]
    BehindHead {
        /// The last entry's time.
        head: Timestamp,
        /// The value's.
        found: Timestamp,
    },
    /// Its time lies too far from this node's clock.
    #[error("the value's time {found} is too far from this node's clock, {now}")]
    Clock {
        /// This node's time.
        now: Timestamp,
        /// The value's.
        found: Timestamp,
    },
    /// A command in it is refused.
    #[error("command {index} is refused: {error}")]
    Refused {
        /// Which, from 0.
        index: usize,
        /// Why.
        error: NodeError,
    },
    /// A command in it leads to nothing.
    #[error("command {index} asks for what is recorded already")]
    NothingNew {
        /// Which, from 0.
        index: usize,
    },
    /// A command in it would give a newcomer too much weight.
    #[error("command {index}: {newcomer}")]
    Newcomer {
        /// Which, from 0.
        index: usize,
        /// How much.
        newcomer: HeavyNewcomer,
    },
}

impl Objection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger => "cluster.other-ledger",
            Self::Height { .. } => "cluster.other-height",
            Self::Head { .. } => "cluster.other-head",
            Self::BehindHead { .. } => "clock.behind-head",
            Self::Clock { .. } => "cluster.clock",
            Self::Refused { error, .. } => error.code(),
            Self::NothingNew { .. } => "cluster.nothing-new",
            Self::Newcomer { .. } => HeavyNewcomer::CODE,
        }
    }
}

/// A node that is to join, or to return, with a third of the weight or more: offline, it could halt the
/// cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a newcomer of weight {weight} would have a third of the weight {total} or more, and could halt \
     the cluster by being offline"
)]
pub struct HeavyNewcomer {
    weight: u64,
    total: u64,
}

impl HeavyNewcomer {
    /// The stable code.
    pub const CODE: &'static str = "cluster.newcomer-weight";
}

/// Whether a command would bring in, or back, a node that could halt the cluster. It is judged when it is
/// proposed: any other change of membership in between supersedes the proposal.
///
/// # Errors
/// [`HeavyNewcomer`].
pub fn check_newcomer(state: &State, command: &Command) -> Result<(), HeavyNewcomer> {
    let Command::Propose(proposal) = command else {
        return Ok(());
    };
    let registry = state.registry();
    let weight = match &proposal.content().action {
        Action::AddNode(newcomer) => newcomer.weight.get(),
        // What is no suspended node the rules refuse.
        Action::ReinstateNode(new) => (registry.get(new.node)).map_or(0, |it| it.weight().get()),
        _ => return Ok(()),
    };
    let total = registry.active_weight().get().saturating_add(weight);
    if u128::from(weight) * 3 >= u128::from(total) {
        return Err(HeavyNewcomer { weight, total });
    }
    Ok(())
}

/// How far a value's time may lie from a node's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// This node's time.
    pub now: Timestamp,
    /// How far ahead of it.
    pub lead: Seconds,
    /// How far behind it; `None` where it may be any time since the last entry. A value on which
    /// others are locked since long ago must be acceptable, or nothing is decided any more.
    pub lag: Option<Seconds>,
}

impl Bounds {
    fn admit(&self, time: Timestamp) -> bool {
        let is_late = |lag| time.saturating_add(lag) < self.now;
        time <= self.now.saturating_add(self.lead) && !self.lag.is_some_and(is_late)
    }
}

/// Whether `value` may be decided at `height`, and what follows from it. What is decided already is
/// judged without `bounds`: two thirds have seen its time.
///
/// # Errors
/// [`Objection`].
pub fn judge<L: Ledger>(
    node: &Node<L>,
    height: Height,
    value: &Value,
    bounds: Option<Bounds>,
) -> Result<Rehearsal, Objection> {
    let (header, state) = (value.header(), node.state());
    if header.ledger != state.ledger() {
        return Err(Objection::Ledger);
    }
    if header.height != height.0 {
        return Err(Objection::Height {
            expected: height.0,
            found: header.height,
        });
    }
    if header.extends() != *node.head() {
        return Err(Objection::Head {
            expected: *node.head(),
            found: header.extends(),
        });
    }
    let found = header.time;
    if found < state.clock() {
        return Err(Objection::BehindHead {
            head: state.clock(),
            found,
        });
    }
    if let Some(bounds) = bounds.filter(|bounds| !bounds.admit(found)) {
        return Err(Objection::Clock {
            now: bounds.now,
            found,
        });
    }
    for (index, command) in value.commands().iter().enumerate() {
        check_newcomer(state, command)
            .map_err(|newcomer| Objection::Newcomer { index, newcomer })?;
    }
    let rehearsal = (node.rehearse(value.commands(), found))
        .map_err(|(index, error)| Objection::Refused { index, error })?;
    match rehearsal.events.iter().position(|count| *count == 0) {
        Some(index) => Err(Objection::NothingNew { index }),
        None => Ok(rehearsal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::engine::Height;
    use crate::governance::ballot::Decision::{Approve, Reject};
    use crate::governance::consensus::ConsensusStep;
    use crate::governance::digest::Digest;
    use crate::governance::id::LedgerId;
    use crate::testing::{Assembly, actions};

    const SECOND: Seconds = match Seconds::new(1) {
        Some(second) => second,
        None => Seconds::FIVE_MINUTES,
    };

    fn bounds(now: Timestamp) -> Option<Bounds> {
        Some(Bounds {
            now,
            lead: SECOND,
            lag: Some(SECOND),
        })
    }

    /// A group with a proposal, and the votes of all four for it.
    fn group() -> (Assembly, Vec<Command>) {
        let mut assembly = Assembly::of(&[1, 1, 1, 1]);
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        let votes = (0..4)
            .map(|voter| Command::Vote(assembly.signed_ballot(voter, proposal, Approve)))
            .collect();
        (assembly, votes)
    }

    fn value(assembly: &Assembly, commands: &[Command]) -> Value {
        let (ledger, head) = (assembly.state().ledger(), *assembly.node().head());
        Value::new(ledger, Height(7), head, assembly.now(), commands.to_vec()).unwrap()
    }

    fn code(assembly: &Assembly, value: &Value) -> &'static str {
        let judged = judge(assembly.node(), Height(7), value, bounds(assembly.now()));
        judged.map_or_else(|objection| objection.code(), |_| "good")
    }

    #[test]
    fn a_lying_proposer_is_voted_down() {
        let (mut assembly, votes) = group();
        let honest = value(&assembly, &votes[..3]);
        assert_eq!(code(&assembly, &honest), "good");
        assert_eq!(code(&assembly, &value(&assembly, &[])), "good");
        let (ledger, head, now) = (
            assembly.state().ledger(),
            *assembly.node().head(),
            assembly.now(),
        );
        let other_ledger = LedgerId::from_digest(Digest::of(b"other"));
        let stale = Head {
            seq: head.seq - 1,
            ..head
        };
        let forged = Head {
            hash: Digest::of(b"forged"),
            ..head
        };
        let make = |ledger, height, head, time| {
            Value::new(ledger, Height(height), head, time, votes[..1].to_vec()).unwrap()
        };
        let back = Timestamp::from_micros(now.as_micros() - 1).unwrap();
        let (soon, far) = (
            now.saturating_add(SECOND),
            now.saturating_add(Seconds::FIVE_MINUTES),
        );
        for (lie, expected) in [
            (make(other_ledger, 7, head, now), "cluster.other-ledger"),
            (make(ledger, 6, head, now), "cluster.other-height"),
            (make(ledger, 8, head, now), "cluster.other-height"),
            (make(ledger, 7, stale, now), "cluster.other-head"),
            (make(ledger, 7, forged, now), "cluster.other-head"),
            (make(ledger, 7, head, back), "clock.behind-head"),
            (make(ledger, 7, head, soon), "good"),
            (make(ledger, 7, head, far), "cluster.clock"),
        ] {
            assert_eq!(code(&assembly, &lie), expected);
        }
        // Somebody else's ballot with another decision, under the signature of the first.
        let Command::Vote(ballot) = votes[0].clone() else {
            unreachable!();
        };
        let proposal = ballot.content().proposal_id;
        let other = assembly.signed_ballot(0, proposal, Reject);
        let forged = other.statement.with_signature(ballot.signature.clone());
        for (commands, expected) in [
            (vec![Command::Vote(forged)], "ballot.signature"),
            (
                vec![votes[0].clone(), votes[0].clone()],
                "cluster.nothing-new",
            ),
            (votes.clone(), "ballot.proposal-closed"),
            (vec![Command::Close(proposal)], "close.before-deadline"),
        ] {
            let found = code(&assembly, &value(&assembly, &commands));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_value_is_late_only_where_lateness_counts() {
        let (mut assembly, votes) = group();
        let early = value(&assembly, &votes[..1]);
        assembly.wait(2);
        assert_eq!(code(&assembly, &early), "cluster.clock");
        let patient = Some(Bounds {
            now: assembly.now(),
            lead: SECOND,
            lag: None,
        });
        for bounds in [patient, None] {
            assert!(judge(assembly.node(), Height(7), &early, bounds).is_ok());
        }
        // What was decided is decided, whatever this node's clock says.
        let ahead = Timestamp::from_micros(0).unwrap();
        assert!(judge(assembly.node(), Height(7), &early, bounds(ahead)).is_err());
    }

    #[test]
    fn who_comes_back_never_has_a_third() {
        for (weights, back, is_good) in [
            (&[1, 1, 1, 1][..], 3, true),
            (&[1, 1, 1], 2, false),
            (&[3, 3, 3, 4], 3, true),
            (&[3, 3, 3, 5], 3, false),
        ] {
            let mut assembly = Assembly::of(weights);
            let found = assembly.consensus_equivocation(back, 1, ConsensusStep::Prevote);
            assembly.accept(&Command::SubmitConsensusEquivocation(Box::new(found)));
            let (_, new_key) = assembly.new_key(assembly.id(back));
            let proposal = assembly.draft(0, Action::ReinstateNode(new_key));
            let command = Command::Propose(assembly.sign(0, proposal));
            let found = code(&assembly, &value(&assembly, &[command]));
            let expected = if is_good { "good" } else { HeavyNewcomer::CODE };
            assert_eq!(found, expected, "{weights:?}");
        }
    }

    #[test]
    fn a_newcomer_never_has_a_third() {
        for (weights, weight, is_good) in [
            (&[1, 1, 1][..], 1, true),
            (&[1, 1], 1, false),
            (&[1, 1, 1, 1], 1, true),
            (&[1, 1, 1, 1], 2, false),
            (&[10, 10], 9, true),
            (&[10, 10], 10, false),
        ] {
            let mut assembly = Assembly::of(weights);
            let newcomer = Action::AddNode(assembly.newcomer(weight));
            let proposal = assembly.draft(0, newcomer);
            let command = Command::Propose(assembly.sign(0, proposal));
            let found = code(&assembly, &value(&assembly, &[command]));
            let expected = if is_good { "good" } else { HeavyNewcomer::CODE };
            assert_eq!(found, expected, "{weights:?} {weight}");
        }
    }
}
