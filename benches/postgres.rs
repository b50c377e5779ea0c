//! Appends to a ledger in PostgreSQL beside bare inserts of the same lines into a bare table, on the same
//! server, with the same durability, in turns.
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

/// How often both take their turn.
const ROUNDS: usize = 7;

/// Appends batches of `size` lines for a while, and says how long one took, in both ways.
struct Contest {
    size: u64,
    batches: usize,
}

fn main() {
    let Some(cluster) = server::start() else {
        return;
    };
    println!("| lines at once | bare insert | Althing | rate of the bare one |");
    println!("| --- | --- | --- | --- |");
    for (index, contest) in [
        Contest {
            size: 1,
            batches: 400,
        },
        Contest {
            size: 64,
            batches: 100,
        },
        Contest {
            size: 1024,
            batches: 12,
        },
    ]
    .into_iter()
    .enumerate()
    {
        let mut bare = Bare::new(&cluster, index);
        let mut ours = Ours::new(&cluster.url_of(&format!("bench_{index}")));
        let mut times = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let batches = ours.batches(&contest);
            times.0.push(bare.insert(&batches));
            times.1.push(ours.append(&batches));
        }
        let (bare, ours) = (median(times.0), median(times.1));
        println!(
            "| {} | {:.0} µs | {:.0} µs | {:.2} × |",
            contest.size,
            bare / contest.batches as f64,
            ours / contest.batches as f64,
            bare / ours
        );
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// A table with a number and the bytes, through the same library.
struct Bare {
    client: postgres::Client,
    insert: postgres::Statement,
}

impl Bare {
    fn new(cluster: &server::Cluster, index: usize) -> Self {
        let mut client = cluster.client();
        let table =
            format!("CREATE TABLE bare_{index} (seq bigint PRIMARY KEY, line bytea NOT NULL)");
        client.batch_execute(&table).unwrap();
        let insert = format!(
            "INSERT INTO bare_{index} (seq, line) SELECT * FROM unnest($1::bigint[], $2::bytea[])"
        );
        let insert = client.prepare(&insert).unwrap();
        Self { client, insert }
    }

    fn insert(&mut self, batches: &[EncodedBatch]) -> Duration {
        let began = Instant::now();
        for batch in batches {
            let numbers: Vec<i64> = batch
                .entries()
                .iter()
                .map(|it| it.seq.cast_signed())
                .collect();
            let lines: Vec<&[u8]> = batch
                .entries()
                .iter()
                .map(|it| &batch.bytes()[it.range.clone()])
                .collect();
            self.client
                .execute(&self.insert, &[&numbers, &lines])
                .unwrap();
        }
        began.elapsed()
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
