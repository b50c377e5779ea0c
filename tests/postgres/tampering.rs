//! A superuser changes the table behind everybody's back.

use crate::commands::{Machine, decide};
use crate::server;

/// Takes the constraints away for the session, as only a superuser can.
const UNBOUND: &str = "SET session_replication_role = replica;";

/// What was done; what a machine says that had a copy; what one says that has none.
const CASES: [(&str, &str, &str); 8] = [
    (
        "UPDATE {s}.entries SET line = overlay(line PLACING '!' FROM 200) WHERE seq = 4",
        "entry 4 is no longer the one that this copy was given [upstream.changed]",
        "entry 4 is refused",
    ),
    (
        "DELETE FROM {s}.entries WHERE seq = 4",
        "entry 4, which this copy was given, is no longer there [upstream.gone]",
        "entry 5 is refused",
    ),
    (
        "DELETE FROM {s}.entries WHERE seq = 6",
        "entry 6, which this copy was given, is no longer there [upstream.gone]",
        // Nobody who sees it for the first time can know; the batch it was of is not whole.
        "the batch behind entry 3 is not whole [upstream.half-a-batch]",
    ),
    (
        "DELETE FROM {s}.entries WHERE seq > 3",
        "entry 6, which this copy was given, is no longer there [upstream.gone]",
        "",
    ),
    (
        "UPDATE {s}.entries SET line = (SELECT line FROM {s}.entries AS other WHERE other.seq = 9 - entries.seq) WHERE seq IN (4, 5)",
        "entry 4 is no longer the one that this copy was given [upstream.changed]",
        "entry 4 is refused",
    ),
    (
        "UPDATE {s}.entries SET hash = decode(repeat('ab', 32), 'hex') WHERE seq = 3",
        "the hash of row 3 is not what its line says [upstream.column]",
        "the hash of row 3 is not what its line says [upstream.column]",
    ),
    (
        "UPDATE {s}.entries SET prev_hash = decode(repeat('ab', 32), 'hex') WHERE seq = 3",
        "the previous hash of row 3 is not what its line says [upstream.column]",
        "the previous hash of row 3 is not what its line says [upstream.column]",
    ),
    (
        "UPDATE {s}.entries SET seq = seq + 100 WHERE seq > 3",
        "entry 6, which this copy was given, is no longer there [upstream.gone]",
        "the number of row 4 is not what its line says [upstream.column]",
    ),
];

#[test]
fn verify_names_the_place() {
    let Some(cluster) = server::start() else {
        return;
    };
    let keys = tempfile::tempdir().unwrap();
    decide(&Machine::new(&cluster.url(), keys.path()));
    for (index, (change, with_copy, without)) in CASES.into_iter().enumerate() {
        let schema = format!("case_{index}");
        let machine = Machine::new(&cluster.url_of(&schema), keys.path());
        crate::suite::copy(&cluster.url_of(&schema));
        cluster.sql(&format!(
            "INSERT INTO {schema}.entries (seq, hash, prev_hash, line)
             SELECT seq, hash, prev_hash, line FROM althing.entries ORDER BY seq"
        ));
        assert!(machine.text(&["verify"]).contains("intact"), "{change}");
        cluster.sql(&format!("{UNBOUND} {}", change.replace("{s}", &schema)));

        let said = machine.failure(&["verify"]);
        assert!(said.contains(with_copy), "{change}\n{said}");
        let newcomer = Machine::new(&cluster.url_of(&schema), keys.path());
        if without.is_empty() {
            assert!(newcomer.text(&["verify"]).contains("intact"), "{change}");
        } else {
            let said = newcomer.failure(&["verify"]);
            assert!(said.contains(without), "{change}\n{said}");
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
        "{UNBOUND} DELETE FROM althing.entries WHERE seq > 2"
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
