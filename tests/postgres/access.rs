//! Who may do what, and who can read along.

use std::fs;
use std::path::Path;
use std::process::Command;

use althing::ledger::Upstream as _;
use althing::testing::ledgers::{batch, fill};

use crate::server::{self, Cluster};
use crate::suite::{copy, table};

/// The roles as the documentation makes them.
pub fn documented_roles() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/postgresql.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, behind) = text.split_once("```sql\n").unwrap();
    behind.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_documented_roles_may_do_what_they_need_and_no_more() {
    let Some(cluster) = server::start() else {
        return;
    };
    let mut ledger = copy(&cluster.url());
    fill(&mut ledger, &[2]);
    cluster.sql(&documented_roles());
    cluster.sql("ALTER ROLE althing_writer LOGIN; ALTER ROLE althing_reader LOGIN");
    let as_role = |role: &str| cluster.url().replace("//althing@", &format!("//{role}@"));

    let (writer, reader) = (
        table(&as_role("althing_writer")),
        table(&as_role("althing_reader")),
    );
    let next = batch(&ledger.ledger.tip().head, 1);
    for (role, table) in [("writer", &writer), ("reader", &reader)] {
        table
            .check()
            .unwrap_or_else(|error| panic!("{role}: {error}"));
    }
    assert_eq!(reader.append(&next).unwrap_err().code(), "ledger.io");
    // Whose answer was lost asks once more.
    for _ in 0..2 {
        writer.append(&next).unwrap();
    }
    for role in ["althing_writer", "althing_reader"] {
        let mut client = cluster.client_of(role);
        for change in [
            "UPDATE althing.batches SET lines = 'x'",
            "DELETE FROM althing.batches",
            "TRUNCATE althing.batches",
            "ALTER TABLE althing.batches DISABLE TRIGGER ALL",
            "DROP TABLE althing.batches",
            "DROP TRIGGER continue_head ON althing.batches",
            "INSERT INTO althing.migrations (version) VALUES (9)",
        ] {
            let error = client.batch_execute(change).unwrap_err();
            let code = error.code().map(|code| code.code().to_owned());
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {change}: {error}");
        }
    }
}

fn openssl(dir: &Path, arguments: &str) {
    let done = Command::new("openssl")
        .current_dir(dir)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "openssl {arguments}: {error}");
}

/// An authority, and a certificate of its own for `localhost`.
fn certify(dir: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    fs::write(dir.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        dir,
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 3650 -subj /CN=ca"),
    );
    openssl(
        dir,
        &format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"),
    );
    openssl(
        dir,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile names -out server.pem",
    );
}

fn is_encrypted(cluster: &Cluster) -> bool {
    let query = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                 WHERE application_name = 'althing'";
    cluster.client().query_one(query, &[]).unwrap().get(0)
}

#[test]
fn a_server_is_believed_by_its_certificate_and_name() {
    let Some(cluster) = server::start() else {
        return;
    };
    let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certify(ours.path());
    certify(other.path());
    cluster.enable_tls(
        &ours.path().join("server.pem"),
        &ours.path().join("server.key"),
    );
    let ca = |dir: &Path| dir.join("ca.pem").display().to_string();
    let url = |host: &str, ca: &str, mode: &str| {
        let url = cluster.url().replace("127.0.0.1", host);
        format!("{url}&sslmode={mode}&sslrootcert={ca}")
    };
    let good = table(&url("localhost", &ca(ours.path()), "verify-full"));
    good.set_up().unwrap();
    assert!(is_encrypted(&cluster));
    // Whose name it is, who says so, and who else does.
    let cases = [
        ("127.0.0.1", ours.path(), "require"),
        ("localhost", other.path(), "require"),
        ("localhost", other.path(), "verify-ca"),
    ];
    for (host, dir, mode) in cases {
        let error = table(&url(host, &ca(dir), mode)).check().unwrap_err();
        assert_eq!(error.code(), "upstream.failed", "{host} {mode}: {error}");
        assert!(
            error.to_string().contains("certificate"),
            "{host} {mode}: {error}"
        );
    }
}
