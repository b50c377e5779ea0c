//! The fast way through a ledger beside the plain one.
//!
//! The first byte says on how many threads and in what chunks. As for whole ledgers, what follows is
//! read as it is and with the chain made good again; and once more with one prediction under the
//! verdict of another, which nothing but the rules can tell.

use std::num::NonZeroUsize;

use althing::governance::key::{PublicKey, Signature, SignatureVerifier};
use althing::governance::state::State;
use althing::parallel::Parallel;
use althing::replay::{ReplayError, Replayed, replay};
use sha2::{Digest as _, Sha256};

use crate::ledger::with_good_hashes;

/// Both ways take the same bytes and come to the same state, or refuse the same entry at the same
/// place for the same reason.
pub fn run(bytes: &[u8]) -> bool {
    let Some((how, ledger)) = bytes.split_first() else {
        return false;
    };
    let as_it_is = compare(*how, ledger);
    let made_good = compare(*how, &with_good_hashes(ledger));
    if let Some(forged) = with_another_verdict(usize::from(*how), ledger) {
        compare(*how, &with_good_hashes(&forged));
    }
    as_it_is || made_good
}

/// The ledger with the verdict of its `which`-th prediction changed for another one that stands in it.
fn with_another_verdict(which: usize, ledger: &[u8]) -> Option<Vec<u8>> {
    const KEY: &[u8] = b"\"verdict\":\"";
    let starts = (ledger.windows(KEY.len()).enumerate()).filter(|(_, bytes)| *bytes == KEY);
    let ranges = starts.filter_map(|(at, _)| {
        let start = at + KEY.len();
        let length = ledger[start..].iter().position(|byte| *byte == b'"')?;
        Some(start..start + length)
    });
    let ranges: Vec<_> = ranges.collect();
    let taken = ranges.get(which.checked_rem(ranges.len())?)?.clone();
    let mut others = ranges.iter().map(|range| &ledger[range.clone()]);
    let other = others.find(|other| *other != &ledger[taken.clone()])?;
    Some([&ledger[..taken.start], other, &ledger[taken.end..]].concat())
}

fn compare(how: u8, ledger: &[u8]) -> bool {
    let threads = NonZeroUsize::MIN.saturating_add(usize::from(how % 3));
    let chunk = [1, 700, 5_000, 1 << 20][usize::from(how / 3 % 4)];
    let fast = Parallel::new(&Judge)
        .with_threads(threads)
        .with_chunk_bytes(chunk);
    let plain = replay(ledger, &Judge);
    let (whole, state_alone) = (fast.replay(ledger), fast.rebuild(ledger));
    match (&plain, whole, state_alone) {
        (Ok(plain), Ok(whole), Ok((state, head))) => {
            assert_eq!(facts(plain), facts(&whole));
            assert!(plain.state == whole.state);
            assert_eq!((state.hash(), head), (plain.state.hash(), plain.head));
            assert!(state == plain.state);
        }
        (Err(plain), Err(whole), Err(state_alone)) => {
            assert_eq!(reason(plain), reason(&whole));
            assert_eq!(reason(plain), reason(&state_alone));
        }
        (plain, whole, state_alone) => panic!(
            "plain: {:?}, fast: {:?}, without the tree: {:?}",
            verdict(plain.as_ref()),
            verdict(whole.as_ref()),
            verdict(state_alone.as_ref()),
        ),
    }
    plain.is_ok()
}

fn facts(replayed: &Replayed) -> (String, String, String) {
    let Replayed {
        state,
        head,
        merkle,
    } = replayed;
    let hash = |state: &State| state.hash().to_string();
    (hash(state), head.to_string(), merkle.root().to_string())
}

/// What is wrong, and where.
fn reason(error: &ReplayError) -> (&'static str, u64, u64, String) {
    let message = error.problem.to_string();
    (error.code(), error.seq, error.offset, message)
}

fn verdict<T>(result: Result<&T, &ReplayError>) -> String {
    result.map_or_else(|error| format!("{:?}", reason(error)), |_| "taken".into())
}

/// Nobody's signatures are in the seeds, so any are good but one in sixty-four: which, depends on every
/// byte that the question is about.
struct Judge;

impl SignatureVerifier for Judge {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let asked = [key.as_bytes(), message, signature.as_bytes()].concat();
        Sha256::digest(asked)[0] >= 4
    }
}
