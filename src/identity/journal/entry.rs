//! One line of a journal.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::governance::digest::Digest;
use crate::governance::key::Signature;
use crate::governance::statement::{Signed, StatementContent};

use super::Slot;

/// One line. `statement` is the raw text when reading and the statement itself when writing.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry<S> {
    pub(super) intent: String,
    pub(super) kind: String,
    pub(super) signature: Signature,
    pub(super) slot: String,
    pub(super) statement: S,
    pub(super) statement_sha256: Digest,
}

impl Entry<Box<RawValue>> {
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let entry: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if Digest::of(entry.statement.get().as_bytes()) != entry.statement_sha256 {
            return Err("statement_sha256 is not the digest of the statement".to_owned());
        }
        Ok(entry)
    }
}

pub(super) fn line_of<T: StatementContent>(
    slot: &Slot,
    signed: &Signed<T>,
) -> serde_json::Result<String> {
    let entry = Entry {
        intent: slot.intent.clone(),
        kind: T::DOMAIN.to_owned(),
        signature: signed.signature.clone(),
        slot: slot.scope.clone(),
        statement: &signed.statement,
        statement_sha256: Digest::of(signed.statement.as_str().as_bytes()),
    };
    Ok(serde_json::to_string(&entry)? + "\n")
}
