//! Consensus votes in a journal: of each ledger's heights a node signs one history.
//!
//! Whatever made a node lose its memory (a crash before its last write, a restored backup, a second
//! process), it must not sign another value where it has signed one. Heights only grow, so that the
//! journal holds the signatures of one height and refuses all below it. It belongs to a node and a
//! ledger, whichever key signs.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::append_or_leave;
use super::{JOURNAL_DIR, JournalError};
use crate::governance::consensus::{self, ConsensusStep};
use crate::governance::id::LedgerId;
use crate::governance::key::Signature;
use crate::identity::SigningKey;
use crate::identity::private_files;

/// Where a node signs one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsensusSlot {
    /// The height.
    pub height: u64,
    /// The round of that height.
    pub round: u32,
    /// The step of that round.
    pub step: ConsensusStep,
}

/// A signature that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsensusRecord {
    height: u64,
    /// What was said, such as the hash of a value, or `nil`.
    pub intent: String,
    round: u32,
    /// The signature.
    pub signature: Signature,
    step: ConsensusStep,
}

impl ConsensusRecord {
    fn is_in(&self, slot: &ConsensusSlot) -> bool {
        (self.height, self.round, self.step) == (slot.height, slot.round, slot.step)
    }
}

/// What a node has signed at the last height of a ledger that it signed at. One process at a time
/// has it.
#[derive(Debug)]
pub struct ConsensusJournal {
    path: PathBuf,
    file: File,
    records: Vec<ConsensusRecord>,
    /// Held as long as the journal is.
    _lock: File,
}

impl ConsensusJournal {
    /// Opens the journal of a ledger in the directory of the keys, and creates it where it is
    /// missing.
    ///
    /// # Errors
    /// `journal.permissions`, `journal.malformed`, `journal.io`; the latter too where another process
    /// has it.
    pub fn open(key_dir: &Path, ledger: LedgerId) -> Result<Self, JournalError> {
        let dir = key_dir.join(JOURNAL_DIR);
        private_files::ensure_dir(key_dir)?;
        private_files::ensure_dir(&dir)?;
        let path = dir.join(format!("consensus-{ledger}.jsonl"));
        let lock = private_files::open_append(&path.with_extension("lock"))?;
        lock.try_lock()
            .map_err(|error| io_error(&path)(io::Error::other(error)))?;
        let file = private_files::open_append(&path)?;
        let records = read(&path, &file)?;
        Ok(Self {
            path,
            file,
            records,
            _lock: lock,
        })
    }

    /// The last height at which anything was signed.
    #[must_use]
    pub fn height(&self) -> Option<u64> {
        self.records.first().map(|record| record.height)
    }

    /// What was signed in a slot.
    #[must_use]
    pub fn recorded(&self, slot: &ConsensusSlot) -> Option<&ConsensusRecord> {
        self.records.iter().find(|record| record.is_in(slot))
    }

    /// What was signed at that height, and in which steps.
    pub fn records(&self) -> impl Iterator<Item = (ConsensusStep, &str)> {
        (self.records.iter()).map(|record| (record.step, record.intent.as_str()))
    }

    /// Signs `message`, which says `intent`, unless something was signed in this slot. The same
    /// thing again gives the very signature recorded then, whatever key is used now.
    ///
    /// The signature is on disk before this returns.
    ///
    /// # Errors
    /// `already-signed` where something else was signed in the slot, or anything at a later height;
    /// `journal.io`, `key.crypto`.
    pub fn sign_once(
        &mut self,
        key: &SigningKey,
        slot: ConsensusSlot,
        intent: &str,
        message: &[u8],
    ) -> Result<Signature, JournalError> {
        if let Some(record) = self.recorded(&slot) {
            return if record.intent == intent {
                Ok(record.signature.clone())
            } else {
                Err(already_signed(&slot, intent, record.intent.clone()))
            };
        }
        if let Some(height) = self.height().filter(|height| *height > slot.height) {
            return Err(already_signed(&slot, intent, format!("height {height}")));
        }
        let record = ConsensusRecord {
            height: slot.height,
            intent: intent.to_owned(),
            round: slot.round,
            signature: key.sign_message(message)?,
            step: slot.step,
        };
        let signature = record.signature.clone();
        self.record(record).map_err(io_error(&self.path.clone()))?;
        Ok(signature)
    }

    fn record(&mut self, record: ConsensusRecord) -> io::Result<()> {
        let mut line = serde_json::to_string(&record)?;
        line.push('\n');
        if self.height() == Some(record.height) {
            let end = self.file.metadata()?.len();
            append_or_leave(&self.file, end, &line)?;
        } else {
            self.replace(&line)?;
            self.records.clear();
        }
        self.records.push(record);
        Ok(())
    }

    /// Starts a new height: the old one's signatures are replaced in one step.
    fn replace(&mut self, line: &str) -> io::Result<()> {
        let other = |error| io::Error::other(format!("{error:?}"));
        let temporary = self.path.with_extension("tmp");
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private_files::open_append(&temporary).map_err(other)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        private_files::sync_parent(&self.path).map_err(other)?;
        self.file = file;
        Ok(())
    }
}

/// Reads the journal, and drops the line that a process, or the machine, died over.
fn read(path: &Path, file: &File) -> Result<Vec<ConsensusRecord>, JournalError> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0)).map_err(io_error(path))?;
    let mut records: Vec<ConsensusRecord> = Vec::new();
    let mut line = Vec::new();
    let mut end = 0;
    loop {
        line.clear();
        reader
            .read_until(b'\n', &mut line)
            .map_err(io_error(path))?;
        if line.last() != Some(&b'\n') {
            break;
        }
        let malformed = |problem: String| JournalError::Malformed {
            path: path.to_owned(),
            line: records.len() as u64 + 1,
            problem,
        };
        let record: ConsensusRecord =
            serde_json::from_slice(&line).map_err(|error| malformed(error.to_string()))?;
        if records
            .first()
            .is_some_and(|first| first.height != record.height)
        {
            return Err(malformed("another height than the first line's".to_owned()));
        }
        records.push(record);
        end += line.len() as u64;
    }
    file.set_len(end)
        .and_then(|()| file.sync_data())
        .map_err(io_error(path))?;
    Ok(records)
}

fn already_signed(slot: &ConsensusSlot, requested: &str, recorded: String) -> JournalError {
    let ConsensusSlot {
        height,
        round,
        step,
    } = slot;
    JournalError::AlreadySigned {
        scope: format!("consensus, height {height}, round {round}, {step:?}"),
        kind: consensus::DOMAIN.to_owned(),
        recorded,
        requested: requested.to_owned(),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    |source| JournalError::Io { path, source }
}
