//! A ledger that an older version of the program made is brought up to date as it is.

use std::thread;
use std::time::Duration;

use althing::chain::line::Head;
use althing::ledger::{Ledger as _, Upstream as _};
use althing::testing::ledgers::{batch, batches, contents, fill};

use crate::server::{self, Cluster};
use crate::suite::{copy, stored, table};

const VERSION_1: &str = include_str!("version-1.sql");

/// Makes a ledger of version 1 with batches of these sizes, and one role that may read and one that may
/// append.
fn make_version_1(cluster: &Cluster, schema: &str, sizes: &[u64]) -> Head {
    cluster.sql(&VERSION_1.replace("{schema}", schema));
    let mut client = cluster.client();
    let insert = format!(
        "INSERT INTO {schema}.entries (seq, hash, prev_hash, line) VALUES ($1, $2, $3, $4)"
    );
    let mut head = Head::GENESIS;
    for size in sizes {
        let next = batch(&head, *size);
        for entry in next.entries() {
            let (hash, before) = (entry.hash, head.hash);
            let line = &next.bytes()[entry.range.clone()];
            let seq = entry.seq as i64;
            client
                .execute(
                    &insert,
                    &[&seq, &&hash.as_bytes()[..], &&before.as_bytes()[..], &line],
                )
                .unwrap();
            head = Head {
                seq: entry.seq,
                hash,
            };
        }
    }
    head
}

#[test]
fn rows_and_privileges_of_version_1_are_kept() {
    let Some(cluster) = server::start() else {
        return;
    };
    let sizes = [1, 3, 1, 12, 2];
    let head = make_version_1(&cluster, "old", &sizes);
    cluster.sql(
        "CREATE ROLE \"one who writes\" LOGIN; CREATE ROLE reads LOGIN;
         GRANT USAGE ON SCHEMA old TO \"one who writes\", reads;
         GRANT SELECT ON old.migrations TO \"one who writes\", reads;
         GRANT SELECT, INSERT ON old.entries TO \"one who writes\";
         GRANT SELECT ON old.entries TO reads",
    );
    let url = cluster.url_of("old");
    // Who only appends doesn't change the schema.
    let said = table(&url).check().unwrap_err().to_string();
    assert!(
        said.contains("has version 1") && said.contains("althing init"),
        "{said}"
    );

    for _ in 0..2 {
        table(&url).set_up().unwrap();
        table(&url).check().unwrap();
        assert_eq!(stored(&cluster, "old"), batches(&sizes).concat());
    }
    let rows = cluster
        .client()
        .query("SELECT first, last FROM old.batches ORDER BY first", &[]);
    let rows: Vec<(i64, i64)> = rows
        .unwrap()
        .iter()
        .map(|it| (it.get(0), it.get(1)))
        .collect();
    assert_eq!(rows, [(1, 1), (2, 4), (5, 5), (6, 17), (18, 19)]);

    let mut ledger = copy(&url);
    assert_eq!(*ledger.head(), head);
    fill(&mut ledger, &[2]);
    let all = [&sizes[..], &[2]].concat();
    assert_eq!(contents(&ledger), batches(&all).concat());

    let as_role = |role: &str| table(&url.replace("//althing@", &format!("//{role}@")));
    let next = batch(ledger.head(), 1);
    assert_eq!(
        as_role("reads").append(&next).unwrap_err().code(),
        "ledger.io"
    );
    as_role("reads").check().unwrap();
    as_role("one%20who%20writes").append(&next).unwrap();
}

#[test]
fn an_empty_ledger_of_version_1_is_one_of_now() {
    let Some(cluster) = server::start() else {
        return;
    };
    make_version_1(&cluster, "old", &[]);
    let mut ledger = copy(&cluster.url_of("old"));
    fill(&mut ledger, &[1, 2]);
    assert_eq!(stored(&cluster, "old"), batches(&[1, 2]).concat());
}

/// A client of that version is just appending.
#[test]
fn what_is_under_way_is_kept() {
    let Some(cluster) = server::start() else {
        return;
    };
    let head = make_version_1(&cluster, "old", &[1]);
    let next = batch(&head, 1);
    let mut client = cluster.client();
    let mut appending = client.transaction().unwrap();
    appending
        .execute(
            "INSERT INTO old.entries (seq, hash, prev_hash, line) VALUES (2, $1, $2, $3)",
            &[
                &&next.head().hash.as_bytes()[..],
                &&head.hash.as_bytes()[..],
                &next.bytes().trim_ascii_end(),
            ],
        )
        .unwrap();
    let url = cluster.url_of("old");
    let migrating = thread::spawn(move || table(&url).set_up());
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    let mut other = cluster.client();
    while other.query_one(waits, &[]).unwrap().get::<_, i64>(0) == 0 {
        assert!(!migrating.is_finished(), "it waits for nobody");
        thread::sleep(Duration::from_millis(5));
    }
    appending.commit().unwrap();
    migrating.join().unwrap().unwrap();
    assert_eq!(stored(&cluster, "old"), batches(&[1, 1]).concat());
}

/// A client of that version that is still at work appends nothing more.
#[test]
fn a_client_of_version_1_is_refused_afterwards() {
    let Some(cluster) = server::start() else {
        return;
    };
    make_version_1(&cluster, "old", &[1]);
    let mut client = cluster.client();
    let insert = "INSERT INTO old.entries (seq, hash, prev_hash, line)
         SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[])";
    let insert = client.prepare(insert).unwrap();
    table(&cluster.url_of("old")).set_up().unwrap();
    let none: &[&[u8]] = &[];
    assert!(
        client
            .execute(&insert, &[&&[0_i64; 0][..], &none, &none, &none])
            .is_err()
    );
}

#[test]
fn a_schema_of_a_later_program_is_left_alone() {
    let Some(cluster) = server::start() else {
        return;
    };
    copy(&cluster.url());
    cluster.sql("INSERT INTO althing.migrations (version) VALUES (99)");
    let said = table(&cluster.url()).check().unwrap_err().to_string();
    assert!(said.contains("has version 99"), "{said}");
}
