//! Appends to a ledger in PostgreSQL beside inserts of the same lines into bare tables, on the same server,
//! with the same durability, in turns; once without a standby and once with one that has to acknowledge.
//!
//! ```sh
//! cargo bench --features postgres --bench postgres
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "measuring needs a clock and threads"
)]

#[path = "../tests/postgres/server.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use althing::chain::line::{EncodedBatch, Head};
use althing::ledger::{FileLedger, Ledger as _, Upstream as _, Wait};
use althing::postgres::Table;
use althing::testing::ledgers::batch;
use postgres::types::ToSql;

/// How often all take their turn. Turns are short: what else the machine does meets all of them.
const ROUNDS: usize = 31;

/// Appends batches of `size` lines for a while, and says how long one took, in each way.
struct Contest {
    size: u64,
    batches: usize,
}

const CONTESTS: [Contest; 3] = [
    Contest {
        size: 1,
        batches: 40,
    },
    Contest {
        size: 64,
        batches: 16,
    },
    Contest {
        size: 1024,
        batches: 4,
    },
];

fn main() {
    for standbys in [0, 1] {
        let Some(cluster) = server::start_with(standbys) else {
            return;
        };
        println!("\n{standbys} synchronous standbys\n");
        println!(
            "| lines at once | bare, a row a line | bare, a row a batch | Althing's table | Althing | rate of the first | of the second |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        for contest in CONTESTS {
            hold(&cluster, &contest);
        }
    }
}

fn hold(cluster: &server::Cluster, contest: &Contest) {
    let size = contest.size;
    let mut lines = Bare::of_lines(cluster, size);
    let mut whole = Bare::of_batches(cluster, size);
    let mut ours = Ours::new(&cluster.url_of(&format!("bench_{size}")));
    let alone = Table::new(cluster.url_of(&format!("alone_{size}")).parse().unwrap());
    alone.set_up().unwrap();
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let batches = ours.batches(contest);
        times[0].push(lines.insert(&batches));
        times[1].push(whole.insert(&batches));
        times[2].push(append_alone(&alone, &batches));
        times[3].push(ours.append(&batches));
    }
    let [lines, whole, alone, ours] = times.map(|times| median(times) / contest.batches as f64);
    let (of_lines, of_batches) = (lines / ours, whole / ours);
    println!(
        "| {size} | {lines:.0} µs | {whole:.0} µs | {alone:.0} µs | {ours:.0} µs | {of_lines:.2} × | {of_batches:.2} × |"
    );
}

/// Appends without a copy on this machine.
fn append_alone(table: &Table, batches: &[EncodedBatch]) -> Duration {
    let began = Instant::now();
    for batch in batches {
        table.append(batch).unwrap();
    }
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// A table with a number, which is its primary key, and the bytes, through the same library: one statement,
/// prepared, one round trip and one commit for each batch.
struct Bare {
    client: postgres::Client,
    insert: postgres::Statement,
    is_of_lines: bool,
}

impl Bare {
    /// Each line is a row.
    fn of_lines(cluster: &server::Cluster, size: u64) -> Self {
        let name = format!("bare_lines_{size}");
        let values = "SELECT * FROM unnest($1::bigint[], $2::bytea[])";
        Self::new(cluster, &name, values, true)
    }

    /// Each batch is a row, as in Althing's table.
    fn of_batches(cluster: &server::Cluster, size: u64) -> Self {
        let name = format!("bare_batches_{size}");
        Self::new(cluster, &name, "VALUES ($1, $2)", false)
    }

    fn new(cluster: &server::Cluster, name: &str, values: &str, is_of_lines: bool) -> Self {
        let mut client = cluster.client();
        let table = format!(
            "CREATE TABLE {name} (seq bigint PRIMARY KEY, line bytea NOT NULL);
             ALTER TABLE {name} ALTER line SET STORAGE EXTERNAL"
        );
        client.batch_execute(&table).unwrap();
        let insert = format!("INSERT INTO {name} (seq, line) {values}");
        let insert = client.prepare(&insert).unwrap();
        Self {
            client,
            insert,
            is_of_lines,
        }
    }

    fn insert(&mut self, batches: &[EncodedBatch]) -> Duration {
        let began = Instant::now();
        for batch in batches {
            if self.is_of_lines {
                self.insert_lines(batch);
            } else {
                let first = batch.entries()[0].seq.cast_signed();
                let parameters: [&(dyn ToSql + Sync); 2] = [&first, &batch.bytes()];
                self.client.execute(&self.insert, &parameters).unwrap();
            }
        }
        began.elapsed()
    }

    fn insert_lines(&mut self, batch: &EncodedBatch) {
        let numbers = batch.entries().iter().map(|it| it.seq.cast_signed());
        let numbers: Vec<i64> = numbers.collect();
        let lines = batch.entries().iter();
        let lines: Vec<&[u8]> = lines.map(|it| &batch.bytes()[it.range.clone()]).collect();
        self.client
            .execute(&self.insert, &[&numbers, &lines])
            .unwrap();
    }
}

struct Ours {
    ledger: FileLedger,
    _dir: tempfile::TempDir,
}

impl Ours {
    fn new(url: &str) -> Self {
        let table = Table::new(url.parse().unwrap());
        table.set_up().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = FileLedger::create(dir.path()).unwrap();
        ledger.follow(Arc::new(table));
        drop(ledger.resume(Wait::default()).unwrap());
        Self { ledger, _dir: dir }
    }

    /// The next batches, encoded beforehand for both.
    fn batches(&self, contest: &Contest) -> Vec<EncodedBatch> {
        let mut head: Head = *self.ledger.head();
        let next = |_| {
            let next = batch(&head, contest.size);
            head = *next.head();
            next
        };
        (0..contest.batches).map(next).collect()
    }

    fn append(&mut self, batches: &[EncodedBatch]) -> Duration {
        let began = Instant::now();
        for batch in batches {
            self.ledger.append(batch.previous(), batch).unwrap();
        }
        began.elapsed()
    }
}
