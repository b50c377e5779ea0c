//! Values whose form is a text, and scopes.
//!
//! A text that is accepted has one form only, and is shown as it was read.

use std::fmt::Display;
use std::str::FromStr;

use althing::governance::digest::Digest;
use althing::governance::id::{NodeId, ProposalId, Subject, VoteId};
use althing::governance::key::{Algorithm, Signature};
use althing::governance::label::{Label, Name, Prose, Title};
use althing::governance::proposal::FreezeTarget;
use althing::governance::scope::{CheckContext, Scope, ScopeKey};
use althing::governance::time::Timestamp;
use althing::governance::weight::{Fraction, Weight};

use crate::oracle;

/// Each type accepts only what it would show.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    let plain = text == text.trim() && !text.is_empty() && !text.chars().any(char::is_control);
    assert!(!same::<Subject>(text) || (printable && text.len() <= 256));
    assert!(!same::<Name>(text) || (plain && text.chars().count() <= 64));
    assert!(!same::<Title>(text) || (plain && text.len() <= 256));
    assert_eq!(same::<Label>(text), same::<Title>(text));
    assert_eq!(same::<Prose>(text), text.len() <= 16 * 1024);
    assert_eq!(same::<Timestamp>(text), oracle::is_timestamp(text));
    assert_eq!(same::<Digest>(text), oracle::is_hash(text));
    let node = text.strip_prefix("did:pqaid:").is_some_and(oracle::is_hash);
    assert_eq!(same::<NodeId>(text), node);
    assert_eq!(same::<ProposalId>(text), same::<VoteId>(text));
    assert!(!same::<ScopeKey>(text) || (printable && text.len() <= 64));
    same::<Algorithm>(text);
    same::<Fraction>(text);
    same::<Signature>(text);
    // Written by people, in more than one form.
    let _ = text.parse::<Weight>();
    if let Ok(instant) = Timestamp::parse_rfc3339(text) {
        assert!(same::<Timestamp>(&instant.to_string()));
    }
    if let Ok(target) = FreezeTarget::try_from(text.to_owned()) {
        assert_eq!(String::from(target), text);
    }
    // Prose may be anything, so it does not count.
    let read = [
        same::<Subject>(text),
        same::<Timestamp>(text),
        scope(text),
        context(text),
    ];
    read.contains(&true) || oracle::is_hash(text) || node || same::<ProposalId>(text)
}

/// Whether the type accepts the text, which it then shows unchanged.
fn same<T: FromStr + Display>(text: &str) -> bool {
    let read = text.parse::<T>();
    if let Ok(value) = &read {
        assert_eq!(value.to_string(), text);
    }
    read.is_ok()
}

fn scope(text: &str) -> bool {
    let Ok(scope) = serde_json::from_str::<Scope>(text) else {
        return false;
    };
    let written = serde_json::to_string(&scope).expect("it was read");
    let again: Scope = serde_json::from_str(&written).expect("what was written is read");
    assert_eq!(again, scope);
    assert!(scope.is_within(&scope));
    assert!(scope.is_within(&Scope::unrestricted()));
    assert_eq!(
        Scope::unrestricted().is_within(&scope),
        scope.is_unrestricted()
    );
    assert!(scope.dimensions().count() <= Scope::MAX_KEYS);
    // Without sets of values nothing is denied.
    let nowhere = CheckContext::default();
    let only_limits = scope.dimensions().all(|(key, _)| key.is_limit());
    assert_eq!(scope.admits(&nowhere), only_limits);
    true
}

fn context(text: &str) -> bool {
    let Ok(context) = serde_json::from_str::<CheckContext>(text) else {
        return false;
    };
    let written = serde_json::to_string(&context).expect("it was read");
    assert_eq!(
        serde_json::from_str::<CheckContext>(&written).ok(),
        Some(context)
    );
    true
}
