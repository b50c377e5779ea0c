//! Processes that append in turn and are killed at random moments, watched from outside.
//!
//! ```sh
//! ALTHING_KILLS=1000 cargo test --release --test it kills:: -- --nocapture
//! ```

#![allow(
    clippy::disallowed_types,
    reason = "tests of processes need time limits"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use althing::chain::line::Line;
use althing::governance::command::Command;
use althing::governance::event::Recorded;
use althing::governance::policy::Policy;
use althing::governance::time::Timestamp;
use althing::ledger::storage::Disk;
use althing::ledger::{FileLedger, LedgerReader, OpenOptions, Wait};
use althing::node::snapshots::{SnapshotPolicy, Snapshots};
use althing::node::{Node, Request, SharedNode, When};
use althing::replay::replay;
use althing::state_dir::StateDir;
use althing::testing::{Signatures, StandInVerifier, founding, genesis, prediction};

const DIR: &str = "ALTHING_TEST_KILLS_DIR";
const NAME: &str = "ALTHING_TEST_KILLS_NAME";
const WORKERS: usize = 4;
/// How many predictions a bulk writer records at once: long writes are the ones that are torn.
const BULK: usize = 1_000;
/// After so many kills another ledger is begun, so that replaying them stays quick.
const KILLS_A_LEDGER: u64 = 25;

fn options(wait: Wait) -> OpenOptions {
    OpenOptions {
        wait,
        segment_bytes: 40_000,
        ..OpenOptions::default()
    }
}

fn snapshots(dir: &Path) -> Snapshots {
    let policy = SnapshotPolicy {
        entries_between: 200,
        entries_at_close: 1,
    };
    Snapshots::new(&dir.join("ledger"), StateDir::new(dir.join("state"))).with_policy(policy)
}

fn open(dir: &Path, wait: Wait) -> Node<FileLedger> {
    let opened = snapshots(dir).open_node_with(options(wait), Box::new(StandInVerifier));
    let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", error.code()));
    assert!(opened.ignored.is_empty(), "{:?}", opened.ignored);
    opened.value
}

fn start() -> Timestamp {
    Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap()
}

fn numbered(name: &str, number: usize) -> Command {
    let mut prediction = prediction("triage");
    prediction.request_id = Some(format!("{name}/{number}").parse().unwrap());
    Command::RecordPrediction(prediction)
}

/// Says what was acknowledged, a line each, in one write.
fn say(recorded: &[Recorded]) {
    let lines: String = (recorded.iter())
        .map(|entry| format!("\nacknowledged {} {}\n", entry.seq, entry.hash))
        .collect();
    io::stdout().lock().write_all(lines.as_bytes()).unwrap();
}

/// What each process runs until it is killed.
#[test]
#[ignore = "a part of another test"]
fn appender() {
    let dir = env::var_os(DIR).expect("started by the other test");
    let dir = Path::new(&dir);
    let name = env::var(NAME).unwrap();
    let wait = Wait::For(Duration::from_secs(60));
    let node = open(dir, wait);
    match name.split('-').next() {
        Some("bulk") => append_in_bulk(node, &name, wait),
        Some("single") => append_in_turns(dir, node, &name, wait, 1),
        _ => append_in_turns(dir, node, &name, wait, 3),
    }
}

fn append_in_turns(dir: &Path, node: Node<FileLedger>, name: &str, wait: Wait, threads: usize) {
    let shared = SharedNode::in_turns(node, wait);
    thread::scope(|scope| {
        for thread in 0..threads {
            let shared = shared.clone();
            scope.spawn(move || {
                let name = format!("{name}-{thread}");
                for number in 0.. {
                    say(&shared.submit(numbered(&name, number), start()).unwrap());
                    if thread == 0 {
                        let taken = shared.look(|node| snapshots(dir).take_if_due(node));
                        // Another process may be taking the same one.
                        drop(taken.unwrap());
                    }
                }
            });
        }
    });
}

fn append_in_bulk(mut node: Node<FileLedger>, name: &str, wait: Wait) {
    let mut number = 0;
    loop {
        let requests: Vec<Request> = (number..number + BULK)
            .map(|number| Request {
                command: numbered(name, number),
                at: When::Clock(start()),
            })
            .collect();
        number += BULK;
        node.resume(wait).unwrap();
        let answers = node.submit_each(&requests).unwrap();
        node.release();
        assert_eq!(answers.len(), BULK);
        let recorded: Vec<Recorded> = answers.into_iter().flat_map(Result::unwrap).collect();
        say(&recorded);
        thread::sleep(Duration::from_millis(10));
    }
}

/// The same moments for the same seed, as far as the machine lets them be.
struct Moments(u64);

impl Moments {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Often within the start of a process, else in the middle of its work.
    fn pass(&mut self, worker: &Worker) {
        if self.below(3) != 0 {
            worker.is_at_work();
        }
        thread::sleep(Duration::from_micros(self.below(30_000)));
    }
}

type Acknowledged = Arc<Mutex<BTreeMap<u64, String>>>;

/// One process, with somebody who listens to it.
struct Worker {
    child: Child,
    listener: Option<JoinHandle<()>>,
    heard: Arc<AtomicUsize>,
}

impl Worker {
    fn start(dir: &Path, name: &str, acknowledged: &Acknowledged) -> Self {
        let mut child = Process::new(env::current_exe().unwrap())
            .args(["--exact", "kills::appender", "--ignored", "--nocapture"])
            .env(DIR, dir)
            .env(NAME, name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = BufReader::new(child.stdout.take().unwrap());
        let acknowledged = Arc::clone(acknowledged);
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&heard);
        let listener = thread::spawn(move || listen(pipe, &acknowledged, &counter));
        Self {
            child,
            listener: Some(listener),
            heard,
        }
    }

    /// Waits until something was acknowledged.
    fn is_at_work(&self) {
        let patience = Instant::now() + Duration::from_secs(60);
        while self.heard.load(SeqCst) == 0 {
            assert!(Instant::now() < patience, "nothing was ever acknowledged");
            thread::sleep(Duration::from_micros(300));
        }
    }

    /// Answers how much it had acknowledged.
    fn kill(mut self) -> usize {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "it ended by itself: {status}");
        self.listener.take().unwrap().join().unwrap();
        self.heard.load(SeqCst)
    }
}

impl Drop for Worker {
    /// Nothing goes on after a test that failed.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut pipe: impl io::BufRead, acknowledged: &Acknowledged, heard: &AtomicUsize) {
    let mut line = String::new();
    loop {
        line.clear();
        pipe.read_line(&mut line).unwrap();
        // The last line may be cut.
        let Some(whole) = line.strip_suffix('\n') else {
            return;
        };
        let mut words = whole.split(' ');
        if words.next() == Some("acknowledged") {
            let seq = words.next().unwrap().parse().unwrap();
            let hash = words.next().unwrap().to_owned();
            let other = acknowledged.lock().unwrap().insert(seq, hash);
            assert_eq!(other, None, "entry {seq} was acknowledged twice");
            heard.fetch_add(1, SeqCst);
        }
    }
}

#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    killed_before_the_first_acknowledgement: u64,
    starts: u64,
    checks: u64,
    acknowledged: usize,
    entries: usize,
    segments: usize,
    torn_tails: usize,
    quarantined_bytes: u64,
}

/// One ledger, those who write to it, and what was seen of them.
struct Observer<'a> {
    dir: &'a Path,
    moments: &'a mut Moments,
    figures: &'a mut Figures,
    acknowledged: Acknowledged,
}

impl Observer<'_> {
    fn start_worker(&mut self, slot: usize) -> Worker {
        let kind = ["bulk", "single", "threads"][slot % 3];
        let name = format!("{kind}-{}", self.figures.starts);
        self.figures.starts += 1;
        Worker::start(self.dir, &name, &self.acknowledged)
    }

    fn kill(&mut self, worker: Worker) {
        self.figures.kills += 1;
        self.figures.killed_before_the_first_acknowledgement += u64::from(worker.kill() == 0);
    }

    /// Kills one worker after the other, and now and then all of them.
    fn watch(&mut self, kills: u64) {
        let end = self.figures.kills + kills;
        while self.figures.kills < end {
            let mut workers: Vec<Worker> =
                (0..WORKERS).map(|slot| self.start_worker(slot)).collect();
            while self.moments.below(5) != 0 {
                let slot = usize::try_from(self.moments.below(WORKERS as u64)).unwrap();
                self.moments.pass(&workers[slot]);
                self.kill(workers.swap_remove(slot));
                workers.push(self.start_worker(slot));
            }
            self.moments.pass(&workers[0]);
            for worker in workers {
                self.kill(worker);
            }
            // In the other half, whoever is started next has to recover, and may be killed at it.
            if self.moments.below(2) == 0 {
                self.write();
            }
            self.check();
        }
        self.write();
        let entries = self.check();
        self.count(&entries);
    }

    /// The lock is free and the ledger goes on without help.
    fn write(&mut self) {
        let mut node = open(self.dir, Wait::No);
        let name = format!("observer-{}", self.figures.checks);
        let recorded = node.submit(&numbered(&name, 0), start()).unwrap();
        let mut acknowledged = self.acknowledged.lock().unwrap();
        for entry in recorded {
            acknowledged.insert(entry.seq, entry.hash.to_string());
        }
    }

    /// One legal chain without a gap, which holds everything that was acknowledged.
    fn check(&mut self) -> Vec<String> {
        self.figures.checks += 1;
        let reader = LedgerReader::open(&self.dir.join("ledger")).unwrap();
        assert_eq!(reader.refusal(), None);
        let mut bytes = Vec::new();
        reader.reader().read_to_end(&mut bytes).unwrap();
        replay(&bytes[..], &StandInVerifier).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (seq, hash) in self.acknowledged.lock().unwrap().iter() {
            let index = usize::try_from(seq - 1).unwrap();
            let line = (lines.get(index)).unwrap_or_else(|| panic!("entry {seq} is gone"));
            let line = Line::decode(line.as_bytes()).unwrap();
            assert_eq!(
                (line.seq, line.entry_hash.to_string()),
                (*seq, hash.clone())
            );
        }
        assert_in_order(&lines);
        lines
    }

    fn count(&mut self, lines: &[String]) {
        let figures = &mut self.figures;
        figures.acknowledged += self.acknowledged.lock().unwrap().len();
        figures.entries += lines.len();
        figures.segments += fs::read_dir(self.dir.join("ledger/ledger"))
            .unwrap()
            .count()
            - 1;
        let is_recovery = |line: &&String| line.contains("\"operation\":\"recovery_recorded\"");
        let recoveries = lines.iter().filter(is_recovery).count();
        let Ok(quarantine) = fs::read_dir(self.dir.join("ledger/quarantine")) else {
            assert_eq!(recoveries, 0);
            return;
        };
        let mut kept = 0;
        for file in quarantine.map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            if name.ends_with(".tmp") {
                continue;
            }
            assert!(name.ends_with(".tail"), "{name} was not recorded");
            kept += 1;
            figures.quarantined_bytes += file.metadata().unwrap().len();
        }
        // Who is killed after recording a recovery and before noting that records it again.
        assert!(recoveries >= kept, "{recoveries} of {kept}");
        figures.torn_tails += kept;
    }
}

/// Everybody's own commands stand in their order, each once, none left out.
fn assert_in_order(lines: &[String]) {
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines {
        let Some((_, rest)) = line.split_once("\"request_id\":\"") else {
            continue;
        };
        let (id, _) = rest.split_once('"').unwrap();
        let (name, number) = id.split_once('/').unwrap();
        let expected = next.entry(name).or_default();
        assert_eq!(number.parse(), Ok(*expected), "{name}");
        *expected += 1;
    }
}

fn found(dir: &Path) {
    let founding = founding(&[1, 1, 1], Policy::default(), Signatures::StandIn);
    let genesis = genesis(founding, Signatures::StandIn);
    let ledger = dir.join("ledger");
    let ledger = FileLedger::create_on(Disk, &ledger, options(Wait::No)).unwrap();
    drop(Node::found_with(ledger, &genesis, start(), Box::new(StandInVerifier)).unwrap());
}

#[test]
fn nothing_acknowledged_is_lost_whoever_is_killed_when() {
    let number = |name, usual| {
        let given = env::var(name).ok();
        given.map_or(usual, |it| it.parse().expect("a number"))
    };
    let wanted = number("ALTHING_KILLS", 12);
    let mut moments = Moments(number("ALTHING_KILLS_SEED", 0x9e37_79b9_7f4a_7c15));
    let mut figures = Figures::default();
    while figures.kills < wanted {
        let dir = tempfile::tempdir().unwrap();
        found(dir.path());
        let mut observer = Observer {
            dir: dir.path(),
            moments: &mut moments,
            figures: &mut figures,
            acknowledged: Acknowledged::default(),
        };
        observer.watch(KILLS_A_LEDGER.min(wanted));
    }
    println!("{figures:#?}");
    assert!(figures.acknowledged > 0 && figures.entries >= figures.acknowledged);
}
