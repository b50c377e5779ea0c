//! What a node keeps beside its ledger: every decided value with its certificate, and the values of
//! the next height that it has seen or made.
//!
//! ```text
//! DIR/decisions.jsonl   one line a height, from 1
//! DIR/undecided/        one file a value, until the height is decided
//! ```
//!
//! All of it is on disk before anybody hears of it. A node that forgot which value it proposed, or
//! which it voted for, would contradict itself after a crash.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::engine::ValueId;
use super::value::{self, Value};
use crate::governance::digest::Digest;

/// What one height decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Why it is decided.
    pub certificate: Certificate,
    /// The hash of the last entry once it is carried out.
    pub head: Digest,
    /// The number of that entry.
    pub seq: u64,
    /// The bytes of the value.
    pub value: String,
}

/// What a node keeps can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A line of the decisions is none, or is another height's.
    #[error("{} line {line}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl StoreError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "cluster.decisions-malformed",
            Self::Io { .. } => "cluster.io",
        }
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    |source| StoreError::Io { path, source }
}

/// How much is read at once where only the ends of lines matter, in bytes.
const READ_AT_ONCE: usize = 1 << 20;

/// The decisions of all heights so far.
#[derive(Debug)]
pub struct Decisions {
    path: PathBuf,
    file: File,
    /// Where each height's line starts and how long it is.
    places: Vec<(u64, usize)>,
    end: u64,
}

impl Decisions {
    /// Opens the decisions of a node, and drops the line that it died over. Of the others only the
    /// last is read: there may be many, and each is checked when it is asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("decisions.jsonl");
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(io_error(&path))?;
        let (places, end) = index(&path, &file)?;
        file.set_len(end)
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(dir)?.sync_all())
            .map_err(io_error(&path))?;
        let decisions = Self {
            path,
            file,
            places,
            end,
        };
        decisions.get(decisions.height())?;
        Ok(decisions)
    }

    /// Opens the decisions of a node for reading. A line that is not complete is not looked at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("decisions.jsonl");
        let file = File::open(&path).map_err(io_error(&path))?;
        let (places, end) = index(&path, &file)?;
        Ok(Self {
            path,
            file,
            places,
            end,
        })
    }

    /// The last decided height, 0 before the first.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.places.len() as u64
    }

    /// The decision of a height.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn get(&self, height: u64) -> Result<Option<Decision>, StoreError> {
        let index = height
            .checked_sub(1)
            .and_then(|it| usize::try_from(it).ok());
        let Some((offset, length)) = index.and_then(|index| self.places.get(index)) else {
            return Ok(None);
        };
        let mut line = vec![0; *length];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(*offset))
            .and_then(|_| file.read_exact(&mut line))
            .map_err(io_error(&self.path))?;
        read_line(&self.path, height, &line).map(Some)
    }

    /// Keeps the decision of the next height. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is kept then.
    pub fn append(&mut self, decision: &Decision) -> Result<(), StoreError> {
        let next = self.height() + 1;
        if decision.certificate.height != next {
            return Err(StoreError::Malformed {
                path: self.path.clone(),
                line: next,
                problem: format!("a decision of height {}", decision.certificate.height),
            });
        }
        let mut line = serde_json::to_string(decision)
            .map_err(|error| io_error(&self.path)(io::Error::other(error)))?;
        line.push('\n');
        let written = (&self.file)
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Should this fail as well, the next opening drops the line, or keeps a decision that
            // is one.
            let _ = self.file.set_len(self.end);
            return Err(io_error(&self.path)(error));
        }
        self.places.push((self.end, line.len()));
        self.end += line.len() as u64;
        Ok(())
    }
}

/// Where the lines are, and where the last of them ends. They are read when they are asked for.
fn index(path: &Path, file: &File) -> Result<(Vec<(u64, usize)>, u64), StoreError> {
    let mut reader = BufReader::with_capacity(READ_AT_ONCE, file);
    reader.seek(SeekFrom::Start(0)).map_err(io_error(path))?;
    let (mut places, mut start, mut position) = (Vec::new(), 0, 0);
    loop {
        let bytes = reader.fill_buf().map_err(io_error(path))?;
        if bytes.is_empty() {
            return Ok((places, start));
        }
        for feed in memchr::memchr_iter(b'\n', bytes) {
            let end = position + feed as u64 + 1;
            places.push((start, usize::try_from(end - start).unwrap_or(usize::MAX)));
            start = end;
        }
        let read = bytes.len();
        position += read as u64;
        reader.consume(read);
    }
}

fn read_line(path: &Path, height: u64, line: &[u8]) -> Result<Decision, StoreError> {
    let malformed = |problem: String| StoreError::Malformed {
        path: path.to_owned(),
        line: height,
        problem,
    };
    let decision: Decision =
        serde_json::from_slice(line).map_err(|error| malformed(error.to_string()))?;
    let found = decision.certificate.height;
    if found != height {
        return Err(malformed(format!("a decision of height {found}")));
    }
    if value::id_of(decision.value.as_bytes()).0 != decision.certificate.value {
        return Err(malformed("the certificate is of another value".to_owned()));
    }
    Ok(decision)
}

/// Puts a whole file into a directory. It is on disk when this returns; a crash leaves all of it or none.
///
/// # Errors
/// Where the system refuses.
pub(super) fn put(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    File::open(dir)?.sync_all()
}

/// The values of the next height that a node has made or received.
#[derive(Debug)]
pub struct Undecided {
    dir: PathBuf,
    values: BTreeMap<ValueId, Value>,
}

impl Undecided {
    /// Opens the undecided values of a node. What is not one any more is removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(dir: &Path, height: u64) -> Result<Self, StoreError> {
        let dir = dir.join("undecided");
        fs::create_dir_all(&dir).map_err(io_error(&dir))?;
        let mut values = BTreeMap::new();
        for file in fs::read_dir(&dir).map_err(io_error(&dir))? {
            let path = file.map_err(io_error(&dir))?.path();
            let bytes = fs::read(&path).map_err(io_error(&path))?;
            match Value::decode(&bytes) {
                Ok(value) if value.header().height == height => {
                    values.insert(value.id(), value);
                }
                _ => fs::remove_file(&path).map_err(io_error(&path))?,
            }
        }
        Ok(Self { dir, values })
    }

    /// A value by its name.
    #[must_use]
    pub fn get(&self, id: &ValueId) -> Option<&Value> {
        self.values.get(id)
    }

    /// Keeps a value. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep(&mut self, value: Value) -> Result<(), StoreError> {
        let id = value.id();
        if self.values.contains_key(&id) {
            return Ok(());
        }
        let name = id.to_string();
        put(&self.dir, &name, value.bytes()).map_err(io_error(&self.dir.join(name)))?;
        self.values.insert(id, value);
        Ok(())
    }

    /// Forgets all values: their height is decided.
    pub fn clear(&mut self) {
        for id in std::mem::take(&mut self.values).into_keys() {
            // What stays is removed at the next opening.
            let _ = fs::remove_file(self.dir.join(id.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_at_once_and_read_when_they_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("decisions.jsonl");
        let long = "x".repeat(READ_AT_ONCE + 7);
        fs::write(&path, format!("{{}}\n\n{long}\ntorn")).unwrap();
        let decisions = Decisions::read(dir.path()).unwrap();
        let last = long.len() + 1;
        assert_eq!(decisions.places, [(0, 3), (3, 1), (4, last)]);
        assert_eq!(decisions.end, 4 + last as u64);
        assert!(decisions.get(0).unwrap().is_none());
        assert!(decisions.get(4).unwrap().is_none());
        for height in 1..=3 {
            let error = decisions.get(height).unwrap_err();
            assert_eq!(error.code(), "cluster.decisions-malformed");
        }
        // The last line is read in any case.
        let error = Decisions::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Malformed { line: 3, .. }));
        fs::remove_file(&path).unwrap();
        assert_eq!(Decisions::open(dir.path()).unwrap().height(), 0);
    }
}
