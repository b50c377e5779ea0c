//! A receipt has a limit.

use althing::chain::line::MAX_LINE_BYTES;
use althing::chain::receipt::{
    LivePath, MAX_ENTRIES, MAX_PATH, MAX_RECEIPT_BYTES, MalformedReceipt, Receipt, ReceiptEntry,
};
use althing::governance::digest::Digest;

use super::eventful_receipt;

fn is_too_large<T>(outcome: Result<T, MalformedReceipt>) -> bool {
    matches!(outcome, Err(MalformedReceipt::TooLarge { .. }))
}

#[test]
fn a_receipt_beyond_a_limit_is_neither_read_nor_written() {
    let (_, receipt) = eventful_receipt();
    let entry = |line: usize, path: usize| ReceiptEntry {
        line: "x".repeat(line),
        path: vec![Digest::ZERO; path],
    };
    let with = |entries: Vec<ReceiptEntry>, live: usize| Receipt {
        entries,
        live: Some(LivePath {
            index: 0,
            path: vec![Digest::ZERO; live],
        }),
        ..receipt.clone()
    };
    for (what, receipt, fits) in [
        ("a line", with(vec![entry(MAX_LINE_BYTES, 0)], 0), true),
        (
            "a long line",
            with(vec![entry(MAX_LINE_BYTES + 1, 0)], 0),
            false,
        ),
        ("a path", with(vec![entry(1, MAX_PATH)], MAX_PATH), true),
        ("a long path", with(vec![entry(1, MAX_PATH + 1)], 0), false),
        ("a long live path", with(vec![], MAX_PATH + 1), false),
        (
            "many entries",
            with(vec![entry(0, 0); MAX_ENTRIES], 0),
            true,
        ),
        (
            "too many entries",
            with(vec![entry(0, 0); MAX_ENTRIES + 1], 0),
            false,
        ),
        (
            "many long lines",
            with(vec![entry(MAX_LINE_BYTES, 0); 64], 0),
            false,
        ),
    ] {
        let written = receipt.to_bytes();
        assert_eq!(is_too_large(written.clone()), !fits, "{what}");
        if let Ok(bytes) = written {
            assert_eq!(Receipt::parse(&bytes).as_ref(), Ok(&receipt), "{what}");
        }
    }
    // What somebody else wrote. The length alone decides, before anything is read.
    let spaces = vec![b' '; MAX_RECEIPT_BYTES + 1];
    assert!(is_too_large(Receipt::parse(&spaces)));
    assert!(!is_too_large(Receipt::parse(&spaces[1..])));
    let text = String::from_utf8(receipt.to_bytes().unwrap()).unwrap();
    let first = "\"entries\":[";
    for (what, more) in [
        (
            "entries",
            "{\"line\":\"\",\"path\":[]},".repeat(MAX_ENTRIES),
        ),
        (
            "a line",
            format!(
                "{{\"line\":\"{}\",\"path\":[]}},",
                "x".repeat(MAX_LINE_BYTES + 1)
            ),
        ),
        (
            "a path",
            format!(
                "{{\"line\":\"\",\"path\":[{}]}},",
                vec![format!("\"{}\"", Digest::ZERO); 54].join(",")
            ),
        ),
    ] {
        let longer = text.replacen(first, &format!("{first}{more}"), 1);
        assert!(is_too_large(Receipt::parse(longer.as_bytes())), "{what}");
    }
}
