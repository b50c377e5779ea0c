//! A node that says one thing to some and another to others: two processes with one key, each of
//! which knows other nodes.

use std::path::Path;
use std::thread;

use super::harness::{Cluster, wait_for};

/// The number under which the second process of node 4 runs.
const TWIN: usize = 5;

/// Gives node 4 a twin that signs with the same key and remembers nothing of what the other signs.
/// Node 4 talks to nodes 1 and 2, its twin to node 3.
fn split(cluster: &Cluster) {
    copy(&cluster.node(4), &cluster.node(TWIN));
    let address = |node| format!("\"{}\"", cluster.address(node));
    let only = |text: &str, nodes: &[usize]| {
        let peers: Vec<String> = nodes.iter().map(|node| address(*node)).collect();
        let peers = format!("peers = [{}]", peers.join(", "));
        let (before, rest) = text.split_once("peers = [").unwrap();
        let (_, after) = rest.split_once(']').unwrap();
        format!("{before}{peers}{after}")
    };
    for (node, peers) in [(1, [2, 3, 4]), (2, [1, 3, 4]), (3, [1, 2, TWIN])] {
        cluster.configure(node, |text| only(&text, &peers));
    }
    cluster.configure(4, |text| only(&text, &[1, 2]));
    cluster.configure(TWIN, |text| {
        only(&text, &[3]).replace(
            &format!("listen = {}", address(4)),
            &format!("listen = {}", address(TWIN)),
        )
    });
    // Connections are no part of the lie.
    std::fs::remove_file(cluster.node(TWIN).join("keys/transport.key")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
    let permissions = std::fs::metadata(from).unwrap().permissions();
    std::fs::set_permissions(to, permissions).unwrap();
}

fn accused(cluster: &Cluster, by: usize) -> Option<String> {
    let line = format!("evidence list --ledger {}", cluster.node(by).display());
    let found = cluster.run(&line).exits(0).json();
    found["evidence"][0]["name"].as_str().map(str::to_owned)
}

#[test]
fn who_says_one_thing_to_some_and_another_to_others_is_convicted() {
    let mut cluster = Cluster::of(4);
    split(&cluster);
    for node in 1..=TWIN {
        cluster.start(node);
    }
    for node in 1..=3 {
        cluster.wait_until_running(node);
    }
    // Each half of the liar hears of the commands of its own acquaintances.
    for round in 0..15 {
        if accused(&cluster, 1).is_some() {
            break;
        }
        thread::scope(|scope| {
            for node in [1, 3] {
                let (cluster, name) = (&cluster, format!("m{round}-{node}"));
                let action = format!("propose authorize-model did:example:{name} --title {name}");
                let signed = cluster.sign(node, &action);
                scope.spawn(move || cluster.submit(node, &signed).exits(0));
            }
        });
    }
    wait_for("the evidence", || accused(&cluster, 1));
    // Its weight counts no more, and the others decide without it.
    let height = cluster.status(1)["height"].as_u64().unwrap();
    let status = cluster.wait_until_equal(&[1, 2, 3], height);
    assert_eq!(status["validators"], 3, "{status}");
    assert_eq!(status["weight_of_all"], 3, "{status}");
    for node in [4, TWIN] {
        cluster.kill(node);
    }
    cluster.grant("after", 1, &[1, 2]);
    cluster.wait_until_equal(&[1, 2, 3], height + 1);
    cluster.stop_all();
    let evidence = cluster.check_all_but_evidence(&[1, 2, 3]);
    assert_eq!(evidence.len(), 1, "{evidence:?}");
    assert_eq!(evidence[0]["name"], "node4");
    assert_eq!(evidence[0]["kind"], "consensus");
    assert_eq!(evidence[0]["suspended"], true);
    let line = format!("evidence show node4 --ledger {}", cluster.node(3).display());
    let shown = cluster.run(&line).exits(0).json();
    assert_ne!(
        shown["consensus"]["first"]["value"],
        shown["consensus"]["second"]["value"]
    );
}
