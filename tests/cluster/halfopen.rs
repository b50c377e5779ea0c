//! A connection that one side has lost and the other has not noticed.
//!
//! A node that loses its power and is back at once, or that a fault of the network cuts off for a few seconds,
//! connects again while its peers still hold the old connection. They told it on that one what they want to
//! hear, and do not tell it again: it would be mute from then on, connected to everybody.

use super::harness::{Cluster, wait_for};

/// The fourth node comes back, and the others do not know that it was away. It is heard nevertheless.
fn a_node_is_heard(gossip: &str) {
    let mut cluster = match Cluster::networked(4, gossip) {
        Ok(cluster) => cluster,
        Err(why) => return eprintln!("skipped: a half-open connection: {why}"),
    };
    cluster.grant("before", 1, &[2, 3, 4]);
    // Where the machine is slow, the others notice before the node is back, and this has shown nothing.
    let was_there = (1..=5).any(|attempt| {
        cluster.network("ends lost");
        cluster.kill(4);
        cluster.start(4);
        wait_for("the node to be connected", || {
            (cluster.try_status(4)?["peers"] == 3).then_some(())
        });
        cluster.network("ends pass");
        // Nobody else has anything to decide.
        let subject = format!("did:example:after-{attempt}");
        cluster.propose(4, &format!("authorize-model {subject} --title after"));
        cluster.wait_until_equal(&[1, 2, 3, 4], 5);
        cluster.log(4).contains("does not hear this node")
    });
    assert!(was_there);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4]);
}

#[test]
fn a_node_that_comes_back_unnoticed_is_heard() {
    a_node_is_heard("broadcast");
}

#[test]
fn a_node_that_comes_back_unnoticed_is_heard_by_gossip() {
    a_node_is_heard("gossipsub");
}
