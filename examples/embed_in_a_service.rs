//! A service with several workers keeps its ledger in a directory and restarts by replaying it.
//!
//! One node writes; the workers share it behind a mutex. Run with
//! `cargo run --example embed_in_a_service`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a service has a clock, threads and files; the rules do not"
)]

mod shared;

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use althing::governance::Command;
use althing::governance::ballot::Decision;
use althing::governance::digest::Digest;
use althing::governance::id::Subject;
use althing::governance::kind::AuthorizationKind;
use althing::governance::policy::Policy;
use althing::governance::prediction::{OutputSummary, Prediction};
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::scope::CheckContext;
use althing::governance::time::Timestamp;
use althing::ledger::{FileLedger, Wait};
use althing::node::Node;
use shared::{Group, Member, Outcome, genesis};

const WORKERS: usize = 4;
const BATCHES: usize = 5;
const PREDICTIONS_A_BATCH: usize = 20;

/// What the workers share.
struct Service {
    node: Mutex<Node<FileLedger>>,
}

impl Service {
    /// Opens the ledger, recovers it from a crash if need be, and replays it.
    fn start(dir: &Path) -> Outcome<Self> {
        let node = Mutex::new(Node::open_dir(dir, Wait::default())?);
        Ok(Self { node })
    }

    /// The node, once no other worker uses it.
    ///
    /// A worker that panicked in the middle of something may have left the node anywhere: the
    /// service has to start again then.
    fn node(&self) -> Outcome<MutexGuard<'_, Node<FileLedger>>> {
        let node = self.node.lock();
        node.map_err(|_| "a worker panicked while it held the node".into())
    }

    fn may_run(&self, model: &Subject) -> Outcome<bool> {
        let context = CheckContext::default();
        let node = self.node()?;
        let authorizations = node.state().authorizations();
        let outcome = authorizations.check(AuthorizationKind::Model, model, &context, now()?);
        Ok(outcome.is_allowed())
    }

    /// Records predictions in one durable write: all of them, or none.
    fn record(&self, predictions: Vec<Prediction>) -> Outcome<usize> {
        let commands: Vec<_> = predictions
            .into_iter()
            .map(Command::RecordPrediction)
            .collect();
        let mut node = self.node()?;
        // Never before the last entry, and never far ahead of this machine's clock.
        let at = node.timestamp(now()?)?;
        Ok(node.submit_all(&commands, at)?.len())
    }
}

fn main() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("ledger-of-the-service");
    let model: Subject = "urn:model:scoring".parse()?;
    set_up(&path, &model)?;

    let service = Service::start(&path)?;
    println!("Started at entry {}.", service.node()?.head());

    println!("A second writer is turned away while this one runs:");
    match Node::open_dir(&path, Wait::No) {
        Ok(_) => return Err("two writers at once".into()),
        Err(error) => println!("  {}", error.code()),
    }

    let recorded = run_workers(&service, &model)?;
    println!("{WORKERS} workers recorded {recorded} predictions.");
    let before = service.node()?.state().hash();
    drop(service);

    let service = Service::start(&path)?;
    println!("Restarted at entry {}.", service.node()?.head());
    println!("{:?}", service.node()?.state().predictions().of(&model));
    assert_eq!(service.node()?.state().hash(), before);
    println!("The state hash is as before: {before}");
    Ok(())
}

/// Founds a group whose ledger lies in `dir`, and authorizes the model.
fn set_up(dir: &Path, model: &Subject) -> Outcome {
    let members = vec![Member::new("Alice")?, Member::new("Bob")?];
    let now = now()?;
    let genesis = genesis(&members, &[1, 1], Policy::default(), now)?;
    let node = Node::found(FileLedger::create(dir)?, &genesis, now)?;
    let mut group = Group { node, members, now };
    let terms = GrantTerms::unrestricted(model.clone());
    let grant = group.propose("Alice", "Authorize scoring", Action::AuthorizeModel(terms))?;
    group.vote("Alice", grant, Decision::Approve)?;
    group.vote("Bob", grant, Decision::Approve)
}

fn run_workers(service: &Service, model: &Subject) -> Outcome<usize> {
    let results: Vec<Result<usize, String>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                scope.spawn(move || work(service, model, worker).map_err(|e| e.to_string()))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err("a worker panicked".to_owned()))
            })
            .collect()
    });
    let mut recorded = 0;
    for result in results {
        recorded += result?;
    }
    Ok(recorded)
}

/// One worker: asks whether the model may run, then predicts and records.
fn work(service: &Service, model: &Subject, worker: usize) -> Outcome<usize> {
    let mut recorded = 0;
    for batch in 0..BATCHES {
        if !service.may_run(model)? {
            return Ok(recorded);
        }
        let mut predictions = Vec::new();
        for number in 0..PREDICTIONS_A_BATCH {
            let request = format!("{worker}-{batch}-{number}");
            predictions.push(Prediction {
                context: CheckContext::default(),
                duration_ms: None,
                input_digest: Digest::of(request.as_bytes()),
                model: model.clone(),
                model_version: "2026-05".parse()?,
                output_summary: OutputSummary::default(),
                recorder: Some(format!("worker-{worker}").parse()?),
                request_id: Some(request.parse()?),
                user_id: None,
            });
        }
        recorded += service.record(predictions)?;
    }
    Ok(recorded)
}

fn now() -> Outcome<Timestamp> {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let instant = Timestamp::from_micros(u64::try_from(micros)?);
    instant.ok_or_else(|| "the clock is past the year 9999".into())
}
