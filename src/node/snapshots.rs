//! When a node takes snapshots, and which it goes on from.
//!
//! A snapshot is a cache. It is believed if this user's own programs wrote it, which a MAC shows, and
//! it is used only where the ledger holds the entry that it ends with. Otherwise the history is
//! replayed. Specification, "Snapshots".

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Node, NodeError};
use crate::chain::line::Head;
use crate::chain::lines::LineReader;
use crate::chain::merkle::MerkleAccumulator;
use crate::chain::place::Place;
use crate::governance::key::SignatureVerifier;
use crate::governance::state::State;
use crate::identity::{MlDsaVerifier, SecretError};
use crate::ledger::prefix::{self, Mismatch};
use crate::ledger::snapshots::{SnapshotFile, SnapshotFiles, SnapshotKey};
use crate::ledger::storage::{Disk, Storage};
use crate::ledger::{FileLedger, Ledger as _, LedgerReader, OpenError, OpenOptions, Upstream};
use crate::parallel::{Parallel, Watcher};
use crate::replay::Replayed;
use crate::replay::snapshot::{Header, Snapshot, SnapshotError, write};
use crate::state_dir::StateDir;

/// The name of the secret in the user's state directory.
const KEY_FILE: &str = "snapshot.key";

/// When snapshots are taken by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// After so many entries since the last one.
    pub entries_between: u64,
    /// On a clean end, if there were so many entries since the last one.
    pub entries_at_close: u64,
}

impl Default for SnapshotPolicy {
    /// 10,000 entries, and 1,000 at the end.
    fn default() -> Self {
        Self {
            entries_between: 10_000,
            entries_at_close: 1_000,
        }
    }
}

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file can't be read.
    #[error("it can't be read: {0}")]
    Io(#[from] std::io::Error),
    /// The user's key can't be read.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// It is not whole.
    #[error("it is cut short")]
    CutShort,
    /// Nobody answers for it: it was changed, or another user wrote it.
    #[error("its MAC is not of this user's key")]
    Mac,
    /// The records are of another version, or none.
    #[error(transparent)]
    Content(#[from] SnapshotError),
    /// The file's name says another entry than its header.
    #[error("its name is another entry's")]
    Name,
    /// The ledger does not hold the entry that it ends with.
    #[error("{0}")]
    Ledger(Mismatch),
}

impl Unusable {
    /// A stable identifier of the kind of reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "snapshot.io",
            Self::Key(error) => error.code(),
            Self::CutShort => "snapshot.cut-short",
            Self::Mac => "snapshot.mac",
            Self::Content(error) => error.code(),
            Self::Name => "snapshot.name",
            Self::Ledger(Mismatch::Shorter) => "snapshot.beyond-the-end",
            Self::Ledger(Mismatch::Other) => "snapshot.other-history",
        }
    }
}

/// A snapshot that was not used.
#[derive(Debug)]
pub struct Ignored {
    /// The entry that it is named after.
    pub seq: u64,
    /// Its file.
    pub path: PathBuf,
    /// Why.
    pub reason: Unusable,
}

/// A snapshot that can be used, and those before it that can't.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest usable one.
    pub snapshot: Option<Snapshot>,
    /// The newer ones.
    pub ignored: Vec<Ignored>,
}

/// What opening with snapshots gives.
#[derive(Debug)]
pub struct Opened<T> {
    /// What was opened.
    pub value: T,
    /// The entry of the snapshot that was gone on from; `None` where everything was replayed.
    pub from: Option<u64>,
    /// What was not read, because that snapshot stands for it. Nothing where there was none.
    pub skipped: Skipped,
    /// The snapshots that were not used.
    pub ignored: Vec<Ignored>,
}

impl<T> Opened<T> {
    fn from_the_start(value: T, ignored: Vec<Ignored>) -> Self {
        Self {
            value,
            from: None,
            skipped: Skipped::default(),
            ignored,
        }
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Opened<U> {
        Opened {
            value: change(self.value),
            from: self.from,
            skipped: self.skipped,
            ignored: self.ignored,
        }
    }
}

/// The beginning of a history that was not read.
#[derive(Debug, Clone, Default)]
pub struct Skipped {
    /// The Merkle tree over its entries.
    pub merkle: MerkleAccumulator,
    /// Its length in bytes.
    pub bytes: u64,
}

impl Skipped {
    fn of(snapshot: Option<&Snapshot>) -> Self {
        snapshot.map_or_else(Self::default, |snapshot| Self {
            merkle: snapshot.merkle().clone(),
            bytes: snapshot.header().place.offset(),
        })
    }
}

/// A snapshot that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its file.
    pub path: PathBuf,
    /// The length of the file.
    pub bytes: u64,
    /// The first line.
    pub header: Header,
}

/// Why no snapshot was taken. The ledger is none the worse for it.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The user's key can't be read or made.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// Something can't be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The ledger.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The node is not where its ledger is.
    #[error("the node lost step with its ledger")]
    OutOfStep,
}

impl TakeError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Key(error) => error.code(),
            Self::Io { .. } => "snapshot.io",
            Self::OutOfStep => "node.out-of-step",
        }
    }
}

/// Keeps the snapshots of one ledger for one user.
pub struct Snapshots<S: Storage = Disk> {
    storage: S,
    ledger_dir: PathBuf,
    files: SnapshotFiles<S>,
    state_dir: StateDir,
    policy: SnapshotPolicy,
    watcher: Option<Arc<dyn Watcher + Send + Sync>>,
    upstream: Option<Arc<dyn Upstream>>,
}

impl<S: Storage> fmt::Debug for Snapshots<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots")
            .field("ledger_dir", &self.ledger_dir)
            .finish_non_exhaustive()
    }
}

impl Snapshots {
    /// The snapshots of the ledger in `ledger_dir`, believed under the key in `state_dir`.
    #[must_use]
    pub fn new(ledger_dir: &Path, state_dir: StateDir) -> Self {
        Self::on(Disk, ledger_dir, state_dir)
    }
}

impl<S: Storage + Clone> Snapshots<S> {
    /// As [`new`](Snapshots::new), of a given storage.
    pub fn on(storage: S, ledger_dir: &Path, state_dir: StateDir) -> Self {
        Self {
            files: SnapshotFiles::new(storage.clone(), ledger_dir),
            storage,
            ledger_dir: ledger_dir.to_owned(),
            state_dir,
            policy: SnapshotPolicy::default(),
            watcher: None,
            upstream: None,
        }
    }

    /// Tells `watcher` how far replays have come.
    #[must_use]
    pub fn watched_by(mut self, watcher: Arc<dyn Watcher + Send + Sync>) -> Self {
        self.watcher = Some(watcher);
        self
    }

    /// Takes what `upstream` holds and the ledger lacks whenever it is opened for writing: see
    /// [`FileLedger::catch_up`].
    #[must_use]
    pub fn catching_up_with(mut self, upstream: Option<Arc<dyn Upstream>>) -> Self {
        self.upstream = upstream;
        self
    }

    fn parallel<'a>(&'a self, verifier: &'a (dyn SignatureVerifier + Sync)) -> Parallel<'a> {
        let parallel = Parallel::new(verifier);
        match &self.watcher {
            Some(watcher) => parallel.watched_by(watcher.as_ref()),
            None => parallel,
        }
    }

    /// Takes snapshots at other times.
    #[must_use]
    pub const fn with_policy(mut self, policy: SnapshotPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The newest snapshot that can be used. Makes and changes nothing.
    pub fn find(&self) -> Found {
        let mut found = Found::default();
        // A directory that can't be listed is one without snapshots.
        for seq in self.files.list().unwrap_or_default() {
            match self.read(seq) {
                Ok(usable) => {
                    found.snapshot = Some(usable);
                    break;
                }
                Err(reason) => found.ignored.push(Ignored {
                    seq,
                    path: self.files.path(seq),
                    reason,
                }),
            }
        }
        found
    }

    /// The entries that there are snapshots of, the newest first.
    ///
    /// # Errors
    /// Where they can't be listed.
    pub fn list(&self) -> std::io::Result<Vec<u64>> {
        self.files.list()
    }

    /// The file of the snapshot as of entry `seq`.
    #[must_use]
    pub fn path(&self, seq: u64) -> PathBuf {
        self.files.path(seq)
    }

    /// The length of the file of the snapshot as of entry `seq`, in bytes.
    ///
    /// # Errors
    /// Where it can't be examined.
    pub fn bytes(&self, seq: u64) -> std::io::Result<u64> {
        self.storage.len(&self.files.path(seq))
    }

    /// What the first line of a snapshot says, whether or not it is to be believed.
    #[must_use]
    pub fn header(&self, seq: u64) -> Option<Header> {
        let mut file = self.files.open(seq).ok()??;
        file.read_unproven(|body| stated_header(body)).ok()?
    }

    /// Reads a snapshot, if it can be used.
    ///
    /// # Errors
    /// [`Unusable`] with the first reason against it.
    pub fn read(&self, seq: u64) -> Result<Snapshot, Unusable> {
        let mut file = self.files.open(seq)?.ok_or(Unusable::CutShort)?;
        let snapshot = self.read_mine(&mut file)?.ok_or(Unusable::Mac)??;
        let prefix = snapshot.header().prefix();
        if prefix.tip.head.seq != seq {
            return Err(Unusable::Name);
        }
        match prefix::compare(&self.storage, &self.ledger_dir, &prefix)? {
            None => Ok(snapshot),
            Some(mismatch) => Err(Unusable::Ledger(mismatch)),
        }
    }

    /// The snapshot, if its MAC is this user's.
    fn read_mine(
        &self,
        file: &mut SnapshotFile<S::File>,
    ) -> Result<Option<Result<Snapshot, SnapshotError>>, Unusable> {
        let Some(secret) = self.state_dir.secret(KEY_FILE)? else {
            return Ok(None);
        };
        Ok(file.read_under(&SnapshotKey::new(&secret), |body| Snapshot::read(body))?)
    }

    /// Takes a snapshot of `node` as it is, and removes old ones.
    ///
    /// # Errors
    /// [`TakeError`]; the ledger is untouched in any case.
    pub fn take(&self, node: &Node<FileLedger<S>>) -> Result<Taken, TakeError> {
        if node.out_of_step {
            return Err(TakeError::OutOfStep);
        }
        let io = |source| TakeError::Io {
            path: self.ledger_dir.clone(),
            source,
        };
        let place = node.ledger.place().map_err(io)?;
        let place = place.ok_or(TakeError::OutOfStep)?;
        let key = SnapshotKey::new(&*self.state_dir.secret_or_new(KEY_FILE)?);
        self.put(&key, &node.state, node.head(), &node.merkle, place)
            .map_err(io)
    }

    fn put(
        &self,
        key: &SnapshotKey,
        state: &State,
        head: &Head,
        merkle: &MerkleAccumulator,
        place: Place,
    ) -> std::io::Result<Taken> {
        let header = Header::of(state, head, merkle, place);
        let bytes = (self.files).write(head.seq, key, |body| write(&header, state, body))?;
        self.files.prune(head.seq)?;
        Ok(Taken {
            path: self.files.path(head.seq),
            bytes,
            header,
        })
    }

    /// Takes a snapshot of a running node if there were enough entries since the last one.
    ///
    /// To be asked after an append was acknowledged and answered, never before.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_if_due(&self, node: &Node<FileLedger<S>>) -> Result<Option<Taken>, TakeError> {
        self.take_after(node, self.policy.entries_between)
    }

    /// Takes a snapshot of a node that is about to end if there were enough entries since the last
    /// one.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_at_close(&self, node: &Node<FileLedger<S>>) -> Result<Option<Taken>, TakeError> {
        self.take_after(node, self.policy.entries_at_close)
    }

    fn take_after(
        &self,
        node: &Node<FileLedger<S>>,
        entries: u64,
    ) -> Result<Option<Taken>, TakeError> {
        let head = node.head().seq;
        // Those beyond the head are of a history that is gone.
        let newest = self.list().unwrap_or_default().into_iter();
        let newest = newest.filter(|seq| *seq <= head).max().unwrap_or(0);
        if head - newest < entries.max(1) {
            return Ok(None);
        }
        self.take(node).map(Some)
    }

    /// Opens the ledger for writing, from the newest usable snapshot on.
    ///
    /// # Errors
    /// As [`Node::open_dir`].
    pub fn open_node(
        &self,
        options: impl Into<OpenOptions>,
    ) -> Result<Opened<Node<FileLedger<S>>>, NodeError> {
        self.open_node_with(options, Box::new(MlDsaVerifier))
    }

    /// As [`open_node`](Self::open_node), with another verifier of signatures.
    ///
    /// # Errors
    /// As [`Node::open_dir`].
    pub fn open_node_with(
        &self,
        options: impl Into<OpenOptions>,
        verifier: Box<dyn SignatureVerifier + Send + Sync>,
    ) -> Result<Opened<Node<FileLedger<S>>>, NodeError> {
        let options = options.into();
        let Found { snapshot, ignored } = self.find();
        let prefix = snapshot.as_ref().map(|snapshot| snapshot.header().prefix());
        let options = OpenOptions {
            acknowledged: options.acknowledged.max(acknowledged(&ignored)),
            prefix,
            ..options
        };
        let mut ledger = FileLedger::open_on(self.storage.clone(), &self.ledger_dir, options)?;
        if let Some(upstream) = &self.upstream {
            ledger
                .catch_up(upstream.as_ref())
                .map_err(OpenError::from)?;
        }
        let used = snapshot.filter(|_| ledger.prefix() == prefix.as_ref());
        let from = used.as_ref().map(|snapshot| snapshot.header().seq);
        let parallel = self.parallel(verifier.as_ref());
        let skipped = Skipped::of(used.as_ref());
        let Replayed { state, merkle, .. } = match used {
            None => parallel.replay(ledger.reader()?)?,
            Some(snapshot) => {
                let rest = ledger.reader_behind(snapshot.header().place.offset());
                parallel.resume(snapshot, rest)?
            }
        };
        let value = Node {
            ledger,
            state,
            merkle,
            verifier,
            out_of_step: false,
        };
        Ok(Opened {
            value,
            from,
            skipped,
            ignored,
        })
    }

    /// Replays the ledger for reading, from the newest usable snapshot on. Writes nothing.
    ///
    /// # Errors
    /// [`NodeError`] where the ledger can't be opened or its history is refused.
    pub fn replay(&self) -> Result<Opened<Replayed>, NodeError> {
        self.replay_with(&MlDsaVerifier)
    }

    /// As [`replay`](Self::replay), with another verifier of signatures.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub fn replay_with(
        &self,
        verifier: &(dyn SignatureVerifier + Sync),
    ) -> Result<Opened<Replayed>, NodeError> {
        let found = self.find();
        if found.snapshot.is_none()
            && let Some(value) =
                (self.parallel(verifier)).replay_on(self.storage.clone(), &self.ledger_dir)
        {
            return Ok(Opened::from_the_start(value, found.ignored));
        }
        self.replay_from(found, verifier)
    }

    /// As [`replay`](Self::replay), and gives the state alone: where there is no snapshot, the Merkle
    /// tree over the history is not built.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub fn rebuild(&self) -> Result<Opened<(State, Head)>, NodeError> {
        let (found, verifier) = (self.find(), &MlDsaVerifier);
        if found.snapshot.is_none()
            && let Some(value) =
                (self.parallel(verifier)).rebuild_on(self.storage.clone(), &self.ledger_dir)
        {
            return Ok(Opened::from_the_start(value, found.ignored));
        }
        let opened = self.replay_from(found, verifier)?;
        Ok(opened.map(|replayed| (replayed.state, replayed.head)))
    }

    /// Looks first which bytes are complete batches, and goes on from what was found.
    fn replay_from(
        &self,
        found: Found,
        verifier: &(dyn SignatureVerifier + Sync),
    ) -> Result<Opened<Replayed>, NodeError> {
        let Found { snapshot, ignored } = found;
        let parallel = self.parallel(verifier);
        let prefix = snapshot.as_ref().map(|snapshot| snapshot.header().prefix());
        let storage = self.storage.clone();
        let reader = LedgerReader::open_behind_on(storage, &self.ledger_dir, prefix.as_ref())?;
        let used = snapshot.filter(|_| reader.prefix() == prefix.as_ref());
        let from = used.as_ref().map(|snapshot| snapshot.header().seq);
        let skipped = Skipped::of(used.as_ref());
        let value = match used {
            None => parallel.replay(reader.reader())?,
            Some(snapshot) => {
                let rest = reader.reader_behind(snapshot.header().place.offset());
                parallel.resume(snapshot, rest)?
            }
        };
        // A replay says more of what it finds itself, but it does not see the seals.
        if let Some(refusal) = reader.refusal().cloned() {
            let path = self.ledger_dir.clone();
            return Err(OpenError::Refused { path, refusal }.into());
        }
        Ok(Opened {
            value,
            from,
            skipped,
            ignored,
        })
    }
}

fn stated_header(body: &mut dyn Read) -> Option<Header> {
    let mut lines = LineReader::new(body);
    let line = lines.next_line().ok().flatten();
    line.and_then(|line| Header::parse(line.bytes).ok())
}

/// The last entry that one of this user's own snapshots shows to have been acknowledged, although
/// the ledger does not reach it: a torn tail that should hold it is damage.
fn acknowledged(ignored: &[Ignored]) -> Option<u64> {
    let beyond = ignored
        .iter()
        .filter(|it| matches!(it.reason, Unusable::Ledger(Mismatch::Shorter)));
    beyond.map(|it| it.seq).max()
}
