//! Signed statements of every kind.
//!
//! The first byte of the input says which kind, the rest is the statement, bare or signed.

use althing::governance::ballot::Ballot;
use althing::governance::founding::Founding;
use althing::governance::possession::KeyPossession;
use althing::governance::proposal::{Proposal, Rotation, Withdrawal};
use althing::governance::statement::{Signed, Statement, StatementContent};

use crate::oracle;

/// The kinds by their first byte.
pub const KINDS: &[u8] = b"FPBWRK";

/// What is accepted says exactly what it was read from.
pub fn run(bytes: &[u8]) -> bool {
    let Some((kind, Ok(text))) =
        (bytes.split_first()).map(|(kind, text)| (kind, std::str::from_utf8(text)))
    else {
        return false;
    };
    match kind {
        b'F' => check::<Founding>(text),
        b'P' => check::<Proposal>(text),
        b'B' => check::<Ballot>(text),
        b'W' => check::<Withdrawal>(text),
        b'R' => check::<Rotation>(text),
        b'K' => check::<KeyPossession>(text),
        _ => false,
    }
}

fn check<T: StatementContent>(text: &str) -> bool {
    let Ok(statement) = Statement::<T>::parse(text) else {
        return check_signed::<T>(text);
    };
    assert!(text.len() <= T::MAX_BYTES);
    assert_eq!(statement.as_str(), text);
    assert!(oracle::is_canonical(text), "{text}");
    assert_eq!(
        statement.message(),
        [T::DOMAIN, "\n", text].concat().as_bytes()
    );
    // Another canonicalizer writes what was understood as what was read: nothing was ignored.
    let written = serde_json_canonicalizer::to_string(statement.content()).expect("it was read");
    assert_eq!(written, text);
    true
}

fn check_signed<T: StatementContent>(text: &str) -> bool {
    let Ok(signed) = serde_json::from_str::<Signed<T>>(text) else {
        return false;
    };
    assert!(oracle::is_canonical(signed.statement.as_str()));
    let written = serde_json::to_string(&signed).expect("it was read");
    let again: Signed<T> = serde_json::from_str(&written).expect("what was written is read");
    assert!(again.statement == signed.statement && again.signature == signed.signature);
    assert_eq!(serde_json::to_string(&again).ok(), Some(written));
    true
}
