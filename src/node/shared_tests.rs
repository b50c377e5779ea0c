//! What happens while a write is under way.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Condvar;
use std::thread::{self, ScopedJoinHandle};

use super::*;
use crate::chain::line::{EncodedBatch, Head};
use crate::governance::digest::Digest;
use crate::governance::event::{Event, RecoveryRecorded};
use crate::governance::policy::Policy;
use crate::ledger::{FileLedger, LedgerReader, OpenError, Recovery, Writing, Written};
use crate::replay::replay;
use crate::testing::{Signatures, StandInVerifier, founding, genesis, prediction};

/// Lets writes end one by one.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    is_shut: bool,
    /// How many wait behind the gate.
    waiting: usize,
    /// Whether those that may pass end well.
    passes: std::collections::VecDeque<bool>,
}

impl Gate {
    fn shut(&self) {
        self.state.lock().unwrap().is_shut = true;
    }

    fn open(&self) {
        self.state.lock().unwrap().is_shut = false;
        self.changed.notify_all();
    }

    fn let_one_end(&self, well: bool) {
        self.state.lock().unwrap().passes.push_back(well);
        self.changed.notify_all();
    }

    fn wait_for_a_write(&self) {
        let state = self.state.lock().unwrap();
        drop(
            self.changed
                .wait_while(state, |state| state.waiting == 0)
                .unwrap(),
        );
    }

    /// Whether the write ends well.
    fn pass(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let held = |state: &mut GateState| state.is_shut && state.passes.is_empty();
        let mut state = self.changed.wait_while(state, held).unwrap();
        state.waiting -= 1;
        state.passes.pop_front().unwrap_or(true)
    }
}

/// A durable ledger whose syncs end when they are told to.
struct Gated {
    inner: FileLedger,
    gate: Arc<Gate>,
}

impl Ledger for Gated {
    fn head(&self) -> &Head {
        self.inner.head()
    }
    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        self.inner.append(expected, batch)
    }
    fn begin(&mut self, expected: &Head, batch: Arc<EncodedBatch>) -> Result<Writing, AppendError> {
        let writing = self.inner.begin(expected, batch)?;
        let gate = Arc::clone(&self.gate);
        Ok(Writing::new(move || {
            // The bytes are there; whether they are durable is another matter.
            let written = writing.run();
            if gate.pass() {
                return written;
            }
            let error = io::Error::other("the sync failed");
            Written::of(Err(AppendError::DurabilityUnknown(error)))
        }))
    }
    fn end(&mut self, written: Written) -> Result<(), AppendError> {
        self.inner.end(written)
    }
    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        self.inner.reader()
    }
    fn unrecorded_recoveries(&self) -> io::Result<Vec<Recovery>> {
        self.inner.unrecorded_recoveries()
    }
    fn is_poisoned(&self) -> bool {
        self.inner.is_poisoned()
    }
    fn recover(&mut self) -> io::Result<()> {
        self.inner.recover()
    }
    fn release(&mut self) {
        self.inner.release();
    }
    fn resume(&mut self, wait: Wait) -> Result<Option<crate::ledger::Appended<'_>>, OpenError> {
        self.inner.resume(wait)
    }
}

struct Stage {
    dir: tempfile::TempDir,
    gate: Arc<Gate>,
    shared: SharedNode<Gated>,
}

fn start() -> Timestamp {
    Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap()
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

/// The request ids of a legal history, by entry.
fn requests(ledger: impl Read) -> BTreeMap<u64, String> {
    let mut bytes = Vec::new();
    let mut ledger = ledger;
    ledger.read_to_end(&mut bytes).unwrap();
    replay(&bytes[..], &StandInVerifier).unwrap();
    let lines = bytes.split(|byte| *byte == b'\n');
    (1..)
        .zip(lines.filter(|line| !line.is_empty()))
        .filter_map(|(seq, line)| {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap();
            let id = line["data"]["prediction"]["request_id"].as_str()?;
            Some((seq, id.to_owned()))
        })
        .collect()
}

fn ids_on_disk(dir: &Path) -> Vec<String> {
    let reader = LedgerReader::open(dir).unwrap();
    assert_eq!((reader.refusal(), reader.tail()), (None, None));
    requests(reader.reader()).into_values().collect()
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gate = Arc::<Gate>::default();
        let ledger = Gated {
            inner: FileLedger::create(dir.path()).unwrap(),
            gate: Arc::clone(&gate),
        };
        let founding = founding(&[1, 1, 1], Policy::default(), Signatures::StandIn);
        let genesis = genesis(founding, Signatures::StandIn);
        let node = Node::found_with(ledger, &genesis, start(), Box::new(StandInVerifier));
        Self {
            dir,
            gate,
            shared: SharedNode::new(node.unwrap()),
        }
    }

    /// Submits `first`, and while it is written all others, in order. Each of them is decided, or
    /// known to be no more than joined, before this returns.
    fn while_written<'s>(
        &'s self,
        scope: &'s thread::Scope<'s, '_>,
        first: Command,
        others: Vec<Command>,
    ) -> Vec<ScopedJoinHandle<'s, Result<Vec<Recorded>, &'static str>>> {
        let submit = |command| {
            scope.spawn(move || {
                let answer = self.shared.submit(command, start());
                answer.map_err(|error| error.code())
            })
        };
        self.gate.shut();
        let mut callers = vec![submit(first)];
        self.gate.wait_for_a_write();
        for (index, command) in others.into_iter().enumerate() {
            callers.push(submit(command));
            while self.looked_at() <= index {
                thread::yield_now();
            }
        }
        callers
    }

    /// How many commands of the open group came to the node.
    fn looked_at(&self) -> usize {
        self.shared.0.node.lock().unwrap().requests.len()
    }

    fn check(&self) {
        let look = |node: &Node<Gated>| {
            let replayed = replay(node.ledger().reader().unwrap(), &StandInVerifier).unwrap();
            assert_eq!(node.state().hash(), replayed.state.hash());
            assert_eq!(node.merkle().root(), replayed.merkle.root());
            assert_eq!(node.state().entries(), node.head().seq);
        };
        self.shared.look(look).unwrap();
    }
}

fn outcomes(
    callers: Vec<ScopedJoinHandle<'_, Result<Vec<Recorded>, &'static str>>>,
) -> Vec<Result<u64, &'static str>> {
    let outcome = |caller: ScopedJoinHandle<'_, Result<Vec<Recorded>, &'static str>>| {
        let recorded = caller.join().unwrap()?;
        Ok(recorded.first().map_or(0, |entry| entry.seq))
    };
    callers.into_iter().map(outcome).collect()
}

#[test]
fn what_was_decided_on_a_write_that_fails_is_refused() {
    let stage = Stage::new();
    stage.shared.submit(numbered("before"), start()).unwrap();
    let before = stage
        .shared
        .look(|node| (*node.head(), node.state().hash()));
    let answers = thread::scope(|scope| {
        let others = vec![numbered("on top"), refused(), numbered("too")];
        let callers = stage.while_written(scope, numbered("fails"), others);
        stage.gate.let_one_end(false);
        outcomes(callers)
    });
    stage.gate.open();
    let poisoned = Err("ledger.poisoned");
    assert_eq!(
        answers,
        [
            Err("ledger.durability-unknown"),
            poisoned,
            poisoned,
            poisoned
        ]
    );
    let after = stage
        .shared
        .look(|node| (*node.head(), node.state().hash()));
    assert_eq!(before.unwrap(), after.unwrap());
    assert_eq!(ids_on_disk(stage.dir.path()), ["before"]);
    stage.shared.submit(numbered("after"), start()).unwrap();
    stage.check();
    let Stage { dir, shared, .. } = stage;
    drop(shared);
    let ledger = FileLedger::open(dir.path(), Wait::No).unwrap();
    let node = Node::open_with(ledger, Box::new(StandInVerifier)).unwrap();
    assert!(node.ledger().unrecorded_recoveries().unwrap().is_empty());
    assert_eq!(ids_on_disk(dir.path()), ["before", "after"]);
}

#[test]
fn nothing_is_written_or_answered_before_what_it_was_decided_on() {
    let stage = Stage::new();
    let head = stage.shared.look(|node| node.head().seq).unwrap();
    thread::scope(|scope| {
        let others = vec![numbered(2), refused(), numbered(3)];
        let callers = stage.while_written(scope, numbered(1), others);
        // Of the second write, not a byte is there before the first is acknowledged.
        assert_eq!(ids_on_disk(stage.dir.path()), ["1"]);
        assert!(callers.iter().all(|caller| !caller.is_finished()));
        stage.gate.let_one_end(true);
        stage.gate.wait_for_a_write();
        assert!(callers[1..].iter().all(|caller| !caller.is_finished()));
        stage.gate.let_one_end(true);
        let refused = Err("proposal.unknown");
        assert_eq!(
            outcomes(callers),
            [Ok(head + 1), Ok(head + 2), refused, Ok(head + 3)]
        );
    });
    stage.gate.open();
    assert_eq!(ids_on_disk(stage.dir.path()), ["1", "2", "3"]);
    stage.check();
}

#[test]
fn who_looks_sees_what_is_acknowledged_and_nothing_else() {
    let stage = Stage::new();
    thread::scope(|scope| {
        let callers = stage.while_written(scope, numbered(1), vec![numbered(2)]);
        let looker = scope.spawn(|| stage.check());
        while stage.shared.0.lookers.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        assert!(!looker.is_finished());
        stage.gate.open();
        looker.join().unwrap();
        assert!(outcomes(callers).iter().all(Result::is_ok));
    });
    stage.check();
}

#[test]
fn what_cant_be_written_spoils_nothing_that_was_decided_with_it() {
    let stage = Stage::new();
    let answers = thread::scope(|scope| {
        let others = vec![numbered(2), unwritable()];
        let mut callers = stage.while_written(scope, numbered(1), others);
        // What comes behind it waits undecided.
        let late = scope.spawn(|| {
            let answer = stage.shared.submit(numbered(3), start());
            answer.map_err(|error| error.code())
        });
        while stage.shared.0.open().size < 3 {
            thread::yield_now();
        }
        callers.push(late);
        stage.gate.open();
        outcomes(callers)
    });
    let codes: Vec<_> = answers.iter().map(|it| it.err()).collect();
    assert_eq!(codes, [None, None, Some("event.unwritable"), None]);
    assert_eq!(ids_on_disk(stage.dir.path()), ["1", "2", "3"]);
    stage.check();
}

/// Replay refuses it anywhere else.
#[test]
fn a_checkpoint_begins_its_write() {
    let stage = Stage::new();
    let answers = thread::scope(|scope| {
        let checkpoint = || Command::RecordCheckpoint(None);
        let others = vec![numbered(2), checkpoint(), numbered(3), checkpoint()];
        let callers = stage.while_written(scope, numbered(1), others);
        stage.gate.open();
        outcomes(callers)
    });
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    stage.check();
}

/// Whatever write fails: what was acknowledged is there, in its place, and nothing else is.
#[test]
fn what_is_acknowledged_is_on_the_chain_whatever_fails() {
    for seed in 0..8_u64 {
        let stage = Stage::new();
        // Every third or so of the writes fails.
        let passes = (0..400_u64).map(|write| (write * 7 + seed * 5) % 11 > 3);
        stage.gate.state.lock().unwrap().passes.extend(passes);
        let submit_all = |thread: usize| {
            let submit = |number| {
                let id = format!("{thread}-{number}");
                let recorded = stage.shared.submit(numbered(&id), start()).ok()?;
                let [entry] = &recorded[..] else {
                    panic!("one event: {recorded:?}");
                };
                assert!(matches!(entry.event, Event::PredictionRecorded(_)));
                Some((entry.seq, id))
            };
            (0..12).filter_map(submit).collect::<Vec<_>>()
        };
        let acknowledged: BTreeMap<u64, String> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| scope.spawn(move || submit_all(thread)))
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join().unwrap());
            joined
                .flat_map(|recorded| {
                    assert!(recorded.is_sorted());
                    recorded
                })
                .collect()
        });
        assert!(!acknowledged.is_empty() && acknowledged.len() < 96);
        let found = stage
            .shared
            .look(|node| requests(node.ledger().reader().unwrap()));
        assert_eq!(found.unwrap(), acknowledged);
        stage.check();
    }
}
