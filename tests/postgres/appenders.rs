//! Many processes on one ledger: one chain, nothing lost, nothing doubled.
//!
//! ```sh
//! ALTHING_APPENDERS=16 ALTHING_COMMANDS=2000 cargo test --release --features postgres --test postgres appenders:: -- --nocapture
//! ```

use std::collections::BTreeSet;
use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use althing::governance::command::Command;
use althing::governance::event::Event;
use althing::governance::policy::Policy;
use althing::governance::time::Timestamp;
use althing::ledger::{FileLedger, Ledger as _, Wait};
use althing::node::{Node, SharedNode};
use althing::replay::replay;
use althing::testing::{Book, Signatures, StandInVerifier, founding, genesis, prediction};

use crate::server;
use crate::suite::{copy, table};

const URL: &str = "ALTHING_TEST_POSTGRES_URL";
const NAME: &str = "ALTHING_TEST_POSTGRES_NAME";
const COMMANDS: &str = "ALTHING_TEST_POSTGRES_COMMANDS";
const WAIT: Wait = Wait::For(Duration::from_secs(120));
/// How many threads of a process share its writes.
const THREADS: usize = 4;

pub fn setting(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

pub fn start() -> Timestamp {
    Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap()
}

pub fn numbered(name: &str) -> Command {
    let mut prediction = prediction("triage");
    prediction.request_id = Some(name.parse().unwrap());
    Command::RecordPrediction(prediction)
}

/// What each process runs.
#[test]
#[ignore = "a part of another test"]
fn appender() {
    let given = |name| env::var(name).expect("started by the other test");
    let (name, commands) = (given(NAME), given(COMMANDS).parse::<usize>().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create(dir.path()).unwrap();
    ledger.follow(table(&given(URL)));
    drop(ledger.resume(WAIT).unwrap());
    let node = Node::open_with(ledger, Box::new(StandInVerifier)).unwrap();
    let shared = SharedNode::in_turns(node, WAIT);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shared, name) = (shared.clone(), &name);
            scope.spawn(move || {
                for number in (thread..commands).step_by(THREADS) {
                    let id = format!("{name}/{number}");
                    shared.submit(numbered(&id), start()).unwrap();
                    let line = format!("\nacknowledged {id}\n");
                    io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// A process that appends, and what it says was acknowledged.
pub struct Appender(Child);

impl Appender {
    pub fn start(url: &str, name: &str, commands: usize) -> Self {
        let child = Process::new(env::current_exe().unwrap())
            .args(["appenders::appender", "--exact", "--ignored", "--nocapture"])
            .env(URL, url)
            .env(NAME, name)
            .env(COMMANDS, commands.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Everything that is acknowledged until the process ends, which must end well.
    pub fn acknowledged(mut self) -> Vec<String> {
        let said = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let said: Vec<String> = said
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned))
            .collect();
        assert!(self.0.wait().unwrap().success(), "an appender failed");
        said
    }
}

pub fn found(url: &str) {
    let founding = founding(&[1, 1, 1], Policy::default(), Signatures::StandIn);
    let genesis = genesis(founding, Signatures::StandIn);
    let copy = copy(url);
    Node::found_with(copy, &genesis, start(), Box::new(StandInVerifier)).unwrap();
}

/// The request ids in the ledger, in order; its history must be legal throughout.
pub fn recorded(url: &str) -> Vec<String> {
    let copy = copy(url);
    let bytes = althing::testing::ledgers::contents(&copy);
    replay(bytes.as_slice(), &StandInVerifier).unwrap();
    let events = Book::read(&bytes).0.into_iter().flatten();
    events
        .filter_map(|(_, event)| match event {
            Event::PredictionRecorded(recorded) => recorded.prediction.request_id,
            _ => None,
        })
        .map(|id| id.to_string())
        .collect()
}

/// Each id stands there once, and all that were acknowledged do.
pub fn check(recorded: &[String], acknowledged: &[String]) {
    let all: BTreeSet<&String> = recorded.iter().collect();
    assert_eq!(all.len(), recorded.len(), "something is there twice");
    let lost: Vec<_> = acknowledged.iter().filter(|id| !all.contains(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[test]
fn many_processes_append_to_one_chain() {
    let Some(cluster) = server::start() else {
        return;
    };
    let processes = setting("ALTHING_APPENDERS", 3);
    let commands = setting("ALTHING_COMMANDS", 40);
    found(&cluster.url());
    let began = Instant::now();
    let appenders: Vec<Appender> = (0..processes)
        .map(|process| Appender::start(&cluster.url(), &format!("p{process}"), commands))
        .collect();
    let acknowledged: Vec<String> = appenders
        .into_iter()
        .flat_map(Appender::acknowledged)
        .collect();
    let took = began.elapsed();
    assert_eq!(acknowledged.len(), processes * commands);
    let recorded = recorded(&cluster.url());
    assert_eq!(recorded.len(), acknowledged.len());
    check(&recorded, &acknowledged);
    println!(
        "{processes} processes, {} commands, {took:.1?}: one chain, nothing lost, nothing doubled",
        acknowledged.len()
    );
}
