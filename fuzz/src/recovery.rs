//! What recovery makes of the bytes of a last segment.

use std::io::Cursor;

use althing::ledger::{Diagnosis, SegmentStart, diagnose};

use crate::ledger::with_good_hashes;

/// Any bytes are clean, torn or refused; what recovery keeps of torn ones is clean.
pub fn run(bytes: &[u8]) -> bool {
    let as_it_is = check(bytes);
    let made_good = check(&with_good_hashes(bytes));
    as_it_is || made_good
}

fn check(bytes: &[u8]) -> bool {
    let start = SegmentStart::default();
    let found = diagnosis(bytes, &start, None);
    let length = bytes.len() as u64;
    match &found {
        Diagnosis::Clean { bytes: clean, tip } => {
            assert_eq!(*clean, length);
            // A line of a batch is never empty, so there are as many lines as line feeds.
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(tip.head.seq, lines as u64);
        }
        Diagnosis::Torn {
            tip,
            keep_bytes,
            tail,
        } => {
            assert!(*keep_bytes < length, "there is no tail");
            assert_eq!(
                (tail.offset, tail.bytes),
                (*keep_bytes, length - keep_bytes)
            );
            let kept = usize::try_from(*keep_bytes).expect("no longer than the bytes");
            let kept = &bytes[..kept];
            let clean = Diagnosis::Clean {
                tip: *tip,
                bytes: *keep_bytes,
            };
            assert_eq!(diagnosis(kept, &start, None), clean);
            assert!(kept.is_empty() || kept.ends_with(b"\n"));
            // Whoever knows of a line behind what is kept is not told that nothing is lost.
            let known = diagnosis(bytes, &start, Some(tip.head.seq + 1));
            assert!(matches!(known, Diagnosis::Refused(_)));
            assert_eq!(diagnosis(bytes, &start, Some(tip.head.seq)), found);
        }
        Diagnosis::Refused(refusal) => assert!(refusal.offset <= length),
    }
    // What lies before a segment moves where things are, and changes nothing else.
    let shifted = SegmentStart {
        offset: 1_000,
        ..start
    };
    let name = |diagnosis: &Diagnosis| match diagnosis {
        Diagnosis::Clean { bytes, .. } => ("clean", *bytes),
        Diagnosis::Torn { keep_bytes, .. } => ("torn", *keep_bytes),
        Diagnosis::Refused(refusal) => (refusal.code, 0),
    };
    assert_eq!(name(&diagnosis(bytes, &shifted, None)), name(&found));
    !matches!(found, Diagnosis::Refused(_))
}

fn diagnosis(bytes: &[u8], start: &SegmentStart, checkpoint: Option<u64>) -> Diagnosis {
    diagnose(&mut Cursor::new(bytes), start, checkpoint).expect("memory can be read")
}
