//! Many threads on one node, many processes on one ledger: one chain, few syncs, nobody is lost.

use std::collections::BTreeSet;
use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use althing::chain::line::{EncodedBatch, Head};
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::event::{Event, RecoveryRecorded};
use althing::governance::policy::Policy;
use althing::governance::time::Timestamp;
use althing::ledger::lock::LockError;
use althing::ledger::storage::{Disk, Storage, StorageFile};
use althing::ledger::{
    AppendError, FileLedger, Ledger, LedgerReader, MemoryLedger, OpenOptions, Wait,
};
use althing::node::{Node, Request, SharedNode, When};
use althing::replay::replay;
use althing::testing::{Assembly, Signatures, StandInVerifier, founding, genesis, prediction};

fn start() -> Timestamp {
    Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap()
}

fn found<L: Ledger>(ledger: L) -> Node<L> {
    let founding = founding(&[1, 1, 1], Policy::default(), Signatures::StandIn);
    let genesis = genesis(founding, Signatures::StandIn);
    Node::found_with(ledger, &genesis, start(), Box::new(StandInVerifier)).unwrap()
}

fn numbered(number: impl std::fmt::Display) -> Command {
    let mut prediction = prediction("triage");
    prediction.request_id = Some(number.to_string().parse().unwrap());
    Command::RecordPrediction(prediction)
}

fn refused() -> Command {
    Command::Close("00000000-0000-4000-8000-000000000000".parse().unwrap())
}

/// One that the rules take and that can't be written.
fn unwritable() -> Command {
    Command::RecordRecovery(RecoveryRecorded {
        bytes: u64::MAX,
        offset: 1,
        sha256: Digest::ZERO,
    })
}

/// The request ids in a history, which must be legal throughout.
fn requests(ledger: impl Read) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut ledger = ledger;
    ledger.read_to_end(&mut bytes).unwrap();
    replay(&bytes[..], &StandInVerifier).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|line| {
            Some(
                line["data"]["prediction"]["request_id"]
                    .as_str()?
                    .to_owned(),
            )
        })
        .collect()
}

/// A disk that counts its syncs, each of which takes a while.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<AtomicUsize>);

#[derive(Debug)]
struct CountingFile(File, Counting);

impl Storage for Counting {
    type File = CountingFile;
    type Lock = <Disk as Storage>::Lock;

    fn lock(&self, path: &Path, wait: Wait) -> Result<Self::Lock, LockError> {
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
    fn open(&self, path: &Path) -> io::Result<CountingFile> {
        Ok(CountingFile(Disk.open(path)?, self.clone()))
    }
    fn open_append(&self, path: &Path) -> io::Result<CountingFile> {
        Ok(CountingFile(Disk.open_append(path)?, self.clone()))
    }
    fn create_new(&self, path: &Path) -> io::Result<CountingFile> {
        Ok(CountingFile(Disk.create_new(path)?, self.clone()))
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
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl Read for CountingFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl io::Seek for CountingFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl StorageFile for CountingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        (self.1.0).fetch_add(1, SeqCst);
        thread::sleep(Duration::from_millis(2));
        Ok(())
    }
    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }
    fn file_len(&self) -> io::Result<u64> {
        self.0.file_len()
    }
}

#[test]
fn threads_share_syncs_and_one_chain() {
    const THREADS: usize = 64;
    const COMMANDS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let disk = Counting::default();
    let options = OpenOptions {
        segment_bytes: 100_000,
        ..OpenOptions::default()
    };
    let ledger = FileLedger::create_on(disk.clone(), dir.path(), options).unwrap();
    let shared = SharedNode::new(found(ledger));
    let before = disk.0.load(SeqCst);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let shared = shared.clone();
            scope.spawn(move || {
                for number in 0..COMMANDS {
                    let id = format!("{thread}-{number}");
                    let recorded = shared.submit(numbered(&id), start()).unwrap();
                    let [entry] = &recorded[..] else {
                        panic!("one event: {recorded:?}");
                    };
                    let Event::PredictionRecorded(own) = &entry.event else {
                        panic!("{entry:?}");
                    };
                    assert_eq!(own.prediction.request_id.as_ref().unwrap().as_str(), id);
                }
            });
        }
    });
    let syncs = disk.0.load(SeqCst) - before;
    assert!(syncs * 4 < THREADS * COMMANDS, "{syncs} syncs");
    let reader = LedgerReader::open(dir.path()).unwrap();
    assert_eq!(reader.refusal(), None);
    let ids = requests(reader.reader());
    assert_eq!(ids.len(), THREADS * COMMANDS);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    // What one thread submitted stands in its order.
    let of_one: Vec<_> = ids.iter().filter(|id| id.starts_with("7-")).collect();
    assert!(of_one.is_sorted());
}

#[test]
fn a_bad_command_does_not_affect_the_others() {
    let mut node = found(MemoryLedger::new());
    let request = |command| Request {
        command,
        at: When::Clock(start()),
    };
    let late = Request {
        command: numbered("too early"),
        at: When::At(Timestamp::from_micros(1).unwrap()),
    };
    let requests_made = [
        request(numbered(1)),
        request(refused()),
        request(numbered(2)),
        request(unwritable()),
        late,
        request(numbered(3)),
    ];
    let answers = node.submit_each(&requests_made).unwrap();
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map(Vec::len).map_err(|error| error.code()))
        .collect();
    let (refused, early) = (codes[1].unwrap_err(), codes[4].unwrap_err());
    assert_eq!(
        codes,
        [
            Ok(1),
            Err(refused),
            Ok(1),
            Err("event.unwritable"),
            Err(early),
            Ok(1)
        ]
    );
    assert_eq!((refused, early), ("proposal.unknown", "clock.behind-head"));
    let head = *node.head();
    assert_eq!(node.state().entries(), head.seq);
    let (state, root) = (node.state().hash(), node.merkle().root());
    let replayed = replay(node.ledger().bytes(), &StandInVerifier).unwrap();
    assert_eq!(
        (replayed.state.hash(), replayed.merkle.root()),
        (state, root)
    );
    assert_eq!(requests(node.ledger().bytes()), ["1", "2", "3"]);
    // All three were one write.
    let text = String::from_utf8(node.ledger().bytes().to_vec()).unwrap();
    assert!(text.lines().last().unwrap().contains("\"batch\":[3,3]"));
}

#[test]
fn nothing_behind_a_refusal_is_looked_at_where_that_is_asked_for() {
    let mut node = found(MemoryLedger::new());
    let at = When::At(start());
    let commands = [numbered(1), refused(), numbered(2)];
    let requests_made = commands.map(|command| Request { command, at });
    let answers = node.submit_until_refused(&requests_made).unwrap();
    let is_ok: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(is_ok, [true, false]);
    assert_eq!(requests(node.ledger().bytes()), ["1"]);
}

#[test]
fn a_write_holds_whole_commands_and_is_closed_when_it_is_large() {
    let mut node = found(MemoryLedger::new());
    let big: Vec<Request> = (0..13_000)
        .map(|number| Request {
            command: numbered(format!("{number:0>120}")),
            at: When::At(start()),
        })
        .collect();
    let answers = node.submit_each(&big).unwrap();
    assert!(answers.len() < big.len() && answers.iter().all(Result::is_ok));
    assert_eq!(requests(node.ledger().bytes()).len(), answers.len());
}

/// A store that fails while it is told to, and must be restored after that.
#[derive(Default)]
struct Failing {
    inner: MemoryLedger,
    fails: Arc<AtomicBool>,
    poisoned: bool,
    restored: Arc<AtomicUsize>,
}

impl Ledger for Failing {
    fn head(&self) -> &Head {
        self.inner.head()
    }
    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if self.fails.load(SeqCst) {
            self.poisoned = true;
            thread::sleep(Duration::from_millis(5));
            let error = io::Error::from(io::ErrorKind::StorageFull);
            return Err(AppendError::Full(error));
        }
        self.inner.append(expected, batch)
    }
    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        self.inner.reader()
    }
    fn is_poisoned(&self) -> bool {
        self.poisoned
    }
    fn recover(&mut self) -> io::Result<()> {
        if self.poisoned {
            if self.fails.load(SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.poisoned = false;
            self.restored.fetch_add(1, SeqCst);
        }
        Ok(())
    }
}

#[test]
fn a_failing_store_fails_for_all_and_is_restored_before_it_takes_more() {
    let ledger = Failing::default();
    let (fails, restored) = (Arc::clone(&ledger.fails), Arc::clone(&ledger.restored));
    let shared = SharedNode::new(found(ledger));
    shared.submit(numbered("before"), start()).unwrap();
    let before = shared.look(|node| node.state().hash()).unwrap();
    fails.store(true, SeqCst);
    thread::scope(|scope| {
        for number in 0..16 {
            let shared = shared.clone();
            scope.spawn(move || {
                // One that would be refused was decided on what did not come to be, unless it came
                // alone.
                let command = if number == 3 {
                    refused()
                } else {
                    numbered(number)
                };
                let code = shared
                    .submit(command, start())
                    .unwrap_err()
                    .code()
                    .to_owned();
                let alone = code == "proposal.unknown" && number == 3;
                let failed = ["ledger.full", "ledger.io"].contains(&code.as_str());
                assert!(failed || alone, "{code}");
            });
        }
    });
    assert_eq!(shared.look(|node| node.state().hash()).unwrap(), before);
    assert_eq!(restored.load(SeqCst), 0);
    fails.store(false, SeqCst);
    shared.submit(numbered("after"), start()).unwrap();
    assert_eq!(restored.load(SeqCst), 1);
    let ids = shared.look(|node| requests(node.ledger().reader().unwrap()));
    assert_eq!(ids.unwrap(), ["before", "after"]);
}

/// A store that panics once.
#[derive(Default)]
struct Panicking(MemoryLedger);

impl Ledger for Panicking {
    fn head(&self) -> &Head {
        self.0.head()
    }
    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        assert!(self.0.bytes().is_empty(), "a defect");
        self.0.append(expected, batch)
    }
    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        self.0.reader()
    }
}

#[test]
fn nobody_waits_for_ever_for_a_thread_that_panicked() {
    let shared = SharedNode::new(found(Panicking::default()));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let shared = shared.clone();
                scope.spawn(move || {
                    shared
                        .submit(numbered(number), start())
                        .map_err(|it| it.code().to_owned())
                })
            })
            .collect();
        let panicked = threads
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .filter(|outcome| match outcome {
                Ok(answer) => {
                    assert_eq!(*answer.as_ref().unwrap_err(), "node.abandoned");
                    false
                }
                Err(_) => true,
            })
            .count();
        assert_eq!(panicked, 1);
    });
}

const DIR: &str = "ALTHING_TEST_GROUP_DIR";
const WORKER: &str = "ALTHING_TEST_GROUP_WORKER";
const WRITES: usize = 40;

fn in_turns(dir: &Path) -> SharedNode<FileLedger> {
    let options = OpenOptions {
        wait: Wait::For(Duration::from_secs(60)),
        segment_bytes: 20_000,
        ..OpenOptions::default()
    };
    let ledger = FileLedger::open_with(dir, options).unwrap();
    let node = Node::open_with(ledger, Box::new(StandInVerifier)).unwrap();
    SharedNode::in_turns(node, Wait::For(Duration::from_secs(60)))
}

/// What each process runs that [`processes_append_in_turn`] starts.
#[test]
#[ignore = "a part of another test"]
fn worker() {
    let dir = env::var_os(DIR).expect("started by the other test");
    let name = env::var(WORKER).unwrap();
    let shared = in_turns(Path::new(&dir));
    thread::scope(|scope| {
        for thread in 0..2 {
            let (shared, name) = (shared.clone(), &name);
            scope.spawn(move || {
                for number in 0..WRITES / 2 {
                    let id = format!("{name}-{thread}-{number:03}");
                    shared.submit(numbered(id), start()).unwrap();
                }
            });
        }
    });
}

#[test]
fn processes_append_in_turn() {
    const PROCESSES: usize = 3;
    let dir = tempfile::tempdir().unwrap();
    drop(found(FileLedger::create(dir.path()).unwrap()));
    let ours = in_turns(dir.path());
    let children: Vec<_> = (0..PROCESSES)
        .map(|process| {
            Process::new(env::current_exe().unwrap())
                .args(["--exact", "group::worker", "--ignored"])
                .env(DIR, dir.path())
                .env(WORKER, process.to_string())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for number in 0..WRITES {
        ours.submit(numbered(format!("ours-0-{number:03}")), start())
            .unwrap();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    ours.submit(numbered("last"), start()).unwrap();
    let reader = LedgerReader::open(dir.path()).unwrap();
    assert_eq!((reader.refusal(), reader.tail()), (None, None));
    let ids = requests(reader.reader());
    assert_eq!(ids.len(), (PROCESSES + 1) * WRITES + 1);
    for name in ["ours-0", "0-0", "0-1", "1-0", "1-1", "2-0", "2-1"] {
        let of_one = ids
            .iter()
            .filter(|id| id.rsplit_once('-').is_some_and(|it| it.0 == name));
        assert!(of_one.is_sorted(), "{name}");
    }
    // The state that was brought up to date write by write is the one of the whole history.
    let hash = ours
        .look(|node| (node.state().hash(), node.merkle().root()))
        .unwrap();
    let whole = replay(reader.reader(), &StandInVerifier).unwrap();
    assert_eq!(hash, (whole.state.hash(), whole.merkle.root()));
}

#[test]
fn what_others_append_must_be_legal() {
    let dir = tempfile::tempdir().unwrap();
    drop(found(FileLedger::create(dir.path()).unwrap()));
    let ours = in_turns(dir.path());
    // Somebody appends a consequence that nothing calls for, well chained.
    let mut other = Assembly::of(&[1, 1, 1]);
    other.pass(0..2, althing::testing::actions::authorize_model("triage"));
    let text = String::from_utf8(other.bytes().to_vec()).unwrap();
    let stray = text.lines().last().unwrap();
    let stray: serde_json::Value = serde_json::from_str(stray).unwrap();
    let data = serde_json_canonicalizer::to_string(&stray["data"]).unwrap();
    let entry = althing::chain::line::NewEntry {
        timestamp: start(),
        operation: stray["operation"].as_str().unwrap().to_owned().into(),
        data: serde_json::value::RawValue::from_string(data).unwrap(),
    };
    let mut forger = FileLedger::open(dir.path(), Wait::default()).unwrap();
    let head = *forger.head();
    let batch = althing::chain::line::encode_batch(&head, &[entry]).unwrap();
    forger.append(&head, &batch).unwrap();
    drop(forger);
    for _ in 0..2 {
        let error = ours.submit(numbered(1), start()).unwrap_err();
        assert_eq!(error.code(), "proposal.unknown", "{error}");
        // Nobody is kept from mending that.
        drop(FileLedger::open(dir.path(), Wait::No).unwrap());
    }
}
