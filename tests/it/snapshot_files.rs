//! Snapshots on disk: which are used, what is read then, and what becomes of all others.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use althing::governance::ballot::Decision;
use althing::governance::digest::Digest;
use althing::governance::key::{PublicKey, Signature, SignatureVerifier};
use althing::governance::state::State;
use althing::ledger::lock::{LockError, WriterLock};
use althing::ledger::snapshots::{SnapshotFiles, SnapshotKey};
use althing::ledger::storage::{Disk, Storage, StorageFile};
use althing::ledger::{FileLedger, Wait};
use althing::node::Node;
use althing::node::snapshots::{Opened, SnapshotPolicy, Snapshots};
use althing::replay::snapshot::{Snapshot, SnapshotError};
use althing::state_dir::StateDir;
use althing::testing::{Assembly, StandInVerifier, actions};
use serde_json::Value;
use tempfile::TempDir;

/// A ledger that has everything a state can have something of.
fn ledger() -> Assembly {
    let mut assembly = Assembly::of(&[3, 2, 2, 1]);
    assembly.pass([0, 1], actions::authorize_model("triage"));
    assembly.predict("triage");
    assembly.predict("other");
    assembly.pass([0, 1], actions::authorize_agent("scheduler"));
    let joined = assembly.newcomer(1);
    assembly.pass(
        [0, 1, 2],
        althing::governance::proposal::Action::AddNode(joined),
    );
    assembly.pass([0, 1, 2], actions::revoke_agent("scheduler"));
    let open = assembly.propose(1, actions::authorize_model("second"));
    assembly.vote(2, open, Decision::Abstain);
    assembly.accuse(3, open);
    assembly
}

/// A directory with a ledger of these bytes in one segment.
fn dir_with(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("ledger")).expect("a directory");
    write_ledger(dir.path(), bytes);
    dir
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("ledger").join(format!("{:020}.jsonl", 1))
}

fn write_ledger(dir: &Path, bytes: &[u8]) {
    fs::write(segment(dir), bytes).expect("a file");
}

/// The snapshots of the ledger in `dir`, with the user's key beside it.
fn snapshots(dir: &Path) -> Snapshots {
    Snapshots::new(dir, StateDir::new(dir.join("state")))
}

fn open(snapshots: &Snapshots) -> Opened<Node<FileLedger>> {
    snapshots
        .open_node_with(Wait::No, Box::new(StandInVerifier))
        .expect("the ledger opens, whatever its snapshots are")
}

/// Takes a snapshot of the ledger in `dir` as it is.
fn take(dir: &Path) -> PathBuf {
    let snapshots = snapshots(dir);
    let node = open(&snapshots).value;
    snapshots.take(&node).expect("a snapshot").path
}

fn state_of(bytes: &[u8]) -> State {
    let replayed = althing::replay::replay(bytes, &StandInVerifier).expect("a valid history");
    replayed.state
}

/// Where a ledger can be cut between batches.
fn batch_ends(ledger: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut end = 0;
    for line in ledger.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let line = althing::chain::line::Line::decode(&line[..line.len() - 1]).expect("a line");
        if line.batch.is_last() {
            ends.push(end);
        }
    }
    ends
}

#[test]
fn a_snapshot_and_the_tail_give_the_whole_state() {
    let assembly = ledger();
    let bytes = assembly.bytes();
    let ends = batch_ends(bytes);
    for end in &ends {
        let dir = dir_with(&bytes[..*end]);
        take(dir.path());
        write_ledger(dir.path(), bytes);
        let opened = open(&snapshots(dir.path()));
        let taken_at = state_of(&bytes[..*end]).entries();
        assert_eq!(opened.from, Some(taken_at));
        assert!(opened.ignored.is_empty());
        assert!(opened.value.state() == assembly.state());
        assert_eq!(opened.value.merkle(), assembly.node().merkle());
        assert_eq!(opened.value.head(), assembly.node().head());
        drop(opened);
        let read = snapshots(dir.path()).replay_with(&StandInVerifier);
        let read = read.expect("readable");
        assert_eq!(read.from, Some(taken_at));
        assert!(read.value.state == *assembly.state());
    }
    assert!(ends.len() > 10);
}

#[test]
fn a_node_goes_on_writing_behind_a_snapshot() {
    let mut assembly = ledger();
    let dir = dir_with(assembly.bytes());
    take(dir.path());
    let opened = open(&snapshots(dir.path()));
    let mut node = opened.value;
    assert_eq!(opened.from, Some(node.state().entries()));
    let more = althing::testing::prediction("triage");
    let command = althing::governance::Command::RecordPrediction(more);
    node.submit(&command, assembly.now()).expect("recorded");
    assembly.predict("triage");
    assert!(node.state() == assembly.state());
    drop(node);
    assert_eq!(
        fs::read(segment(dir.path())).expect("a file"),
        assembly.bytes()
    );
}

type Change = fn(&Path, &[u8]);

/// Changes the bytes of the only snapshot.
fn edit(dir: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let file = only_snapshot(dir);
    let bytes = fs::read(&file).expect("a snapshot");
    fs::write(file, change(bytes)).expect("a file");
}

/// Changes the place that the only snapshot names, under the right key.
fn place(dir: &Path, change: impl FnOnce(&mut Value)) {
    let bytes = fs::read(only_snapshot(dir)).expect("a snapshot");
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let mut header: Value = serde_json::from_slice(lines.remove(0)).expect("a header");
    change(&mut header["place"]);
    lines.pop();
    let seq = header["seq"].as_u64().expect("a number");
    let state_dir = StateDir::new(dir.join("state"));
    let key = state_dir.secret("snapshot.key").expect("readable");
    let written =
        SnapshotFiles::new(Disk, dir).write(seq, &SnapshotKey::new(&key.expect("a key")), |out| {
            writeln!(out, "{header}")?;
            out.write_all(&lines.concat())
        });
    written.expect("a snapshot");
}

fn add(place: &mut Value, member: &str, difference: i64) {
    let number = place[member].as_i64().expect("a number");
    place[member] = (number + difference).into();
}

/// The lengths of the last two lines, the last one behind the other.
fn last_lines(bytes: &[u8]) -> [i64; 2] {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let lengths = [lines.len() - 2, lines.len() - 1].map(|index| lines[index].len());
    lengths.map(|length| i64::try_from(length).expect("a short line"))
}

fn only_snapshot(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir.join("snapshots")).expect("a directory");
    files.next().expect("a snapshot").expect("a file").path()
}

#[test]
fn snapshots_that_can_not_be_used_are_ignored_and_everything_is_replayed() {
    let cases: &[(&str, Change, &str)] = &[
        (
            "another key",
            |dir, _| {
                fs::remove_file(dir.join("state/snapshot.key")).expect("a key");
                StateDir::new(dir.join("state"))
                    .secret_or_new("snapshot.key")
                    .expect("a key");
            },
            "snapshot.mac",
        ),
        (
            "no key",
            |dir, _| {
                fs::remove_dir_all(dir.join("state")).expect("a key");
            },
            "snapshot.mac",
        ),
        (
            "a key that others can read",
            |dir, _| {
                let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                fs::set_permissions(dir.join("state/snapshot.key"), open).expect("a key");
            },
            "secret.permissions",
        ),
        (
            "no byte",
            |dir, _| edit(dir, |_| Vec::new()),
            "snapshot.cut-short",
        ),
        (
            "half of it",
            |dir, _| edit(dir, |bytes| bytes[..bytes.len() / 2].to_vec()),
            "snapshot.cut-short",
        ),
        (
            "one record less",
            |dir, _| {
                edit(dir, |bytes| {
                    let mut lines: Vec<&[u8]> =
                        bytes.split_inclusive(|byte| *byte == b'\n').collect();
                    lines.remove(lines.len() - 2);
                    lines.concat()
                })
            },
            "snapshot.mac",
        ),
        (
            "another name",
            |dir, _| {
                let file = only_snapshot(dir);
                fs::rename(&file, file.with_file_name("00000000000000000005.snapshot"))
                    .expect("a file");
            },
            "snapshot.name",
        ),
        (
            "a ledger that was cut",
            |dir, bytes| {
                let ends = batch_ends(bytes);
                write_ledger(dir, &bytes[..ends[ends.len() - 2]]);
            },
            "snapshot.beyond-the-end",
        ),
        (
            "a place beyond the segment's end",
            |dir, _| place(dir, |place| add(place, "end", 1)),
            "snapshot.beyond-the-end",
        ),
        (
            "a place in a segment that is not there",
            |dir, _| place(dir, |place| add(place, "segment", 1)),
            "snapshot.beyond-the-end",
        ),
        (
            "a place that does not start with a line",
            |dir, _| place(dir, |place| add(place, "line", -1)),
            "snapshot.other-history",
        ),
        (
            "a place that does not end with a line",
            |dir, _| place(dir, |place| add(place, "end", -1)),
            "snapshot.other-history",
        ),
        (
            "the place of two lines",
            |dir, bytes| {
                let lines = last_lines(bytes);
                place(dir, |place| add(place, "line", lines[0]));
            },
            "snapshot.other-history",
        ),
        (
            "the place of another line, whose hash is another",
            |dir, bytes| {
                let lines = last_lines(bytes);
                place(dir, |place| {
                    add(place, "end", -lines[1]);
                    add(place, "line", lines[0] - lines[1]);
                });
            },
            "snapshot.other-history",
        ),
        (
            "more bytes before the segment than there are",
            |dir, _| place(dir, |place| add(place, "before", 1)),
            "snapshot.other-history",
        ),
        (
            "another ledger",
            |dir, bytes| {
                let mut other = Assembly::of(&[1]);
                while other.bytes().len() < bytes.len() {
                    other.predict("model");
                }
                write_ledger(dir, other.bytes());
            },
            "snapshot.other-history",
        ),
        (
            "a directory in its place",
            |dir, _| {
                let file = only_snapshot(dir);
                fs::remove_file(&file).expect("a file");
                fs::create_dir(file).expect("a directory");
            },
            "snapshot.io",
        ),
    ];
    let assembly = ledger();
    for (case, change, code) in cases {
        let dir = dir_with(assembly.bytes());
        take(dir.path());
        change(dir.path(), assembly.bytes());
        let opened = open(&snapshots(dir.path()));
        let codes: Vec<_> = opened.ignored.iter().map(|it| it.reason.code()).collect();
        assert_eq!(codes, [*code], "{case}");
        assert_eq!(opened.from, None, "{case}");
        let bytes = fs::read(segment(dir.path())).expect("a file");
        assert!(*opened.value.state() == state_of(&bytes), "{case}");
    }
}

/// A snapshot shows that its last entry was acknowledged. What looks like a torn write before it is
/// none.
#[test]
fn a_torn_tail_that_a_snapshot_knows_better_is_damage() {
    let assembly = ledger();
    let bytes = assembly.bytes();
    let dir = dir_with(bytes);
    take(dir.path());
    write_ledger(dir.path(), &bytes[..bytes.len() - 1]);
    let refused = snapshots(dir.path()).open_node_with(Wait::No, Box::new(StandInVerifier));
    assert_eq!(
        refused.err().map(|error| error.code()),
        Some("tail.checkpoint")
    );
    assert_eq!(
        fs::read(segment(dir.path())).expect("a file"),
        bytes[..bytes.len() - 1]
    );
    fs::remove_dir_all(dir.path().join("snapshots")).expect("snapshots");
    let opened = open(&snapshots(dir.path()));
    assert!(opened.value.state().entries() < assembly.state().entries());
}

/// Behind the snapshot, a crash is recovered from as ever, and damage is found as ever.
#[test]
fn the_tail_behind_a_snapshot_is_examined_as_ever() {
    let assembly = ledger();
    let bytes = assembly.bytes();
    let ends = batch_ends(bytes);
    let (taken, last) = (ends[ends.len() - 4], ends[ends.len() - 2]);
    let prepared = |after: &[u8]| {
        let dir = dir_with(&bytes[..taken]);
        take(dir.path());
        write_ledger(dir.path(), after);
        dir
    };
    let torn = prepared(&bytes[..last + 30]);
    let opened = open(&snapshots(torn.path()));
    assert!(opened.from.is_some());
    assert!(*opened.value.state() == state_of(&bytes[..last]));
    assert!(torn.path().join("quarantine").is_dir());

    let mut damaged = bytes.to_vec();
    damaged[taken + 60] ^= 1;
    let damaged = prepared(&damaged);
    let refused = snapshots(damaged.path()).open_node_with(Wait::No, Box::new(StandInVerifier));
    let code = refused.err().map(|error| error.code());
    assert!(
        code.is_some_and(|code| code == "tail.later-batch" || code.starts_with("chain.")),
        "{code:?}"
    );
}

#[test]
fn a_snapshot_with_any_byte_changed_is_ignored() {
    let assembly = Assembly::of(&[1]);
    let dir = dir_with(assembly.bytes());
    let file = take(dir.path());
    let whole = fs::read(&file).expect("a snapshot");
    let snapshots = snapshots(dir.path());
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(&file, &bytes).expect("a file");
        let found = snapshots.find();
        assert!(found.snapshot.is_none(), "byte {place}");
        assert_eq!(found.ignored.len(), 1, "byte {place}");
    }
}

/// The body of the snapshot of a ledger, as whoever has the key could write it.
fn body() -> Vec<u8> {
    let dir = dir_with(ledger().bytes());
    let bytes = fs::read(take(dir.path())).expect("a snapshot");
    let trailer = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n');
    bytes[..=trailer.expect("lines")].to_vec()
}

/// What the state hash leaves out: free text, times that only say when somebody says they wrote,
/// and signatures. Only the MAC covers these.
const UNPROJECTED: &[&str] = &[
    "cast_at",
    "created_at",
    "description",
    "parameters",
    "rationale",
    "signature",
    "possession",
];

#[test]
fn bytes_that_were_changed_under_the_right_key_are_refused_or_make_the_same_state_hash() {
    let whole = body();
    let state_hash = Snapshot::read(&whole[..])
        .expect("a snapshot")
        .state()
        .hash();
    for place in (0..whole.len()).step_by(61) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        if let Ok(snapshot) = Snapshot::read(&bytes[..]) {
            assert_eq!(snapshot.state().hash(), state_hash, "byte {place}");
        }
    }
    for end in (0..whole.len()).step_by(211) {
        assert!(Snapshot::read(&whole[..end]).is_err(), "cut at {end}");
    }
}

/// Every place in a JSON value where something can be changed, as JSON pointers.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                places(member, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}

fn other_values(value: &Value) -> Vec<Value> {
    let mut others: Vec<Value> = vec![
        Value::Null,
        0.into(),
        (1_u64 << 53).into(),
        u64::MAX.into(),
        "".into(),
        Value::Array(Vec::new()),
    ];
    match value {
        Value::Number(number) => {
            others.extend(number.as_u64().map(|number| Value::from(number + 1)));
        }
        Value::String(text) => {
            let turned: String = text.chars().rev().collect();
            others.push(turned.into());
            others.push(format!("{text}x").into());
        }
        Value::Bool(is) => others.push((!is).into()),
        Value::Array(items) => {
            let twice: Vec<Value> = items.iter().chain(items).cloned().collect();
            others.push(twice.into());
        }
        _ => {}
    }
    others.retain(|other| other != value);
    others
}

#[test]
fn records_that_were_changed_under_the_right_key_are_refused() {
    let whole = body();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let state = Snapshot::read(&whole[..])
        .expect("a snapshot")
        .state()
        .clone();
    let mut tried = 0;
    let mut kinds = BTreeMap::new();
    for (number, line) in lines.iter().enumerate() {
        let value: Value = serde_json::from_slice(line).expect("JSON");
        // The first and the second record of each kind.
        let kind = String::from_utf8_lossy(&line[..line.len().min(10)]).into_owned();
        let count = kinds.entry(kind).or_insert(0);
        *count += 1;
        if *count > 2 {
            continue;
        }
        let mut found = Vec::new();
        places(&value, String::new(), &mut found);
        for place in found {
            let Some(old) = value.pointer(&place).cloned() else {
                continue;
            };
            for other in other_values(&old) {
                let mut changed = value.clone();
                *changed.pointer_mut(&place).expect("a place") = other;
                let mut changed_line = serde_json::to_vec(&changed).expect("JSON");
                changed_line.push(b'\n');
                let mut lines = lines.clone();
                lines[number] = &changed_line;
                tried += 1;
                let read = Snapshot::read(&lines.concat()[..]);
                let free = UNPROJECTED.iter().any(|name| place.contains(name));
                // Where the last entry stands is for the ledger to say.
                let is_place = number == 0
                    && (place.starts_with("/place")
                        || place == "/head"
                        || place.starts_with("/peaks"));
                // Serde takes an empty list for an object without members.
                let is_same = (read.as_ref()).is_ok_and(|read| *read.state() == state);
                assert!(
                    read.is_err() || free || is_place || is_same,
                    "line {number} {place}: {changed}"
                );
            }
        }
    }
    assert!(tried > 500, "{tried}");
    for number in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(number);
        assert!(
            Snapshot::read(&without.concat()[..]).is_err(),
            "without {number}"
        );
        let mut twice = lines.clone();
        twice.insert(number, lines[number]);
        assert!(
            Snapshot::read(&twice.concat()[..]).is_err(),
            "{number} twice"
        );
        let mut swapped = lines.clone();
        let other = (number + 1) % lines.len();
        swapped.swap(number, other);
        assert!(
            Snapshot::read(&swapped.concat()[..]).is_err(),
            "{number} and {other} swapped"
        );
    }
}

#[test]
fn other_versions_are_not_read() {
    let text = String::from_utf8(body()).expect("text");
    for (from, to, projection) in [
        ("{\"snapshot\":1,", "{\"snapshot\":2,\"new\":1,", 0),
        ("\"projection\":1,", "\"projection\":2,", 2),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        let read = Snapshot::read(other.as_bytes());
        assert!(
            matches!(read, Err(SnapshotError::Version { projection: found, .. }) if found == projection),
            "{read:?}"
        );
    }
}

#[test]
fn the_newest_two_are_kept_and_an_older_one_has_a_longer_tail() {
    let assembly = ledger();
    let bytes = assembly.bytes();
    let ends = batch_ends(bytes);
    let dir = dir_with(bytes);
    let mut taken = Vec::new();
    for end in &ends[1..5] {
        write_ledger(dir.path(), &bytes[..*end]);
        take(dir.path());
        taken.push(state_of(&bytes[..*end]).entries());
    }
    let snapshots = snapshots(dir.path());
    assert_eq!(snapshots.list().expect("snapshots"), [taken[3], taken[2]]);

    write_ledger(dir.path(), bytes);
    fs::write(snapshots.path(taken[3]), "").expect("a file");
    let opened = open(&snapshots);
    assert_eq!(opened.from, Some(taken[2]));
    assert_eq!(opened.ignored.len(), 1);
    assert!(opened.value.state() == assembly.state());
    drop(opened);

    // Those of a history that is gone make way for those of the one that there is.
    write_ledger(dir.path(), &bytes[..ends[1]]);
    take(dir.path());
    assert_eq!(snapshots.list().expect("snapshots"), [taken[0]]);
}

#[test]
fn snapshots_are_taken_after_so_many_entries() {
    let mut assembly = Assembly::of(&[1]);
    let dir = dir_with(assembly.bytes());
    let snapshots = snapshots(dir.path()).with_policy(SnapshotPolicy {
        entries_between: 5,
        entries_at_close: 3,
    });
    let mut node = open(&snapshots).value;
    let mut taken = Vec::new();
    for _ in 0..12 {
        let command =
            althing::governance::Command::RecordPrediction(althing::testing::prediction("m"));
        node.submit(&command, assembly.now()).expect("recorded");
        assembly.predict("m");
        let snapshot = snapshots.take_if_due(&node).expect("a snapshot");
        taken.extend(snapshot.map(|it| it.header.seq));
    }
    // The founding is of two entries.
    assert_eq!(taken, [5, 10]);
    assert_eq!(node.head().seq, 14);
    let last = snapshots.take_at_close(&node).expect("a snapshot");
    assert_eq!(last.map(|it| it.header.seq), Some(14));
    assert!(
        snapshots
            .take_at_close(&node)
            .expect("no failure")
            .is_none()
    );
}

/// Signed checkpoints are no reason to believe one: see the specification.
#[test]
fn a_snapshot_of_another_user_is_never_used() {
    let assembly = ledger();
    let dir = dir_with(assembly.bytes());
    take(dir.path());
    let own = Snapshots::new(dir.path(), StateDir::new(dir.path().join("other")));
    for key_is_there in [false, true] {
        let found = own.find();
        let codes: Vec<_> = found.ignored.iter().map(|it| it.reason.code()).collect();
        assert!(found.snapshot.is_none(), "{key_is_there}");
        assert_eq!(codes, ["snapshot.mac"], "{key_is_there}");
        let state_dir = StateDir::new(dir.path().join("other"));
        state_dir.secret_or_new("snapshot.key").expect("a key");
    }
}

/// A disk that counts the bytes that are read of each file.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<Mutex<BTreeMap<PathBuf, u64>>>);

#[derive(Debug)]
struct CountedFile {
    file: fs::File,
    path: PathBuf,
    counts: Counting,
}

impl Counting {
    fn read_of(&self, path: &Path) -> u64 {
        self.0
            .lock()
            .expect("counts")
            .get(path)
            .copied()
            .unwrap_or(0)
    }

    fn wrap(&self, path: &Path, file: fs::File) -> CountedFile {
        CountedFile {
            file,
            path: path.to_owned(),
            counts: self.clone(),
        }
    }
}

impl Storage for Counting {
    type File = CountedFile;
    type Lock = WriterLock;

    fn lock(&self, path: &Path, wait: Wait) -> Result<WriterLock, LockError> {
        Disk.lock(path, wait)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Disk.exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }

    fn open(&self, path: &Path) -> io::Result<CountedFile> {
        Ok(self.wrap(path, Disk.open(path)?))
    }

    fn open_append(&self, path: &Path) -> io::Result<CountedFile> {
        Ok(self.wrap(path, Disk.open_append(path)?))
    }

    fn create_new(&self, path: &Path) -> io::Result<CountedFile> {
        Ok(self.wrap(path, Disk.create_new(path)?))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Disk.len(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }
}

impl Read for CountedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let mut counts = self.counts.0.lock().expect("counts");
        *counts.entry(self.path.clone()).or_default() += read as u64;
        Ok(read)
    }
}

impl Seek for CountedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl StorageFile for CountedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn file_len(&self) -> io::Result<u64> {
        self.file.file_len()
    }
}

/// Counts how often it is asked.
#[derive(Clone, Default)]
struct CountingVerifier(Arc<AtomicUsize>);

impl SignatureVerifier for CountingVerifier {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        StandInVerifier.verify(key, message, signature)
    }
}

#[test]
fn with_a_snapshot_only_the_tail_is_read_and_only_its_signatures_are_checked() {
    let mut assembly = ledger();
    let dir = dir_with(assembly.bytes());
    take(dir.path());
    let before = assembly.bytes().len();
    let model = assembly.propose(0, actions::authorize_model("third"));
    assembly.vote(0, model, Decision::Approve);
    assembly.vote(1, model, Decision::Approve);
    write_ledger(dir.path(), assembly.bytes());
    let tail = (assembly.bytes().len() - before) as u64;
    let last_line = assembly.bytes()[..before - 1].iter().rev();
    let last_line = last_line.take_while(|byte| **byte != b'\n').count() as u64 + 1;

    let checked = |with_snapshot: bool| {
        let (storage, verifier) = (Counting::default(), CountingVerifier::default());
        let state = dir
            .path()
            .join(if with_snapshot { "state" } else { "none" });
        let snapshots = Snapshots::on(storage.clone(), dir.path(), StateDir::new(state));
        let opened = snapshots
            .open_node_with(Wait::No, Box::new(verifier.clone()))
            .expect("the ledger opens");
        assert_eq!(opened.from.is_some(), with_snapshot);
        assert!(opened.value.state() == assembly.state());
        (
            storage.read_of(&segment(dir.path())),
            verifier.0.load(Ordering::Relaxed),
        )
    };
    let (read, verified) = checked(true);
    // Its last line twice, to see whether the ledger holds it; the tail twice, once for the crash
    // diagnosis and once to replay it.
    assert_eq!(read, 2 * last_line + 2 * tail);
    assert_eq!(verified, 3, "a proposal and two ballots");
    let (read, verified) = checked(false);
    assert_eq!(read, 2 * assembly.bytes().len() as u64);
    assert!(verified > 20, "{verified}");
}

/// A segment that is sealed after the snapshot is not read from its start, neither for its lines nor
/// for its seal.
#[test]
fn what_comes_before_a_snapshot_is_not_read_for_a_seal() {
    let mut assembly = ledger();
    let taken = assembly.bytes().len();
    let dir = dir_with(assembly.bytes());
    take(dir.path());
    assembly.predict("triage");
    let cut = assembly.bytes().len();
    let next = assembly.state().entries() + 1;
    assembly.predict("triage");
    let (sealed, last) = assembly.bytes().split_at(cut);
    let second = dir.path().join("ledger").join(format!("{next:020}.jsonl"));
    write_ledger(dir.path(), sealed);
    fs::write(&second, last).expect("a file");
    let last_line = sealed[..taken - 1].rsplit(|byte| *byte == b'\n').next();
    let last_line = last_line.expect("a line").len() + 1;

    let seal = |sealed: &[u8]| {
        let seal = Digest::of(sealed);
        let line = format!("{seal}  {:020}.jsonl\n", 1);
        fs::write(dir.path().join("ledger/SHA256SUMS"), line).expect("a file");
    };
    let opened = |state: &str| {
        let storage = Counting::default();
        let state = StateDir::new(dir.path().join(state));
        let snapshots = Snapshots::on(storage.clone(), dir.path(), state);
        let read = snapshots.replay_with(&StandInVerifier);
        let written = snapshots.open_node_with(Wait::No, Box::new(StandInVerifier));
        if let (Ok(read), Ok(written)) = (&read, &written) {
            assert!(read.value.state == *assembly.state());
            assert!(written.value.state() == assembly.state());
        }
        let code = (read.err().map(|it| it.code())).or(written.err().map(|it| it.code()));
        (
            code,
            [segment(dir.path()), second.clone()].map(|it| storage.read_of(&it)),
        )
    };
    // By a reader and by a writer, each of which looks at the last line twice, and at the tail once
    // for what a crash left and once for what it says.
    let expected = [4 * (last_line + cut - taken) as u64, 4 * last.len() as u64];
    seal(sealed);
    assert_eq!(opened("state"), (None, expected));
    // What the seal says of the unread part is found by whoever reads that.
    seal(b"something else");
    assert_eq!(opened("state"), (None, expected));
    assert_eq!(opened("none").0, Some("segment.seal"));
    // A missing seal is the writer's to make.
    fs::remove_file(dir.path().join("ledger/SHA256SUMS")).expect("a file");
    let (code, read) = opened("state");
    assert_eq!((code, read[1]), (None, expected[1]));
    assert_eq!(read[0], expected[0] + cut as u64);
    let line = format!("{}  {:020}.jsonl\n", Digest::of(sealed), 1);
    let made = fs::read_to_string(dir.path().join("ledger/SHA256SUMS"));
    assert_eq!(made.expect("a file"), line);
}
