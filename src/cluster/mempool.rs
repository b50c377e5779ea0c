//! Commands that wait for a height.
//!
//! A command comes from a client of this node, who waits for its outcome, or from another node. Each
//! is kept once. A node passes on its own clients' commands, again and again until they are decided,
//! and no others: what one node forgets, the node that the client asked does not.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use indexmap::map::Entry;
use tokio::sync::oneshot;

use super::command;
use super::outcome::Outcome;
use crate::governance::command::Command;
use crate::governance::digest::Digest;

/// How much is kept of what other nodes pass on, in bytes, and how many commands.
const MAX_FOREIGN_BYTES: usize = 64 << 20;
const MAX_FOREIGN: usize = 10_000;

/// The most commands of a node's own clients.
const MAX_OWN: usize = 10_000;

/// How long a command of another node's waits for what it depends on.
const FOREIGN_PATIENCE: Duration = Duration::from_secs(60);

/// After how long a command of one's own is passed on again.
const AGAIN: Duration = Duration::from_secs(2);

/// A command that waits.
#[derive(Debug)]
pub struct Waiting {
    /// The command.
    pub command: Command,
    /// Its line.
    pub line: Box<str>,
    /// Whether it can be decided as things stand.
    pub is_ready: bool,
    /// Who waits for its outcome; empty for a command of another node's.
    clients: Vec<oneshot::Sender<Outcome>>,
    is_own: bool,
    since: Instant,
    sent: Instant,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many commands are waiting; try again later")]
pub struct Full;

/// All commands that wait, in the order in which they came.
#[derive(Debug, Default)]
pub struct Mempool {
    waiting: IndexMap<Digest, Waiting>,
    foreign_bytes: usize,
    foreign: usize,
}

/// What a command is called here: the hash of its line.
#[must_use]
pub fn name(line: &str) -> Digest {
    Digest::of(line.as_bytes())
}

impl Mempool {
    /// Takes a command that can be decided as things stand, of a client, or of this node itself. Whether
    /// it is new.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_own(
        &mut self,
        command: Command,
        line: String,
        client: Option<oneshot::Sender<Outcome>>,
        now: Instant,
    ) -> Result<bool, Full> {
        let own = self.waiting.len().saturating_sub(self.foreign);
        match self.waiting.entry(name(&line)) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.clients.extend(client);
                if !known.is_own {
                    known.is_own = true;
                    self.foreign -= 1;
                    self.foreign_bytes -= known.line.len();
                }
                Ok(false)
            }
            Entry::Vacant(_) if own >= MAX_OWN => Err(Full),
            Entry::Vacant(place) => {
                place.insert(Waiting {
                    command,
                    line: line.into(),
                    is_ready: true,
                    clients: client.into_iter().collect(),
                    is_own: true,
                    since: now,
                    sent: now,
                });
                Ok(true)
            }
        }
    }

    /// Takes a command of another node's. Whether it is new and there was room.
    pub fn add_foreign(
        &mut self,
        line: &str,
        is_ready: impl FnOnce(&Command) -> bool,
        now: Instant,
    ) -> bool {
        let name = name(line);
        let is_full =
            self.foreign >= MAX_FOREIGN || self.foreign_bytes + line.len() > MAX_FOREIGN_BYTES;
        if is_full || self.waiting.contains_key(&name) {
            return false;
        }
        let Ok(command) = command::decode(line) else {
            return false;
        };
        // One command, one name.
        if command::encode(&command).as_deref() != Ok(line) {
            return false;
        }
        self.foreign += 1;
        self.foreign_bytes += line.len();
        let waiting = Waiting {
            is_ready: is_ready(&command),
            command,
            line: line.into(),
            clients: Vec::new(),
            is_own: false,
            since: now,
            sent: now,
        };
        self.waiting.insert(name, waiting);
        true
    }

    /// The commands that can be decided as things stand.
    pub fn ready(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values().filter(|waiting| waiting.is_ready)
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Tells those who wait for a command what became of it, and forgets it.
    pub fn settle(&mut self, name: &Digest, outcome: &Outcome) {
        let Some(settled) = self.waiting.shift_remove(name) else {
            return;
        };
        if !settled.is_own {
            self.foreign -= 1;
            self.foreign_bytes -= settled.line.len();
        }
        for client in settled.clients {
            // A client that is gone asks no more.
            let _ = client.send(outcome.clone());
        }
    }

    /// Looks at every command again after the state has changed. `judge` says what became of one:
    /// nothing yet, or the outcome. Another node's that is refused is kept for a while: what it
    /// depends on may come yet.
    pub fn review(&mut self, now: Instant, judge: impl Fn(&Command) -> Option<Outcome>) {
        let mut settled = Vec::new();
        for (name, waiting) in &mut self.waiting {
            let outcome = judge(&waiting.command);
            waiting.is_ready = outcome.is_none();
            let Some(outcome) = outcome else {
                continue;
            };
            let is_patient = !waiting.is_own
                && matches!(outcome, Outcome::Refused { .. })
                && now.duration_since(waiting.since) < FOREIGN_PATIENCE;
            if !is_patient {
                settled.push((*name, outcome));
            }
        }
        for (name, outcome) in settled {
            self.settle(&name, &outcome);
        }
    }

    /// The lines of the commands of one's own that have not been passed on for a while.
    pub fn to_send_again(&mut self, now: Instant) -> Vec<Box<str>> {
        let is_due =
            |waiting: &&mut Waiting| waiting.is_own && now.duration_since(waiting.sent) >= AGAIN;
        let due = self.waiting.values_mut().filter(is_due);
        due.map(|waiting| {
            waiting.sent = now;
            waiting.line.clone()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::ballot::Decision::{Approve, Reject};
    use crate::testing::{Assembly, actions};

    fn commands() -> Vec<(Command, String)> {
        let mut assembly = Assembly::of(&[1, 1, 1]);
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        let commands = [Approve, Reject, Approve].map(|decision| {
            let command = Command::Vote(assembly.signed_ballot(1, proposal, decision));
            let line = command::encode(&command).unwrap();
            (command, line)
        });
        commands.into()
    }

    const UNCHANGED: Outcome = Outcome::Unchanged { height: 3 };

    fn refused() -> Outcome {
        Outcome::Refused {
            height: 3,
            code: "ballot.proposal-closed".to_owned(),
            message: String::new(),
        }
    }

    #[test]
    fn a_command_waits_once_and_all_its_clients_hear_of_it() {
        let mut mempool = Mempool::default();
        let (command, line) = commands().remove(0);
        let now = Instant::now();
        assert!(mempool.add_foreign(&line, |_| true, now));
        assert!(!mempool.add_foreign(&line, |_| true, now));
        let mut clients = Vec::new();
        for is_new in [false, false] {
            let (client, outcome) = oneshot::channel();
            clients.push(outcome);
            let added = mempool.add_own(command.clone(), line.clone(), Some(client), now);
            assert_eq!(added, Ok(is_new));
        }
        assert_eq!((mempool.count(), mempool.ready().count()), (1, 1));
        assert_eq!((mempool.foreign, mempool.foreign_bytes), (0, 0));
        mempool.settle(&name(&line), &UNCHANGED);
        for mut client in clients {
            assert_eq!(client.try_recv(), Ok(UNCHANGED));
        }
        assert_eq!(mempool.count(), 0);
    }

    #[test]
    fn a_clients_command_is_passed_on_until_it_is_decided() {
        let mut mempool = Mempool::default();
        let mut commands = commands();
        let (_, foreign) = commands.remove(1);
        let (command, line) = commands.remove(0);
        let now = Instant::now();
        let (client, _outcome) = oneshot::channel();
        assert_eq!(
            mempool.add_own(command, line.clone(), Some(client), now),
            Ok(true)
        );
        assert!(mempool.add_foreign(&foreign, |_| true, now));
        assert!(mempool.to_send_again(now).is_empty());
        for times in 1..4 {
            let later = now + AGAIN * times;
            assert_eq!(mempool.to_send_again(later), [line.clone().into()]);
            assert!(mempool.to_send_again(later).is_empty());
        }
    }

    #[test]
    fn what_is_refused_is_told_and_what_may_come_yet_is_kept() {
        let mut mempool = Mempool::default();
        let mut commands = commands();
        let (_, foreign) = commands.remove(1);
        let (command, line) = commands.remove(0);
        let now = Instant::now();
        let (client, mut outcome) = oneshot::channel();
        assert_eq!(mempool.add_own(command, line, Some(client), now), Ok(true));
        assert!(mempool.add_foreign(&foreign, |_| false, now));
        assert_eq!((mempool.count(), mempool.ready().count()), (2, 1));
        mempool.review(now, |_| Some(refused()));
        assert_eq!(outcome.try_recv(), Ok(refused()));
        assert_eq!((mempool.count(), mempool.ready().count()), (1, 0));
        mempool.review(now, |_| None);
        assert_eq!(mempool.ready().count(), 1);
        mempool.review(now + FOREIGN_PATIENCE, |_| Some(refused()));
        assert_eq!(
            (mempool.count(), mempool.foreign, mempool.foreign_bytes),
            (0, 0, 0)
        );
    }

    #[test]
    fn what_is_no_command_or_has_another_form_is_not_kept() {
        let mut mempool = Mempool::default();
        let (_, line) = commands().remove(0);
        for bad in ["", "{}", &format!(" {line}"), &line.replacen(":", ": ", 1)] {
            assert!(!mempool.add_foreign(bad, |_| true, Instant::now()), "{bad}");
        }
        assert!(mempool.add_foreign(&line, |_| true, Instant::now()));
    }
}
