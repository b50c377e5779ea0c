//! Many clients at once: how fast they are answered, and whether what was answered is there after the server
//! was killed under all of them.
//!
//! ```sh
//! ALTHING_LOAD_SECONDS=60 cargo test --release --test it server::load -- --nocapture
//! ALTHING_SERVER_KILLS=50 cargo test --release --test it server::load -- --nocapture
//! ```

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use althing::governance::command::Command;
use althing::governance::prediction::Prediction;
use althing::ledger::Wait;
use althing::node::{Node, SharedNode};
use serde_json::{Value, json};

use super::harness::{Server, token};
use crate::cli::harness::{TRIAGE, World, copy_dir};

const CLIENTS: u64 = 64;

/// A client with one connection.
struct Client {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Client {
    fn connect(server: &Server, token: &str) -> Option<Self> {
        let stream = TcpStream::connect(&server.address).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self {
            stream: BufReader::new(stream),
            token: token.to_owned(),
        })
    }

    /// The entry of a prediction that was acknowledged; `None` where the connection ended.
    fn record(&mut self, request_id: &str) -> Option<u64> {
        let body = json!({
            "model": TRIAGE, "model_version": "1.2", "input_digest": "00".repeat(32),
            "output_summary": {"mean_confidence": 0.93}, "request_id": request_id
        });
        let body = body.to_string();
        let request = format!(
            "POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let answer = self.answer()?;
        assert_eq!(answer["recorded"], 1, "{answer}");
        answer["results"][0]["entry"].as_u64()
    }

    fn answer(&mut self) -> Option<Value> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        serde_json::from_slice(&body).ok()
    }
}

fn number(variable: &str, usual: u64) -> u64 {
    env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

/// How far clients have come.
#[derive(Default)]
struct Progress {
    is_over: AtomicBool,
    is_answered: AtomicBool,
}

impl Progress {
    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Waits until anybody was answered.
    fn wait(&self) {
        while !self.is_answered.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// All lines of all segments.
fn lines(world: &World) -> Vec<String> {
    let dir = world.segment();
    let files = fs::read_dir(dir.parent().unwrap()).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "jsonl"));
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Lets every client work until it is over; what was acknowledged, and how long each took.
fn work(
    server: &Server,
    token: &str,
    name: &str,
    progress: &Progress,
) -> Vec<(u64, String, Duration)> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || {
                    let mut done = Vec::new();
                    let Some(mut connection) = Client::connect(server, token) else {
                        return done;
                    };
                    for round in 0.. {
                        if progress.is_over.load(Ordering::SeqCst) {
                            break;
                        }
                        let id = format!("{name}-{client}-{round}");
                        let begun = Instant::now();
                        let Some(entry) = connection.record(&id) else {
                            break;
                        };
                        progress.is_answered.store(true, Ordering::SeqCst);
                        done.push((entry, id, begun.elapsed()));
                    }
                    done
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    })
}

#[test]
fn what_was_acknowledged_is_there_after_the_server_was_killed() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let mut acknowledged = BTreeMap::new();
    for round in 0..number("ALTHING_SERVER_KILLS", 2) {
        let mut server = Server::start(&world);
        let progress = Progress::default();
        let pid = server.id().to_string();
        let done = thread::scope(|scope| {
            scope.spawn(|| {
                progress.wait();
                // Another moment each time.
                thread::sleep(Duration::from_millis(round * 37 % 211));
                let killed = std::process::Command::new("kill")
                    .args(["-KILL", &pid])
                    .status();
                assert!(killed.unwrap().success());
                progress.end();
            });
            work(&server, &token, &format!("round-{round}"), &progress)
        });
        server.wait();
        acknowledged.extend(done.into_iter().map(|(entry, id, _)| (entry, id)));
        let server = Server::start(&world);
        drop(server);
        let lines = lines(&world);
        for (entry, id) in &acknowledged {
            let line = &lines[usize::try_from(*entry).unwrap() - 1];
            assert!(
                line.contains(&format!("\"request_id\":\"{id}\"")),
                "{entry} {id}: {line}"
            );
        }
    }
    world.verify();
    println!("{} acknowledged, none lost", acknowledged.len());
}

#[test]
fn predictions_of_many_clients_share_writes() {
    let seconds = number("ALTHING_LOAD_SECONDS", 1);
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let inside_dir = world.path("inside");
    copy_dir(world.ledger(), Path::new(&inside_dir));
    let founded = world.lines().len();
    let server = Server::start(&world);
    let progress = Progress::default();
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(seconds));
            progress.end();
        });
        work(&server, &token, "load", &progress)
    });
    let metrics = server.get("/metrics").text();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let writes = value("althing_write_seconds_count");
    assert!(
        writes < done.len() as f64,
        "{} predictions in {writes} writes",
        done.len()
    );
    let mut times: Vec<Duration> = done.iter().map(|(_, _, took)| *took).collect();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    drop(server);
    let group = done.len() as f64 / writes;
    let served = done.len() as f64 / seconds as f64;
    // What the figures are held to need not take as long.
    let seconds = seconds.min(10);
    let bare = bare(
        Path::new(&world.path("bare")),
        &lines(&world)[founded..],
        group,
        seconds,
    );
    let inside = inside(Path::new(&inside_dir), seconds);
    println!(
        "{CLIENTS} clients: {served:.0}/s over HTTP, p50 {:?}, p99 {:?}, {group:.1} a write; \
         a loop that writes the same lines in such groups: {bare:.0}/s, ratio {:.2}; \
         as many threads through a node in one process: {inside:.0}/s, ratio {:.2}",
        at(50),
        at(99),
        served / bare,
        served / inside,
    );
}

/// How many lines a second a loop appends that decides, checks and answers nothing: so many at a time,
/// each time with one sync.
fn bare(file: &Path, lines: &[String], group: f64, seconds: u64) -> f64 {
    let mut file = File::create_new(file).unwrap();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut lines = lines.iter().cycle();
    let (mut written, mut groups) = (0_u32, 0_u32);
    while Instant::now() < end {
        groups += 1;
        let mut bytes = Vec::new();
        while f64::from(written) < f64::from(groups) * group {
            bytes.extend_from_slice(lines.next().unwrap().as_bytes());
            bytes.push(b'\n');
            written += 1;
        }
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    }
    f64::from(written) / seconds as f64
}

/// How many predictions a second as many threads record through a shared node in this process.
fn inside(ledger: &Path, seconds: u64) -> f64 {
    let node = Node::open_dir(ledger, Wait::default()).unwrap();
    let node = SharedNode::in_turns(node, Wait::default());
    let end = Instant::now() + Duration::from_secs(seconds);
    let recorded: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let node = node.clone();
                scope.spawn(move || {
                    let mut count = 0;
                    while Instant::now() < end {
                        let command = Command::RecordPrediction(prediction(count));
                        node.submit(command, now()).unwrap();
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    recorded as f64 / seconds as f64
}

fn now() -> althing::governance::time::Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let micros = u64::try_from(since.as_micros()).unwrap();
    althing::governance::time::Timestamp::from_micros(micros).unwrap()
}

fn prediction(number: usize) -> Prediction {
    let json = json!({
        "input_digest": "00".repeat(32), "model": TRIAGE, "model_version": "1.2",
        "output_summary": {"mean_confidence": 0.93}, "request_id": format!("bare-{number}")
    });
    serde_json::from_value(json).unwrap()
}
