//! The signing journal: what a key has signed, written down before the signature leaves.
//!
//! A node that signs two conflicting ballots is an equivocator, whatever made it do so: a restored
//! backup of the ledger, a retry after a timeout, two programs with the same key. So every signature
//! of which there must be one goes through the journal of its key, one line of JSON each:
//!
//! ```text
//! {"intent":"approve","kind":"althing/ballot/v1","signature":…,"slot":"ballot/…/…","statement":{…},"statement_sha256":…}
//! ```
//!
//! A node answers for what all its keys have signed, and a new key must not contradict a former one. So
//! a journal can [follow](SigningJournal::follow) those of the former keys: what stands in one of
//! them counts as signed.
//!
//! The journal protects as far as it is kept: whoever restores an old copy of the key directory
//! itself loses the entries since, and must not sign for proposals that were open then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::{PublicKey, Signature};
use crate::governance::merkle::{ConsistencyProof, TreeRoot};
use crate::governance::statement::{Signed, Statement, StatementContent};
use crate::governance::tree_head::{Cosignature, TreeHead};

use super::private_files::{self, PrivateFileError};
use super::{MlDsaVerifier, SigningKey, SigningKeyError};

/// The directory of the journals in the directory of the keys.
const JOURNAL_DIR: &str = "journal";

/// The one thing that a key may sign, and what it is meant to say there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    scope: String,
    intent: String,
}

impl Slot {
    /// In `scope`, such as `ballot/<ledger id>/<proposal id>`, statements with equal `intent`, such
    /// as `approve`, are the same thing said again; all others conflict.
    #[must_use]
    pub fn new(scope: impl Into<String>, intent: impl Into<String>) -> Self {
        Self {
            scope: scope.into(),
            intent: intent.into(),
        }
    }

    /// Where there may be one signature.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// What the signature is meant to say.
    #[must_use]
    pub fn intent(&self) -> &str {
        &self.intent
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The key has signed something else in this scope.
    #[error(
        "this key or a former one has already signed \"{recorded}\" ({kind}) for {scope}, so it does \
         not sign \"{requested}\""
    )]
    AlreadySigned {
        /// The scope in question.
        scope: String,
        /// The domain tag of the recorded statement.
        kind: String,
        /// The recorded intent, the first of several.
        recorded: String,
        /// The conflicting intent.
        requested: String,
    },
    /// The key has signed another tree of that size, or a larger one.
    #[error(
        "this key or a former one has already signed a checkpoint of {} entries, root {}, so it does \
         not sign one of {}, root {}", signed.size, signed.root, requested.size, requested.root
    )]
    CheckpointSigned {
        /// The largest tree that it has signed.
        signed: TreeRoot,
        /// The tree that it was asked to sign.
        requested: TreeRoot,
    },
    /// Nothing shows that the tree continues the one that the key signed before.
    #[error(
        "this key or a former one has signed a checkpoint of {} entries; nothing shows that the one \
         of {} entries continues it", signed.size, requested.size
    )]
    NoConsistency {
        /// The largest tree that it has signed.
        signed: TreeRoot,
        /// The tree that it was asked to sign.
        requested: TreeRoot,
    },
    /// A line of the journal can't be read, so nobody knows what the key has signed.
    #[error("{} line {line}: {problem}; not signing anything with this key", path.display())]
    Malformed {
        /// The journal.
        path: PathBuf,
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The file was replaced or cut off while it was in use.
    #[error("{} was replaced while it was in use", path.display())]
    Replaced {
        /// The journal.
        path: PathBuf,
    },
    /// The journal is that of another key.
    #[error("the signing journal belongs to another key")]
    WrongKey,
    /// The journal or its directory is open to other users.
    #[error("{} is open to other users; run: chmod {mode:o} {}", path.display(), path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// The mode that it should have.
        mode: u32,
    },
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The system refused to read or write; nothing was signed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl JournalError {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadySigned { .. } | Self::CheckpointSigned { .. } => "already-signed",
            Self::NoConsistency { .. } => "checkpoint.no-consistency",
            Self::Malformed { .. } => "journal.malformed",
            Self::Replaced { .. } => "journal.replaced",
            Self::WrongKey => "journal.wrong-key",
            Self::Permissions { .. } => "journal.permissions",
            Self::Key(_) => "key.crypto",
            Self::Io { .. } => "journal.io",
        }
    }
}

impl From<PrivateFileError> for JournalError {
    fn from(error: PrivateFileError) -> Self {
        match error {
            PrivateFileError::Permissions { path, mode } => Self::Permissions { path, mode },
            PrivateFileError::Io { path, source } => Self::Io { path, source },
        }
    }
}

/// What to do about a conflict.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnConflict {
    Refuse,
    SignAnyway,
}

/// The journal of one key, shared with every other process that signs with it.
#[derive(Debug)]
pub struct SigningJournal {
    own: JournalFile,
    public_key: PublicKey,
    /// The journals of other keys of the same node.
    former: Vec<JournalFile>,
}

/// A journal on disk and what of it was read.
#[derive(Debug)]
struct JournalFile {
    path: PathBuf,
    file: File,
    index: Index,
}

impl SigningJournal {
    /// Opens the journal of a key in the directory of the keys, and creates it where it is missing.
    ///
    /// # Errors
    /// `journal.permissions`, `journal.malformed`, `journal.io`.
    pub fn open(key_dir: &Path, public_key: &PublicKey) -> Result<Self, JournalError> {
        let dir = key_dir.join(JOURNAL_DIR);
        private_files::ensure_dir(key_dir)?;
        private_files::ensure_dir(&dir)?;
        let mut journal = Self {
            own: JournalFile::open(path_of(&dir, public_key))?,
            public_key: public_key.clone(),
            former: Vec::new(),
        };
        journal.exclusively(|_| Ok(()))?;
        Ok(journal)
    }

    /// Counts what `keys` have signed as signed by this key: they are former keys of the same node.
    /// A key whose journal is not in the directory has signed nothing here.
    ///
    /// # Errors
    /// `journal.permissions`, `journal.malformed`, `journal.io`.
    pub fn follow<'k>(
        &mut self,
        key_dir: &Path,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> Result<(), JournalError> {
        let dir = key_dir.join(JOURNAL_DIR);
        for key in keys {
            let path = path_of(&dir, key);
            let known = self.files().any(|known| known.path == path);
            if known || !path.exists() {
                continue;
            }
            self.former.push(JournalFile::open(path)?);
        }
        self.exclusively(|_| Ok(()))
    }

    /// Signs a statement unless the key has signed in this scope before. Where it has, with the same
    /// intent, the very statement and signature recorded then are returned, whatever else differs in
    /// the new one.
    ///
    /// The signature is on disk before this returns.
    ///
    /// # Errors
    /// `already-signed` where the recorded intent is another one; `journal.wrong-key`,
    /// `journal.malformed`, `journal.replaced`, `journal.io`, `key.crypto`.
    pub fn sign_once<T: StatementContent>(
        &mut self,
        key: &SigningKey,
        slot: &Slot,
        statement: Statement<T>,
    ) -> Result<Signed<T>, JournalError> {
        self.sign(key, slot, statement, OnConflict::Refuse)
    }

    /// As [`sign_once`](Self::sign_once), but signs and records a conflicting statement too.
    ///
    /// For rehearsals and tests: whoever does this on a live ledger can be convicted of
    /// equivocation by anyone who sees both signatures.
    ///
    /// # Errors
    /// As [`sign_once`](Self::sign_once) but for `already-signed`.
    pub fn sign_despite_conflict<T: StatementContent>(
        &mut self,
        key: &SigningKey,
        slot: &Slot,
        statement: Statement<T>,
    ) -> Result<Signed<T>, JournalError> {
        self.sign(key, slot, statement, OnConflict::SignAnyway)
    }

    fn sign<T: StatementContent>(
        &mut self,
        key: &SigningKey,
        slot: &Slot,
        statement: Statement<T>,
        on_conflict: OnConflict,
    ) -> Result<Signed<T>, JournalError> {
        if *key.public_key() != self.public_key {
            return Err(JournalError::WrongKey);
        }
        self.exclusively(|journal| {
            if let Some(place) = journal.own.index.same(slot, T::DOMAIN) {
                return journal.recorded(place);
            }
            if on_conflict == OnConflict::Refuse {
                journal.refuse_conflict(slot)?;
            }
            let signed = key.sign(statement)?;
            journal.own.append_line(&line_of(slot, &signed))?;
            Ok(signed)
        })
    }

    /// Signs a tree head if it continues the last one of the ledger that the key has signed, and the
    /// last ones of the keys that it follows. The same tree again gives the very signature recorded
    /// then, whatever the time is now.
    ///
    /// `consistency` gives the proof that the requested tree continues the one of the given size; it
    /// is asked only where there is something to prove.
    ///
    /// The signature is on disk before this returns.
    ///
    /// # Errors
    /// `already-signed` where the tree is smaller than the last one, or has its size and another root;
    /// `checkpoint.no-consistency` where the proof is missing or shows something else;
    /// `journal.wrong-key`, `journal.malformed`, `journal.replaced`, `journal.io`, `key.crypto`.
    pub fn sign_tree_head(
        &mut self,
        key: &SigningKey,
        signer: NodeId,
        head: &TreeHead,
        posix_seconds: u64,
        consistency: impl Fn(u64) -> Option<ConsistencyProof>,
    ) -> Result<Cosignature, JournalError> {
        if *key.public_key() != self.public_key {
            return Err(JournalError::WrongKey);
        }
        self.exclusively(|journal| {
            let scope = tree_scope(signer, head);
            let requested = head.tree;
            if let Some(place) = journal.own.index.last(&scope) {
                let recorded = journal.recorded_tree_head(place, signer, head)?;
                if recorded.0 == requested {
                    return Ok(recorded.1);
                }
                check_continues(recorded.0, requested, &consistency)?;
            }
            for signed in journal.trees_of_former_keys(&scope)? {
                // The same tree says nothing new, whichever key signs it.
                if signed != requested {
                    check_continues(signed, requested, &consistency)?;
                }
            }
            let cosignature = Cosignature {
                signer,
                posix_seconds,
                signature: key.sign_message(&head.message(signer, posix_seconds))?,
            };
            journal
                .own
                .append_line(&tree_line(&scope, head, &cosignature))?;
            Ok(cosignature)
        })
    }

    /// Reads a recorded tree head back, and checks its signature.
    fn recorded_tree_head(
        &self,
        place: &Place,
        signer: NodeId,
        head: &TreeHead,
    ) -> Result<(TreeRoot, Cosignature), JournalError> {
        let (signed, signature) = self.own.read_tree(place)?;
        let tree = signed.tree();
        let cosignature = Cosignature {
            signer,
            posix_seconds: signed.posix_seconds,
            signature,
        };
        let recorded = TreeHead { tree, ..*head };
        if !recorded.is_signed_by(&cosignature, &self.public_key, &MlDsaVerifier) {
            return Err(self.own.malformed(place.line, NOT_THE_KEYS));
        }
        Ok((tree, cosignature))
    }

    /// The last tree of this scope that each of the followed keys has signed.
    fn trees_of_former_keys(&self, scope: &str) -> Result<Vec<TreeRoot>, JournalError> {
        let last = |file: &JournalFile| {
            let place = file.index.last(scope)?;
            Some(file.read_tree(place).map(|(signed, _)| signed.tree()))
        };
        self.former.iter().filter_map(last).collect()
    }

    /// Runs `action` with everything up to date and all other users of these journals waiting.
    fn exclusively<R>(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<R, JournalError>,
    ) -> Result<R, JournalError> {
        let mut files: Vec<&mut JournalFile> = self.files_mut().collect();
        // One order for all, so that nobody waits for one who waits.
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let mut caught_up = Ok(());
        for file in files {
            caught_up = caught_up.and_then(|()| file.lock());
        }
        let result = caught_up.and_then(|()| action(self));
        let unlocked = self.files().map(JournalFile::unlock);
        unlocked.fold(Ok(()), Result::and)?;
        result
    }

    fn files(&self) -> impl Iterator<Item = &JournalFile> {
        std::iter::once(&self.own).chain(&self.former)
    }

    fn files_mut(&mut self) -> impl Iterator<Item = &mut JournalFile> {
        std::iter::once(&mut self.own).chain(&mut self.former)
    }

    /// What this key has signed conflicts unless it is the same; what a former one has, where it
    /// meant something else.
    fn refuse_conflict(&self, slot: &Slot) -> Result<(), JournalError> {
        let own = self.own.index.first(&slot.scope);
        let former = self.former.iter();
        let former = former.filter_map(|file| file.index.other(slot));
        match own.into_iter().chain(former).next() {
            None => Ok(()),
            Some(place) => Err(JournalError::AlreadySigned {
                scope: slot.scope.clone(),
                kind: place.kind.clone(),
                recorded: place.intent.clone(),
                requested: slot.intent.clone(),
            }),
        }
    }

    /// Reads a recorded signature back, and checks it: a damaged one is worth nothing to anyone.
    fn recorded<T: StatementContent>(&self, place: &Place) -> Result<Signed<T>, JournalError> {
        let entry = self.own.read_entry(place)?;
        let signed = Statement::parse(entry.statement.get())
            .map_err(|error| self.own.malformed(place.line, error))?
            .with_signature(entry.signature);
        if !signed.is_signed_by(&self.public_key, &MlDsaVerifier) {
            return Err(self.own.malformed(place.line, NOT_THE_KEYS));
        }
        Ok(signed)
    }
}

const NOT_THE_KEYS: &str = "the signature is not the key's";

/// The journal of a key.
fn path_of(dir: &Path, key: &PublicKey) -> PathBuf {
    dir.join(format!("{}.jsonl", key.fingerprint()))
}

impl JournalFile {
    fn open(path: PathBuf) -> Result<Self, JournalError> {
        Ok(Self {
            file: private_files::open_append(&path)?,
            path,
            index: Index::default(),
        })
    }

    /// Waits for its other users, and takes in what they wrote.
    fn lock(&mut self) -> Result<(), JournalError> {
        self.file.lock().map_err(|error| self.io_error(error))?;
        self.catch_up()
    }

    fn unlock(&self) -> Result<(), JournalError> {
        self.file.unlock().map_err(|error| self.io_error(error))
    }

    /// Reads what other processes have appended, and drops the line that one of them, or the
    /// machine, died over: its signature never left.
    fn catch_up(&mut self) -> Result<(), JournalError> {
        let (length, same) = self
            .file
            .metadata()
            .and_then(|metadata| Ok((metadata.len(), self.is_current()?)))
            .map_err(|error| self.io_error(error))?;
        if !same || length < self.index.end {
            return Err(JournalError::Replaced {
                path: self.path.clone(),
            });
        }
        if length == self.index.end {
            return Ok(());
        }
        self.read_new_lines()?;
        // Whoever wrote these lines may have died before they were durable.
        self.cut_off()
            .and_then(|()| self.file.sync_data())
            .map_err(|error| self.io_error(error))
    }

    fn is_current(&self) -> io::Result<bool> {
        private_files::is_same_file(&self.file, &self.path)
    }

    fn read_new_lines(&mut self) -> Result<(), JournalError> {
        let io_error = |source| JournalError::Io {
            path: self.path.clone(),
            source,
        };
        let mut reader = BufReader::new(&self.file);
        reader
            .seek(SeekFrom::Start(self.index.end))
            .map_err(io_error)?;
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(io_error)?;
            if line.last() != Some(&b'\n') {
                return Ok(());
            }
            self.index
                .add(&line)
                .map_err(|problem| JournalError::Malformed {
                    path: self.path.clone(),
                    line: self.index.lines + 1,
                    problem,
                })?;
        }
    }

    /// Removes what follows the last complete line.
    fn cut_off(&self) -> io::Result<()> {
        self.file.set_len(self.index.end)
    }

    fn read_line(&self, place: &Place) -> io::Result<Vec<u8>> {
        let mut line = vec![0; place.length];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place.offset))?;
        file.read_exact(&mut line)?;
        Ok(line)
    }

    fn read_entry(&self, place: &Place) -> Result<Entry<Box<RawValue>>, JournalError> {
        let line = self
            .read_line(place)
            .map_err(|error| self.io_error(error))?;
        Entry::parse(&line).map_err(|problem| self.malformed(place.line, problem))
    }

    fn read_tree(&self, place: &Place) -> Result<(SignedTree, Signature), JournalError> {
        let entry = self.read_entry(place)?;
        let signed = serde_json::from_str(entry.statement.get())
            .map_err(|error| self.malformed(place.line, error))?;
        Ok((signed, entry.signature))
    }

    fn append_line(&mut self, line: &serde_json::Result<String>) -> Result<(), JournalError> {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Err(self.io_error(io::Error::other(error.to_string()))),
        };
        let written = (&self.file)
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Nobody may be handed a signature that a crash could make the journal forget. Should
            // this fail as well, the next user of the journal syncs or drops the line.
            let _ = self.cut_off();
            return Err(self.io_error(error));
        }
        let number = self.index.lines + 1;
        self.index
            .add(line.as_bytes())
            .map_err(|problem| self.malformed(number, problem))
    }

    fn malformed(&self, line: u64, problem: impl ToString) -> JournalError {
        JournalError::Malformed {
            path: self.path.clone(),
            line,
            problem: problem.to_string(),
        }
    }

    fn io_error(&self, source: io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// One line. `statement` is the raw text when reading and the statement itself when writing.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<S> {
    intent: String,
    kind: String,
    signature: Signature,
    slot: String,
    statement: S,
    statement_sha256: Digest,
}

impl Entry<Box<RawValue>> {
    fn parse(line: &[u8]) -> Result<Self, String> {
        let entry: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if Digest::of(entry.statement.get().as_bytes()) != entry.statement_sha256 {
            return Err("statement_sha256 is not the digest of the statement".to_owned());
        }
        Ok(entry)
    }
}

fn line_of<T: StatementContent>(slot: &Slot, signed: &Signed<T>) -> serde_json::Result<String> {
    let entry = Entry {
        intent: slot.intent.clone(),
        kind: T::DOMAIN.to_owned(),
        signature: signed.signature.clone(),
        slot: slot.scope.clone(),
        statement: &signed.statement,
        statement_sha256: Digest::of(signed.statement.as_str().as_bytes()),
    };
    Ok(serde_json::to_string(&entry)? + "\n")
}

/// What a checkpoint's signature was for, as the journal keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedTree {
    posix_seconds: u64,
    root: Digest,
    size: u64,
}

impl SignedTree {
    const fn tree(&self) -> TreeRoot {
        TreeRoot {
            size: self.size,
            root: self.root,
        }
    }
}

/// The kind of the journal's entries for checkpoints.
const TREE_HEAD: &str = "subtree/v1";

/// Of each ledger's tree a node signs one history.
fn tree_scope(signer: NodeId, head: &TreeHead) -> String {
    format!("checkpoint/{}/{signer}", head.origin)
}

fn tree_line(
    scope: &str,
    head: &TreeHead,
    cosignature: &Cosignature,
) -> serde_json::Result<String> {
    let TreeRoot { size, root } = head.tree;
    let statement = serde_json::value::to_raw_value(&SignedTree {
        posix_seconds: cosignature.posix_seconds,
        root,
        size,
    })?;
    let entry = Entry {
        intent: format!("{size} {root}"),
        kind: TREE_HEAD.to_owned(),
        signature: cosignature.signature.clone(),
        slot: scope.to_owned(),
        statement_sha256: Digest::of(statement.get().as_bytes()),
        statement,
    };
    Ok(serde_json::to_string(&entry)? + "\n")
}

/// A larger tree must be shown to continue the last one; everything else contradicts it.
fn check_continues(
    signed: TreeRoot,
    requested: TreeRoot,
    consistency: impl Fn(u64) -> Option<ConsistencyProof>,
) -> Result<(), JournalError> {
    if requested.size <= signed.size {
        return Err(JournalError::CheckpointSigned { signed, requested });
    }
    match consistency(signed.size) {
        Some(proof) if proof.proves(&signed, &requested) => Ok(()),
        _ => Err(JournalError::NoConsistency { signed, requested }),
    }
}

/// What the journal holds and where, without the statements and signatures themselves.
#[derive(Debug, Default)]
struct Index {
    places: BTreeMap<String, Vec<Place>>,
    /// How far the file has been read, in bytes: to the end of a line.
    end: u64,
    /// How many lines that were.
    lines: u64,
}

/// Where a signature is recorded.
#[derive(Debug)]
struct Place {
    intent: String,
    kind: String,
    line: u64,
    offset: u64,
    length: usize,
}

impl Index {
    /// Takes in the next line.
    fn add(&mut self, line: &[u8]) -> Result<(), String> {
        let entry = Entry::parse(line)?;
        let place = Place {
            intent: entry.intent,
            kind: entry.kind,
            line: self.lines + 1,
            offset: self.end,
            length: line.len(),
        };
        self.places.entry(entry.slot).or_default().push(place);
        self.lines += 1;
        self.end += line.len() as u64;
        Ok(())
    }

    /// Where the same thing was signed before. Another version of a statement is not the same.
    fn same(&self, slot: &Slot, kind: &str) -> Option<&Place> {
        let places = self.places.get(&slot.scope)?;
        places
            .iter()
            .find(|place| place.intent == slot.intent && place.kind == kind)
    }

    /// Where something else was signed in the scope of `slot`.
    fn other(&self, slot: &Slot) -> Option<&Place> {
        let places = self.places.get(&slot.scope)?;
        places.iter().find(|place| place.intent != slot.intent)
    }

    /// The last thing that was signed in a scope.
    fn last(&self, scope: &str) -> Option<&Place> {
        self.places.get(scope)?.last()
    }

    /// The first thing that was signed in a scope.
    fn first(&self, scope: &str) -> Option<&Place> {
        self.places.get(scope)?.first()
    }
}
