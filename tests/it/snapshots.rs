//! Snapshots: a state that was put down and read again is the state, and nothing else is one.

use std::io::Read;

use althing::chain::line::Line;
use althing::chain::lines::LineReader;
use althing::chain::place::Place;
use althing::governance::MAX_INTEGER;
use althing::governance::digest::Digest;
use althing::governance::state::State;
use althing::replay::snapshot::{Header, Snapshot, write};
use althing::replay::{Replay, Replayed};
use althing::testing::{Assembly, StandInVerifier, actions, strategies};
use proptest::prelude::*;
use serde_json::Value;

/// The snapshot of what was replayed up to a line that ends `end` bytes into one segment.
fn snapshot_of(replayed: &Replayed, end: usize, line: usize) -> Vec<u8> {
    let place = Place {
        segment: 1,
        before: 0,
        end: end as u64,
        line: line as u64,
    };
    let Replayed {
        state,
        head,
        merkle,
    } = replayed;
    let mut bytes = Vec::new();
    write(&Header::of(state, head, merkle, place), state, &mut bytes).expect("memory takes all");
    bytes
}

/// Where a ledger can be cut between batches: how many bytes come before, and how long the last
/// line is.
fn cuts(ledger: &[u8]) -> Vec<(usize, usize)> {
    let mut cuts = Vec::new();
    let mut end = 0;
    for line in ledger.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let decoded = Line::decode(&line[..line.len() - 1]).expect("a line");
        if decoded.batch.is_last() {
            cuts.push((end, line.len()));
        }
    }
    cuts
}

fn replay(source: impl Read, chunk: usize) -> Replayed {
    Replay::new(&StandInVerifier)
        .read_to_end(LineReader::new(source).with_chunk_bytes(chunk))
        .expect("what a node writes replays")
}

/// Equal in every respect: in everything that `==` compares, in the order that lists keep, and in
/// the exact bytes of what was signed.
fn assert_same(one: &State, other: &State) {
    let bytes = |state: &State| {
        let mut bytes = Vec::new();
        state.write_records(&mut bytes).expect("memory takes all");
        bytes
    };
    assert!(one == other, "{one:#?}\n{other:#?}");
    assert_eq!(bytes(one), bytes(other));
    // Written straight down, the projections are canonical all the same.
    for (text, hash) in [
        (one.projection(), one.hash()),
        (one.registry_projection(), one.registry_hash()),
    ] {
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            serde_json_canonicalizer::to_string(&value).expect("JSON"),
            text
        );
        assert_eq!(hash, Digest::of(text.as_bytes()));
    }
    assert_eq!(one.projection(), other.projection());
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

/// Ballots whose signatures have served go through a snapshot without them, and only those.
#[test]
fn a_ballot_goes_without_its_signature_only_when_no_evidence_is_taken() {
    let mut assembly = Assembly::of(&[1; 3]);
    let old = assembly.pass(0..3, actions::authorize_model("triage"));
    assembly.wait(30 * 86_400);
    assembly.pass(0..3, actions::authorize_model("other"));
    let bytes = assembly.bytes();
    let replayed = replay(bytes, 1 << 20);
    let (end, line) = *cuts(bytes).last().expect("batches");
    let written = snapshot_of(&replayed, end, line);
    let snapshot = Snapshot::read(&written[..]).expect("what was written is read");
    assert_same(snapshot.state(), &replayed.state);
    let text = String::from_utf8(written).expect("JSON");
    let said = text.matches(r#""kept":{"said":"#).count();
    assert_eq!(said, 2);
    assert_eq!(text.matches(r#""kept":{"signed":"#).count(), 2);

    // Without its window, the old proposal could still be contested.
    let window = r#""evidence_window_seconds":2592000"#;
    let at = text
        .find(&format!(r#""proposal_id":"{old}""#))
        .expect("a proposal");
    let at = at + text[at..].find(window).expect("a window");
    let longer = [
        &text[..at],
        &window.replace('2', "3"),
        &text[at + window.len()..],
    ]
    .concat();
    let refused = Snapshot::read(longer.as_bytes())
        .map(|_| ())
        .map_err(|it| it.to_string());
    assert!(
        refused
            .as_ref()
            .is_err_and(|it| it.contains("a ballot without its signature")),
        "{refused:?}"
    );
}

#[test]
fn a_snapshot_has_whole_lines_and_an_error_names_the_one() {
    let assembly = Assembly::of(&[1]);
    let (end, line) = *cuts(assembly.bytes()).last().expect("the founding");
    let whole = snapshot_of(&replay(assembly.bytes(), 4096), end, line);
    let code = |bytes: &[u8]| Snapshot::read(bytes).err().map(|error| error.code());
    assert_eq!(code(&whole), None);
    assert_eq!(code(&whole[..whole.len() - 1]), Some("snapshot.cut-short"));
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for number in 1..lines.len() {
        let mut lines = lines.clone();
        lines[number] = b"{}\n";
        let error = Snapshot::read(&lines.concat()[..]).expect_err("no record");
        let named = format!("line {} of the snapshot", number + 1);
        assert!(error.to_string().starts_with(&named), "{error}");
    }
}

#[test]
fn the_last_line_of_a_snapshot_stands_somewhere() {
    let assembly = Assembly::of(&[1]);
    let (end, line) = *cuts(assembly.bytes()).last().expect("the founding");
    let bytes = snapshot_of(&replay(assembly.bytes(), 4096), end, line);
    let first = bytes.split(|byte| *byte == b'\n').next().expect("a header");
    let header: Value = serde_json::from_slice(first).expect("JSON");
    let (seq, end) = (header["seq"].as_u64().expect("a number"), end as u64);
    for (change, is_one) in [
        (&[("segment", 1)][..], true),
        (&[("segment", seq)], true),
        (&[("segment", seq + 1)], false),
        (&[("segment", 0)], false),
        (&[("line", 1)], true),
        (&[("line", end)], true),
        (&[("line", end + 1)], false),
        (&[("line", 0)], false),
        (&[("segment", 0), ("line", 0)], false),
        (&[("before", MAX_INTEGER)], true),
        (&[("before", MAX_INTEGER + 1)], false),
        (&[("end", MAX_INTEGER)], true),
        (&[("end", MAX_INTEGER + 1)], false),
    ] {
        let mut header = header.clone();
        for (name, number) in change {
            header["place"][name] = (*number).into();
        }
        let code = Header::parse(header.to_string().as_bytes()).err();
        let code = code.map(|error| error.code());
        let expected = (!is_one).then_some("snapshot.header");
        assert_eq!(code, expected, "{change:?}");
    }
}

proptest! {
    #![proptest_config(crate::config(16))]

    #[test]
    fn a_replay_goes_on_from_a_snapshot_at_every_cut(
        history in strategies::histories(24),
        chunk in 1..20_000_usize,
    ) {
        let played = history.play();
        let ledger = played.assembly.bytes();
        let whole = replay(ledger, chunk);
        for (end, line) in cuts(ledger) {
            let before = replay(&ledger[..end], chunk);
            let bytes = snapshot_of(&before, end, line);
            let snapshot = Snapshot::read(&bytes[..]).expect("what was written is read");
            assert_same(snapshot.state(), &before.state);
            prop_assert_eq!(snapshot.merkle(), &before.merkle);
            prop_assert_eq!(snapshot.header().prefix().tip.head, before.head);
            prop_assert_eq!(&snapshot_of(&before, end, line), &bytes);

            let resumed = Replay::resume(&StandInVerifier, snapshot);
            let rest = LineReader::new(&ledger[end..]).with_chunk_bytes(chunk);
            let resumed = resumed.read_to_end(rest).expect("the rest replays");
            assert_same(&resumed.state, &whole.state);
            prop_assert_eq!(resumed.merkle.root(), whole.merkle.root());
            prop_assert_eq!(resumed.head, whole.head);
        }
    }
}
