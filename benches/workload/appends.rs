//! Durable appends beside bare writes of the same lines.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use althing::governance::Command;
use althing::governance::time::Timestamp;
use althing::ledger::FileLedger;
use althing::node::{Node, SharedNode};
use serde_json::{Value, json};

use crate::shared::Outcome;
use crate::{prediction, timed, with_grant};

const APPENDERS: usize = 64;

/// How many appends each of them makes in a round.
const EACH: usize = 16;

/// Appends by a node and bare writes, in turns: `one` of each alone, and `rounds` of 64 at once.
///
/// A disk is never quiet for long, so each append stands beside a bare write of the same moment.
pub fn compare(dir: &Path, one: usize, rounds: usize) -> Outcome<Value> {
    let ledger = dir.join("ledger-of-appends");
    let group = with_grant(&ledger)?;
    let now = group.now;
    let mut node = group.node;
    let line = line_of(&mut node, now)?;
    let mut bare = bare_file(&dir.join("bare"))?;
    let (mut bare_one, mut node_one) = (Vec::new(), Vec::new());
    for number in 0..one {
        bare_one.push(timed(|| write_synced(&mut bare, &line))?);
        let command = Command::RecordPrediction(prediction(number)?);
        node_one.push(timed(|| {
            node.submit(&command, now)?;
            Ok(())
        })?);
    }
    let shared = SharedNode::new(node);
    let many = line.repeat(APPENDERS);
    let (mut bare_groups, mut node_groups) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        bare_groups.push(timed(|| {
            (0..EACH).try_for_each(|_| write_synced(&mut bare, &many))
        })?);
        node_groups.push(append_at_once(&shared, now)?);
    }
    Ok(json!({
        "line_bytes": line.len(), "appenders": APPENDERS, "each": EACH,
        "bare_one": bare_one, "node_one": node_one,
        "bare_groups": bare_groups, "node_groups": node_groups,
    }))
}

/// One recorded line, line feed included.
fn line_of(node: &mut Node<FileLedger>, now: Timestamp) -> Outcome<Vec<u8>> {
    let before = node.ledger().bytes();
    node.submit(&Command::RecordPrediction(prediction(0)?), now)?;
    let mut line = Vec::new();
    let mut reader = node.ledger().reader_behind(before);
    std::io::Read::read_to_end(&mut reader, &mut line)?;
    Ok(line)
}

fn bare_file(path: &Path) -> Outcome<File> {
    let mut options = OpenOptions::new();
    Ok(options.create_new(true).append(true).open(path)?)
}

fn write_synced(file: &mut File, bytes: &[u8]) -> Outcome {
    file.write_all(bytes)?;
    Ok(file.sync_data()?)
}

/// How long it takes until every appender has had all of its appends acknowledged, one after the
/// other. The threads exist before the clock starts.
fn append_at_once(node: &SharedNode<FileLedger>, now: Timestamp) -> Outcome<f64> {
    let ready = Barrier::new(APPENDERS + 1);
    let append = |appender: usize| -> Result<(), String> {
        let predictions = (0..EACH).map(|number| prediction(appender * EACH + number));
        let predictions: Outcome<Vec<_>> = predictions.collect();
        let predictions = predictions.map_err(|it| it.to_string());
        ready.wait();
        for prediction in predictions? {
            let command = Command::RecordPrediction(prediction);
            node.submit(command, now).map_err(|it| it.to_string())?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let append = &append;
        let appenders: Vec<_> = (0..APPENDERS)
            .map(|appender| scope.spawn(move || append(appender)))
            .collect();
        ready.wait();
        timed(|| {
            for appender in appenders {
                appender.join().map_err(|_| "an appender panicked")??;
            }
            Ok(())
        })
    })
}
