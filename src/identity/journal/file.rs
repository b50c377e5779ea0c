//! A journal on disk: read to its end, appended to, and never believed where it was replaced.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use serde_json::value::RawValue;

use crate::identity::private_files;

use super::JournalError;
use super::entry::Entry;
use super::index::{Index, Place};

/// A journal on disk and what of it was read.
#[derive(Debug)]
pub(super) struct JournalFile {
    pub(super) path: PathBuf,
    file: File,
    pub(super) index: Index,
}

impl JournalFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, JournalError> {
        Ok(Self {
            file: private_files::open_append(&path)?,
            path,
            index: Index::default(),
        })
    }

    /// Waits for its other users, and takes in what they wrote.
    pub(super) fn lock(&mut self) -> Result<(), JournalError> {
        self.file.lock().map_err(|error| self.io_error(error))?;
        self.catch_up()
    }

    pub(super) fn unlock(&self) -> Result<(), JournalError> {
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

    pub(super) fn read_entry(&self, place: &Place) -> Result<Entry<Box<RawValue>>, JournalError> {
        let line = self
            .read_line(place)
            .map_err(|error| self.io_error(error))?;
        Entry::parse(&line).map_err(|problem| self.malformed(place.line, problem))
    }

    pub(super) fn append_line(
        &mut self,
        line: &serde_json::Result<String>,
    ) -> Result<(), JournalError> {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Err(self.io_error(io::Error::other(error.to_string()))),
        };
        append_or_leave(&self.file, self.index.end, line).map_err(|error| self.io_error(error))?;
        let number = self.index.lines + 1;
        self.index
            .add(line.as_bytes())
            .map_err(|problem| self.malformed(number, problem))
    }

    pub(super) fn malformed(&self, line: u64, problem: impl ToString) -> JournalError {
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

/// Appends a line, durably, to a journal that ends at `end`. Where that fails, what of it was written goes:
/// nobody may be handed a signature that a crash could make the journal forget.
pub(super) fn append_or_leave(mut file: &File, end: u64, line: &str) -> io::Result<()> {
    let written = file
        .write_all(line.as_bytes())
        .and_then(|()| file.sync_data());
    if written.is_err() {
        // Should this fail as well, whoever opens the journal next syncs the line or drops it. Either is
        // safe, for the signature never left.
        let _ = file.set_len(end);
    }
    written
}
