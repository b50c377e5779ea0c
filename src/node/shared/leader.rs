//! Who opens a group leads it: waits for its turn, writes the group, and answers all of it.

use std::iter;
use std::sync::{Arc, MutexGuard};

use super::{Ahead, Group, Outcome, Shared, SubmitError, Told};
use crate::ledger::Ledger;
use crate::node::Request;
use crate::node::group::Prepared;

/// Writes a group, and answers it when it ends, however it ends.
pub(super) struct Leader<'a, L> {
    shared: &'a Shared<L>,
    group: Arc<Group>,
    /// How many wait for an answer, once that is certain.
    size: Option<usize>,
}

impl<'a, L> Leader<'a, L> {
    pub(super) fn of(shared: &'a Shared<L>, group: &Arc<Group>) -> Self {
        Self {
            shared,
            group: Arc::clone(group),
            size: None,
        }
    }
}

impl<L: Ledger> Leader<'_, L> {
    /// Waits for its turn and writes the group, unless that is done already.
    pub(super) fn lead(mut self) {
        let Ok(turn) = self.shared.turn.lock() else {
            return;
        };
        if self.group.is_told() {
            return;
        }
        let Some(told) = self.written() else {
            return;
        };
        // Who is answered may come back at once, and a sync costs as much for one as for many: where
        // few wait, the next write waits for the answers to go out.
        if 2 * self.shared.open().size >= told.len() {
            drop(turn);
        }
        self.group.tell(told);
    }

    /// As [`lead`](Self::lead), for a caller who has the turn.
    pub(super) fn write(mut self) {
        if let Some(told) = self.written() {
            self.group.tell(told);
        }
    }

    /// What everybody in the group is told, once it is written; `None` where a thread panicked at the
    /// node.
    fn written(&mut self) -> Option<Vec<Told>> {
        let mut ahead = self.shared.node.lock().ok()?;
        let open = self.shared.close(&self.group)?;
        self.size = Some(open.size);
        let closed = ahead.close(open.requests, self.shared.turns);
        let (mut ahead, outcome) = match closed.prepared {
            Ok(prepared) => self.append(ahead, prepared)?,
            Err(error) => (ahead, Err(error)),
        };
        if self.shared.turns.is_some() {
            ahead.node.release();
        }
        drop(ahead);
        Some(tell_each(closed.told, closed.requests, outcome))
    }

    /// Appends what was prepared, and leaves the node to others meanwhile.
    fn append<'s>(
        &'s self,
        mut ahead: MutexGuard<'s, Ahead<L>>,
        prepared: Prepared,
    ) -> Option<(MutexGuard<'s, Ahead<L>>, Outcome)> {
        let outcome = match prepared.batch.clone() {
            None => Ok(()),
            Some(batch) => match ahead.node.ledger.begin(&{ *batch.previous() }, batch) {
                Err(error) => Err(error),
                Ok(writing) => {
                    ahead.is_writing = true;
                    drop(ahead);
                    let written = writing.run();
                    ahead = self.shared.node.lock().ok()?;
                    ahead.is_writing = false;
                    ahead.node.ledger.end(written)
                }
            },
        };
        let outcome = match outcome {
            Ok(()) => Ok(ahead.node.confirm(prepared)),
            Err(error) => {
                ahead.fall_back();
                Err(error.into())
            }
        };
        Some((ahead, outcome))
    }
}

fn tell_each(mut told: Vec<Told>, requests: Vec<Request>, outcome: Outcome) -> Vec<Told> {
    match outcome {
        Ok(answers) => {
            let left = requests.into_iter().skip(answers.len());
            let answers = (answers.into_iter()).map(|it| it.map_err(SubmitError::from));
            told.extend(answers.map(Told::Answer));
            told.extend(left.map(Box::new).map(Told::NotLookedAt));
        }
        Err(error) => {
            let failed = SubmitError::Failed(Arc::new(error));
            let for_all = iter::repeat_n(failed, requests.len());
            told.extend(for_all.map(Err).map(Told::Answer));
        }
    }
    told
}

impl<L> Drop for Leader<'_, L> {
    /// Nobody waits for ever: who was told nothing yet is told that.
    fn drop(&mut self) {
        if self.group.is_told() {
            return;
        }
        let size = self.size.take();
        if let Some(size) = size.or_else(|| Some(self.shared.close(&self.group)?.size)) {
            let abandoned = || Told::Answer(Err(SubmitError::Abandoned));
            self.group
                .tell(iter::repeat_with(abandoned).take(size).collect());
        }
    }
}
