//! Damage to the bytes: whatever is changed, replay refuses it, and names the line.

use althing::chain::line::{Head, MAX_LINE_BYTES};
use althing::governance::ballot::Decision::Approve;
use althing::governance::key::{Algorithm, SignatureVerifier};
use althing::governance::policy::Policy;
use althing::ledger::{Ledger as _, MemoryLedger};
use althing::replay::{Replay, ReplayError, ReplayProblem, Replayed, replay};
use althing::testing::actions::authorize_model;
use althing::testing::{Assembly, Signatures, StandInVerifier, Tampering, strategies};
use proptest::prelude::*;

/// A founder, a proposal, a ballot that decides it, and the grant: five lines, really signed.
fn signed_ledger(algorithm: Algorithm) -> Assembly {
    let signatures = Signatures::MlDsa(algorithm);
    let mut assembly = Assembly::signing(signatures, Policy::default(), &[1]);
    assembly.pass([0], authorize_model("triage"));
    assembly
}

fn lines(ledger: &[u8]) -> Vec<&[u8]> {
    ledger.split_inclusive(|byte| *byte == b'\n').collect()
}

fn without_line_feed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").expect("a whole line")
}

/// Flips `bits` of every byte of every line, one at a time.
///
/// A line that is refused changes nothing, so one replay meets all damaged copies of a line and
/// then the whole one; that it still gets to the same state shows that none of them was taken.
fn flip_everything(assembly: &Assembly, bits: &[u8]) {
    let verifier: &dyn SignatureVerifier = assembly.signatures().verifier();
    let mut replay = Replay::new(verifier);
    for (number, line) in lines(assembly.bytes()).into_iter().enumerate() {
        let line = without_line_feed(line);
        let mut damaged = line.to_vec();
        for byte in 0..line.len() {
            for bit in bits {
                damaged[byte] ^= 1 << bit;
                let refused = replay.line(&damaged);
                let error = refused.expect_err("a damaged line is refused");
                assert_eq!(error.seq, number as u64 + 1, "byte {byte}, bit {bit}");
                assert!(
                    matches!(*error.problem, ReplayProblem::Chain(_)),
                    "byte {byte}, bit {bit} got as far as {error}"
                );
                damaged[byte] = line[byte];
            }
        }
        replay.line(line).expect("the whole line is taken");
    }
    let replayed = replay.finish().expect("a whole ledger");
    assert_eq!(replayed.state.hash(), assembly.state().hash());
    assert_eq!(replayed.head, *assembly.node().head());
}

#[test]
fn flipping_any_byte_of_a_signed_ledger_is_refused_at_its_line() {
    flip_everything(&signed_ledger(Algorithm::MlDsa65), &[0, 7]);
}

#[test]
fn flipping_any_bit_of_a_small_ledger_is_refused_at_its_line() {
    let mut assembly = Assembly::of(&[1]);
    assembly.propose(0, authorize_model("triage"));
    flip_everything(&assembly, &[0, 1, 2, 3, 4, 5, 6, 7]);
}

fn read(bytes: &[u8]) -> Result<Replayed, ReplayError> {
    replay(bytes, &StandInVerifier)
}

/// A ledger with several batches of several lines.
fn ledger() -> Vec<u8> {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    assembly.pass(0..2, authorize_model("triage"));
    let open = assembly.propose(1, authorize_model("other"));
    assembly.vote(2, open, Approve);
    assembly.accuse(2, open);
    assembly.bytes().to_vec()
}

#[test]
fn a_flipped_line_feed_is_refused() {
    let ledger = ledger();
    let mut end = 0;
    for (number, line) in lines(&ledger).iter().enumerate() {
        end += line.len();
        for bit in 0..8 {
            let flip = Tampering::FlipBit { byte: end - 1, bit };
            let error = read(&flip.apply(&ledger)).expect_err("two lines in one");
            assert_eq!(error.seq, number as u64 + 1);
        }
    }
}

#[test]
fn deleting_duplicating_swapping_and_inserting_lines_is_refused_where_it_starts() {
    let ledger = ledger();
    let count = lines(&ledger).len();
    let refused = |tampering: Tampering| {
        let damaged = tampering.apply(&ledger);
        let Some(seq) = Tampering::first_difference(&ledger, &damaged) else {
            return;
        };
        let error = read(&damaged).expect_err("a damaged ledger");
        // Lines share beginnings, so the bytes can differ on the line that is out of place only.
        assert_eq!(error.seq, seq, "{tampering:?}: {error}");
    };
    for line in 0..count {
        if line + 1 < count {
            refused(Tampering::DeleteLine(line));
        }
        refused(Tampering::DuplicateLine(line));
        for other in 0..count {
            refused(Tampering::SwapLines(line, other));
        }
        for before in 0..=count {
            refused(Tampering::InsertLine { line, before });
        }
    }
}

#[test]
fn a_ledger_cut_anywhere_is_torn_unless_it_ends_with_a_batch() {
    let whole = ledger();
    let (mut batches, mut torn) = (0, 0);
    let near_line_feed = |at: usize| whole[at.saturating_sub(2)..=at].contains(&b'\n');
    // Every place around a line's end, and every seventh byte in between.
    for at in (1..whole.len()).filter(|at| at % 7 == 0 || near_line_feed(*at)) {
        let cut = Tampering::Truncate(at).apply(&whole);
        let complete_lines = cut.iter().filter(|byte| **byte == b'\n').count() as u64;
        match (read(&cut), MemoryLedger::from_bytes(cut.clone())) {
            (Ok(replayed), Ok(_)) => {
                // The chain alone can't show that later batches are gone.
                assert_eq!(replayed.head.seq, complete_lines);
                batches += 1;
            }
            (Err(error), Err(refusal)) => {
                assert_eq!(
                    error.code(),
                    "replay.incomplete-batch",
                    "byte {at}: {error}"
                );
                assert_eq!(error.seq, complete_lines + 1, "byte {at}");
                assert_eq!(refusal.code, "tail.torn", "byte {at}");
                torn += 1;
            }
            (replayed, opened) => panic!("byte {at}: {replayed:?}, {opened:?}"),
        }
    }
    assert_eq!(
        batches, 6,
        "the founding and five of the six batches after it"
    );
    assert!(torn > batches);
}

#[test]
fn damage_that_no_crash_leaves_is_not_taken_for_a_torn_tail() {
    let ledger = ledger();
    let count = lines(&ledger).len();
    for line in 0..count - 1 {
        for tampering in [
            Tampering::DeleteLine(line),
            Tampering::DuplicateLine(line),
            Tampering::SwapLines(line, line + 1),
        ] {
            let refusal = MemoryLedger::from_bytes(tampering.apply(&ledger)).unwrap_err();
            assert_ne!(refusal.code, "tail.torn", "{tampering:?}: {refusal}");
        }
    }
}

#[test]
fn whatever_stands_between_lines_is_refused() {
    let ledger = ledger();
    let long = [&[b' '; MAX_LINE_BYTES + 1][..], b"\n"].concat();
    for between in [
        &b"\n"[..],
        b" \n",
        b"{}\n",
        b"\0\0\0\n",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"\xff\n",
        &long,
    ] {
        let mut end = 0;
        for (number, line) in lines(&ledger).iter().enumerate() {
            let damaged = [&ledger[..end], between, &ledger[end..]].concat();
            assert_eq!(read(&damaged).unwrap_err().seq, number as u64 + 1);
            end += line.len();
        }
    }
}

#[test]
fn an_empty_ledger_is_no_history() {
    let error = read(b"").unwrap_err();
    assert_eq!((error.code(), error.seq), ("replay.incomplete-batch", 1));
    let empty = MemoryLedger::from_bytes(Vec::new()).expect("no batch is whole");
    assert_eq!(*empty.head(), Head::GENESIS);
}

proptest! {
    #![proptest_config(crate::config(150))]

    #[test]
    fn no_damage_to_any_ledger_goes_unnoticed(
        (ledger, damaged) in strategies::tampered_ledgers(12),
    ) {
        let seq = Tampering::first_difference(&ledger, &damaged).expect("they differ");
        match read(&damaged) {
            Err(error) => prop_assert_eq!(error.seq, seq),
            // Only the end is missing, after a whole batch.
            Ok(replayed) => {
                prop_assert!(ledger.starts_with(&damaged));
                prop_assert_eq!(replayed.head.seq + 1, seq);
            }
        }
    }

    /// Bytes from outside never make a replay panic.
    #[test]
    fn arbitrary_lines_are_refused(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        text in "\\PC{0,200}",
    ) {
        prop_assert!(read(&noise).is_err());
        let line = text + "\n";
        prop_assert!(read(line.as_bytes()).is_err());
    }
}
