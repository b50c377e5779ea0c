//! Nodes die, come late, come back.

use std::fs;

use super::harness::{Cluster, GRANT, ledger_bytes};

#[test]
fn a_killed_node_catches_up() {
    let mut cluster = Cluster::running(4);
    cluster.grant("one", 1, &[2, 3, 4]);
    cluster.kill(4);
    cluster.grant("two", 1, &[1, 2, 3]);
    cluster.start(4);
    let status = cluster.status(1);
    cluster.wait_until_equal(&[1, 2, 3, 4], status["height"].as_u64().unwrap());
    // It takes part again.
    cluster.kill(3);
    cluster.grant("three", 4, &[1, 2, 4]);
    cluster.wait_until_equal(&[1, 2, 4], 1);
    cluster.stop_all();
    cluster.check(&[1, 2, 4]);
}

#[test]
fn an_empty_directory_and_a_damaged_tail_are_made_good() {
    let mut cluster = Cluster::running(4);
    cluster.grant("one", 1, &[2, 3, 4]);
    cluster.wait_until_equal(&[1, 2, 3, 4], 1);
    // One node loses the end of its ledger, one its ledger and its decisions.
    cluster.kill(3);
    cluster.kill(4);
    let segment = cluster.node(3).join("ledger/00000000000000000001.jsonl");
    let bytes = ledger_bytes(&cluster.node(3));
    fs::write(&segment, &bytes[..bytes.len() - 1000]).unwrap();
    fs::remove_dir_all(cluster.node(4).join("ledger")).unwrap();
    fs::remove_file(cluster.node(4).join("decisions.jsonl")).unwrap();
    fs::remove_dir_all(cluster.node(4).join("wal")).unwrap();
    cluster.start(3);
    cluster.start(4);
    cluster.grant("two", 1, &[2, 3, 4]);
    cluster.wait_until_equal(&[1, 2, 3, 4], 1);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4]);
}

#[test]
fn without_two_thirds_nothing_is_decided_and_then_it_goes_on() {
    let mut cluster = Cluster::running(4);
    cluster.grant("one", 1, &[2, 3, 4]);
    let before = cluster.wait_until_equal(&[1, 2, 3, 4], 1);
    cluster.kill(3);
    cluster.kill(4);
    let statement = cluster.sign(1, &format!("propose {GRANT}"));
    let line = format!(
        "cluster submit --timeout 8 {} {}",
        cluster.node(1).display(),
        cluster.path("signed.json").display()
    );
    let unanswered = cluster.run(&line).exits(1).json();
    assert_eq!(unanswered["error"]["code"], "cluster.no-answer");
    for node in [1, 2] {
        assert_eq!(cluster.status(node)["head"], before["head"]);
    }
    cluster.start(3);
    // The command was not forgotten, and is not recorded twice.
    let late = cluster.submit(2, &statement);
    assert!(matches!(late.code, Some(0 | 3)), "{late:?}");
    cluster.start(4);
    let height = before["height"].as_u64().unwrap();
    cluster.wait_until_equal(&[1, 2, 3, 4], height + 1);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4]);
}

#[test]
fn a_paused_node_is_overtaken_and_follows() {
    let mut cluster = Cluster::running(4);
    cluster.wait_until_running(2);
    cluster.propose(2, GRANT);
    cluster.pause(1, true);
    cluster.grant("one", 2, &[2, 3, 4]);
    cluster.pause(1, false);
    cluster.wait_until_equal(&[1, 2, 3, 4], 5);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4]);
}
