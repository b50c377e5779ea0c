//! Nodes that go down, what happens to their ledgers, and how they start again.

use super::World;
use super::adversaries::Cue;
use crate::node::Node;
use crate::simulation::Broken;
use crate::simulation::byzantine::{Behaviour, forge_consequences};
use crate::simulation::clock::instant;
use crate::simulation::engine::ledger_of;

impl World<'_> {
    /// A node stops. In the middle of a write, its last batch is on disk in part only; nobody has
    /// seen it acknowledged.
    pub(super) fn crash(&mut self, place: usize, torn: bool) -> Result<(), Broken> {
        let replica = &mut self.replicas[place];
        let Some(engine) = replica.engine.take() else {
            return Ok(());
        };
        replica.disk = engine.bytes().to_vec();
        let (now, before) = last_batch(&replica.entries_after);
        if torn && before.is_some() && now > before {
            let lines = now.unwrap_or(0) - before.unwrap_or(0);
            let written = bytes_of_last_lines(&replica.disk, lines);
            let cut = self.faults.between(1, written.saturating_sub(1).max(1));
            let left = replica.disk.len() as u64 - cut;
            replica.disk.truncate(usize::try_from(left).unwrap_or(0));
            self.torn_tails += 1;
        }
        self.occasion(None, Cue::Down(place))
    }

    /// Somebody writes into the ledger of a node that is down.
    pub(super) fn forge(&mut self, victim: usize) -> Result<(), Broken> {
        let disk = self.replicas[victim].disk.clone();
        if self.replicas[victim].engine.is_some() || self.replicas[victim].byzantine {
            return Ok(());
        }
        let ledger = ledger_of(disk).map_err(Broken::new)?;
        let Ok(node) = Node::open_with(ledger, self.scenario.signatures.verifier()) else {
            // Another one was here before.
            return Ok(());
        };
        let at = instant(self.now);
        let forged = forge_consequences(node.ledger(), node.state(), at, &mut self.faults)?;
        self.replicas[victim].disk = forged;
        Ok(())
    }

    /// A node starts from its own ledger. Where that is refused, it starts from the founding.
    pub(super) fn restart(&mut self, place: usize) -> Result<(), Broken> {
        if self.replicas[place].engine.is_some() {
            return Ok(());
        }
        self.restarts += 1;
        let disk = std::mem::take(&mut self.replicas[place].disk);
        let signatures = self.scenario.signatures;
        let mut torn = None;
        let engine = match self.workshop.open(disk.clone(), signatures) {
            Ok(engine) => {
                let kept = engine.bytes().len();
                torn = disk.get(kept..).filter(|tail| !tail.is_empty());
                engine
            }
            Err(error) => {
                let code = error.code().to_owned();
                let forger = self.adversaries.entry(Behaviour::ConsequenceForger);
                *forger.or_default().entry(code.clone()).or_default() += 1;
                *self.refusals.entry(code).or_default() += 1;
                self.workshop
                    .open(self.founding.clone(), signatures)
                    .map_err(Broken::new)?
            }
        };
        let offset = engine.bytes().len() as u64;
        let entries = engine.state().entries();
        if !self.replicas[place].byzantine {
            self.checker.restarted(place);
            let looked = self.checker.look(place, engine.as_ref());
            let verdict = looked.and_then(|()| self.checker.replay(engine.as_ref()));
            self.fault = verdict.err().map(|fault| (fault, Some(place)));
        }
        self.replicas[place].engine = Some(engine);
        self.replicas[place].rewind(entries);
        for index in self.replicas[place].next..self.order.len() {
            self.send_ordered(place, index);
        }
        self.plan_all(place);
        self.tell_again(place);
        if let Some(tail) = torn {
            self.report_recovery(place, tail, offset);
        }
        Ok(())
    }
}

/// The number of entries before and after the last command that left any.
fn last_batch(entries_after: &[u64]) -> (Option<u64>, Option<u64>) {
    let now = entries_after.last().copied();
    let mut earlier = entries_after.iter().rev();
    let before = earlier.find(|entries| Some(**entries) != now).copied();
    (now, before)
}

fn bytes_of_last_lines(bytes: &[u8], lines: u64) -> u64 {
    let mut newlines = 0;
    for (from_end, byte) in bytes.iter().rev().enumerate() {
        newlines += u64::from(*byte == b'\n');
        if newlines > lines {
            return from_end as u64;
        }
    }
    bytes.len() as u64
}
