//! Somebody with a writer's password appends by hand.

use althing::chain::line::{EncodedBatch, Head};
use althing::ledger::{Ledger as _, Upstream as _};
use althing::testing::ledgers::{batch, fill};
use postgres::Client;
use postgres::error::SqlState;
use postgres::types::ToSql;

use crate::access::documented_roles;
use crate::server::{self, Cluster};
use crate::suite::{copy, stored, table};

/// A row as a client may claim it.
#[derive(Clone)]
struct Row {
    first: i64,
    last: i64,
    hash: Vec<u8>,
    lines: Vec<u8>,
}

impl Row {
    fn of(batch: &EncodedBatch) -> Self {
        Self {
            first: batch.previous().seq as i64 + 1,
            last: batch.head().seq as i64,
            hash: batch.head().hash.as_bytes().to_vec(),
            lines: batch.bytes().to_vec(),
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }
}

/// Inserts rows in one statement.
fn insert(client: &mut Client, rows: &[Row]) -> Result<u64, postgres::Error> {
    let (mut values, mut parameters) = (Vec::new(), Vec::<&(dyn ToSql + Sync)>::new());
    for row in rows {
        let at = parameters.len();
        values.push(format!(
            "(${}, ${}, ${}, ${})",
            at + 1,
            at + 2,
            at + 3,
            at + 4
        ));
        parameters
            .extend::<[&(dyn ToSql + Sync); 4]>([&row.first, &row.last, &row.hash, &row.lines]);
    }
    let insert = format!(
        "INSERT INTO althing.batches (first, last, hash, lines) VALUES {}",
        values.join(", ")
    );
    client.execute(&insert, &parameters)
}

/// A ledger whose head is entry 3, and a connection of the role that may append.
fn begin() -> Option<(Cluster, Head, Client)> {
    let cluster = server::start()?;
    let mut ledger = copy(&cluster.url());
    fill(&mut ledger, &[1, 2]);
    cluster.sql(&documented_roles());
    cluster.sql("ALTER ROLE althing_writer LOGIN; GRANT CREATE, TEMPORARY ON DATABASE postgres TO althing_writer");
    let client = cluster.client_of("althing_writer");
    Some((cluster, *ledger.head(), client))
}

#[test]
fn what_does_not_continue_the_head_is_refused() {
    let Some((cluster, head, mut client)) = begin() else {
        return;
    };
    let before = stored(&cluster, "althing");
    let next = batch(&head, 2);
    let good = Row::of(&next);
    let single = Row::of(&batch(&head, 1));
    let behind = Row::of(&batch(next.head(), 1));
    let other_head = Head {
        hash: next.head().hash,
        ..head
    };
    let other_history = Row::of(&batch(&other_head, 1));
    let refused = SqlState::INTEGRITY_CONSTRAINT_VIOLATION;
    let wrong = SqlState::CHECK_VIOLATION;
    let long = |row: &mut Row| {
        let at = row.lines.len() - 200;
        row.lines.splice(at..at, std::iter::repeat_n(b'x', 1 << 20));
    };
    let cases: Vec<(&str, Vec<Row>, &SqlState)> = vec![
        ("a gap", vec![behind.clone()], &refused),
        (
            "the number before",
            vec![good.with(|it| it.first -= 1)],
            &refused,
        ),
        (
            "the number behind",
            vec![good.with(|it| it.first += 1)],
            &refused,
        ),
        ("no number", vec![good.with(|it| it.first = 0)], &refused),
        (
            "a fork behind the first entry",
            vec![Row::of(&batch(&Head::GENESIS, 1))],
            &refused,
        ),
        ("another previous hash", vec![other_history], &refused),
        (
            "in the wrong order",
            vec![behind.clone(), good.clone()],
            &refused,
        ),
        ("twice", vec![good.clone(), good.clone()], &refused),
        (
            "two that continue the same",
            vec![single.clone(), good.clone()],
            &refused,
        ),
        (
            "another last number",
            vec![good.with(|it| it.last += 1)],
            &wrong,
        ),
        (
            "no lines by its numbers",
            vec![good.with(|it| it.last = it.first - 1)],
            &wrong,
        ),
        (
            "another hash",
            vec![good.with(|it| it.hash = vec![7; 32])],
            &wrong,
        ),
        (
            "a short hash",
            vec![good.with(|it| it.hash.truncate(31))],
            &wrong,
        ),
        (
            "no line feed",
            vec![single.with(|it| it.lines.truncate(it.lines.len() - 1))],
            &refused,
        ),
        (
            "one line feed more",
            vec![good.with(|it| it.lines.push(b'\n'))],
            &wrong,
        ),
        ("nothing", vec![good.with(|it| it.lines.clear())], &refused),
        (
            "an empty line",
            vec![good.with(|it| it.lines = b"\n".to_vec())],
            &refused,
        ),
        ("a line too long", vec![single.with(long)], &wrong),
        (
            "one line of two",
            vec![single.with(|it| it.last += 1)],
            &wrong,
        ),
    ];
    for (name, rows, code) in cases {
        let error = insert(&mut client, &rows).expect_err(name);
        assert_eq!(error.code(), Some(code), "{name}: {error:?}");
        assert_eq!(stored(&cluster, "althing"), before, "{name}");
    }
    for column in ["first", "last", "hash", "lines"] {
        let value = |name, number, kind| {
            let nothing = if name == column { "NULL" } else { "$" };
            format!("CASE '{nothing}' WHEN '$' THEN ${number}::{kind} END")
        };
        let insert = format!(
            "INSERT INTO althing.batches (first, last, hash, lines) VALUES ({}, {}, {}, {})",
            value("first", 1, "bigint"),
            value("last", 2, "bigint"),
            value("hash", 3, "bytea"),
            value("lines", 4, "bytea")
        );
        let parameters: [&(dyn ToSql + Sync); 4] =
            [&good.first, &good.last, &good.hash, &good.lines];
        let error = client.execute(&insert, &parameters).unwrap_err();
        assert_eq!(
            error.code(),
            Some(&SqlState::NOT_NULL_VIOLATION),
            "{column}"
        );
    }
    assert_eq!(stored(&cluster, "althing"), before);
    // Whoever keeps to the rules goes on.
    table(&cluster.url()).append(&next).unwrap();
    insert(&mut client, &[behind]).unwrap();
}

/// The same, past the ways that look at every row in a statement.
#[test]
fn every_way_in_is_held_to_the_head() {
    let Some((cluster, head, mut client)) = begin() else {
        return;
    };
    let before = stored(&cluster, "althing");
    let fork = "SELECT first, last, hash, lines FROM althing.batches WHERE first = 1";
    let attempts = [
        format!("INSERT INTO althing.batches {fork} ON CONFLICT DO NOTHING"),
        format!("INSERT INTO althing.batches {fork} ON CONFLICT (first) DO UPDATE SET lines = ''"),
        format!(
            "MERGE INTO althing.batches USING ({fork}) AS old ON false
             WHEN NOT MATCHED THEN INSERT VALUES (old.first + 3, old.last + 3, old.hash, old.lines)"
        ),
        "COPY althing.batches FROM PROGRAM 'true'".to_owned(),
        "SET session_replication_role = replica".to_owned(),
        "SET CONSTRAINTS ALL DEFERRED; UPDATE althing.batches SET last = last".to_owned(),
        "DELETE FROM althing.batches".to_owned(),
        "TRUNCATE althing.batches".to_owned(),
        "CREATE TABLE althing.more () INHERITS (althing.batches)".to_owned(),
        "CREATE OR REPLACE FUNCTION althing.continue_head() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'".to_owned(),
        "CREATE RULE nothing AS ON INSERT TO althing.batches DO INSTEAD NOTHING".to_owned(),
    ];
    for attempt in attempts {
        let error = client.batch_execute(&attempt).expect_err(&attempt);
        assert!(error.code().is_some(), "{attempt}: {error}");
        client.batch_execute("ROLLBACK").unwrap();
        assert_eq!(stored(&cluster, "althing"), before, "{attempt}");
    }

    let mut copying = client
        .copy_in("COPY althing.batches (first, last, hash, lines) FROM STDIN")
        .unwrap();
    let row = format!("9\t9\t\\\\x{}\t\\\\x00\n", "00".repeat(32));
    std::io::Write::write_all(&mut copying, row.as_bytes()).unwrap();
    let error = copying.finish().unwrap_err();
    assert_eq!(
        error.code(),
        Some(&SqlState::INTEGRITY_CONSTRAINT_VIOLATION)
    );

    // What the caller has in its search path is not what the check means.
    client
        .batch_execute(
            "CREATE SCHEMA mine;
             CREATE FUNCTION mine.octet_length(bytea) RETURNS integer LANGUAGE sql AS 'SELECT 32';
             CREATE FUNCTION mine.same(bytea, bytea) RETURNS boolean LANGUAGE sql AS 'SELECT false';
             CREATE OPERATOR mine.<> (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = mine.same);
             CREATE TEMPORARY TABLE batches (first bigint, last bigint, hash bytea);
             SET search_path = mine, pg_temp, pg_catalog",
        )
        .unwrap();
    let forged = Row::of(&batch(
        &Head {
            hash: batch(&head, 1).head().hash,
            ..head
        },
        1,
    ));
    let error = insert(&mut client, &[forged]).unwrap_err();
    assert_eq!(
        error.code(),
        Some(&SqlState::INTEGRITY_CONSTRAINT_VIOLATION)
    );

    // A transaction that saw an older head.
    client
        .batch_execute(
            "RESET search_path; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM althing.batches",
        )
        .unwrap();
    let next = batch(&head, 1);
    table(&cluster.url()).append(&next).unwrap();
    let error = insert(&mut client, &[Row::of(&batch(&head, 2))]).unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION));
    client.batch_execute("ROLLBACK").unwrap();
    insert(&mut client, &[Row::of(&batch(next.head(), 1))]).unwrap();
}
