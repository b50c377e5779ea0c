//! Servers that are not there yet, and standbys that do not answer.

use std::time::Duration;

use althing::ledger::{Ledger as _, Upstream as _};
use althing::postgres::Table;
use althing::testing::ledgers::{batch, batches, contents, fill};

use crate::commands::Machine;
use crate::server;
use crate::suite::{copy, stored, table};

#[test]
fn a_client_that_starts_before_its_server_waits_for_it() {
    let Some(cluster) = server::start() else {
        return;
    };
    let keys = tempfile::tempdir().unwrap();
    let machine = Machine::new(&cluster.url(), keys.path());
    machine.text(&["key", "new", "clinic", "--no-input"]);
    machine.text(&["init", "--name", "hospitals", "--founder", "clinic"]);
    cluster.stop(0);
    let said = machine.failure(&["log", "--wait", "0"]);
    assert!(
        said.contains("upstream.failed") && !said.contains("waiting"),
        "{said}"
    );

    let waiting = machine.command(&["log", "--wait", "60"]).spawn().unwrap();
    cluster.restart(0);
    let output = waiting.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    // Whether it came first is for the machine to say.
    assert!(
        said.is_empty() || said.contains("waiting up to 60 s"),
        "{said}"
    );
}

/// Nobody has to wait to learn that he is not let in.
#[test]
fn what_does_not_pass_is_said_at_once() {
    let Some(cluster) = server::start() else {
        return;
    };
    for url in [
        cluster.url().replace("//althing@", "//nobody@"),
        cluster.url().replace("/postgres?", "/elsewhere?"),
    ] {
        let table = Table::new(url.parse().unwrap())
            .waiting(althing::ledger::Wait::For(Duration::from_secs(3600)));
        assert_eq!(table.check().unwrap_err().code(), "upstream.failed");
    }
}

#[test]
fn an_append_does_not_wait_for_ever_for_a_standby() {
    let Some(cluster) = server::start_with(1) else {
        return;
    };
    let mut witness = copy(&cluster.url());
    fill(&mut witness, &[1]);
    witness.release();
    cluster.stop(1);
    let head = *witness.head();
    let hasty =
        Table::new(cluster.url().parse().unwrap()).with_patience(Duration::from_millis(300));
    let next = batch(&head, 2);
    for _ in 0..2 {
        let error = hasty.append(&next).unwrap_err();
        assert_eq!(error.code(), "ledger.durability-unknown", "{error}");
        assert!(error.to_string().contains("standbys"), "{error}");
    }
    cluster.restart(1);
    // The same again finds out.
    table(&cluster.url()).append(&next).unwrap();
    drop(witness.resume(althing::ledger::Wait::default()).unwrap());
    assert_eq!(contents(&witness), batches(&[1, 2]).concat());
    fill(&mut witness, &[1]);
    assert_eq!(stored(&cluster, "althing"), batches(&[1, 2, 1]).concat());
}
