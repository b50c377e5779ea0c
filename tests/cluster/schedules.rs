//! Random faults under load. What is checked at the end of each schedule holds for every schedule.
//!
//! The long run: `ALTHING_SCHEDULES=200 cargo test --release --features cluster --test cluster schedules -- --ignored
//! --nocapture`. `ALTHING_SEED` says which schedule is the first; a failure names its own. Every second one is with
//! `gossip = "gossipsub"`.
//!
//! Each node has a host and a clock of its own where network namespaces can be made. Where not, the test
//! says so, and nodes are only killed and paused.

use std::collections::BTreeMap;
use std::process::Child;

use serde_json::Value;

use super::harness::{Cluster, Ran, ledger_bytes, wait_for};

const NODES: usize = 4;

/// How many nodes may be away while the others go on.
const TOLERATED: usize = 1;

const STEPS: usize = 8;

/// How long a client waits for an answer, and how long it waits where there can't be one, in seconds.
const PATIENCE: u64 = 20;
const IN_VAIN: u64 = 5;

/// What the network may be like.
const WEATHER: [[&str; 3]; 5] = [
    ["delay 0 0", "loss 0", "twice 0"],
    ["delay 1 30", "loss 1", "twice 0"],
    ["delay 20 60", "loss 3", "twice 2"],
    ["delay 5 200", "loss 0", "twice 5"],
    ["delay 0 10", "loss 10", "twice 0"],
];

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

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Being {
    Up,
    Killed,
    Paused,
    /// It runs and reaches nobody.
    CutOff,
    /// Its clock is so wrong that it finds every other's time wrong.
    OutOfTime,
}

/// All ways to be away.
const WAYS: [Being; 4] = [
    Being::Killed,
    Being::Paused,
    Being::CutOff,
    Being::OutOfTime,
];

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect("a number"))
}

#[test]
#[ignore = "minutes; the command is at the head of this file"]
fn schedules() {
    let first = number("ALTHING_SEED", 1);
    let mut met = BTreeMap::new();
    for seed in first..first + number("ALTHING_SCHEDULES", 3) {
        schedule(seed, &mut met);
        eprintln!("schedule {seed} held; met so far: {met:?}");
    }
}

#[test]
fn a_short_schedule() {
    schedule(7, &mut BTreeMap::new());
}

/// In it a height takes many rounds, in each of which something else is proposed.
#[test]
fn a_schedule_with_a_long_height() {
    schedule(4, &mut BTreeMap::new());
}

/// How nodes of a schedule hear each other.
fn gossip(seed: u64) -> &'static str {
    if seed.is_multiple_of(2) {
        "gossipsub"
    } else {
        "broadcast"
    }
}

/// What happened how often, over all schedules.
type Met = BTreeMap<String, u64>;

fn schedule(seed: u64, met: &mut Met) {
    let mut run = Run::new(seed, met);
    for step in 0..STEPS {
        run.disturb();
        let load = run.begin(step);
        if run.chance.below(2) == 0 {
            run.disturb();
        }
        run.finish(load);
    }
    run.bring_all_back();
    run.cluster.grant("the-end", 1, &[2, 3, 4]);
    let all: Vec<usize> = (1..=NODES).collect();
    run.cluster.wait_until_equal(&all, 1);
    run.cluster.stop_all();
    run.cluster.check(&all);
    run.check_acknowledged();
    run.count_reconnections();
}

/// A statement that was handed to a node, and the client that waits for what becomes of it.
struct Load {
    statement: Value,
    client: Child,
}

struct Run<'m> {
    seed: u64,
    chance: Chance,
    cluster: Cluster,
    has_network: bool,
    beings: [Being; NODES],
    proposals: Vec<String>,
    /// The signatures of all statements that were handed over, and the entries of those that a client was
    /// told are recorded.
    handed_over: BTreeMap<String, Vec<Value>>,
    met: &'m mut Met,
}

impl<'m> Run<'m> {
    fn new(seed: u64, met: &'m mut Met) -> Self {
        let (cluster, has_network) = match Cluster::networked(NODES, gossip(seed)) {
            Ok(cluster) => (cluster, true),
            Err(why) => {
                eprintln!("skipped: partitions, delay, loss and wrong clocks: {why}");
                (Cluster::running(NODES), false)
            }
        };
        (1..=NODES).for_each(|node| cluster.wait_until_running(node));
        *met.entry(gossip(seed).into()).or_default() += 1;
        Self {
            seed,
            chance: Chance(seed),
            cluster,
            has_network,
            beings: [Being::Up; NODES],
            proposals: Vec::new(),
            handed_over: BTreeMap::new(),
            met,
        }
    }

    fn meet(&mut self, what: impl Into<String>) {
        *self.met.entry(what.into()).or_default() += 1;
    }

    fn nodes_that_are(&self, is: impl Fn(Being) -> bool) -> Vec<usize> {
        (1..=NODES).filter(|it| is(self.beings[it - 1])).collect()
    }

    fn up(&self) -> Vec<usize> {
        self.nodes_that_are(|being| being == Being::Up)
    }

    fn away(&self) -> Vec<usize> {
        self.nodes_that_are(|being| being != Being::Up)
    }

    /// One thing changes.
    fn disturb(&mut self) {
        let away = self.away();
        match self.chance.below(8) {
            0 | 1 if !away.is_empty() => {
                let node = self.chance.of(&away);
                self.bring_back(node);
            }
            0..=3 if away.len() < TOLERATED => self.send_away(&WAYS),
            // Whose clock is wrong may still agree with a value that was proposed long ago.
            4 if away.len() == TOLERATED && self.beings[away[0] - 1] != Being::OutOfTime => {
                self.halt()
            }
            5 if self.has_network => {
                let weather = self.chance.below(WEATHER.len());
                self.weather(weather);
                self.meet(format!("weather {weather}"));
            }
            6 if self.has_network => {
                // Wrong, but within what nodes allow each other.
                let node = self.chance.of(&self.up());
                let seconds = i64::try_from(self.chance.below(21)).unwrap() - 10;
                self.cluster.set_clock(node, seconds);
                self.meet("clock off");
            }
            _ => {}
        }
    }

    fn weather(&mut self, place: usize) {
        for line in WEATHER[place] {
            self.cluster.network(line);
        }
    }

    fn send_away(&mut self, kinds: &[Being]) {
        let needs_network = [Being::CutOff, Being::OutOfTime];
        let can_be = |being: &&Being| self.has_network || !needs_network.contains(being);
        let kinds: Vec<Being> = kinds.iter().filter(can_be).copied().collect();
        let being = self.chance.of(&kinds);
        let node = self.chance.of(&self.up());
        match being {
            Being::Up => {}
            Being::Killed => self.cluster.kill(node),
            Being::Paused => self.cluster.pause(node, true),
            Being::CutOff => {}
            Being::OutOfTime => {
                let seconds = self.chance.of(&[-3600, 3600]);
                self.cluster.set_clock(node, seconds);
            }
        }
        self.beings[node - 1] = being;
        self.connect();
        self.meet(format!("{being:?}"));
    }

    fn bring_back(&mut self, node: usize) {
        match self.beings[node - 1] {
            Being::Up | Being::CutOff => {}
            Being::Killed => self.cluster.start(node),
            Being::Paused => self.cluster.pause(node, false),
            Being::OutOfTime => self.cluster.set_clock(node, 0),
        }
        self.beings[node - 1] = Being::Up;
        self.connect();
        wait_for("the node to answer", || self.cluster.try_status(node));
    }

    /// Tells the network who is cut off.
    fn connect(&mut self) {
        if !self.has_network {
            return;
        }
        let alone = self.nodes_that_are(|being| being == Being::CutOff);
        let others = self.nodes_that_are(|being| being != Being::CutOff);
        let mut groups: Vec<String> = alone.iter().map(usize::to_string).collect();
        let others: Vec<String> = others.iter().map(usize::to_string).collect();
        groups.push(others.join(","));
        if alone.is_empty() {
            self.cluster.network("heal");
        } else {
            self.cluster.network(&format!("cut {}", groups.join(" ")));
        }
    }

    fn bring_all_back(&mut self) {
        if self.has_network {
            self.weather(0);
            (1..=NODES).for_each(|node| self.cluster.set_clock(node, 0));
        }
        for node in self.away() {
            self.bring_back(node);
        }
    }

    /// More than a third is away: nothing is decided, and the cluster goes on when they return.
    fn halt(&mut self) {
        self.send_away(&[Being::Killed, Being::Paused, Being::CutOff]);
        let node = self.chance.of(&self.up());
        let statement = self.sign(
            node,
            "propose authorize-model did:example:halted --title halted",
        );
        if let Some(statement) = statement {
            let load = self.hand_over(node, &statement, IN_VAIN);
            let ran = Ran::of(&load.client.wait_with_output().unwrap());
            assert_ne!(
                ran.code,
                Some(0),
                "{}: decided without two thirds",
                self.seed
            );
            self.meet("halted");
        }
        for node in self.away() {
            self.bring_back(node);
        }
    }

    fn sign(&mut self, node: usize, line: &str) -> Option<String> {
        self.cluster.wait_until_running(node);
        self.cluster.try_sign(node, line).ok()
    }

    fn hand_over(&mut self, node: usize, statement: &str, patience: u64) -> Load {
        let client = self.cluster.begin_submit(node, statement, patience);
        let statement: Value = serde_json::from_str(statement).unwrap();
        let signature = statement["signature"].as_str().unwrap().to_owned();
        self.handed_over.entry(signature).or_default();
        Load { statement, client }
    }

    /// Hands a few statements over, each to a node that is up.
    fn begin(&mut self, step: usize) -> Vec<Load> {
        let mut load = Vec::new();
        for part in 0..=self.chance.below(3) {
            let node = self.chance.of(&self.up());
            let line = if self.proposals.is_empty() || self.chance.below(3) == 0 {
                format!("propose authorize-model did:example:m{step}-{part} --title m{step}")
            } else {
                let place = self.chance.below(self.proposals.len());
                format!("vote {} approve", self.proposals[place])
            };
            // The node may not know the proposal yet, or know that it is decided.
            if let Some(statement) = self.sign(node, &line) {
                load.push(self.hand_over(node, &statement, PATIENCE));
            }
        }
        load
    }

    fn finish(&mut self, load: Vec<Load>) {
        for Load { statement, client } in load {
            let ran = Ran::of(&client.wait_with_output().unwrap());
            match ran.code {
                Some(0) => self.acknowledged(&statement, &ran.json()["results"][0]),
                // A vote may come too late.
                Some(3) => self.meet("refused"),
                // The node was killed, or nobody answered in time: what became of it is not known.
                Some(1) => self.meet("unanswered"),
                _ => panic!("seed {}: {ran:?}", self.seed),
            }
        }
    }

    fn acknowledged(&mut self, statement: &Value, result: &Value) {
        if let Some(proposal) = statement["statement"]["title"].as_str() {
            assert!(!proposal.is_empty());
            let id = &statement["statement"]["proposal_id"];
            self.proposals.push(id.as_str().unwrap().to_owned());
        }
        let entries = result["entries"].as_array();
        let signature = statement["signature"].as_str().unwrap().to_owned();
        let recorded = entries.into_iter().flatten().cloned();
        self.handed_over
            .entry(signature)
            .or_default()
            .extend(recorded);
        self.meet("acknowledged");
    }

    /// How often a node connected anew to a peer that did not hear it.
    fn count_reconnections(&mut self) {
        for node in 1..=NODES {
            let log = self.cluster.log(node);
            for _ in log.matches("does not hear this node") {
                self.meet("connected anew");
            }
        }
    }

    /// What a client was told is recorded is there, once; nothing is there twice.
    fn check_acknowledged(&self) {
        let ledger = String::from_utf8(ledger_bytes(&self.cluster.node(1))).unwrap();
        let lines: Vec<Value> = (ledger.lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let seed = self.seed;
        for (signature, entries) in &self.handed_over {
            let count = ledger.matches(signature.as_str()).count();
            assert!(
                count <= 1,
                "seed {seed}: {signature} is recorded {count} times"
            );
            assert!(
                entries.is_empty() || count == 1,
                "seed {seed}: {signature} is lost"
            );
            for entry in entries {
                let is_it = |line: &&Value| {
                    line["seq"] == entry["seq"] && line["entry_hash"] == entry["entry_hash"]
                };
                assert_eq!(
                    lines.iter().filter(is_it).count(),
                    1,
                    "seed {seed}: {entry}"
                );
            }
        }
    }
}
