//! Snapshots: the header, and the records of a state.
//!
//! A changed record has another state hash than the header states, and nothing behind it would be
//! reached. So the records are read a second time without their header.

use althing::governance::invariant;
use althing::governance::state::StateReader;
use althing::replay::snapshot::{Header, Snapshot, write};

/// What is read is written in one form, which is read as the same, and keeps the invariants.
pub fn run(bytes: &[u8]) -> bool {
    if let Ok(snapshot) = Snapshot::read(bytes) {
        let mut written = Vec::new();
        write(snapshot.header(), snapshot.state(), &mut written).expect("memory");
        // White space and the order of members are free to the reader: a MAC stands over the bytes.
        let again = Snapshot::read(written.as_slice()).expect("what was written is read");
        let mut rewritten = Vec::new();
        write(again.header(), again.state(), &mut rewritten).expect("memory");
        assert!(rewritten == written, "the second writing differs");
        assert_eq!(snapshot.merkle().size(), snapshot.header().seq);
        assert_eq!(snapshot.state().hash(), snapshot.header().state_hash);
    }
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return false;
    };
    let (header, records) = (&bytes[..end], &bytes[end + 1..]);
    if let Ok(parsed) = Header::parse(header) {
        let written = serde_json::to_string(&parsed).expect("it was read");
        assert_eq!(Header::parse(written.as_bytes()).ok(), Some(parsed));
    }
    read(records)
}

fn read(records: &[u8]) -> bool {
    let mut reader = StateReader::new();
    let Some(text) = records.strip_suffix(b"\n") else {
        return false;
    };
    for line in text.split(|byte| *byte == b'\n') {
        if reader.record(line).is_err() {
            return false;
        }
    }
    let Ok(state) = reader.finish() else {
        return false;
    };
    if let Err(violation) = invariant::check(&state) {
        panic!("{violation}");
    }
    // Twice, so that what was read is compared as it is written, whatever form it had.
    let mut written = Vec::new();
    state.write_records(&mut written).expect("memory");
    let mut reader = StateReader::new();
    for line in written
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        reader.record(line).expect("what was written is read");
    }
    let again = reader.finish().expect("what was written is read");
    assert_eq!(again.hash(), state.hash());
    let mut rewritten = Vec::new();
    again.write_records(&mut rewritten).expect("memory");
    assert!(rewritten == written, "the second writing differs");
    true
}
