//! What a node of a cluster knows, without the engine: its ledger, the decisions behind it, and the
//! values that may come next.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::certificate::Certificate;
use super::config::Config;
use super::engine::{Height, ValidatorSet, ValueId};
use super::judge::{Bounds, Objection, check_newcomer, judge};
use super::ledger::ClusterLedger;
use super::mempool::{self, Mempool, Waiting};
use super::outcome::{Outcome, RecordedEntry};
use super::store::{Decision, Decisions, StoreError, Undecided, put};
use super::value::{MAX_COMMANDS, MAX_VALUE_BYTES, Value, ValueError};
use crate::chain::line::Head;
use crate::cluster::command;
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::ledger::{FileLedger, OpenError, Wait};
use crate::node::{Node, NodeError};

/// The name of the file that a node's ledger begins with.
pub const GENESIS_FILE: &str = "genesis.jsonl";

/// The first segment of a ledger.
const FIRST_SEGMENT: &str = "00000000000000000001.jsonl";

/// From this round on, a value's time may lie any time behind this node's clock.
pub const PATIENT_ROUND: u32 = 2;

/// Room that a value's header takes.
const HEADER_BYTES: usize = 1024;

/// Why a node can't go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The ledger can't be opened, replayed or appended to.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// What lies beside the ledger can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value of ours can't be written.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The founding lines can't be put in place.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The ledger in the directory is another one.
    #[error("expected the ledger {expected}, found {found}")]
    OtherLedger {
        /// The one in the configuration.
        expected: LedgerId,
        /// The one in the directory.
        found: LedgerId,
    },
    /// The ledger ends where no decision ends.
    #[error(
        "the ledger ends at {head}, where none of the {heights} decisions beside it does; remove the \
         directory `ledger`, and it is rebuilt from them"
    )]
    OutOfStep {
        /// Where the ledger ends.
        head: Head,
        /// How many decisions there are.
        heights: u64,
    },
    /// A value was decided that this node does not have.
    #[error("the value {value} of height {height} is decided, and this node does not have it")]
    MissingValue {
        /// The height.
        height: u64,
        /// The value.
        value: ValueId,
    },
    /// A value was decided that the rules refuse. More than a third of the weight lies, or nodes run
    /// different rules.
    #[error(
        "the value of height {height} is decided, and this node's rules refuse it: {objection}"
    )]
    Illegal {
        /// The height.
        height: u64,
        /// Why.
        objection: Objection,
    },
    /// What was recorded ends elsewhere than was decided.
    #[error("the decision of height {height} ends at {expected}, this node's ledger at {found}")]
    Diverged {
        /// The height.
        height: u64,
        /// What was computed before.
        expected: Head,
        /// Where the ledger ends.
        found: Head,
    },
}

impl ReplicaError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Node(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Value(error) => error.code(),
            Self::Io { .. } => "cluster.io",
            Self::OtherLedger { .. } => "cluster.other-ledger",
            Self::OutOfStep { .. } => "cluster.out-of-step",
            Self::MissingValue { .. } => "cluster.missing-value",
            Self::Illegal { .. } => "cluster.illegal-decision",
            Self::Diverged { .. } => "cluster.diverged",
        }
    }
}

impl From<OpenError> for ReplicaError {
    fn from(error: OpenError) -> Self {
        Self::Node(error.into())
    }
}

/// A node of a cluster.
#[derive(Debug)]
pub struct Replica {
    node: Node<ClusterLedger>,
    decisions: Decisions,
    undecided: Undecided,
    lead: crate::governance::time::Seconds,
    lag: crate::governance::time::Seconds,
}

impl Replica {
    /// Opens a node's directory: founds its ledger where there is none, recovers it from a crash, and
    /// carries out what was decided before the crash and is not in the ledger.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn open(dir: &Path, config: &Config) -> Result<Self, ReplicaError> {
        put_genesis(dir)?;
        let ledger = ClusterLedger::new(FileLedger::open(dir, Wait::default())?);
        let mut node = Node::open(ledger)?;
        let found = node.state().ledger();
        if found != config.ledger {
            return Err(ReplicaError::OtherLedger {
                expected: config.ledger,
                found,
            });
        }
        let decisions = Decisions::open(dir)?;
        catch_up(&mut node, &decisions)?;
        let undecided = Undecided::open(dir, decisions.height() + 1)?;
        Ok(Self {
            node,
            decisions,
            undecided,
            lead: config.max_clock_lead_seconds,
            lag: config.max_clock_lag_seconds,
        })
    }

    /// The height that is decided next.
    #[must_use]
    pub fn next_height(&self) -> Height {
        Height(self.decisions.height() + 1)
    }

    /// Who decides it.
    #[must_use]
    pub fn deciders(&self) -> ValidatorSet {
        ValidatorSet::of(self.node.state())
    }

    /// The state after the last decided height.
    #[must_use]
    pub const fn state(&self) -> &State {
        self.node.state()
    }

    /// The last entry.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.node.head()
    }

    /// The decision of a height.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn decision(&self, height: u64) -> Result<Option<Decision>, ReplicaError> {
        Ok(self.decisions.get(height)?)
    }

    /// The values of the next height that are kept.
    #[must_use]
    pub const fn undecided(&self) -> &Undecided {
        &self.undecided
    }

    /// Keeps a value of the next height.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn keep(&mut self, value: Value) -> Result<(), ReplicaError> {
        Ok(self.undecided.keep(value)?)
    }

    /// Whether a value may be decided next, as far as this node's clock goes, too.
    ///
    /// # Errors
    /// [`Objection`].
    pub fn judge(&self, value: &Value, now: Timestamp, round: u32) -> Result<(), Objection> {
        let bounds = Bounds {
            now,
            lead: self.lead,
            lag: (round < PATIENT_ROUND).then_some(self.lag),
        };
        judge(&self.node, self.next_height(), value, Some(bounds)).map(drop)
    }

    /// Whether a value that others have decided can be carried out next.
    ///
    /// # Errors
    /// [`Objection`].
    pub fn judge_decided(&self, value: &Value) -> Result<(), Objection> {
        judge(&self.node, self.next_height(), value, None).map(drop)
    }

    /// What would become of a command by itself now, where that is no new entry.
    #[must_use]
    pub fn foresee(&self, command: &Command, now: Timestamp) -> Option<Outcome> {
        let height = self.decisions.height();
        let refused = |code: &str, message: String| Outcome::Refused {
            height,
            code: code.to_owned(),
            message,
        };
        if let Err(newcomer) = check_newcomer(self.node.state(), command) {
            return Some(refused(
                super::judge::HeavyNewcomer::CODE,
                newcomer.to_string(),
            ));
        }
        let at = now.max(self.node.state().clock());
        match self.node.preview(command, at) {
            Ok(events) if events.is_empty() => Some(Outcome::Unchanged { height }),
            Ok(_) => None,
            Err(rejection) => Some(refused(rejection.code(), rejection.to_string())),
        }
    }

    /// A value of the next height, of what waits. It may be empty.
    ///
    /// # Errors
    /// [`ReplicaError::Value`].
    pub fn build(&self, waiting: &Mempool, now: Timestamp) -> Result<Value, ReplicaError> {
        let time = now.max(self.node.state().clock());
        let mut room = MAX_VALUE_BYTES - HEADER_BYTES;
        let fits = |waiting: &&Waiting| {
            let rest = room.checked_sub(waiting.line.len() + 1);
            room = rest.unwrap_or(room);
            rest.is_some()
        };
        let offered: Vec<&Command> = (waiting.ready().filter(fits).take(MAX_COMMANDS))
            .map(|waiting| &waiting.command)
            .collect();
        let chosen = self.node.choose(&offered, time);
        let mut commands: Vec<Command> = chosen
            .into_iter()
            .filter_map(|index| offered.get(index))
            .map(|command| (*command).clone())
            .collect();
        // What follows from a command may be too long to be written, which is rare.
        while let Err((index, _)) = self.node.rehearse(&commands, time) {
            commands.truncate(index);
        }
        let ledger = self.node.state().ledger();
        let value = Value::new(ledger, self.next_height(), self.head(), time, commands)?;
        Ok(value)
    }

    /// Carries out a decision: keeps it, records what follows, and says what became of each command,
    /// by its name. All of it is on disk when this returns.
    ///
    /// # Errors
    /// [`ReplicaError`]; the node can't go on then.
    pub fn decide(
        &mut self,
        certificate: Certificate,
    ) -> Result<Vec<(Digest, Outcome)>, ReplicaError> {
        let height = self.next_height();
        let id = ValueId(certificate.value);
        let value = (self.undecided.get(&id).cloned()).ok_or(ReplicaError::MissingValue {
            height: certificate.height,
            value: id,
        })?;
        let rehearsal =
            judge(&self.node, height, &value, None).map_err(|objection| ReplicaError::Illegal {
                height: height.0,
                objection,
            })?;
        let decision = Decision {
            certificate,
            head: rehearsal.head.hash,
            seq: rehearsal.head.seq,
            value: String::from_utf8_lossy(value.bytes()).into_owned(),
        };
        self.decisions.append(&decision)?;
        let outcomes = carry_out(&mut self.node, height, &value, &rehearsal.events, &decision)?;
        self.undecided.clear();
        Ok(outcomes)
    }
}

/// Records what a decided value leads to.
fn carry_out(
    node: &mut Node<ClusterLedger>,
    height: Height,
    value: &Value,
    events: &[usize],
    decision: &Decision,
) -> Result<Vec<(Digest, Outcome)>, ReplicaError> {
    let recorded = node.submit_all(value.commands(), value.header().time)?;
    let expected = Head {
        seq: decision.seq,
        hash: decision.head,
    };
    if *node.head() != expected {
        return Err(ReplicaError::Diverged {
            height: height.0,
            expected,
            found: *node.head(),
        });
    }
    let mut rest = recorded.as_slice();
    let mut outcomes = Vec::new();
    for (command, count) in value.commands().iter().zip(events) {
        let (mine, others) = rest.split_at_checked(*count).unwrap_or((rest, &[]));
        rest = others;
        let line = command::encode(command).map_err(|error| ValueError::Command {
            index: outcomes.len(),
            error,
        })?;
        let entries = mine.iter().map(RecordedEntry::from).collect();
        let height = height.0;
        outcomes.push((mempool::name(&line), Outcome::Recorded { height, entries }));
    }
    Ok(outcomes)
}

/// Carries out what was decided and is not in the ledger.
fn catch_up(node: &mut Node<ClusterLedger>, decisions: &Decisions) -> Result<(), ReplicaError> {
    let head = *node.head();
    let mut done = decisions.height();
    while done > 0 {
        match decisions.get(done)? {
            Some(decision) if decision.seq == head.seq && decision.head == head.hash => break,
            // The ledger goes on behind this one, but no decision ends where it does.
            Some(decision) if decision.seq <= head.seq => return Err(out_of_step(head, decisions)),
            _ => done -= 1,
        }
    }
    if done == 0 && head.hash != node.state().identity().origin {
        return Err(out_of_step(head, decisions));
    }
    for height in done + 1..=decisions.height() {
        let Some(decision) = decisions.get(height)? else {
            break;
        };
        let value = Value::decode(decision.value.as_bytes())?;
        let height = Height(height);
        let rehearsal =
            judge(node, height, &value, None).map_err(|objection| ReplicaError::Illegal {
                height: height.0,
                objection,
            })?;
        carry_out(node, height, &value, &rehearsal.events, &decision)?;
    }
    Ok(())
}

fn out_of_step(head: Head, decisions: &Decisions) -> ReplicaError {
    ReplicaError::OutOfStep {
        head,
        heights: decisions.height(),
    }
}

/// Begins the ledger in a directory that has none.
fn put_genesis(dir: &Path) -> Result<(), ReplicaError> {
    let ledger = dir.join("ledger");
    let segment = ledger.join(FIRST_SEGMENT);
    let is_there = fs::metadata(&segment).is_ok_and(|metadata| metadata.len() > 0);
    if is_there {
        return Ok(());
    }
    let genesis = dir.join(GENESIS_FILE);
    let io = |path: &Path| {
        let path = path.to_owned();
        |source| ReplicaError::Io { path, source }
    };
    let bytes = fs::read(&genesis).map_err(io(&genesis))?;
    fs::create_dir_all(&ledger)
        .and_then(|()| put(&ledger, FIRST_SEGMENT, &bytes))
        .and_then(|()| fs::File::open(dir)?.sync_all())
        .map_err(io(&segment))
}
