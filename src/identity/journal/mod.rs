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

mod consensus;
mod entry;
mod error;
mod file;
mod index;
mod tree_heads;

use std::path::{Path, PathBuf};

use crate::governance::key::PublicKey;
use crate::governance::statement::{Signed, Statement, StatementContent};

use super::private_files;
use super::{MlDsaVerifier, SigningKey};

use entry::line_of;
use file::JournalFile;
use index::Place;

pub use consensus::{ConsensusJournal, ConsensusRecord, ConsensusSlot};
pub use error::JournalError;

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
