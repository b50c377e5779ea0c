//! A ledger in a server does what every ledger does, and lets nobody append but behind the head.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use althing::chain::line::{EncodedBatch, Head};
use althing::ledger::upstream::compare;
use althing::ledger::{
    AppendError, Appended, FileLedger, Ledger, OpenError, OpenOptions, Upstream as _, Wait,
    Writing, Written,
};
use althing::postgres::Table;
use althing::testing::ledgers::{batch, batches, contents, fill, suite};
use tempfile::TempDir;

use crate::server::{self, Cluster};

/// A copy with its own directory.
pub struct Copy {
    pub ledger: FileLedger,
    _dir: TempDir,
}

pub fn table(url: &str) -> Arc<Table> {
    Arc::new(Table::new(url.parse().unwrap()))
}

/// A new copy of the ledger at `url`, which is made where there is none, with its turn taken.
pub fn copy(url: &str) -> Copy {
    let table = table(url);
    table.set_up().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create(dir.path()).unwrap();
    ledger.follow(table);
    drop(ledger.resume(Wait::default()).unwrap());
    Copy { ledger, _dir: dir }
}

impl Ledger for Copy {
    fn head(&self) -> &Head {
        self.ledger.head()
    }

    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        self.ledger.append(expected, batch)
    }

    fn begin(&mut self, expected: &Head, batch: Arc<EncodedBatch>) -> Result<Writing, AppendError> {
        self.ledger.begin(expected, batch)
    }

    fn end(&mut self, written: Written) -> Result<(), AppendError> {
        self.ledger.end(written)
    }

    fn reader(&self) -> std::io::Result<Box<dyn std::io::Read + '_>> {
        self.ledger.reader()
    }

    fn release(&mut self) {
        self.ledger.release();
    }

    fn resume(&mut self, wait: Wait) -> Result<Option<Appended<'_>>, OpenError> {
        self.ledger.resume(wait)
    }
}

/// All lines in the table.
pub fn stored(cluster: &Cluster, schema: &str) -> Vec<u8> {
    let query = format!("SELECT lines FROM {schema}.batches ORDER BY first");
    let rows = cluster.client().query(&query, &[]).unwrap();
    rows.iter()
        .flat_map(|row| row.get::<_, Vec<u8>>(0))
        .collect()
}

#[test]
fn it_does_what_every_ledger_does() {
    let Some(cluster) = server::start() else {
        return;
    };
    let mut schemas = 0;
    suite(|| {
        schemas += 1;
        copy(&cluster.url_of(&format!("suite_{schemas}")))
    });
    assert_eq!(stored(&cluster, "suite_2"), batches(&[1, 3, 2]).concat());
}

#[test]
fn of_many_that_continue_one_head_one_wins() {
    let Some(cluster) = server::start() else {
        return;
    };
    let mut first = copy(&cluster.url());
    fill(&mut first, &[2]);
    let head = *first.head();
    let start = Barrier::new(20);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let racers: Vec<_> = (0..20)
            .map(|racer| {
                let (start, url) = (&start, cluster.url());
                scope.spawn(move || {
                    let table = table(&url);
                    table.check().unwrap();
                    // Batches of other lengths have other hashes.
                    let batch = batch(&head, 1 + racer);
                    start.wait();
                    (racer, table.append(&batch))
                })
            })
            .collect();
        racers.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let won: Vec<u64> = outcomes
        .iter()
        .filter_map(|(racer, outcome)| outcome.is_ok().then_some(*racer))
        .collect();
    let [winner] = won[..] else {
        panic!("{won:?} won")
    };
    for (racer, outcome) in &outcomes {
        match outcome {
            Ok(()) => {}
            Err(AppendError::HeadMoved { expected, found }) => {
                assert_eq!(*expected, head, "{racer}");
                assert_eq!(found.seq, 3 + winner, "{racer}");
            }
            Err(other) => panic!("{racer}: {other}"),
        }
    }
    assert_eq!(
        stored(&cluster, "althing"),
        batches(&[2, 1 + winner]).concat()
    );
}

/// The answer to the first attempt is lost with its connection.
#[test]
fn a_batch_that_is_there_already_is_there_once() {
    let Some(cluster) = server::start() else {
        return;
    };
    let mut first = copy(&cluster.url());
    fill(&mut first, &[1]);
    let next = batch(first.head(), 3);
    for _ in 0..3 {
        table(&cluster.url()).append(&next).unwrap();
    }
    // Longer by what somebody else appended.
    table(&cluster.url())
        .append(&batch(next.head(), 1))
        .unwrap();
    table(&cluster.url()).append(&next).unwrap();
    assert_eq!(stored(&cluster, "althing"), batches(&[1, 3, 1]).concat());
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let Some(cluster) = server::start() else {
        return;
    };
    let mut ledger = copy(&cluster.url());
    fill(&mut ledger, &[1]);
    let break_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE pid <> pg_backend_pid() AND application_name = 'althing'";
    cluster.sql(break_all);
    fill(&mut ledger, &[2]);
    ledger.release();
    cluster.sql(break_all);
    drop(ledger.resume(Wait::No).unwrap());
    fill(&mut ledger, &[1]);
    assert_eq!(stored(&cluster, "althing"), batches(&[1, 2, 1]).concat());
}

#[test]
fn one_writes_at_a_time_and_sees_what_the_others_wrote() {
    let Some(cluster) = server::start() else {
        return;
    };
    let (mut ours, mut theirs) = {
        let mut ours = copy(&cluster.url());
        ours.release();
        (ours, copy(&cluster.url()))
    };
    let busy = ours
        .resume(Wait::For(Duration::from_millis(50)))
        .unwrap_err();
    assert_eq!(busy.code(), "ledger.in-use");
    let busy = ours.resume(Wait::No).unwrap_err();
    assert_eq!(busy.code(), "ledger.in-use");
    fill(&mut theirs, &[2, 1]);
    theirs.release();

    let mut appended = ours.resume(Wait::No).unwrap().expect("they wrote");
    let mut bytes = Vec::new();
    appended.bytes.read_to_end(&mut bytes).unwrap();
    assert_eq!((appended.offset, appended.tip.head), (0, Head::GENESIS));
    assert_eq!(bytes, batches(&[2, 1]).concat());
    drop(appended);
    fill(&mut ours, &[1]);
    assert_eq!(contents(&ours), batches(&[2, 1, 1]).concat());
}

/// The contents of all files of a ledger, by name.
pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("ledger"))
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read(file.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Whether a copy was there from the start, came late or lost its files: it has the same ones.
#[test]
fn all_copies_have_the_same_files() {
    let Some(cluster) = server::start() else {
        return;
    };
    let sizes = [1, 4, 2, 7, 1, 1];
    let small = OpenOptions {
        segment_bytes: 900,
        ..OpenOptions::default()
    };
    let copy = || {
        let table = table(&cluster.url());
        table.set_up().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut ledger =
            FileLedger::create_on(althing::ledger::storage::Disk, dir.path(), small).unwrap();
        ledger.follow(table);
        drop(ledger.resume(Wait::default()).unwrap());
        (ledger, dir)
    };
    let (mut writer, writers_dir) = copy();
    fill(&mut writer, &sizes[..3]);
    writer.release();
    let (mut reader, readers_dir) = copy();
    fill(&mut reader, &sizes[3..]);
    drop(reader);
    drop(writer.resume(Wait::default()).unwrap());
    drop(writer);
    let (late, late_dir) = copy();
    assert_eq!(late.head().seq, sizes.iter().sum::<u64>());
    drop(late);
    let written = files(writers_dir.path());
    assert!(written.len() > 3, "{} files", written.len());
    assert_eq!(files(readers_dir.path()), written);
    assert_eq!(files(late_dir.path()), written);

    let local = tempfile::tempdir().unwrap();
    let mut alone =
        FileLedger::create_on(althing::ledger::storage::Disk, local.path(), small).unwrap();
    fill(&mut alone, &sizes);
    drop(alone);
    assert_eq!(files(local.path()), written, "a ledger without a server");
}

#[test]
fn an_upstream_is_held_to_a_copy() {
    let Some(cluster) = server::start() else {
        return;
    };
    let mut ledger = copy(&cluster.url());
    fill(&mut ledger, &[2, 3]);
    let table = table(&cluster.url());
    let whole = batches(&[2, 3]).concat();
    assert_eq!(compare(table.as_ref(), whole.as_slice()).unwrap(), 5);
    // A copy may lag behind.
    let beginning = batches(&[2]).concat();
    assert_eq!(compare(table.as_ref(), beginning.as_slice()).unwrap(), 5);
    let more = batches(&[2, 3, 1]).concat();
    let error = compare(table.as_ref(), more.as_slice()).unwrap_err();
    assert_eq!(error.code(), "upstream.gone");
    let other = batches(&[1, 4]).concat();
    let error = compare(table.as_ref(), other.as_slice()).unwrap_err();
    assert_eq!(error.code(), "upstream.changed");
}

#[test]
fn nobody_changes_what_is_there() {
    let Some(cluster) = server::start() else {
        return;
    };
    let mut ledger = copy(&cluster.url());
    fill(&mut ledger, &[3, 1]);
    let before = stored(&cluster, "althing");
    for attempt in [
        "UPDATE althing.batches SET lines = 'x' WHERE first = 4",
        "DELETE FROM althing.batches WHERE first = 4",
        "TRUNCATE althing.batches",
    ] {
        let error = cluster.client().batch_execute(attempt).unwrap_err();
        assert!(error.code().is_some(), "{attempt}: {error}");
    }
    assert_eq!(stored(&cluster, "althing"), before);
}
