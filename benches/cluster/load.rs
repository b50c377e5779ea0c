//! Clients of a running cluster: proposals and ballots, and how long they take.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use althing::cluster::client::Client;
use althing::cluster::command::encode;
use althing::cluster::outcome::Outcome as Decided;
use althing::governance::Command;
use althing::governance::ballot::{Ballot, Decision};
use althing::governance::digest::Digest;
use althing::governance::id::{LedgerId, ProposalId, VoteId};
use althing::governance::label::Prose;
use althing::governance::proposal::{Action, GrantTerms, Proposal};
use althing::governance::statement::Statement;
use althing::governance::time::Timestamp;
use althing::identity::SigningKey;
use uuid::Uuid;

use crate::Outcome;

/// The nodes of a cluster, with their keys.
pub struct Group {
    pub ledger: LedgerId,
    pub dirs: Vec<PathBuf>,
    pub keys: Vec<SigningKey>,
}

/// What clients saw.
#[derive(Default)]
pub struct Seen {
    pub commands: usize,
    /// From handing a command over to its outcome.
    pub latencies: Vec<Duration>,
}

pub fn now() -> Outcome<Timestamp> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let micros = u64::try_from(since_epoch.as_micros())?;
    Timestamp::from_micros(micros).ok_or_else(|| "the clock is wrong".into())
}

fn connect(dir: &Path) -> Outcome<Client> {
    Ok(Client::connect(dir, Some(Duration::from_secs(60)))?)
}

/// What a proposal is known by in its ballots.
struct Opened {
    id: ProposalId,
    hash: Digest,
}

impl Opened {
    fn by(id: ProposalId, outcome: &Decided) -> Outcome<Self> {
        let Decided::Recorded { entries, .. } = outcome else {
            return Err(format!("{outcome:?}").into());
        };
        let hash = entries.first().ok_or("no entry")?.entry_hash;
        Ok(Self { id, hash })
    }
}

impl Group {
    fn proposal(&self, by: usize) -> Outcome<(ProposalId, Command)> {
        let uuid = Uuid::new_v4();
        let id = ProposalId::from_uuid(uuid);
        let subject = format!("did:example:{uuid}").parse()?;
        let statement = Statement::new(Proposal {
            action: Action::AuthorizeModel(GrantTerms::unrestricted(subject)),
            created_at: now()?,
            description: Prose::default(),
            ledger: self.ledger,
            parameters: serde_json::Map::new(),
            proposal_id: id,
            proposer: self.keys[by].node_id(),
            title: "Load".parse()?,
        })?;
        Ok((id, Command::Propose(self.keys[by].sign(statement)?)))
    }

    fn ballot(&self, by: usize, proposal: &Opened) -> Outcome<Command> {
        let statement = Statement::new(Ballot {
            cast_at: now()?,
            decision: Decision::Approve,
            ledger: self.ledger,
            proposal_hash: proposal.hash,
            proposal_id: proposal.id,
            rationale: Prose::default(),
            vote_id: VoteId::from_uuid(Uuid::new_v4()),
            voter: self.keys[by].node_id(),
        })?;
        Ok(Command::Vote(self.keys[by].sign(statement)?))
    }

    /// From handing a proposal over to its decision, with nothing else going on: everybody approves at
    /// the own node as soon as it is recorded.
    pub fn time_to_decision(&self) -> Outcome<Duration> {
        let start = Instant::now();
        let (id, command) = self.proposal(0)?;
        let opened = Opened::by(id, &connect(&self.dirs[0])?.submit(encode(&command)?)?)?;
        let outcomes = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (voter, dir) in self.dirs.iter().enumerate() {
                let (opened, outcomes) = (&opened, &outcomes);
                scope.spawn(move || {
                    let vote = || -> Outcome<Decided> {
                        let line = encode(&self.ballot(voter, opened)?)?;
                        let mut client = connect(dir)?;
                        loop {
                            match client.submit(line.clone())? {
                                // This node has not recorded the proposal yet.
                                Decided::Refused { code, .. }
                                    if code == "ballot.unknown-proposal" =>
                                {
                                    thread::sleep(Duration::from_millis(1));
                                }
                                outcome => return Ok(outcome),
                            }
                        }
                    };
                    let outcome = vote().map_err(|error| error.to_string());
                    let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                    outcomes.push((start.elapsed(), outcome));
                });
            }
        });
        let outcomes = outcomes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let is_it = |outcome: &Result<Decided, String>| outcome.as_ref().is_ok_and(is_decided);
        let decided = outcomes.iter().find(|(_, outcome)| is_it(outcome));
        let (time, _) = decided.ok_or_else(|| format!("nothing was decided: {outcomes:?}"))?;
        Ok(*time)
    }

    /// So many clients at once for a while, each of which waits for every outcome: a proposal at one
    /// node, then ballots until it is decided, and the next one.
    pub fn load(&self, clients: usize, time: Duration) -> Outcome<Seen> {
        let seen = Mutex::new(Seen::default());
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let working: Vec<_> = (0..clients)
                .map(|client| {
                    let (seen, is_over) = (&seen, &is_over);
                    scope.spawn(move || {
                        let done = self.work(client % self.dirs.len(), seen, is_over);
                        done.map_err(|error| error.to_string())
                    })
                })
                .collect();
            thread::sleep(time);
            is_over.store(true, Ordering::Relaxed);
            for client in working {
                client.join().map_err(|_| "a client panicked")??;
            }
            Ok::<(), Box<dyn std::error::Error>>(())
        })?;
        Ok(seen.into_inner().map_err(|error| error.to_string())?)
    }

    fn work(&self, at: usize, seen: &Mutex<Seen>, is_over: &AtomicBool) -> Outcome {
        let mut client = connect(&self.dirs[at])?;
        while !is_over.load(Ordering::Relaxed) {
            let (id, command) = self.proposal(at)?;
            let mut outcome = submit(&mut client, &command, seen, is_over)?;
            let opened = Opened::by(id, &outcome)?;
            for voter in 0..self.keys.len() {
                if is_decided(&outcome) || is_over.load(Ordering::Relaxed) {
                    break;
                }
                let ballot = self.ballot(voter, &opened)?;
                outcome = submit(&mut client, &ballot, seen, is_over)?;
            }
        }
        Ok(())
    }
}

fn submit(
    client: &mut Client,
    command: &Command,
    seen: &Mutex<Seen>,
    is_over: &AtomicBool,
) -> Outcome<Decided> {
    let start = Instant::now();
    let outcome = client.submit(encode(command)?)?;
    let Decided::Recorded { .. } = outcome else {
        return Err(format!("{outcome:?}").into());
    };
    if !is_over.load(Ordering::Relaxed) {
        let mut seen = seen.lock().map_err(|error| error.to_string())?;
        seen.commands += 1;
        seen.latencies.push(start.elapsed());
    }
    Ok(outcome)
}

fn is_decided(outcome: &Decided) -> bool {
    matches!(outcome, Decided::Recorded { entries, .. }
        if entries.iter().any(|entry| entry.operation == "consensus_reached"))
}
