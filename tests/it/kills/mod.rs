//! Processes that append in turn and are killed at random moments, watched from outside.
//!
//! ```sh
//! ALTHING_KILLS=1000 cargo test --release --test it kills:: -- --nocapture
//! ```

#![allow(
    clippy::disallowed_types,
    reason = "tests of processes need time limits"
)]

mod watched;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{self, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use althing::chain::line::Line;
use althing::governance::event::Event;
use althing::governance::policy::Policy;
use althing::governance::time::Seconds;
use althing::ledger::storage::Disk;
use althing::ledger::{FileLedger, LedgerReader, Wait};
use althing::node::Node;
use althing::replay::{Replayed, replay};
use althing::testing::{Signatures, StandInVerifier, founding, genesis};

use watched::{Doing, Half, Seen, options, seen};
use worker::{Job, KINDS, described, numbered, open, start};

/// After so many kills another ledger is begun, so that replaying them stays quick.
const KILLS_A_LEDGER: u64 = 25;
/// So many ledgers at a time: who is killed spends most of the time asleep or waiting for its turn.
const LANES: u64 = 4;
/// How long the moment that was wished for is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
const NOBODY_WORKS: Duration = Duration::from_secs(60);

/// What each process runs until it is killed.
#[test]
#[ignore = "a part of another test"]
fn appender() {
    worker::work();
}

/// The same moments for the same seed, as far as the machine lets them be.
struct Moments(u64);

/// When to kill a process.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Whatever it does.
    Any,
    /// Once it has acknowledged something.
    AtWork,
    /// Once somebody stopped half way.
    Half,
    /// While it, or whoever is the first to do so, does one of these.
    While(&'static [Doing]),
    /// While a large batch is written, which takes long enough to be killed in the middle of it.
    LargeWrite,
}

impl Moments {
    fn of(seed: u64, lane: u64) -> Self {
        // The state must not be 0.
        Self((seed ^ lane.wrapping_mul(0xd134_2543_de82_ef95)).max(1))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    fn next(&mut self) -> Moment {
        match self.below(10) {
            0 | 1 => Moment::Any,
            2..=4 => Moment::AtWork,
            5 => Moment::While(&[Doing::Writing]),
            6 => Moment::LargeWrite,
            7 => Moment::While(&[Doing::Copying, Doing::SettingAside]),
            8 => Moment::While(&[Doing::SettingAside, Doing::Snapshot]),
            _ => Moment::While(&[Doing::Sealing, Doing::Syncing]),
        }
    }

    /// A batch of a large writer to stop in; of most, none, but always of the first.
    fn half(&mut self, kind: &str, starts: u64) -> Half {
        match (kind, self.below(3)) {
            ("large", _) if starts == 0 => (1, 500),
            ("large", 0) => (1 + self.below(3), self.below(1_000)),
            _ => (0, 0),
        }
    }
}

/// The place among the workers of the one that writes large batches.
const LARGE: usize = 0;

/// What was acknowledged of each entry.
type Acknowledged = Arc<Mutex<BTreeMap<u64, String>>>;

/// One process, with somebody who listens to it.
struct Worker {
    child: Child,
    note: PathBuf,
    listener: Option<JoinHandle<()>>,
    heard: Arc<AtomicUsize>,
}

impl Worker {
    fn start(job: &Job, acknowledged: &Acknowledged) -> Self {
        let mut child = Process::new(env::current_exe().unwrap())
            .args(["--exact", "kills::appender", "--ignored", "--nocapture"])
            .envs(job.variables())
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
            note: job.note(),
            listener: Some(listener),
            heard,
        }
    }

    fn seen(&self) -> Seen {
        seen(&self.note)
    }

    fn has_acknowledged(&self) -> bool {
        self.heard.load(SeqCst) > 0
    }

    /// Answers what it was doing.
    fn kill(mut self) -> Seen {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
        self.listener.take().unwrap().join().unwrap();
        self.seen()
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
        if let Some((seq, described)) =
            (whole.strip_prefix("acknowledged ")).and_then(|rest| rest.split_once(' '))
        {
            let seq = seq.parse().unwrap();
            let other = acknowledged
                .lock()
                .unwrap()
                .insert(seq, described.to_owned());
            assert_eq!(other, None, "entry {seq} was acknowledged twice");
            heard.fetch_add(1, SeqCst);
        }
    }
}

#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    /// What they were doing: whether they had started, and what.
    killed: BTreeMap<Seen, u64>,
    starts: u64,
    checks: u64,
    acknowledged: usize,
    acknowledged_proposals: usize,
    acknowledged_ballots: usize,
    acknowledged_closes: usize,
    entries: usize,
    bytes: usize,
    ledgers: usize,
    segments: usize,
    torn_tails: usize,
    torn_bytes: u64,
}

impl Figures {
    fn add(&mut self, more: &Self) {
        for (seen, count) in &more.killed {
            *self.killed.entry(*seen).or_default() += count;
        }
        self.kills += more.kills;
        self.starts += more.starts;
        self.checks += more.checks;
        self.acknowledged += more.acknowledged;
        self.acknowledged_proposals += more.acknowledged_proposals;
        self.acknowledged_ballots += more.acknowledged_ballots;
        self.acknowledged_closes += more.acknowledged_closes;
        self.entries += more.entries;
        self.bytes += more.bytes;
        self.ledgers += more.ledgers;
        self.segments += more.segments;
        self.torn_tails += more.torn_tails;
        self.torn_bytes += more.torn_bytes;
    }

    fn killed_while(&self, doing: Doing) -> u64 {
        let of = self.killed.iter().filter(|((_, it), _)| *it == doing);
        of.map(|(_, count)| count).sum()
    }
}

/// One ledger, those who write to it, and what was seen of them.
struct Observer<'a> {
    dir: &'a Path,
    moments: &'a mut Moments,
    figures: &'a mut Figures,
    acknowledged: Acknowledged,
    large: usize,
}

impl Observer<'_> {
    fn start_worker(&mut self, slot: usize) -> Worker {
        let job = Job {
            dir: self.dir.to_owned(),
            name: format!("{}-{}", KINDS[slot], self.figures.starts),
            slot,
            large: self.large,
            half: self.moments.half(KINDS[slot], self.figures.starts),
        };
        self.figures.starts += 1;
        Worker::start(&job, &self.acknowledged)
    }

    fn kill(&mut self, worker: Worker) {
        self.figures.kills += 1;
        *self.figures.killed.entry(worker.kill()).or_default() += 1;
    }

    /// Waits for the moment to kill somebody. Who stopped half way holds up all others, so that
    /// one is next.
    fn choose(&mut self, workers: &[Worker]) -> usize {
        let wished = self.moments.index(workers.len());
        let moment = match self.figures.kills {
            0 => Moment::Half,
            _ => self.moments.next(),
        };
        let doing = |wanted: &[Doing]| workers.iter().position(|it| wanted.contains(&it.seen().1));
        let begin = Instant::now();
        loop {
            if let Some(half) = doing(&[Doing::Half]) {
                return half;
            }
            let is_late = begin.elapsed() > PATIENCE;
            let found = match moment {
                Moment::While(wanted) => doing(wanted).or(is_late.then_some(wished)),
                Moment::LargeWrite if workers[LARGE].seen().1 == Doing::Writing => Some(LARGE),
                Moment::LargeWrite => is_late.then_some(wished),
                Moment::AtWork => workers[wished].has_acknowledged().then_some(wished),
                Moment::Any => Some(wished),
                Moment::Half => None,
            };
            if let Some(found) = found {
                self.pause(moment);
                return found;
            }
            assert!(begin.elapsed() < NOBODY_WORKS, "nobody gets on");
            thread::sleep(Duration::from_micros(20));
        }
    }

    /// What is done to the disk is soon over; every other time it is not a moment longer.
    fn pause(&mut self, moment: Moment) {
        let longest = match moment {
            Moment::LargeWrite => return,
            Moment::While(_) if self.moments.below(2) == 0 => return,
            Moment::While(_) => 500,
            _ => 30_000,
        };
        thread::sleep(Duration::from_micros(self.moments.below(longest)));
    }

    /// Kills one worker after the other, and now and then all of them.
    fn watch(&mut self, kills: u64) {
        let end = self.figures.kills + kills;
        while self.figures.kills < end {
            let mut workers: Vec<Worker> = (0..KINDS.len())
                .map(|slot| self.start_worker(slot))
                .collect();
            while self.moments.below(5) != 0 {
                let slot = self.choose(&workers);
                let other = self.start_worker_after(&mut workers, slot);
                workers.insert(slot, other);
            }
            self.choose(&workers);
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

    fn start_worker_after(&mut self, workers: &mut Vec<Worker>, slot: usize) -> Worker {
        let killed = workers.remove(slot);
        self.kill(killed);
        self.start_worker(slot)
    }

    /// The lock is free and the ledger goes on without help.
    fn write(&mut self) {
        let mut node = open(Disk, self.dir, Wait::No);
        let name = format!("observer-{}", self.figures.checks);
        let at = node.timestamp(start()).unwrap_or(node.state().clock());
        let recorded = node.submit(&numbered(&name, 0), at).unwrap();
        let mut acknowledged = self.acknowledged.lock().unwrap();
        for entry in recorded {
            acknowledged.insert(entry.seq, described(&entry.hash, &entry.event));
        }
    }

    /// One legal chain without a gap, which holds everything that was acknowledged.
    fn check(&mut self) -> Vec<String> {
        self.figures.checks += 1;
        let reader = LedgerReader::open(&self.dir.join("ledger")).unwrap();
        assert_eq!(reader.refusal(), None);
        let mut bytes = Vec::new();
        reader.reader().read_to_end(&mut bytes).unwrap();
        let replayed = replay(&bytes[..], &StandInVerifier).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (seq, described) in self.acknowledged.lock().unwrap().iter() {
            let index = usize::try_from(seq - 1).unwrap();
            let line = (lines.get(index)).unwrap_or_else(|| panic!("entry {seq} is gone"));
            assert_eq!(found(line), (*seq, described.clone()));
        }
        assert_in_order(&lines);
        self.assert_known(&replayed);
        lines
    }

    /// Every acknowledged proposal and ballot counts.
    fn assert_known(&self, Replayed { state, .. }: &Replayed) {
        let members = state.proposals().iter().flat_map(|it| it.electorate());
        let ballots = members.filter_map(|(_, member)| member.ballot());
        let ballots: BTreeSet<String> =
            ballots.map(|it| it.content().vote_id.to_string()).collect();
        for (seq, described) in self.acknowledged.lock().unwrap().iter() {
            let mut words = described.split(' ').skip(1);
            let (operation, id) = (words.next().unwrap(), words.next().unwrap());
            let proposal = || state.proposals().get(id.parse().unwrap()).unwrap();
            match operation {
                "proposal_created" => assert_eq!(proposal().seq(), *seq),
                "vote_cast" => assert!(ballots.contains(id), "{described}"),
                "consensus_reached" => assert_eq!(proposal().decided().unwrap().seq, *seq),
                _ => assert_eq!(id, "-"),
            }
        }
    }

    fn count(&mut self, lines: &[String]) {
        let acknowledged = self.acknowledged.lock().unwrap();
        let of = |wanted: &str| {
            let all = acknowledged.values();
            all.filter(|it| it.split(' ').nth(1) == Some(wanted))
                .count()
        };
        let figures = &mut self.figures;
        figures.acknowledged += acknowledged.len();
        figures.acknowledged_proposals += of("proposal_created");
        figures.acknowledged_ballots += of("vote_cast");
        figures.acknowledged_closes += acknowledged
            .iter()
            .filter(|(seq, _)| is_close(&lines[usize::try_from(**seq - 1).unwrap()]))
            .count();
        figures.entries += lines.len();
        figures.bytes += lines.iter().map(|line| line.len() + 1).sum::<usize>();
        figures.ledgers += 1;
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
            figures.torn_bytes += file.metadata().unwrap().len();
        }
        // Who is killed after recording a recovery and before noting that records it again.
        assert!(recoveries >= kept, "{recoveries} of {kept}");
        figures.torn_tails += kept;
    }
}

/// The number of an entry, and what would be acknowledged of it.
fn found(line: &str) -> (u64, String) {
    let line = Line::decode(line.as_bytes()).unwrap();
    let event = Event::decode(line.operation, line.data).unwrap();
    (line.seq, described(&line.entry_hash, &event))
}

/// Whether somebody closed a proposal at its deadline there.
fn is_close(line: &str) -> bool {
    line.contains("\"operation\":\"consensus_reached\"") && line.contains("\"timing\":\"close\"")
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

fn found_ledger(dir: &Path) {
    let mut policy = Policy::default();
    policy.default.voting_seconds = Seconds::new(30).unwrap();
    let founding = founding(&[1; KINDS.len()], policy, Signatures::StandIn);
    let genesis = genesis(founding, Signatures::StandIn);
    let ledger = dir.join("ledger");
    let ledger = FileLedger::create_on(Disk, &ledger, options(Wait::No)).unwrap();
    drop(Node::found_with(ledger, &genesis, start(), Box::new(StandInVerifier)).unwrap());
}

/// One ledger after the other, until there were enough kills on all lanes together.
fn kill_on(lane: u64, wanted: u64, seed: u64, total: &Mutex<Figures>) {
    let mut moments = Moments::of(seed, lane);
    while total.lock().unwrap().kills < wanted {
        let dir = tempfile::tempdir().unwrap();
        found_ledger(dir.path());
        let mut figures = Figures::default();
        let mut observer = Observer {
            dir: dir.path(),
            moments: &mut moments,
            figures: &mut figures,
            acknowledged: Acknowledged::default(),
            // Some 4 MiB, or 300 KiB.
            large: if is_long(wanted) { 50 } else { 3 },
        };
        observer.watch(KILLS_A_LEDGER.min(wanted));
        let mut total = total.lock().unwrap();
        total.add(&figures);
        println!("{total:?}");
    }
}

const fn is_long(wanted: u64) -> bool {
    wanted >= 100
}

#[test]
fn nothing_acknowledged_is_lost_whoever_is_killed_when() {
    let number = |name, usual| {
        let given = env::var(name).ok();
        given.map_or(usual, |it| it.parse().expect("a number"))
    };
    let wanted = number("ALTHING_KILLS", 12);
    let is_long = is_long(wanted);
    let seed = number("ALTHING_KILLS_SEED", 0x9e37_79b9_7f4a_7c15);
    let lanes = if is_long { LANES } else { 1 };
    let total = Mutex::new(Figures::default());
    thread::scope(|scope| {
        for lane in 0..lanes {
            let total = &total;
            scope.spawn(move || kill_on(lane, wanted, seed, total));
        }
    });
    let figures = total.into_inner().unwrap();
    assert!(figures.acknowledged > 0 && figures.entries >= figures.acknowledged);
    assert!(figures.acknowledged_proposals > 0 && figures.acknowledged_ballots > 0);
    let stopped = usize::try_from(figures.killed_while(Doing::Half)).unwrap();
    assert!(stopped > 0, "nobody stopped half way");
    assert!(
        figures.torn_tails >= stopped,
        "a part of a batch was taken for nothing"
    );
    if is_long {
        assert!(figures.acknowledged_closes > 0);
        for doing in [Doing::Writing, Doing::Syncing, Doing::Copying] {
            let hit = figures.killed_while(doing);
            assert!(hit > 0, "nobody was killed while {doing:?}");
        }
    }
}
