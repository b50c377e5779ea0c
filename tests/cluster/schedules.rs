//! Random faults under load. What is checked at the end of each schedule holds for every schedule.
//!
//! The long run: `ALTHING_SCHEDULES=200 cargo test --features cluster --test cluster schedules -- --ignored`.
//! `ALTHING_SEED` says which schedule is the first; a failure names its own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::harness::{Cluster, ledger_bytes, wait_for};

/// Chance that is the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Being {
    Up,
    Down,
    Paused,
}

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect("a number"))
}

#[test]
#[ignore = "minutes; the command is at the head of this file"]
fn schedules() {
    let first = number("ALTHING_SEED", 1);
    for seed in first..first + number("ALTHING_SCHEDULES", 3) {
        eprintln!("schedule {seed}");
        schedule(seed);
    }
}

#[test]
fn a_short_schedule() {
    schedule(7);
}

fn schedule(seed: u64) {
    let mut chance = Chance(seed);
    let mut cluster = Cluster::running(4);
    let mut beings = [Being::Up; 4];
    let mut acknowledged: BTreeSet<(u64, String)> = BTreeSet::new();
    let mut proposals: Vec<String> = Vec::new();
    for step in 0..10 {
        // At most one node is away: with two, nothing is decided until one is back.
        let away = beings.iter().position(|being| *being != Being::Up);
        match (away, chance.below(3)) {
            (Some(node), 0) => bring_back(&mut cluster, &mut beings, node),
            (None, 0) => {
                let node = chance.below(4);
                beings[node] = if chance.below(2) == 0 {
                    cluster.kill(node + 1);
                    Being::Down
                } else {
                    cluster.pause(node + 1, true);
                    Being::Paused
                };
            }
            _ => {}
        }
        let up: Vec<usize> = (0..4).filter(|node| beings[*node] == Being::Up).collect();
        let node = up[chance.below(up.len())] + 1;
        let line = if proposals.is_empty() || chance.below(3) == 0 {
            format!("propose authorize-model did:example:m{step} --title m{step}")
        } else {
            let proposal = &proposals[chance.below(proposals.len())];
            let shown = cluster.run(&format!(
                "proposal show {proposal} --ledger {}",
                cluster.node(node).display()
            ));
            if shown.code != Some(0) {
                continue;
            }
            format!("vote {proposal} approve")
        };
        cluster.wait_until_running(node);
        let Ok(statement) = cluster.try_sign(node, &line) else {
            continue;
        };
        let ran = cluster.submit(node, &statement);
        // A vote may come too late.
        assert!(matches!(ran.code, Some(0 | 3)), "seed {seed}: {ran:?}");
        if ran.code == Some(0) {
            let result = &ran.json()["results"][0];
            for entry in result["entries"].as_array().into_iter().flatten() {
                let hash = entry["entry_hash"].as_str().unwrap().to_owned();
                acknowledged.insert((entry["seq"].as_u64().unwrap(), hash));
            }
            let signed: Value = serde_json::from_str(&statement).unwrap();
            if line.starts_with("propose") {
                let id = &signed["statement"]["proposal_id"];
                proposals.push(id.as_str().unwrap().to_owned());
            }
        }
    }
    for node in 0..4 {
        if beings[node] != Being::Up {
            bring_back(&mut cluster, &mut beings, node);
        }
    }
    cluster.wait_until_equal(&[1, 2, 3, 4], 1);
    cluster.stop_all();
    cluster.check(&[1, 2, 3, 4]);
    let ledger = String::from_utf8(ledger_bytes(&cluster.node(1))).unwrap();
    let recorded: Vec<(u64, String)> = ledger
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let hash = line["entry_hash"].as_str().unwrap().to_owned();
            (line["seq"].as_u64().unwrap(), hash)
        })
        .collect();
    for entry in &acknowledged {
        let count = recorded.iter().filter(|it| *it == entry).count();
        assert_eq!(count, 1, "seed {seed}: {entry:?}");
    }
    assert!(!acknowledged.is_empty(), "seed {seed}");
}

fn bring_back(cluster: &mut Cluster, beings: &mut [Being; 4], node: usize) {
    match beings[node] {
        Being::Down => cluster.start(node + 1),
        Being::Paused => cluster.pause(node + 1, false),
        Being::Up => {}
    }
    beings[node] = Being::Up;
    wait_for("the node to answer", || cluster.try_status(node + 1));
}
