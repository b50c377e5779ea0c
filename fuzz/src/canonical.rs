//! The canonical JSON scanner, against a parser and a canonicalizer.

use althing::governance::canonical::{Numbers, check};

use crate::oracle;

/// Accepted is exactly what the other two write the same way.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let found = check(text, Numbers::Integers);
    let accepted = found.is_ok();
    assert_eq!(accepted, oracle::is_canonical(text), "{found:?}: {text}");
    let found = check(text, Numbers::Any);
    let expected = oracle::is_canonical_but_for_numbers(text);
    assert_eq!(found.is_ok(), expected, "{found:?}: {text}");
    if let Err(error) = found {
        assert!(error.offset <= text.len());
    }
    accepted
}
