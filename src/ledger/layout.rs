//! Which file stands where.

use std::io;
use std::path::{Path, PathBuf};

use super::seals::Seals;
use super::storage::Storage;

/// The paths of one ledger.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) dir: PathBuf,
    pub(super) ledger: PathBuf,
    pub(super) seals: PathBuf,
    pub(super) quarantine: PathBuf,
    pub(super) lock: PathBuf,
}

/// The ending of files that were being written: what a crash leaves of them is worthless.
pub(super) const TEMPORARY: &str = ".tmp";

impl Layout {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            ledger: dir.join("ledger"),
            seals: dir.join("ledger").join(Seals::NAME),
            quarantine: dir.join("quarantine"),
            lock: dir.join("LOCK"),
        }
    }

    /// The segment whose first line has the number `first_seq`.
    pub(super) fn segment(&self, first_seq: u64) -> PathBuf {
        self.ledger.join(Self::segment_name(first_seq))
    }

    /// The name of the file of a segment.
    pub(super) fn segment_name(first_seq: u64) -> String {
        format!("{first_seq:020}.jsonl")
    }

    /// The number of the first line of the segment with this file name.
    pub(super) fn first_seq(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(".jsonl")?;
        let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        all_digits.then(|| digits.parse().ok()).flatten()
    }

    /// The first numbers of all segments, ascending. Other files are none of ours.
    pub(super) fn segments<S: Storage>(&self, storage: &S) -> io::Result<Vec<u64>> {
        let names = storage.list(&self.ledger)?;
        Ok(names
            .iter()
            .filter_map(|name| Self::first_seq(name))
            .collect())
    }

    /// Removes what crashes left half written.
    pub(super) fn remove_temporaries<S: Storage>(&self, storage: &S) -> io::Result<()> {
        for name in storage.list(&self.ledger)? {
            if name.ends_with(TEMPORARY) {
                storage.remove(&self.ledger.join(name))?;
            }
        }
        Ok(())
    }
}

/// A path for writing what is to stand at `path` once it is whole.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_twenty_digits_and_nothing_else_is_one() {
        let name = Layout::segment_name(7);
        assert_eq!(name, "00000000000000000007.jsonl");
        assert_eq!(Layout::first_seq(&name), Some(7));
        for other in [
            "7.jsonl",
            "000000000000000000007.jsonl",
            "0000000000000000000x.jsonl",
            "+0000000000000000007.jsonl",
            "99999999999999999999.jsonl",
            "00000000000000000007.json",
            "00000000000000000007",
            ".jsonl",
        ] {
            assert_eq!(Layout::first_seq(other), None, "{other}");
        }
    }
}
