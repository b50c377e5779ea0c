use proptest::prelude::*;
use serde_json::value::RawValue;
use sha2::Digest as _;

use super::*;
use crate::governance::time::Timestamp;

fn entry(operation: &'static str, data: &str) -> NewEntry {
    NewEntry {
        timestamp: "2026-05-04T09:30:00.000000Z".parse().unwrap(),
        operation: operation.into(),
        data: RawValue::from_string(data.to_owned()).unwrap(),
    }
}

fn line_of(batch: &EncodedBatch, entry: usize) -> &[u8] {
    &batch.bytes()[batch.entries()[entry].range.clone()]
}

/// Gives `line` the hash of its bytes, so that a test reaches the checks behind the hash.
fn rehashed(line: &str) -> String {
    let covered = &line[..line.len() - ENTRY_HASH_BYTES];
    let hash = Digest::of(covered.as_bytes());
    format!("{covered},\"entry_hash\":\"{hash}\"}}")
}

const GOLDEN: &str = concat!(
    r#"{"v":1,"seq":1,"batch":[1,1],"timestamp":"2026-05-04T09:30:00.000000Z","#,
    r#""operation":"vote_cast","data":{"a":1},"#,
    r#""prev_hash":"0000000000000000000000000000000000000000000000000000000000000000","#,
    r#""entry_hash":"2ba8e6e9b7bf48b1835beb98cdfaa12de5fa78f6784f999e1e314dedd45a474f"}"#,
);

#[test]
fn the_bytes_of_a_line_are_fixed() {
    let batch = encode_batch(&Head::GENESIS, &[entry("vote_cast", r#"{"a":1}"#)]).unwrap();
    assert_eq!(
        String::from_utf8_lossy(batch.bytes()),
        format!("{GOLDEN}\n")
    );
}

#[test]
fn what_is_wrong_with_data_has_its_place_in_the_line() {
    for (data, problem) in [(r#"{"a": 1}"#, 5), (r#"{"b":1,"a":2}"#, 7), ("[1]", 0)] {
        let line = rehashed(&GOLDEN.replace(r#"{"a":1}"#, data));
        let place = match Line::decode(line.as_bytes()) {
            Err(LineError::Data { offset, .. } | LineError::Malformed { offset, .. }) => offset,
            other => panic!("{other:?}"),
        };
        assert_eq!(place, line.find(data).unwrap() + problem, "{line}");
    }
}

#[test]
fn a_batch_decodes_to_what_was_encoded() {
    let head = Head {
        seq: 41,
        hash: Digest::of(b"before"),
    };
    let entries = [
        entry("proposal_created", r#"{"title":"ö"}"#),
        entry("vote_cast", "{}"),
        entry("prediction_recorded", r#"{"mean":0.50,"t":-0}"#),
    ];
    let batch = encode_batch(&head, &entries).unwrap();
    assert_eq!(*batch.previous(), head);
    let mut previous = head;
    for (index, new) in entries.iter().enumerate() {
        let line = Line::decode(line_of(&batch, index)).unwrap();
        assert!(line.hash_matches());
        assert_eq!(line.seq, previous.seq + 1);
        assert_eq!((line.batch.index, line.batch.count), (index as u64 + 1, 3));
        assert_eq!(line.batch.is_last(), index == 2);
        assert_eq!(line.timestamp, new.timestamp);
        assert_eq!(line.operation, new.operation);
        assert_eq!(line.data, new.data.get());
        assert_eq!(line.prev_hash, previous.hash);
        previous = Head {
            seq: line.seq,
            hash: line.entry_hash,
        };
    }
    assert_eq!(*batch.head(), previous);
    assert_eq!(batch.bytes().last(), Some(&b'\n'));
}

/// `sed -n 5p FILE | head -c -82 | sha256sum`: the fifth line, its last 82 bytes with the line feed
/// removed, hashes to that line's `entry_hash`.
#[test]
fn coreutils_can_check_a_line() {
    let entries: Vec<_> = (0..7).map(|_| entry("vote_cast", "{}")).collect();
    let batch = encode_batch(&Head::GENESIS, &entries).unwrap();
    let fifth = batch
        .bytes()
        .split_inclusive(|byte| *byte == b'\n')
        .nth(4)
        .unwrap();
    let sum = sha2::Sha256::digest(&fifth[..fifth.len() - 82]);
    assert_eq!(sum[..], batch.entries()[4].hash.as_bytes()[..]);
}

#[test]
fn what_would_not_decode_is_not_encoded() {
    let last = Head {
        seq: crate::governance::MAX_INTEGER,
        hash: Digest::ZERO,
    };
    let long_name = Box::leak("a".repeat(65).into_boxed_str());
    let big = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LINE_BYTES));
    let mut later = entry("a", "{}");
    later.timestamp = Timestamp::MAX;
    for (head, entries, code) in [
        (Head::GENESIS, vec![], "batch.empty"),
        (Head::GENESIS, vec![entry("", "{}")], "batch.operation"),
        (Head::GENESIS, vec![entry("A", "{}")], "batch.operation"),
        (Head::GENESIS, vec![entry("a-b", "{}")], "batch.operation"),
        (
            Head::GENESIS,
            vec![entry(long_name, "{}")],
            "batch.operation",
        ),
        (Head::GENESIS, vec![entry("a", "[]")], "batch.data"),
        (Head::GENESIS, vec![entry("a", "{ }")], "batch.data"),
        (Head::GENESIS, vec![entry("a", "{\"a\":0.5}")], "batch.data"),
        (Head::GENESIS, vec![entry("a", &big)], "batch.line-too-long"),
        (Head::GENESIS, vec![later, entry("a", "{}")], "batch.time"),
        (last, vec![entry("a", "{}")], "batch.sequence-exhausted"),
    ] {
        let error = encode_batch(&head, &entries).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn the_longest_line_is_exactly_one_mebibyte() {
    let padded = |bytes: usize| entry("a", &format!("{{\"a\":\"{}\"}}", "x".repeat(bytes)));
    let empty = encode_batch(&Head::GENESIS, &[padded(0)]).unwrap();
    let room = MAX_LINE_BYTES - line_of(&empty, 0).len();
    let full = encode_batch(&Head::GENESIS, &[padded(room)]).unwrap();
    assert_eq!(line_of(&full, 0).len(), MAX_LINE_BYTES);
    assert!(Line::decode(line_of(&full, 0)).is_ok());
    assert!(encode_batch(&Head::GENESIS, &[padded(room + 1)]).is_err());
    assert_eq!(
        Line::decode(&vec![b'x'; MAX_LINE_BYTES + 1]),
        Err(LineError::TooLong)
    );
}

#[test]
fn other_forms_are_refused() {
    let zeros = "0".repeat(64);
    for (from, to, code) in [
        ("", "\u{feff}", "line.malformed"),
        ("{\"v\"", " {\"v\"", "line.malformed"),
        ("\"v\":1", "\"v\":2", "line.version"),
        ("\"v\":1", "\"v\":0", "line.version"),
        ("\"v\":1", "\"v\":01", "line.malformed"),
        ("\"v\":1", "\"v\": 1", "line.malformed"),
        ("\"v\":1,", "", "line.malformed"),
        ("\"seq\":1", "\"seq\":0", "line.malformed"),
        ("\"seq\":1", "\"seq\":-1", "line.malformed"),
        ("\"seq\":1", "\"seq\":+1", "line.malformed"),
        ("\"seq\":1", "\"seq\":01", "line.malformed"),
        ("\"seq\":1", "\"seq\":1.0", "line.malformed"),
        ("\"seq\":1", "\"seq\":\"1\"", "line.malformed"),
        ("\"seq\":1", "\"seq\":9007199254740992", "line.malformed"),
        (
            "\"seq\":1",
            "\"seq\":99999999999999999999",
            "line.malformed",
        ),
        ("\"seq\":1", "\"seq\":1,\"seq\":1", "line.malformed"),
        ("[1,1]", "[0,1]", "line.malformed"),
        ("[1,1]", "[2,1]", "line.malformed"),
        ("[1,1]", "[2,2]", "line.malformed"),
        ("[1,1]", "[1, 1]", "line.malformed"),
        ("[1,1]", "[1]", "line.malformed"),
        ("09:30:00.000000Z", "09:30:00Z", "line.malformed"),
        ("09:30:00.000000Z", "09:30:60.000000Z", "line.malformed"),
        ("vote_cast", "", "line.malformed"),
        ("vote_cast", "vote-cast", "line.malformed"),
        ("vote_cast", "voteCast", "line.malformed"),
        ("vote_cast", &"a".repeat(65), "line.malformed"),
        ("{\"a\":1}", "", "line.malformed"),
        ("{\"a\":1}", "[1]", "line.malformed"),
        ("{\"a\":1}", "1", "line.malformed"),
        ("{\"a\":1}", "{\"a\":1,\"a\":1}", "line.data"),
        ("{\"a\":1}", "{\"a\":1} ", "line.data"),
        ("{\"a\":1}", "{\"a\":0.5}", "line.data"),
        ("{\"a\":1}", "{\"a\":\"\0\"}", "line.data"),
        ("{\"a\":1}", "{\"a\":1}\r", "line.data"),
        ("{\"a\":1}", "{\"a\":1},\"x\":{}", "line.data"),
        (&zeros, &zeros[1..], "line.malformed"),
        (&zeros, &zeros.replace('0', "A"), "line.malformed"),
        ("prev_hash", "prev_hasH", "line.malformed"),
    ] {
        let line = rehashed(&GOLDEN.replacen(from, to, 1));
        let error = Line::decode(line.as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{from} -> {to}: {error}");
    }
}

#[test]
fn other_bytes_around_a_line_are_refused() {
    let carriage_return = format!("{GOLDEN}\r");
    let upper = GOLDEN.replace("2ba8e6", "2BA8E6");
    for (bytes, expected) in [
        (&b""[..], "line.malformed"),
        (b" ", "line.malformed"),
        (b"null", "line.malformed"),
        (&GOLDEN.as_bytes()[1..], "line.malformed"),
        (&GOLDEN.as_bytes()[..GOLDEN.len() - 1], "line.malformed"),
        (carriage_return.as_bytes(), "line.malformed"),
        (upper.as_bytes(), "line.malformed"),
        (b"\xff", "line.utf8"),
    ] {
        assert_eq!(Line::decode(bytes).unwrap_err().code(), expected);
    }
    let spoilt = GOLDEN.replace(
        "vote_cast\",\"data\":{\"a\":1",
        "vote_cast\",\"data\":{\"a\":\"!\"",
    );
    let mut spoilt = spoilt.into_bytes();
    let at = spoilt.iter().position(|byte| *byte == b'!').unwrap();
    spoilt[at] = 0xff;
    assert_eq!(Line::decode(&spoilt), Err(LineError::Utf8 { offset: at }));
}

#[test]
fn an_error_names_its_place() {
    let line = GOLDEN.replace("\"seq\"", "\"Seq\"");
    assert_eq!(
        Line::decode(line.as_bytes()),
        Err(LineError::Malformed {
            offset: 8,
            expected: ",\"seq\":",
        })
    );
}

#[test]
fn a_changed_line_no_longer_carries_its_hash() {
    let changed = GOLDEN.replace("\"a\":1", "\"a\":2");
    let line = Line::decode(changed.as_bytes()).unwrap();
    assert!(!line.hash_matches());
}

#[test]
fn positions_tell_early_ends_from_other_bytes() {
    let start = r#"{"v":1,"seq":12,"batch":[2,3]"#;
    let position = Position::parse(start.as_bytes()).unwrap();
    assert_eq!((position.seq, position.batch_start()), (12, 11));
    for length in 0..start.len() {
        let offset = match Position::parse(&start.as_bytes()[..length]) {
            Err(LineError::Malformed { offset, .. }) => offset,
            other => panic!("{other:?}"),
        };
        assert_eq!(offset, length);
    }
    for other in ["{\"v\":1;", "{\"v\":1,\"seq\":1é", "x"] {
        match Position::parse(other.as_bytes()) {
            Err(LineError::Malformed { offset, .. }) => assert!(offset < other.len(), "{other}"),
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(crate::test_support::config(512))]

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Line::decode(&bytes);
        let _ = Position::parse(&bytes);
        let _ = stated_hash_differs(&bytes);
    }

    /// Whatever still decodes after an edit shows it by its hash, unless the edit undid itself.
    #[test]
    fn edits_are_refused_or_visible(
        at in any::<prop::sample::Index>(),
        cut in 0_usize..4,
        insert in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = GOLDEN.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, insert);
        if let Ok(line) = Line::decode(&bytes) {
            prop_assert_eq!(line.hash_matches(), bytes == GOLDEN.as_bytes());
        }
    }
}
