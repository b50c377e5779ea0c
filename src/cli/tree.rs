//! The Merkle tree of a ledger on disk: its root at an earlier size, and proofs.

use std::io::{self, Read};

use super::error::Failure;
use super::exit::Exit;
use crate::chain::line::Line;
use crate::chain::lines::{Ending, LineReader};
use crate::governance::digest::Digest;
use crate::governance::merkle::{
    ConsistencyProof, ConsistencyProver, LeafHash, MerkleAccumulator, TreeRoot,
};
use crate::governance::state::State;
use crate::governance::tree_head::{Origin, TreeHead};
use crate::ledger::FileLedger;
use crate::node::Node;
use crate::replay::Replayed;

/// Which ledger `state` is of.
pub fn origin(state: &State) -> Origin {
    Origin {
        ledger: state.ledger(),
        genesis: state.identity().origin,
    }
}

/// The head of a replayed ledger.
pub fn head(replayed: &Replayed) -> TreeHead {
    TreeHead {
        origin: origin(&replayed.state),
        tree: replayed.merkle.tree_root(),
    }
}

/// The head of an open ledger.
pub fn head_of(node: &Node<FileLedger>) -> TreeHead {
    TreeHead {
        origin: origin(node.state()),
        tree: node.merkle().tree_root(),
    }
}

/// The root over the first `size` entries of a verified ledger; `None` where it has fewer.
pub fn root_at(source: impl Read, size: u64) -> Result<Option<TreeRoot>, Failure> {
    root_behind(MerkleAccumulator::new(), source, size)
}

/// As [`root_at`], where the tree over the first entries is known and `rest` gives those behind them.
fn root_behind(
    mut tree: MerkleAccumulator,
    rest: impl Read,
    size: u64,
) -> Result<Option<TreeRoot>, Failure> {
    let missing = size.saturating_sub(tree.size());
    entry_hashes(rest, missing, |hash| tree.push(hash))?;
    Ok(Some(tree.tree_root()).filter(|tree| tree.size == size))
}

/// The proof that the first `to` entries of a verified ledger continue its first `from`.
pub fn consistency(
    source: impl Read,
    from: u64,
    to: u64,
) -> Result<Option<ConsistencyProof>, Failure> {
    let Ok(mut prover) = ConsistencyProver::new(from, to) else {
        return Ok(None);
    };
    entry_hashes(source, to, |hash| prover.push(LeafHash::of_entry(hash)))?;
    Ok(prover.finish().ok())
}

/// Gives the hashes of the first entries, in order.
fn entry_hashes(
    source: impl Read,
    most: u64,
    mut each: impl FnMut(&Digest),
) -> Result<(), Failure> {
    let broken = |message: String| Failure::new(Exit::ChainBroken, "ledger.unreadable", message);
    let mut lines = LineReader::new(source);
    let mut seen = 0;
    while seen < most {
        let raw = match lines.next_line() {
            Ok(Some(raw)) if raw.ending == Ending::LineFeed => raw,
            Ok(_) => break,
            Err(error) => return Err(broken(error.to_string())),
        };
        let line = Line::decode(raw.bytes).map_err(|error| broken(error.to_string()))?;
        each(&line.entry_hash);
        seen += 1;
    }
    Ok(())
}

/// Checks that `expected` is a head that a verified ledger once had; `now` is its present one, and
/// `source` gives its bytes.
///
/// # Errors
/// Exit 12 with `checkpoint.other-ledger`, `checkpoint.truncated` or `checkpoint.inconsistent`.
pub fn check_head<R: Read>(
    expected: &TreeHead,
    now: &TreeHead,
    source: impl FnOnce() -> io::Result<R>,
) -> Result<(), Failure> {
    check_head_behind(expected, now, |_| Ok((MerkleAccumulator::new(), source()?)))
}

/// As [`check_head`], where the tree over some first entries is known: `source` is told how many
/// entries are asked for, and gives a tree over no more of them, and the bytes behind those.
///
/// # Errors
/// As [`check_head`].
pub fn check_head_behind<R: Read>(
    expected: &TreeHead,
    now: &TreeHead,
    source: impl FnOnce(u64) -> io::Result<(MerkleAccumulator, R)>,
) -> Result<(), Failure> {
    check_size(expected, now)?;
    let TreeRoot { size, root } = expected.tree;
    let found = if now.tree.size == size {
        Some(now.tree)
    } else {
        let (tree, rest) = source(size)
            .map_err(|error| Failure::new(Exit::Failure, "ledger.io", error.to_string()))?;
        root_behind(tree, rest, size)?
    };
    if found != Some(expected.tree) {
        return Err(Failure::new(
            Exit::Mismatch,
            "checkpoint.inconsistent",
            format!(
                "expected the root {root} over the first {size} entries: the history is another one"
            ),
        ));
    }
    Ok(())
}

/// Checks that `expected` is of the ledger that `now` is of, and of no more entries. The roots are not
/// looked at.
///
/// # Errors
/// Exit 12 with `checkpoint.other-ledger` or `checkpoint.truncated`.
pub fn check_size(expected: &TreeHead, now: &TreeHead) -> Result<(), Failure> {
    let mismatch = |code: &str, message: String| Failure::new(Exit::Mismatch, code, message);
    if expected.origin != now.origin {
        return Err(mismatch(
            "checkpoint.other-ledger",
            format!(
                "expected the ledger {}, found {}",
                expected.origin, now.origin
            ),
        ));
    }
    let size = expected.tree.size;
    if now.tree.size < size {
        return Err(mismatch(
            "checkpoint.truncated",
            format!(
                "expected {size} entries or more, found {}: the end was cut off, or this is an older \
                 copy",
                now.tree.size
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::chain::line::{Head, NewEntry, encode_batch};

    /// Three batches; `last` stands in the last one.
    fn batches(last: &str) -> Vec<Vec<u8>> {
        let mut head = Head::GENESIS;
        let contents = [&["a", "b"][..], &["c"], &["d", last, "f"]];
        let batch = |contents: &&[&str]| {
            let entry = |content: &&str| NewEntry {
                timestamp: "2026-05-04T09:30:00.000000Z".parse().unwrap(),
                operation: "vote_cast".into(),
                data: RawValue::from_string(format!("{{\"content\":\"{content}\"}}")).unwrap(),
            };
            let entries: Vec<_> = contents.iter().map(entry).collect();
            let batch = encode_batch(&head, &entries).unwrap();
            head = *batch.head();
            batch.bytes().to_vec()
        };
        contents.iter().map(batch).collect()
    }

    /// The tree over whole batches, as a snapshot behind them has it.
    fn tree(batches: &[Vec<u8>]) -> MerkleAccumulator {
        let mut tree = MerkleAccumulator::new();
        entry_hashes(&batches.concat()[..], u64::MAX, |hash| tree.push(hash)).unwrap();
        tree
    }

    /// What a user has seen is told from what stands behind a snapshot, wherever that was taken.
    #[test]
    fn a_last_batch_that_was_written_anew_has_another_root_behind_every_snapshot() {
        let (seen, rewritten) = (batches("e"), batches("E"));
        assert_eq!(seen[..2], rewritten[..2]);
        let whole = tree(&seen).tree_root();
        for taken in 0..=2 {
            let behind = |batches: &[Vec<u8>], size| {
                let rest = batches[taken..].concat();
                root_behind(tree(&batches[..taken]), &rest[..], size).unwrap()
            };
            let root = |batches: &[Vec<u8>]| behind(batches, whole.size).unwrap();
            assert_eq!(root(&seen), whole, "{taken}");
            assert_eq!(root(&rewritten).size, whole.size, "{taken}");
            assert_ne!(root(&rewritten), whole, "{taken}");
            // Something that was seen before, in the middle of a batch; and more than there is.
            assert_eq!(behind(&rewritten, 4), behind(&seen, 4), "{taken}");
            assert_ne!(behind(&rewritten, 5), behind(&seen, 5), "{taken}");
            assert_eq!(behind(&seen, 7), None, "{taken}");
        }
        let taken = tree(&seen[..2]);
        assert_eq!(root_behind(taken, &seen[2][..], 2).unwrap(), None);
    }
}
