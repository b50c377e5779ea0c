//! Lines, against a reader made of a JSON library and a format string.

use althing::chain::line::{Line, MAX_LINE_BYTES, MAX_OPERATION_BYTES};
use althing::governance::MAX_INTEGER;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::oracle;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    v: u64,
    seq: u64,
    batch: [u64; 2],
    timestamp: &'a str,
    operation: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
    prev_hash: &'a str,
    entry_hash: &'a str,
}

/// Both readers accept the same lines and read the same from them.
pub fn run(bytes: &[u8]) -> bool {
    let found = Line::decode(bytes);
    let expected = members(bytes);
    assert_eq!(found.is_ok(), expected.is_some(), "{found:?}");
    let (Ok(line), Some(members)) = (found, expected) else {
        return false;
    };
    assert_eq!(line.raw(), bytes);
    assert_eq!(line.seq, members.seq);
    assert_eq!([line.batch.index, line.batch.count], members.batch);
    assert_eq!(line.timestamp.to_string(), members.timestamp);
    assert_eq!(line.operation, members.operation);
    assert_eq!(line.data, members.data.get());
    assert_eq!(line.prev_hash.to_string(), members.prev_hash);
    assert_eq!(line.entry_hash.to_string(), members.entry_hash);
    let covered = Sha256::digest(&bytes[..bytes.len() - 81]);
    let hex: String = covered.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(line.computed_hash().to_string(), hex);
    assert_eq!(line.hash_matches(), hex == members.entry_hash);
    true
}

fn members(bytes: &[u8]) -> Option<Members<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let members: Members<'_> = serde_json::from_str(text).ok()?;
    let [index, count] = members.batch;
    let operation = members.operation;
    let data = members.data.get();
    let is_canonical = match operation {
        "prediction_recorded" => oracle::is_canonical_but_for_numbers(data),
        _ => oracle::is_canonical(data),
    };
    let holds = bytes.len() <= MAX_LINE_BYTES
        && members.v == 1
        && (1..=MAX_INTEGER).contains(&members.seq)
        && (1..=count).contains(&index)
        && index <= members.seq
        && count <= MAX_INTEGER
        && oracle::is_timestamp(members.timestamp)
        && (1..=MAX_OPERATION_BYTES).contains(&operation.len())
        && operation
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'_'))
        && data.starts_with('{')
        && is_canonical
        && oracle::is_hash(members.prev_hash)
        && oracle::is_hash(members.entry_hash)
        && text == written(&members);
    holds.then_some(members)
}

fn written(members: &Members<'_>) -> String {
    let Members {
        v,
        seq,
        batch: [index, count],
        timestamp,
        operation,
        data,
        prev_hash,
        entry_hash,
    } = members;
    format!(
        "{{\"v\":{v},\"seq\":{seq},\"batch\":[{index},{count}],\"timestamp\":\"{timestamp}\",\
         \"operation\":\"{operation}\",\"data\":{data},\"prev_hash\":\"{prev_hash}\",\
         \"entry_hash\":\"{entry_hash}\"}}"
    )
}
