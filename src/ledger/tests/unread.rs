//! A ledger whose segments are only listed: a replay reads every line of them, and what it can't see
//! is asked of the list.

use super::*;
use crate::governance::digest::Digest;
use crate::ledger::UnreadLedger;

fn list(dir: &Path) -> UnreadLedger<Faulty> {
    UnreadLedger::list_on(Faulty::default(), dir)
        .unwrap()
        .unwrap()
}

fn name(first_seq: u64) -> String {
    format!("ledger/{first_seq:020}.jsonl")
}

/// Moves what stands behind the first line of a segment to the next one, of the right number.
fn cut_behind_a_line(dir: &Path, segment: usize, next: u64) {
    let path = &segments(dir)[segment];
    let bytes = fs::read(path).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let behind = dir.join(name(next));
    let rest = [&bytes[end..], &fs::read(&behind).unwrap_or_default()].concat();
    fs::write(path, &bytes[..end]).unwrap();
    fs::write(behind, rest).unwrap();
}

fn seal(dir: &Path, file: &str, content: &[u8]) {
    let path = dir.join("ledger/SHA256SUMS");
    let text = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, format!("{text}{}  {file}\n", Digest::of(content))).unwrap();
}

fn unseal(dir: &Path) {
    fs::remove_file(dir.join("ledger/SHA256SUMS")).unwrap();
}

#[test]
fn a_whole_ledger_fits_and_its_seals_hold() {
    let dir = three_segments();
    let ledger = list(dir.path());
    assert!(ledger.fits(5));
    assert!(UnreadLedger::list(dir.path()).unwrap().seals_hold());
    let bytes = batches(&[1, 1, 2, 1]).concat();
    assert_eq!(ledger.bytes(), bytes.len() as u64);
    // A writer starts a segment before it has a line for it.
    fs::write(dir.path().join(name(6)), b"").unwrap();
    assert!(list(dir.path()).fits(5));
    // Two batches in two segments instead of one: the seal of the one does not fit any more.
    unseal(dir.path());
    cut_behind_a_line(dir.path(), 0, 2);
    assert!(list(dir.path()).fits(5));
}

#[test]
fn segments_that_are_not_those_of_the_history_do_not_fit() {
    type Damage = (&'static str, fn(&Path));
    let cases: [Damage; 8] = [
        ("the middle is missing", |dir| {
            fs::remove_file(&segments(dir)[1]).unwrap();
        }),
        ("the middle is empty", |dir| {
            fs::write(&segments(dir)[1], b"").unwrap();
            unseal(dir);
        }),
        ("the last two are missing", |dir| {
            fs::remove_file(&segments(dir)[2]).unwrap();
            fs::remove_file(&segments(dir)[1]).unwrap();
        }),
        ("an empty one at the end has another number", |dir| {
            fs::write(dir.join(name(7)), b"").unwrap();
        }),
        ("an empty one at the end is sealed", |dir| {
            fs::write(dir.join(name(6)), b"").unwrap();
            seal(dir, &name(6)["ledger/".len()..], b"");
        }),
        ("the first has another number", |dir| {
            fs::rename(&segments(dir)[0], dir.join(name(2))).unwrap();
            unseal(dir);
        }),
        ("the last has another number", |dir| {
            fs::rename(&segments(dir)[2], dir.join(name(6))).unwrap();
        }),
        ("one starts within a batch", |dir| {
            unseal(dir);
            cut_behind_a_line(dir, 1, 4);
        }),
    ];
    for (what, damage) in cases {
        let dir = three_segments();
        damage(dir.path());
        assert!(!list(dir.path()).fits(5), "{what}");
    }
}

#[test]
fn a_sealed_segment_with_another_hash_is_told() {
    for (segment, holds) in [(0, false), (1, false), (2, true)] {
        let dir = three_segments();
        let path = &segments(dir.path())[segment];
        let mut bytes = fs::read(path).unwrap();
        // Where no replay looks for it: the number of a line stays what it was.
        *bytes.last_mut().unwrap() = b' ';
        fs::write(path, bytes).unwrap();
        let listed = UnreadLedger::list(dir.path()).unwrap();
        assert_eq!(listed.seals_hold(), holds, "{segment}");
    }
    // Seals that can't be read are for a closer look.
    let dir = three_segments();
    fs::write(
        dir.path().join("ledger/SHA256SUMS"),
        "nothing of the kind\n",
    )
    .unwrap();
    let listed = UnreadLedger::list_on(Faulty::default(), dir.path()).unwrap();
    assert!(listed.is_none());
}
