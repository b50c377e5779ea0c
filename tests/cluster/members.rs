//! The registry says who decides.

use super::harness::Cluster;

#[test]
fn a_node_admitted_by_vote_decides_and_a_removed_one_does_not() {
    let mut cluster = Cluster::running(4);
    let (node, like) = (cluster.node(5), cluster.node(1));
    let listen = format!("127.0.0.1:{}", cluster.spare_port());
    let line = format!(
        "cluster join {} --like {} --listen {listen}",
        node.display(),
        like.display()
    );
    cluster.run(&line).exits(0);
    cluster.start(5);
    assert_eq!(cluster.status(5)["is_validator"], false);
    let export = node.join("keys/node5.pub.json");
    let admit = |weight: u64| {
        format!(
            "add-node node5 --file {} --param weight={weight} --title Newcomer",
            export.display()
        )
    };
    // With a third of the weight it could halt all others.
    cluster.wait_until_running(1);
    let heavy = cluster.sign(1, &format!("propose {}", admit(2)));
    let refused = cluster.submit(1, &heavy).exits(3).json();
    assert_eq!(refused["error"]["code"], "cluster.newcomer-weight");
    let proposal = cluster.propose(1, &admit(1));
    let last = cluster.approve(&proposal, &[2, 3, 4]);
    assert_eq!(last.last().map(String::as_str), Some("node_added"));
    let status = cluster.wait_until_equal(&[1, 2, 3, 4, 5], 1);
    assert_eq!(status["validators"], 5);
    assert_eq!(cluster.status(5)["is_validator"], true);
    // Four of five are needed by now, and it is one of them.
    cluster.kill(1);
    cluster.grant("one", 5, &[2, 3, 4, 5]);
    let action = format!(
        "remove-node node1 --title Gone --ledger {}",
        cluster.node(2).display()
    );
    let action = action.split(" --ledger").next().unwrap();
    let proposal = cluster.propose(2, action);
    let last = cluster.approve(&proposal, &[2, 3, 4, 5]);
    assert_eq!(last.last().map(String::as_str), Some("node_removed"));
    let status = cluster.wait_until_equal(&[2, 3, 4, 5], 1);
    assert_eq!(
        (&status["validators"], &status["weight_of_all"]),
        (&4.into(), &4.into())
    );
    // Three of four are enough again.
    cluster.kill(2);
    cluster.grant("two", 3, &[3, 4, 5]);
    cluster.start(1);
    cluster.start(2);
    cluster.wait_until_equal(&[1, 2, 3, 4, 5], 1);
    assert_eq!(cluster.status(1)["is_validator"], false);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4, 5]);
}
