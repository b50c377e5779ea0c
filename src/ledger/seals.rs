//! The hashes of the segments that are never written to again.
//!
//! They stand in `SHA256SUMS` as `sha256sum` writes them, so that `sha256sum -c` checks them. The
//! file is always replaced as a whole.

use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::layout::{Layout, temporary};
use super::storage::{Storage, StorageFile};
use crate::governance::digest::Digest;

/// The seals of a ledger, in the order of its segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seals(Vec<(u64, Digest)>);

/// The file of the seals is not as a writer leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} of SHA256SUMS: expected 64 lowercase hexadecimal digits, two spaces and the name \
     of the next segment"
)]
pub(super) struct SealError {
    line: usize,
}

impl Seals {
    /// The name of their file.
    pub(super) const NAME: &'static str = "SHA256SUMS";

    pub(super) const EMPTY: Self = Self(Vec::new());

    /// Reads the file; none is the same as an empty one.
    pub(super) fn read<S: Storage>(
        storage: &S,
        layout: &Layout,
    ) -> io::Result<Result<Self, SealError>> {
        if !storage.exists(&layout.seals)? {
            return Ok(Ok(Self::EMPTY));
        }
        let mut bytes = Vec::new();
        storage.open(&layout.seals)?.read_to_end(&mut bytes)?;
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let mut seals = Self::EMPTY;
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let error = SealError { line: index + 1 };
            let (first_seq, digest) = parse_line(line).ok_or(error)?;
            if seals.0.last().is_some_and(|(last, _)| *last >= first_seq) {
                return Err(error);
            }
            seals.0.push((first_seq, digest));
        }
        Ok(seals)
    }

    /// The seal of the segment that starts with line `first_seq`.
    pub(super) fn of(&self, first_seq: u64) -> Option<&Digest> {
        let index = self
            .0
            .binary_search_by_key(&first_seq, |seal| seal.0)
            .ok()?;
        self.0.get(index).map(|(_, digest)| digest)
    }

    /// The first lines of the segments that have a seal.
    pub(super) fn first_seqs(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().map(|(first_seq, _)| *first_seq)
    }

    /// Adds a seal unless there is one; answers whether there was none.
    pub(super) fn add(&mut self, first_seq: u64, digest: Digest) -> bool {
        match self.0.binary_search_by_key(&first_seq, |seal| seal.0) {
            Ok(_) => false,
            Err(index) => {
                self.0.insert(index, (first_seq, digest));
                true
            }
        }
    }

    /// Puts the seals in their file's place. The directory is the caller's to sync.
    pub(super) fn write<S: Storage>(&self, storage: &S, layout: &Layout) -> io::Result<()> {
        let temporary = temporary(&layout.seals);
        if storage.exists(&temporary)? {
            storage.remove(&temporary)?;
        }
        let mut file = storage.create_new(&temporary)?;
        file.append(self.text().as_bytes())?;
        file.sync()?;
        storage.rename(&temporary, &layout.seals)
    }

    fn text(&self) -> String {
        self.0
            .iter()
            .map(|(first_seq, digest)| format!("{digest}  {}\n", Layout::segment_name(*first_seq)))
            .collect()
    }
}

fn parse_line(line: &[u8]) -> Option<(u64, Digest)> {
    let line = line.strip_suffix(b"\n")?;
    let (digest, rest) = line.split_at_checked(64)?;
    let name = std::str::from_utf8(rest.strip_prefix(b"  ")?).ok()?;
    let first_seq = Layout::first_seq(name).filter(|first_seq| *first_seq > 0)?;
    Some((first_seq, Digest::from_hex(digest).ok()?))
}

/// The hash of the first `bytes` bytes of a segment.
pub(super) fn hash_of<S: Storage>(storage: &S, path: &Path, bytes: u64) -> io::Result<Sha256> {
    let mut hash = Sha256::new();
    let mut file = storage.open(path)?.take(bytes);
    let mut chunk = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(hash);
        };
        hash.update(bytes);
    }
}

/// What a hash comes to so far.
pub(super) fn digest(hash: &Sha256) -> Digest {
    Digest::from_bytes(hash.clone().finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_line() {
        let line = |seq| format!("{}  {}\n", Digest::ZERO, Layout::segment_name(seq));
        for (text, expected) in [
            ([line(1), line(2), line(3)], None),
            (["x\n".to_owned(), line(1), line(2)], Some(1)),
            ([line(1), "x\n".to_owned(), line(2)], Some(2)),
            ([line(1), line(2), line(2)], Some(3)),
            ([line(1), line(3), line(2)], Some(3)),
            ([line(1), line(2), line(0)], Some(3)),
        ] {
            let error = Seals::parse(text.concat().as_bytes()).err();
            assert_eq!(error.map(|error| error.line), expected, "{text:?}");
        }
    }
}
