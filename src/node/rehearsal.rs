//! What several commands would lead to, down to the bytes, without recording anything.

use super::{Node, NodeError, entry};
use crate::chain::line::{Head, encode_checked};
use crate::governance::command::Command;
use crate::governance::decide::{Context, decide_in_place};
use crate::governance::event::Event;
use crate::governance::rejection::Rejection;
use crate::governance::time::Timestamp;
use crate::ledger::Ledger;

/// What [`Node::submit_all`] would record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// How many events follow from each command.
    pub events: Vec<usize>,
    /// The head once they are recorded.
    pub head: Head,
}

impl<L: Ledger> Node<L> {
    /// Whether [`submit_all`](Self::submit_all) would record what follows from `commands`, and what
    /// that is. Nothing but the disk can then make it fail.
    ///
    /// # Errors
    /// The index of the first command that can't be recorded, and why.
    pub fn rehearse(
        &self,
        commands: &[Command],
        at: Timestamp,
    ) -> Result<Rehearsal, (usize, NodeError)> {
        let verifier = self.verifier.as_ref();
        let context = Context { at, verifier };
        let mut state = self.state.clone();
        let mut entries = Vec::new();
        let mut counts = Vec::new();
        for (index, command) in commands.iter().enumerate() {
            let refused = |error: NodeError| (index, error);
            if index > 0 && matches!(command, Command::RecordCheckpoint(_)) {
                return Err(refused(Rejection::CheckpointPlace.into()));
            }
            let events: Vec<Event> = decide_in_place(&mut state, command, &context)
                .map_err(|rejection| refused(rejection.into()))?;
            counts.push(events.len());
            for event in &events {
                entries.push(entry(event, at).map_err(refused)?);
            }
        }
        if entries.is_empty() {
            return Ok(Rehearsal {
                events: counts,
                head: *self.head(),
            });
        }
        match encode_checked(self.head(), &entries) {
            Ok(batch) => Ok(Rehearsal {
                events: counts,
                head: *batch.head(),
            }),
            Err(error) => {
                let index = error.entry().map_or(0, |entry| owner(&counts, entry));
                Err((index, error.into()))
            }
        }
    }

    /// Which of `commands` can be recorded together, one after the other, and lead to something:
    /// those that are refused, or ask for what is recorded, are left out.
    #[must_use]
    pub fn choose(&self, commands: &[&Command], at: Timestamp) -> Vec<usize> {
        let verifier = self.verifier.as_ref();
        let context = Context { at, verifier };
        let mut state = self.state.clone();
        let mut leads_somewhere = |command: &Command| {
            decide_in_place(&mut state, command, &context).is_ok_and(|events| !events.is_empty())
        };
        (commands.iter().enumerate())
            .filter(|(_, command)| leads_somewhere(command))
            .map(|(index, _)| index)
            .collect()
    }
}

/// Which command an event follows from.
fn owner(counts: &[usize], event: usize) -> usize {
    let mut end = 0;
    let of_it = |count: &usize| {
        end += count;
        event < end
    };
    counts.iter().position(of_it).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::ballot::Decision;
    use crate::testing::{Assembly, actions};

    #[test]
    fn a_rehearsal_is_what_is_recorded_then() {
        let mut assembly = Assembly::of(&[1, 1, 1]);
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        let votes: Vec<Command> = [0, 1, 2]
            .map(|voter| Command::Vote(assembly.signed_ballot(voter, proposal, Decision::Approve)))
            .into();
        let at = assembly.now();
        let node = assembly.node_mut();
        let before = *node.head();
        // The third comes too late.
        let (index, error) = node.rehearse(&votes, at).unwrap_err();
        assert_eq!((index, error.code()), (2, "ballot.proposal-closed"));
        let rehearsed = node.rehearse(&votes[..2], at).unwrap();
        assert_eq!(rehearsed.events, [1, 3]);
        assert_eq!(*node.head(), before);
        node.submit_all(&votes[..2], at).unwrap();
        assert_eq!(*node.head(), rehearsed.head);
        let again = node.rehearse(&votes[..1], at).unwrap();
        assert_eq!((again.events, again.head), (vec![0], rehearsed.head));
    }

    #[test]
    fn only_what_leads_to_something_is_chosen() {
        let mut assembly = Assembly::of(&[1, 1, 1]);
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        let vote = |assembly: &mut Assembly, voter| {
            Command::Vote(assembly.signed_ballot(voter, proposal, Decision::Approve))
        };
        let votes = [0, 1, 2].map(|voter| vote(&mut assembly, voter));
        let at = assembly.now();
        let node = assembly.node_mut();
        let before = node.state().hash();
        // The first twice is one; two decide, so that the third comes too late.
        let offered = [&votes[2], &votes[2], &votes[0], &votes[1]];
        assert_eq!(node.choose(&offered, at), [0, 2]);
        assert_eq!(node.choose(&[], at), [0_usize; 0]);
        assert_eq!(node.state().hash(), before);
    }

    #[test]
    fn an_event_belongs_to_its_command() {
        for (event, command) in [(0, 1), (1, 1), (2, 3)] {
            assert_eq!(owner(&[0, 2, 0, 1], event), command);
        }
    }
}
