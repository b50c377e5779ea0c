//! What a cluster decides in a second, and how long a decision takes, beside the engine with nothing around
//! it: `cargo bench --features cluster --bench cluster`. Prints the table of docs/cluster.md.
//!
//! All nodes are processes on this machine and share its cores. Raw and whole take turns.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark has a clock, processes and files"
)]

mod load;
mod raw;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use althing::cluster::client::Client;
use althing::cluster::run::KEY_DIR;
use althing::cluster::setup::{Plan, init};
use althing::governance::policy::Policy;
use althing::identity::{KeyStore, SigningKey};
use load::Group;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How many nodes.
const SIZES: [u16; 3] = [4, 7, 10];

/// How many clients at once; how long they work; and for how long the engine runs alone, of which the
/// first half is for coming together.
const CLIENTS: usize = 32;
const WORK: Duration = Duration::from_secs(15);
const RAW_SECONDS: u64 = 20;

const DECISIONS: usize = 9;

fn main() -> Outcome {
    let words: Vec<String> = (std::env::args().skip(1))
        .filter(|word| !word.starts_with("--"))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["raw", dir, payload, seconds] = words.as_slice() {
        return raw::run(Path::new(dir), payload.parse()?, seconds.parse()?);
    }
    let sizes: Vec<u16> = match words.as_slice() {
        [] => SIZES.to_vec(),
        sizes => sizes
            .iter()
            .map(|size| size.parse())
            .collect::<Result<_, _>>()?,
    };
    println!(
        "| nodes | engine alone: heights/s | CPU a node and height | Althing: heights/s | CPU a node and height \
         | commands a height | bytes a height | commands/s, {CLIENTS} clients | median latency \
         | time to decision |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (turn, nodes) in (0u16..).zip(sizes) {
        println!("{}", row(nodes, 27_000 + 100 * turn)?);
    }
    Ok(())
}

/// A cluster of processes. They end with it.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn row(nodes: u16, port: u16) -> Outcome<String> {
    let dir = tempfile::tempdir()?;
    let group = found(&dir.path().join("whole"), nodes, port)?;
    let running = start(&group)?;
    let mut decisions = Vec::new();
    for _ in 0..DECISIONS {
        decisions.push(group.time_to_decision()?);
    }
    let before = measures(&group, &running)?;
    let start = Instant::now();
    let mut seen = group.load(CLIENTS, WORK)?;
    let elapsed = start.elapsed().as_secs_f64();
    let after = measures(&group, &running)?;
    drop(running);

    let heights = (after.heights - before.heights) as f64;
    let bytes = (after.bytes - before.bytes) as f64 / heights;
    let cpu = (after.cpu - before.cpu) / heights / f64::from(nodes);
    let raw = found(&dir.path().join("raw"), nodes, port + 50)?;
    let (alone, alone_cpu) = raw_heights(&raw, bytes as usize)?;
    Ok(format!(
        "| {nodes} | {:.0} | {:.1} ms | {:.0} | {:.1} ms | {:.1} | {:.0} | {:.0} | {:.0} ms | {:.0} ms |",
        alone / (RAW_SECONDS as f64 / 2.0),
        alone_cpu * 1000.0,
        heights / elapsed,
        cpu * 1000.0,
        seen.commands as f64 / heights,
        bytes,
        seen.commands as f64 / WORK.as_secs_f64(),
        millis(median(&mut seen.latencies)),
        millis(median(&mut decisions)),
    ))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn found(dir: &Path, nodes: u16, port: u16) -> Outcome<Group> {
    let plan = Plan {
        name: "bench".parse()?,
        nodes,
        port,
        policy: Policy {
            max_open_proposals: 64,
            ..Policy::uniform()
        },
        at: load::now()?,
        nonce: uuid::Uuid::new_v4().to_string(),
    };
    let prepared = init(dir, &plan)?;
    let dirs: Vec<PathBuf> = prepared.iter().map(|node| node.dir.clone()).collect();
    let keys = dirs.iter().map(|dir| key_of(dir)).collect::<Outcome<_>>()?;
    let ledger = prepared.first().ok_or("no node")?.ledger;
    Ok(Group { ledger, dirs, keys })
}

/// The key of a node's directory.
fn key_of(dir: &Path) -> Outcome<SigningKey> {
    let store = KeyStore::new(dir.join(KEY_DIR));
    let stored = store.list()?;
    let key = stored.first().ok_or("no key")?;
    Ok(store.load(&key.name, || Ok(None))?)
}

/// Starts a process for each node and waits until all have decided something together.
fn start(group: &Group) -> Outcome<Running> {
    let mut running = Running(Vec::new());
    for dir in &group.dirs {
        let child = Command::new(env!("CARGO_BIN_EXE_althing"))
            .args(["cluster", "run"])
            .arg(dir)
            .stderr(fs::File::create(dir.with_extension("log"))?)
            .spawn()?;
        running.0.push(child);
    }
    for dir in &group.dirs {
        let is_up = || Client::connect(dir, None).and_then(|mut it| it.status());
        let start = Instant::now();
        while is_up().is_err() && start.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_millis(50));
        }
    }
    group.time_to_decision()?;
    Ok(running)
}

/// How far the cluster is, and what it took.
struct Measures {
    heights: u64,
    bytes: u64,
    cpu: f64,
}

fn measures(group: &Group, running: &Running) -> Outcome<Measures> {
    let first = group.dirs.first().ok_or("no node")?;
    let decisions = fs::read_to_string(first.join("decisions.jsonl"))?;
    let mut bytes = 0;
    for line in decisions.lines() {
        let decision: serde_json::Value = serde_json::from_str(line)?;
        bytes += decision["value"].as_str().map_or(0, str::len) as u64;
    }
    let mut cpu = 0.0;
    for child in &running.0 {
        cpu += cpu_seconds(child.id())?;
    }
    Ok(Measures {
        heights: decisions.lines().count() as u64,
        bytes,
        cpu,
    })
}

/// The processor time of a process, in seconds; Linux counts hundredths.
fn cpu_seconds(process: u32) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(')').ok_or("no such process")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |place: usize| -> Outcome<f64> { Ok(fields.get(place).ok_or("no time")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

/// How many heights the engine alone decides in half of its time, and what a height costs a node, in
/// seconds of a processor.
fn raw_heights(group: &Group, payload: usize) -> Outcome<(f64, f64)> {
    let mut running = Running(Vec::new());
    for dir in &group.dirs {
        let child = Command::new(std::env::current_exe()?)
            .arg("raw")
            .arg(dir)
            .args([payload.max(64).to_string(), RAW_SECONDS.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        running.0.push(child);
    }
    let mut heights = Vec::new();
    let mut cpu = 0.0;
    for child in running.0.drain(..) {
        let output = child.wait_with_output()?;
        let text = String::from_utf8(output.stdout)?;
        let (decided, spent) = text.trim().split_once(' ').ok_or("no figures")?;
        heights.push(decided.parse::<f64>()?);
        cpu += spent.parse::<f64>()?;
    }
    heights.sort_by(f64::total_cmp);
    let median = heights.get(heights.len() / 2).copied().ok_or("no node")?;
    Ok((median, cpu / median / heights.len() as f64))
}
