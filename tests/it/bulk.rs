//! Many predictions in one durable write: the same lines as one command after the other.

use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use althing::chain::line::{EncodedBatch, Head};
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::event::RecoveryRecorded;
use althing::governance::policy::{Policy, PredictionPolicy};
use althing::governance::prediction::{Figures, OutputSummary, Prediction, PredictionVerdict};
use althing::ledger::{
    AppendError, FileLedger, Ledger, MemoryLedger, Recovery, Wait, Writing, Written,
};
use althing::node::{
    Node, NodeError, PreparedPrediction, PreparedPredictions, RecordedPredictions, Request, When,
};
use althing::replay::replay;
use althing::testing::{
    Assembly, Book, Signatures, StandInVerifier, actions, prediction, strategies,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A group of one that authorized `urn:model:triage`.
fn assembly(predictions: PredictionPolicy) -> Assembly {
    let policy = Policy {
        predictions,
        ..Policy::uniform()
    };
    let mut assembly = Assembly::under(policy, &[1]);
    assembly.pass([0], actions::authorize_model("triage"));
    assembly
}

fn prepared(predictions: Vec<Prediction>) -> impl Iterator<Item = PreparedPrediction> {
    let mut prepared = PreparedPredictions::default();
    for prediction in predictions {
        prepared
            .push(prediction)
            .expect("every prediction has a JSON form");
    }
    prepared.into_iter()
}

fn record(assembly: &mut Assembly, predictions: Vec<Prediction>) -> RecordedPredictions {
    let at = When::At(assembly.now());
    let node = assembly.node_mut();
    node.record_predictions(&mut prepared(predictions), at)
        .unwrap()
}

fn figures() -> impl Strategy<Value = OutputSummary> {
    let numbers = select(vec!["0", "-0.0", "0.9300", "1E+10", "12345678901234567890"]);
    btree_map("[a-zö\"]{1,4}", numbers, 0..4).prop_map(|figures| {
        let figure = |(name, number): (String, &str)| {
            let number = serde_json::from_str(number).expect("a number");
            (name.parse().expect("a label"), number)
        };
        OutputSummary::new(Figures(figures.into_iter().map(figure).collect())).expect("distinct")
    })
}

fn predictions() -> impl Strategy<Value = Prediction> {
    let labels = || option::of(strategies::labels());
    let model = prop_oneof![Just(actions::model("triage")), strategies::subjects()];
    let of_model = (
        model,
        strategies::labels(),
        strategies::contexts(),
        figures(),
    );
    let duration = option::of(0..=9_007_199_254_740_991_u64);
    (of_model, duration, labels(), labels(), labels()).prop_map(
        |((model, model_version, context, output_summary), duration_ms, by, request, user)| {
            Prediction {
                context,
                duration_ms,
                input_digest: Digest::of(b"input"),
                model,
                model_version,
                output_summary,
                recorder: by,
                request_id: request,
                user_id: user,
            }
        },
    )
}

proptest! {
    #![proptest_config(crate::config(64))]

    #[test]
    fn the_lines_are_those_of_one_command_after_the_other(made in vec(predictions(), 1..6)) {
        let mut one_by_one = assembly(PredictionPolicy::Record);
        let at = When::At(one_by_one.now());
        let requests: Vec<Request> = made
            .iter()
            .map(|it| Request { command: Command::RecordPrediction(it.clone()), at })
            .collect();
        one_by_one.node_mut().submit_each(&requests).unwrap();

        let mut bulk = assembly(PredictionPolicy::Record);
        let done = record(&mut bulk, made);
        prop_assert!(done.refused.is_none());
        prop_assert!(bulk.bytes() == one_by_one.bytes());
        prop_assert_eq!(bulk.state().hash(), one_by_one.state().hash());
        prop_assert_eq!(bulk.node().merkle().root(), one_by_one.node().merkle().root());
        prop_assert_eq!(bulk.replay().state.hash(), bulk.state().hash());
        let head = bulk.node().head().seq;
        prop_assert_eq!(done.recorded.last().map(|(seq, _)| *seq), Some(head));
    }

    /// However they are cut into writes, each decided while the one before is written.
    #[test]
    fn what_is_recorded_ahead_is_what_is_recorded_write_by_write(
        writes in vec(vec(predictions(), 1..4), 1..5),
    ) {
        let mut one_by_one = assembly(PredictionPolicy::Record);
        let mut expected = Vec::new();
        for made in &writes {
            expected.extend(record(&mut one_by_one, made.clone()).recorded);
        }

        let mut ahead = assembly(PredictionPolicy::Record);
        let at = When::At(ahead.now());
        let mut recording = ahead.node_mut().record_ahead();
        let mut recorded = Vec::new();
        for made in writes {
            let done = recording.record(&mut prepared(made), at).unwrap();
            prop_assert!(done.refused.is_none());
            recorded.extend(done.recorded);
        }
        recorded.extend(recording.finish().unwrap());
        prop_assert_eq!(recorded, expected);
        prop_assert!(ahead.bytes() == one_by_one.bytes());
        prop_assert_eq!(ahead.state().hash(), one_by_one.state().hash());
        prop_assert_eq!(ahead.replay().state.hash(), ahead.state().hash());
        prop_assert_eq!(ahead.replay().merkle.root(), ahead.node().merkle().root());
    }
}

#[test]
fn nothing_behind_a_refusal_is_looked_at() {
    let mut assembly = assembly(PredictionPolicy::Refuse);
    let made = ["triage", "nobody", "triage"].map(prediction);
    let mut predictions = prepared(made.to_vec());
    let at = When::At(assembly.now());
    let node = assembly.node_mut();
    let before = node.head().seq;
    let done = node.record_predictions(&mut predictions, at).unwrap();
    assert_eq!(done.recorded.len(), 1);
    assert_eq!(done.recorded[0].0, before + 1);
    assert!(matches!(done.recorded[0].1, PredictionVerdict::Granted(_)));
    assert_eq!(
        done.refused.map(|error| error.code()),
        Some("prediction.unauthorized")
    );
    assert_eq!(predictions.count(), 1);
    assert_eq!(assembly.node().head().seq, before + 1);
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

#[test]
fn a_time_before_the_head_refuses_the_first() {
    let mut assembly = assembly(PredictionPolicy::Record);
    let bytes = assembly.bytes().to_vec();
    let early = When::At("2020-01-01T00:00:00.000000Z".parse().unwrap());
    let mut predictions = prepared(vec![prediction("triage")]);
    let done = assembly
        .node_mut()
        .record_predictions(&mut predictions, early)
        .unwrap();
    let code = done.refused.map(|error| error.code());
    assert_eq!((done.recorded.len(), code), (0, Some("clock.behind-head")));
    assert!(assembly.bytes() == bytes);
}

#[test]
fn a_write_is_closed_when_it_is_large_and_the_rest_stays() {
    let mut assembly = assembly(PredictionPolicy::Record);
    let mut long = prediction("triage");
    long.request_id = Some("r".repeat(250).parse().unwrap());
    let mut predictions = prepared(vec![long; 13_000]);
    let at = When::At(assembly.now());
    let done = assembly
        .node_mut()
        .record_predictions(&mut predictions, at)
        .unwrap();
    let left = predictions.count();
    assert!(left > 0);
    assert_eq!(done.recorded.len() + left, 13_000);
}

#[test]
fn a_duration_that_no_line_can_hold_is_refused() {
    let of = |duration| {
        let mut long = prediction("triage");
        long.duration_ms = Some(duration);
        let pushed = PreparedPredictions::default().push(long);
        pushed.map_err(|error| error.code())
    };
    assert_eq!(of((1 << 53) - 1), Ok(()));
    assert_eq!(of(1 << 53), Err("prediction.duration"));
}

/// A store that takes nothing more where it is full, and holds a recovery to record.
struct Full {
    inner: MemoryLedger,
    is_full: bool,
}

impl Ledger for Full {
    fn head(&self) -> &Head {
        self.inner.head()
    }
    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        if self.is_full {
            let error = io::Error::from(io::ErrorKind::StorageFull);
            return Err(AppendError::Full(error));
        }
        self.inner.append(expected, batch)
    }
    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        self.inner.reader()
    }
    fn unrecorded_recoveries(&self) -> io::Result<Vec<Recovery>> {
        let recovery = Recovery {
            offset: 7,
            bytes: 3,
            sha256: Digest::of(b"tail"),
        };
        Ok(vec![recovery])
    }
}

fn on_a_store(is_full: bool) -> Node<Full> {
    let assembly = assembly(PredictionPolicy::Record);
    let inner = MemoryLedger::from_bytes(assembly.bytes().to_vec()).expect("a ledger");
    let store = Full { inner, is_full };
    Node::open_with(store, Box::new(StandInVerifier)).unwrap()
}

#[test]
fn where_the_store_does_not_acknowledge_nothing_is_recorded() {
    let mut node = on_a_store(true);
    let (hash, root) = (node.state().hash(), node.merkle().root());
    let at = When::At(node.state().clock());
    let mut predictions = prepared(vec![prediction("triage"), prediction("nobody")]);
    let outcome = node.record_predictions(&mut predictions, at);
    assert!(matches!(outcome, Err(NodeError::Append(_))), "{outcome:?}");
    assert_eq!((node.state().hash(), node.merkle().root()), (hash, root));
}

/// A durable store whose writes end when they are told to, or fail.
struct Slow {
    inner: FileLedger,
    /// For each write, whether it ends well.
    ends: Arc<Mutex<Receiver<bool>>>,
}

impl Ledger for Slow {
    fn head(&self) -> &Head {
        self.inner.head()
    }
    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        self.inner.append(expected, batch)
    }
    fn begin(&mut self, expected: &Head, batch: Arc<EncodedBatch>) -> Result<Writing, AppendError> {
        let writing = self.inner.begin(expected, batch)?;
        let ends = Arc::clone(&self.ends);
        Ok(Writing::new(move || {
            let written = writing.run();
            if ends.lock().unwrap().recv().unwrap() {
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
    fn is_poisoned(&self) -> bool {
        self.inner.is_poisoned()
    }
    fn recover(&mut self) -> io::Result<()> {
        self.inner.recover()
    }
}

fn on_a_slow_store(dir: &Path) -> (Node<Slow>, Sender<bool>) {
    let (sender, receiver) = channel();
    let empty = FileLedger::create(dir).unwrap();
    drop(Assembly::found(
        empty,
        Policy::uniform(),
        &[1],
        Signatures::StandIn,
    ));
    let slow = Slow {
        inner: FileLedger::open(dir, Wait::No).unwrap(),
        ends: Arc::new(Mutex::new(receiver)),
    };
    let node = Node::open_with(slow, Box::new(StandInVerifier)).unwrap();
    (node, sender)
}

fn hashes<L: Ledger>(node: &Node<L>) -> (Head, Digest) {
    (*node.head(), node.merkle().root())
}

fn one() -> impl Iterator<Item = PreparedPrediction> {
    prepared(vec![prediction("triage")])
}

#[test]
fn where_a_write_fails_what_was_decided_on_it_is_gone_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, ends) = on_a_slow_store(dir.path());
    let at = When::At(node.state().clock());
    let before = hashes(&node);

    let mut recording = node.record_ahead();
    assert!(
        recording
            .record(&mut one(), at)
            .unwrap()
            .recorded
            .is_empty()
    );
    ends.send(false).unwrap();
    let error = recording.record(&mut one(), at).unwrap_err();
    assert_eq!(error.code(), "ledger.durability-unknown");
    assert!(recording.finish().unwrap().is_empty());
    assert_eq!(hashes(&node), before);
    assert_eq!(node.state().entries(), before.0.seq);

    // What is durable is told, whatever comes behind it.
    node.recover().unwrap();
    let mut recording = node.record_ahead();
    recording.record(&mut one(), at).unwrap();
    ends.send(true).unwrap();
    let done = recording.record(&mut one(), at).unwrap();
    assert_eq!(done.recorded.len(), 1);
    ends.send(false).unwrap();
    recording.record(&mut one(), at).unwrap_err();
    assert!(recording.finish().unwrap().is_empty());
    assert_eq!(node.head().seq, before.0.seq + 1);
    // Until then the bytes of the write that failed are in the file, whole or not.
    node.recover().unwrap();
    drop(node);

    let node = Node::open_with(
        FileLedger::open(dir.path(), Wait::No).unwrap(),
        Box::new(StandInVerifier),
    );
    let node = node.unwrap();
    assert_eq!(node.head().seq, before.0.seq + 1);
    assert!(node.ledger().unrecorded_recoveries().unwrap().is_empty());
}

#[test]
fn a_recording_that_is_given_up_leaves_what_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, ends) = on_a_slow_store(dir.path());
    let at = When::At(node.state().clock());
    for ends_well in [true, false] {
        let before = node.head().seq;
        let mut recording = node.record_ahead();
        recording.record(&mut one(), at).unwrap();
        ends.send(ends_well).unwrap();
        drop(recording);
        assert_eq!(node.head().seq, before + u64::from(ends_well));
        assert_eq!(node.state().entries(), node.head().seq);
        node.recover().unwrap();
        let replayed = replay(node.ledger().reader().unwrap(), &StandInVerifier).unwrap();
        assert_eq!(replayed.merkle.root(), node.merkle().root());
    }
}

#[test]
fn what_a_crash_left_is_recorded_behind_them() {
    let mut node = on_a_store(false);
    let at = When::At(node.state().clock());
    let done = node.record_predictions(&mut prepared(vec![prediction("triage")]), at);
    let done = done.unwrap();
    assert_eq!(done.recorded.len(), 1);
    assert_eq!(node.head().seq, done.recorded[0].0 + 1);
    let replayed = replay(node.ledger().reader().unwrap(), &StandInVerifier).unwrap();
    assert_eq!(replayed.state.hash(), node.state().hash());
    assert_eq!(replayed.merkle.root(), node.merkle().root());
    let expected = RecoveryRecorded {
        bytes: 3,
        offset: 7,
        sha256: Digest::of(b"tail"),
    };
    let mut bytes = Vec::new();
    node.ledger()
        .reader()
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    let last = Book::read(&bytes).event(node.head().seq).clone();
    assert_eq!(last, expected.into());
}
