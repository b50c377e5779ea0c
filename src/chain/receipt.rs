//! Receipts: one file that shows, without the ledger, that a grant was decided by the quorum.
//!
//! This is the form alone. Whether a receipt holds is [`Receipt::verify`]'s to say, which takes the
//! decision again. Specification, "Receipts".

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CheckpointError};
use super::line::MAX_LINE_BYTES;
use crate::governance::canonical::{self, Numbers};
use crate::governance::digest::Digest;
use crate::governance::id::GrantId;

/// What the first bytes of a receipt's format member say.
pub const FORMAT: &str = "althing/receipt/v1";

/// The largest receipt, in bytes: 64 MiB.
pub const MAX_RECEIPT_BYTES: usize = 64 << 20;

/// The most entries of one receipt.
pub const MAX_ENTRIES: usize = 100_000;

/// The most hashes beside the way from a leaf to the root of the largest tree.
pub const MAX_PATH: usize = 53;

/// What is needed to take the decision for one grant again, none of it checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The grant.
    pub grant: GrantId,
    /// How far the ledger had grown, with signatures.
    pub checkpoint: Checkpoint,
    /// Entries of the ledger, in its order.
    pub entries: Vec<ReceiptEntry>,
    /// That the grant was live when the state was recorded last.
    pub live: Option<LivePath>,
}

/// One line of the ledger, with the hashes that connect it with the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptEntry {
    /// The line as it stands, without its line feed.
    pub line: String,
    /// The hashes of an inclusion proof in the checkpoint's tree, from the leaf up. Its index is the
    /// entry's number less one.
    pub path: Vec<Digest>,
}

/// Where a grant stands under the `grants_root` of the receipt's `checkpoint_recorded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivePath {
    /// The index of the grant's leaf, from 0.
    pub index: u64,
    /// The hashes of the inclusion proof, from the leaf up.
    pub path: Vec<Digest>,
}

/// Why bytes are no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedReceipt {
    /// More than [`MAX_RECEIPT_BYTES`], [`MAX_ENTRIES`], or a line or path longer than one can be.
    #[error("expected {expected}")]
    TooLarge {
        /// The limit.
        expected: &'static str,
    },
    /// Not the one form of a receipt.
    #[error("expected canonical JSON in the form of {FORMAT}, then one line feed: {problem}")]
    Form {
        /// What was expected and found.
        problem: String,
    },
    /// Its checkpoint is none.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    checkpoint: String,
    entries: Vec<ReceiptEntry>,
    format: String,
    grant: GrantId,
    #[serde(
        default,
        deserialize_with = "crate::governance::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    live: Option<LivePath>,
}

impl Receipt {
    /// Reads a receipt. There is one form: what is read is written again as the same bytes.
    ///
    /// # Errors
    /// [`MalformedReceipt`] for everything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedReceipt> {
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(MalformedReceipt::TooLarge {
                expected: "at most 64 MiB",
            });
        }
        let form = |problem: String| MalformedReceipt::Form { problem };
        let text = std::str::from_utf8(bytes).map_err(|error| form(error.to_string()))?;
        let json = text
            .strip_suffix('\n')
            .ok_or_else(|| form("the line feed is missing".to_owned()))?;
        canonical::check(json, Numbers::Integers).map_err(|error| form(error.to_string()))?;
        let text: Text = serde_json::from_str(json).map_err(|error| form(error.to_string()))?;
        if text.format != FORMAT {
            return Err(form("the format is another one".to_owned()));
        }
        check_limits(&text.entries, text.live.as_ref())?;
        let checkpoint = Checkpoint::parse(text.checkpoint.as_bytes())?;
        let receipt = Self {
            grant: text.grant,
            checkpoint,
            entries: text.entries,
            live: text.live,
        };
        // Ids have more than one spelling in JSON libraries; a receipt has one.
        if receipt.to_bytes()? != bytes {
            return Err(form("a value is written in another way".to_owned()));
        }
        Ok(receipt)
    }

    /// The bytes of the receipt.
    ///
    /// # Errors
    /// [`MalformedReceipt::TooLarge`] where a limit is exceeded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MalformedReceipt> {
        check_limits(&self.entries, self.live.as_ref())?;
        let text = Text {
            checkpoint: self.checkpoint.to_string(),
            entries: self.entries.clone(),
            format: FORMAT.to_owned(),
            grant: self.grant,
            live: self.live.clone(),
        };
        let json = canonical::write(&text, Numbers::Integers)
            .map_err(|problem| MalformedReceipt::Form { problem })?;
        let bytes = format!("{}\n", json.get()).into_bytes();
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(MalformedReceipt::TooLarge {
                expected: "at most 64 MiB",
            });
        }
        Ok(bytes)
    }
}

fn check_limits(entries: &[ReceiptEntry], live: Option<&LivePath>) -> Result<(), MalformedReceipt> {
    let too_large = |expected| Err(MalformedReceipt::TooLarge { expected });
    if entries.len() > MAX_ENTRIES {
        return too_large("at most 100,000 entries");
    }
    if entries.iter().any(|it| it.line.len() > MAX_LINE_BYTES) {
        return too_large("lines of at most 1 MiB");
    }
    let paths = entries.iter().map(|it| &it.path);
    if paths
        .chain(live.map(|it| &it.path))
        .any(|path| path.len() > MAX_PATH)
    {
        return too_large("at most 53 hashes a path");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_as_large_as_it_says() {
        const ENTRIES: &str = "at most 100,000 entries";
        const LINE: &str = "lines of at most 1 MiB";
        const PATH: &str = "at most 53 hashes a path";
        // Entries, the bytes of the last one's line, the hashes of its path and of the grant's.
        for (entries, line, hashes, live, expected) in [
            (1, 0, 0, 0, None),
            (MAX_ENTRIES, MAX_LINE_BYTES, MAX_PATH, MAX_PATH, None),
            (MAX_ENTRIES + 1, 0, 0, 0, Some(ENTRIES)),
            (MAX_ENTRIES + 2, 0, 0, 0, Some(ENTRIES)),
            (2, MAX_LINE_BYTES + 1, 0, 0, Some(LINE)),
            (2, MAX_LINE_BYTES + 2, 0, 0, Some(LINE)),
            (2, 0, MAX_PATH + 1, 0, Some(PATH)),
            (2, 0, MAX_PATH + 2, 0, Some(PATH)),
            (2, 0, 0, MAX_PATH + 1, Some(PATH)),
            (2, 0, 0, MAX_PATH + 2, Some(PATH)),
        ] {
            let entry = |bytes, hashes| ReceiptEntry {
                line: "x".repeat(bytes),
                path: vec![Digest::ZERO; hashes],
            };
            let mut all = vec![entry(0, 0); entries - 1];
            all.push(entry(line, hashes));
            let live = LivePath {
                index: 0,
                path: vec![Digest::ZERO; live],
            };
            let expected = match expected {
                None => Ok(()),
                Some(expected) => Err(MalformedReceipt::TooLarge { expected }),
            };
            assert_eq!(check_limits(&all, Some(&live)), expected, "{expected:?}");
        }
    }

    #[test]
    fn a_receipt_that_is_too_long_is_not_looked_at() {
        let mut bytes = vec![b'x'; MAX_RECEIPT_BYTES];
        for too_long in [false, true, true] {
            let error = Receipt::parse(&bytes).err();
            let found = matches!(error, Some(MalformedReceipt::TooLarge { .. }));
            assert_eq!(found, too_long, "{}", bytes.len());
            bytes.push(b'x');
        }
    }
}
