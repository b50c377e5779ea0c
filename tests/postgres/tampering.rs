//! A superuser changes the table behind everybody's back.

use althing::governance::digest::Digest;
use postgres::Client;

use crate::commands::{Machine, decide};
use crate::server;

/// Takes the constraints away for the session, as only a superuser can.
const UNBOUND: &str = "SET session_replication_role = replica;";

/// A row of the table.
#[derive(Debug, Clone)]
struct Row {
    first: i64,
    last: i64,
    hash: Vec<u8>,
    lines: Vec<u8>,
}

impl Row {
    /// Changes the lines, of which nothing else knows.
    fn edit(&mut self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let lines = self.lines.split_inclusive(|byte| *byte == b'\n');
        let mut lines = lines.map(<[u8]>::to_vec).collect();
        change(&mut lines);
        self.lines = lines.concat();
    }
}

/// What was done; what a machine says that had a copy; what one says that has none.
type Case = (&'static str, fn(&mut Vec<Row>), &'static str, &'static str);

const GONE_3: &str = "entry 3, which this copy was given, is no longer there [upstream.gone]";
const GONE_6: &str = "entry 6, which this copy was given, is no longer there [upstream.gone]";
const OTHER_4: &str = "entry 4 is no longer the one that this copy was given [upstream.changed]";
const OTHER_6: &str = "entry 6 is no longer the one that this copy was given [upstream.changed]";
const SHORT: &str =
    "the last number that entry 5 is kept under is not what its line says [upstream.column]";
const HALF: &str = "the batch behind entry 3 is not whole [upstream.half-a-batch]";

/// The last rows are of entry 3, and of entries 4 to 6.
const CASES: [Case; 13] = [
    (
        "a line edited",
        |rows| of(rows, 4).lines[200] ^= 1,
        OTHER_4,
        "entry 4 is refused",
    ),
    (
        "a row deleted",
        |rows| rows.retain(|row| row.first != 3),
        GONE_3,
        "entry 3 is refused",
    ),
    (
        "a line deleted",
        |rows| of(rows, 4).edit(|lines| drop(lines.remove(1))),
        "entry 5 is no longer the one that this copy was given [upstream.changed]",
        "entry 5 is refused",
    ),
    (
        "the last line deleted",
        |rows| of(rows, 4).edit(|lines| drop(lines.pop())),
        SHORT,
        SHORT,
    ),
    (
        "the last line deleted, and the columns with it",
        |rows| {
            let row = of(rows, 4);
            row.last = 5;
            row.edit(|lines| drop(lines.pop()));
            let hex = &row.lines[row.lines.len() - 67..row.lines.len() - 3];
            let digest: Digest = std::str::from_utf8(hex).unwrap().parse().unwrap();
            row.hash = digest.as_bytes().to_vec();
        },
        GONE_6,
        // Nobody who sees it for the first time can know; the batch it was of is not whole.
        HALF,
    ),
    ("the last row deleted", |rows| drop(rows.pop()), GONE_6, ""),
    (
        "two lines exchanged",
        |rows| of(rows, 4).edit(|lines| lines.swap(0, 1)),
        OTHER_4,
        "entry 4 is refused",
    ),
    (
        "two rows exchanged",
        |rows| {
            let lines = of(rows, 3).lines.clone();
            of(rows, 3).lines = std::mem::replace(&mut of(rows, 4).lines, lines);
        },
        "entry 3 is no longer the one that this copy was given [upstream.changed]",
        "entry 3 is refused",
    ),
    (
        "another hash",
        |rows| of(rows, 3).hash = vec![7; 32],
        "the hash that entry 3 is kept under is not what its line says [upstream.column]",
        "the hash that entry 3 is kept under is not what its line says [upstream.column]",
    ),
    (
        "another hash of the head",
        |rows| of(rows, 4).hash = vec![7; 32],
        OTHER_6,
        "the hash that entry 6 is kept under is not what its line says [upstream.column]",
    ),
    (
        "another last number",
        |rows| of(rows, 3).last = 2,
        "the last number that entry 3 is kept under is not what its line says [upstream.column]",
        "the last number that entry 3 is kept under is not what its line says [upstream.column]",
    ),
    (
        "another first number",
        |rows| {
            let row = of(rows, 4);
            (row.first, row.last) = (104, 106);
        },
        GONE_6,
        "the first number that entry 4 is kept under is not what its line says [upstream.column]",
    ),
    (
        "no last line feed",
        |rows| of(rows, 3).edit(|lines| lines[0].retain(|byte| *byte != b'\n')),
        "the end that entry 3 is kept under is not what its line says [upstream.column]",
        "the end that entry 3 is kept under is not what its line says [upstream.column]",
    ),
];

fn of(rows: &mut [Row], first: i64) -> &mut Row {
    rows.iter_mut().find(|row| row.first == first).unwrap()
}

fn read(client: &mut Client, schema: &str) -> Vec<Row> {
    let select = format!("SELECT first, last, hash, lines FROM {schema}.batches ORDER BY first");
    let rows = client.query(&select, &[]).unwrap();
    let row = |row: &postgres::Row| Row {
        first: row.get(0),
        last: row.get(1),
        hash: row.get(2),
        lines: row.get(3),
    };
    rows.iter().map(row).collect()
}

/// Puts these rows into the table, whatever was there.
fn write(client: &mut Client, schema: &str, rows: &[Row]) {
    client
        .batch_execute(&format!("{UNBOUND} DELETE FROM {schema}.batches"))
        .unwrap();
    let insert =
        format!("INSERT INTO {schema}.batches (first, last, hash, lines) VALUES ($1, $2, $3, $4)");
    for row in rows {
        client
            .execute(&insert, &[&row.first, &row.last, &row.hash, &row.lines])
            .unwrap();
    }
}

#[test]
fn verify_names_the_place() {
    let Some(cluster) = server::start() else {
        return;
    };
    let keys = tempfile::tempdir().unwrap();
    decide(&Machine::new(&cluster.url(), keys.path()));
    let mut client = cluster.client();
    let whole = read(&mut client, "althing");
    for (index, (name, change, with_copy, without)) in CASES.into_iter().enumerate() {
        let schema = format!("case_{index}");
        let machine = Machine::new(&cluster.url_of(&schema), keys.path());
        crate::suite::copy(&cluster.url_of(&schema));
        write(&mut client, &schema, &whole);
        assert!(machine.text(&["verify"]).contains("intact"), "{name}");
        let mut changed = whole.clone();
        change(&mut changed);
        write(&mut client, &schema, &changed);

        let said = machine.failure(&["verify"]);
        assert!(said.contains(with_copy), "{name}\n{said}");
        let newcomer = Machine::new(&cluster.url_of(&schema), keys.path());
        if without.is_empty() {
            assert!(newcomer.text(&["verify"]).contains("intact"), "{name}");
        } else {
            let said = newcomer.failure(&["verify"]);
            assert!(said.contains(without), "{name}\n{said}");
        }
    }
}

/// The ledger was put back to an older state and went on from there, with right hashes throughout.
#[test]
fn a_rewritten_history_is_refused_by_whoever_saw_the_old_one() {
    let Some(cluster) = server::start() else {
        return;
    };
    let keys = tempfile::tempdir().unwrap();
    let witness = Machine::new(&cluster.url(), keys.path());
    decide(&witness);
    cluster.sql(&format!(
        "{UNBOUND} DELETE FROM althing.batches WHERE first > 2"
    ));
    let other = Machine::new(&cluster.url(), keys.path());
    let propose = ["propose", "authorize-model", "did:example:other"];
    for _ in 0..4 {
        other.text(&[&propose[..], &["--title", "Other", "--as", "clinic"]].concat());
    }
    assert!(other.text(&["verify"]).contains("intact"));
    for command in [&["verify"][..], &["log"], &["authorization", "list"]] {
        let said = witness.failure(command);
        assert!(said.contains("upstream.changed"), "{said}");
    }
    // For who knows why.
    let forgotten = witness.run(&["verify", "--forget"]);
    let said = String::from_utf8(forgotten.stderr).unwrap();
    assert!(
        forgotten.status.success() && said.contains("is kept as"),
        "{said}"
    );
    assert!(witness.text(&["log"]).contains("Other"));
}
