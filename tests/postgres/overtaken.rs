//! Others append in between, because the server that kept the turns is gone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use althing::chain::line::{EncodedBatch, Head};
use althing::governance::command::Command;
use althing::governance::prediction::PredictionVerdict;
use althing::ledger::{AppendError, FileLedger, Ledger as _, Row, Upstream, UpstreamError, Wait};
use althing::node::{Node, NodeError, PreparedPrediction, PreparedPredictions, SharedNode, When};
use althing::postgres::Table;
use althing::testing::StandInVerifier;
use tempfile::TempDir;

use crate::appenders::{found, numbered, recorded, start};
use crate::server;
use crate::suite::table;

/// A table whose turns nobody keeps: before each append, the next of the rivals appends.
#[derive(Debug)]
struct Rivalled {
    table: Arc<Table>,
    url: String,
    rivals: Mutex<Vec<&'static str>>,
}

impl Rivalled {
    fn new(url: &str, rivals: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            table: table(url),
            url: url.to_owned(),
            rivals: Mutex::new(rivals.iter().rev().copied().collect()),
        })
    }
}

impl Upstream for Rivalled {
    fn set_up(&self) -> Result<(), UpstreamError> {
        self.table.set_up()
    }

    fn check(&self) -> Result<(), UpstreamError> {
        self.table.check()
    }

    fn wait_for_more(&self, at_most: Duration) -> Result<(), UpstreamError> {
        self.table.wait_for_more(at_most)
    }

    fn take_turn(&self, _: Wait) -> Result<(), UpstreamError> {
        Ok(())
    }

    fn end_turn(&self) {}

    fn append(&self, batch: &EncodedBatch) -> Result<(), AppendError> {
        let rival = self.rivals.lock().unwrap().pop();
        if let Some(name) = rival {
            let (mut node, _dir) = node(Rivalled::new(&self.url, &[]));
            node.submit(&numbered(name), start()).unwrap();
        }
        self.table.append(batch)
    }

    fn rows_from(
        &self,
        head: &Head,
        take: &mut dyn FnMut(&Row<'_>) -> Result<(), UpstreamError>,
    ) -> Result<(), UpstreamError> {
        self.table.rows_from(head, take)
    }

    fn name(&self) -> String {
        self.table.name()
    }
}

fn node(upstream: Arc<Rivalled>) -> (Node<FileLedger>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create(dir.path()).unwrap();
    ledger.follow(upstream);
    drop(ledger.resume(Wait::default()).unwrap());
    let node = Node::open_with(ledger, Box::new(StandInVerifier)).unwrap();
    (node, dir)
}

fn prepared(name: &str) -> impl Iterator<Item = PreparedPrediction> {
    let Command::RecordPrediction(prediction) = numbered(name) else {
        panic!("no prediction")
    };
    let mut one = PreparedPredictions::default();
    one.push(prediction).unwrap();
    one.into_iter()
}

/// Records each in a write of its own.
fn record(
    upstream: Arc<Rivalled>,
    turns: Option<Wait>,
    names: &[&str],
) -> Result<Vec<(u64, PredictionVerdict)>, NodeError> {
    let (mut node, _dir) = node(upstream);
    let mut recording = match turns {
        Some(wait) => node.record_in_turn(wait),
        None => node.record_ahead(),
    };
    let mut done = Vec::new();
    for name in names {
        let mut one = prepared(name);
        let recorded = recording.record(&mut one, When::Clock(start()))?;
        assert!(recorded.refused.is_none());
        done.extend(recorded.recorded);
    }
    done.extend(recording.finish()?);
    assert_eq!(node.head().seq, node.state().entries());
    Ok(done)
}

#[test]
fn predictions_that_were_overtaken_are_recorded_once_and_in_order() {
    let Some(cluster) = server::start() else {
        return;
    };
    // Who comes in between, and what the ledger holds in the end.
    let cases: [(&[&'static str], &[&str]); 4] = [
        (&[], &["a", "b", "c"]),
        (&["x"], &["x", "a", "b", "c"]),
        (&["x", "y", "z"], &["x", "y", "z", "a", "b", "c"]),
        (&["x", "y"], &["x", "y", "a", "b", "c"]),
    ];
    for (index, (rivals, expected)) in cases.into_iter().enumerate() {
        let url = cluster.url_of(&format!("case_{index}"));
        found(&url);
        let first = table_head(&url) + 1;
        let rivalled = Rivalled::new(&url, rivals);
        let done = record(rivalled, Some(Wait::default()), &["a", "b", "c"]).unwrap();
        assert_eq!(recorded(&url), expected, "{rivals:?}");
        let places: Vec<u64> = done.iter().map(|(seq, _)| *seq).collect();
        let behind = first + rivals.len() as u64;
        assert_eq!(
            places,
            (behind..behind + 3).collect::<Vec<_>>(),
            "{rivals:?}"
        );
    }
}

fn table_head(url: &str) -> u64 {
    crate::suite::copy(url).head().seq
}

#[test]
fn who_expects_nobody_is_told() {
    let Some(cluster) = server::start() else {
        return;
    };
    found(&cluster.url());
    let rivalled = Rivalled::new(&cluster.url(), &["x"]);
    let error = record(rivalled, None, &["a"]).unwrap_err();
    assert!(error.is_overtaken(), "{error}");
    assert_eq!(recorded(&cluster.url()), ["x"]);
}

#[test]
fn a_shared_node_decides_again_until_nobody_is_faster() {
    let Some(cluster) = server::start() else {
        return;
    };
    found(&cluster.url());
    let (node, _dir) = node(Rivalled::new(&cluster.url(), &["x", "y", "z"]));
    let shared = SharedNode::in_turns(node, Wait::default());
    let done = shared.submit(numbered("a"), start()).unwrap();
    assert_eq!(done.len(), 1);
    assert_eq!(recorded(&cluster.url()), ["x", "y", "z", "a"]);
}
