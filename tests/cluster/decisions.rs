//! Four nodes decide.

use std::fs;

use super::harness::{Cluster, GRANT, ledger_bytes};

#[test]
fn four_nodes_have_one_ledger() {
    let mut cluster = Cluster::running(4);
    cluster.grant("one", 1, &[2, 3, 4]);
    // Who asks again is told that it is so, and nothing more is recorded.
    let proposal = cluster.propose(2, GRANT);
    cluster.approve(&proposal, &[1]);
    let ballot = cluster.sign(1, &format!("vote {proposal} approve"));
    let again = cluster.submit(3, &ballot).exits(0).json();
    assert_eq!(again["results"][0]["outcome"], "unchanged", "{again}");
    // What the rules refuse is refused at once, and says why.
    let forged = ballot.replacen("\"approve\"", "\"reject\"", 1);
    let refused = cluster.submit(4, &forged).exits(3).json();
    assert_eq!(refused["error"]["code"], "ballot.signature", "{refused}");
    let status = cluster.wait_until_equal(&[1, 2, 3, 4], 1);
    assert_eq!(status["validators"], 4);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4]);
    // Heights hold commands, but for one when the cluster starts.
    let sizes = cluster.sizes(1);
    assert_eq!(sizes.iter().sum::<usize>(), 6);
    assert!(
        sizes.iter().filter(|size| **size == 0).count() <= 4,
        "{sizes:?}"
    );

    // A restart needs nothing.
    for node in 1..=4 {
        cluster.start(node);
    }
    cluster.approve(&proposal, &[3, 4]);
    cluster.wait_until_equal(&[1, 2, 3, 4], 1);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4]);
}

#[test]
fn what_was_changed_afterwards_is_found_offline() {
    let mut cluster = Cluster::running(4);
    cluster.propose(1, GRANT);
    cluster.wait_until_equal(&[1, 2, 3, 4], 1);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4]);
    let dir = cluster.node(1);
    let verify = format!("cluster verify {}", dir.display());
    let path = dir.join("decisions.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let mut decisions: Vec<serde_json::Value> = whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut judge = |code: &str, exit: i32, change: &dyn Fn(&mut serde_json::Value)| {
        let last = decisions.len() - 1;
        let before = decisions[last].clone();
        change(&mut decisions[last]);
        let lines: Vec<String> = decisions.iter().map(|it| format!("{it}\n")).collect();
        fs::write(&path, lines.concat()).unwrap();
        let found = cluster.run(&verify).exits(exit).json();
        assert_eq!(found["error"]["code"], code, "{found}");
        decisions[last] = before;
    };
    let signatures = |decision: &mut serde_json::Value| {
        decision["certificate"]["signatures"]
            .as_array_mut()
            .unwrap()
            .clone()
    };
    judge("certificate.no-quorum", 11, &|decision| {
        let two = signatures(decision)[..2].to_vec();
        decision["certificate"]["signatures"] = two.into();
    });
    judge("certificate.signed-twice", 11, &|decision| {
        let first = signatures(decision)[0].clone();
        decision["certificate"]["signatures"] = vec![first.clone(), first].into();
    });
    judge("certificate.signature", 11, &|decision| {
        let all = signatures(decision);
        let other = all[1]["signature"].clone();
        decision["certificate"]["signatures"][0]["signature"] = other;
    });
    judge("certificate.signature", 11, &|decision| {
        decision["certificate"]["round"] = 9.into();
    });
    judge("cluster.decisions-malformed", 1, &|decision| {
        decision["value"] = "other".into();
    });
    fs::write(&path, &whole).unwrap();
    cluster.run(&verify).exits(0);
    // A ledger that says more than was decided.
    let lines: Vec<&str> = whole.lines().collect();
    fs::write(&path, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    let found = cluster.run(&verify).exits(10).json();
    assert_eq!(found["error"]["code"], "cluster.ledger-differs", "{found}");
    fs::write(&path, &whole).unwrap();
    // One that says less is only behind.
    let ledger = ledger_bytes(&dir);
    let recorded: Vec<&str> = std::str::from_utf8(&ledger).unwrap().lines().collect();
    let founding = recorded[..5].join("\n") + "\n";
    fs::write(dir.join("ledger/00000000000000000001.jsonl"), founding).unwrap();
    cluster.run(&verify).exits(0);
}
