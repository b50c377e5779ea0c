//! A cluster in a directory of its own: every node is a process of the built program.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::network::{Network, set_clock};

/// How long anything may take before a test gives up. It says nothing about how long it should.
const PATIENCE: Duration = Duration::from_secs(180);

/// A proposal that anybody may make.
pub const GRANT: &str = "authorize-model did:example:triage --title Triage";

/// A cluster under test.
pub struct Cluster {
    dir: TempDir,
    nodes: Vec<Option<Child>>,
    port: u16,
    network: Option<Network>,
}

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    #[allow(dead_code, reason = "shown where a test fails")]
    pub stderr: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Cluster {
    /// Founds a cluster and starts no node.
    pub fn of(nodes: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_ports(10);
        let cluster = Self {
            dir,
            nodes: (0..nodes).map(|_| None).collect(),
            port,
            network: None,
        };
        let all = cluster.path("all");
        let line = format!(
            "cluster init --nodes {nodes} --port {port} {}",
            all.display()
        );
        cluster.run(&line).exits(0);
        cluster
    }

    /// Founds a cluster and starts all its nodes.
    pub fn running(nodes: usize) -> Self {
        let mut cluster = Self::of(nodes);
        for node in 1..=nodes {
            cluster.start(node);
        }
        cluster
    }

    /// Founds a cluster whose nodes have a host and a clock each, and starts them; or says why this
    /// machine can't. `gossip` is how messages reach all of them.
    pub fn networked(nodes: usize, gossip: &str) -> Result<Self, String> {
        let network = Network::of(nodes)?;
        let mut cluster = Self::of(nodes);
        for node in 1..=nodes {
            let file = cluster.node(node).join("cluster.toml");
            let mut text = fs::read_to_string(&file).unwrap();
            for other in 1..=nodes {
                let local = format!("127.0.0.1:{}", usize::from(cluster.port) + other - 1);
                text = text.replace(&local, &Network::address(other));
            }
            text = text.replace("gossip = \"broadcast\"", &format!("gossip = \"{gossip}\""));
            assert!(text.contains(gossip), "{text}");
            fs::write(&file, text).unwrap();
            cluster.set_clock(node, 0);
        }
        cluster.network = Some(network);
        for node in 1..=nodes {
            cluster.start(node);
        }
        Ok(cluster)
    }

    /// Gives the network a command.
    pub fn network(&mut self, command: &str) {
        self.network.as_mut().unwrap().command(command);
    }

    /// Sets the clock of a node's host; a running node sees it within a second.
    pub fn set_clock(&self, node: usize, seconds: i64) {
        set_clock(&self.clock(node), seconds);
    }

    fn clock(&self, node: usize) -> PathBuf {
        self.path(&format!("clock{node}"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory of a node, numbered from 1.
    pub fn node(&self, node: usize) -> PathBuf {
        self.path("all").join(format!("node{node}"))
    }

    /// Runs the program in the cluster's directory.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, None)
    }

    fn run_with(&self, line: &str, input: Option<&str>) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
        command
            .args(["--json", "--no-snapshot", "--no-input", "--state"])
            .arg(self.path("state"))
            .args(line.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        if let Some(input) = input {
            use std::io::Write as _;
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(input.as_bytes()).unwrap();
        }
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// Begins to order a statement through a node; what becomes of it is asked for later.
    pub fn begin_submit(&self, node: usize, statement: &str, seconds: u64) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_althing"))
            .args(["--json", "--no-input", "cluster", "submit", "--timeout"])
            .arg(seconds.to_string())
            .arg(self.node(node))
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        use std::io::Write as _;
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(statement.as_bytes()).unwrap();
        child
    }

    /// Starts a node.
    pub fn start(&mut self, node: usize) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(&format!("node{node}.log")))
            .unwrap();
        let mut program = match &self.network {
            Some(network) => network.program(node, &self.clock(node)),
            None => Command::new(env!("CARGO_BIN_EXE_althing")),
        };
        let child = program
            .args(["cluster", "run"])
            .arg(self.node(node))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        if self.nodes.len() < node {
            self.nodes.resize_with(node, || None);
        }
        self.nodes[node - 1] = Some(child);
    }

    /// Kills a node without warning.
    pub fn kill(&mut self, node: usize) {
        let mut child = self.nodes[node - 1].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks a node to end, and it does.
    pub fn stop(&mut self, node: usize) {
        let mut child = self.nodes[node - 1].take().unwrap();
        signal(&child, "TERM");
        let status = wait_for("the node to end", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{}", self.log(node));
    }

    pub fn stop_all(&mut self) {
        for node in 1..=self.nodes.len() {
            if self.nodes[node - 1].is_some() {
                self.stop(node);
            }
        }
    }

    /// Halts a node's process, or lets it go on.
    pub fn pause(&self, node: usize, is_paused: bool) {
        let child = self.nodes[node - 1].as_ref().unwrap();
        signal(child, if is_paused { "STOP" } else { "CONT" });
    }

    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.path(&format!("node{node}.log"))).unwrap_or_default()
    }

    /// A statement, signed by a node: `propose …` or `vote …`.
    pub fn sign(&self, node: usize, line: &str) -> String {
        self.try_sign(node, line)
            .unwrap_or_else(|ran| panic!("{ran:?}"))
    }

    /// As [`sign`](Self::sign), where the node may know already that the rules will refuse it.
    pub fn try_sign(&self, node: usize, line: &str) -> Result<String, Ran> {
        let dir = self.node(node);
        let line = format!(
            "{line} --as node{node} --ledger {dir} --keys {dir}/keys --out {out}",
            dir = dir.display(),
            out = self.path("signed.json").display()
        );
        let ran = self.run(&line);
        if ran.code != Some(0) {
            return Err(ran);
        }
        Ok(fs::read_to_string(self.path("signed.json")).unwrap())
    }

    /// Orders statements through a node and waits for the outcome.
    pub fn submit(&self, node: usize, statements: &str) -> Ran {
        let line = format!(
            "cluster submit --timeout 170 {} -",
            self.node(node).display()
        );
        self.run_with(&line, Some(statements))
    }

    /// Signs and orders at a node, once it runs; the entries that follow.
    pub fn order(&self, node: usize, line: &str) -> Vec<String> {
        self.wait_until_running(node);
        let ran = self.submit(node, &self.sign(node, line)).exits(0);
        let result = &ran.json()["results"][0];
        let entries = result["entries"]
            .as_array()
            .unwrap_or_else(|| panic!("{ran:?}"));
        let operation = |entry: &Value| entry["operation"].as_str().unwrap().to_owned();
        entries.iter().map(operation).collect()
    }

    /// Proposes at a node; the proposal's id.
    pub fn propose(&self, node: usize, action: &str) -> String {
        self.wait_until_running(node);
        let statement = self.sign(node, &format!("propose {action}"));
        self.submit(node, &statement).exits(0);
        let signed: Value = serde_json::from_str(&statement).unwrap();
        let id = &signed["statement"]["proposal_id"];
        id.as_str().unwrap().to_owned()
    }

    /// Waits until a node has recorded what `other` has, so that its user can see it.
    pub fn wait_for_height_of(&self, node: usize, other: usize) {
        let height = self.status(other)["height"].as_u64().unwrap();
        wait_for(&format!("node {node} at height {height}"), || {
            let status = self.try_status(node)?;
            (status["height"].as_u64()? >= height).then_some(())
        });
    }

    /// Lets nodes approve a proposal, each at its own node; what the last vote led to.
    pub fn approve(&self, proposal: &str, voters: &[usize]) -> Vec<String> {
        let mut last = Vec::new();
        let mut before = None;
        for voter in voters {
            if let Some(before) = before {
                self.wait_for_height_of(*voter, before);
            } else {
                self.wait_for_proposal(*voter, proposal);
            }
            last = self.order(*voter, &format!("vote {proposal} approve"));
            before = Some(*voter);
        }
        last
    }

    fn wait_for_proposal(&self, node: usize, proposal: &str) {
        let line = format!(
            "proposal show {proposal} --ledger {}",
            self.node(node).display()
        );
        wait_for("the proposal", || {
            (self.run(&line).code == Some(0)).then_some(())
        });
    }

    /// One whole decision: a grant of a subject, by three votes.
    pub fn grant(&self, subject: &str, proposer: usize, voters: &[usize]) {
        let action = format!("authorize-model did:example:{subject} --title {subject}");
        let proposal = self.propose(proposer, &action);
        let last = self.approve(&proposal, voters);
        assert_eq!(
            last,
            ["vote_cast", "consensus_reached", "authorization_granted"]
        );
    }

    pub fn try_status(&self, node: usize) -> Option<Value> {
        let ran = self.run(&format!("cluster status {}", self.node(node).display()));
        (ran.code == Some(0)).then(|| ran.json())
    }

    pub fn status(&self, node: usize) -> Value {
        wait_for("the node's status", || self.try_status(node))
    }

    pub fn wait_until_running(&self, node: usize) {
        self.status(node);
    }

    /// Waits until nodes have the same head, at this height or later.
    pub fn wait_until_equal(&self, nodes: &[usize], height: u64) -> Value {
        wait_for(&format!("nodes {nodes:?} to agree"), || {
            let statuses: Vec<Value> = nodes
                .iter()
                .map(|node| self.try_status(*node))
                .collect::<Option<_>>()?;
            let first = statuses.first()?;
            let is_same = |status: &Value| {
                ["height", "head", "state_hash"]
                    .iter()
                    .all(|it| status[it] == first[it])
            };
            let is_there = first["height"].as_u64()? >= height;
            (is_there && statuses.iter().all(is_same)).then(|| first.clone())
        })
    }

    /// Checks directories of stopped or idle nodes: the same bytes, legal, every decision certified,
    /// nobody accused.
    pub fn check(&self, nodes: &[usize]) {
        assert_eq!(self.check_all_but_evidence(nodes), [] as [Value; 0]);
    }

    /// As [`check`](Self::check); the evidence, whoever it is against.
    pub fn check_all_but_evidence(&self, nodes: &[usize]) -> Vec<Value> {
        let ledger = |node: &usize| ledger_bytes(&self.node(*node));
        let first = ledger(&nodes[0]);
        assert!(!first.is_empty());
        for node in nodes {
            assert!(ledger(node) == first, "node {node} differs");
            let dir = self.node(*node);
            let dir = dir.display();
            let verified = self.run(&format!("verify --full --ledger {dir}"));
            verified.exits(0);
            self.run(&format!("cluster verify {dir}")).exits(0);
        }
        let evidence = self.run(&format!(
            "evidence list --ledger {}",
            self.node(nodes[0]).display()
        ));
        let found = evidence.exits(0).json();
        let evidence = found["evidence"].as_array();
        evidence.unwrap_or_else(|| panic!("{found}")).clone()
    }

    /// The address at which a node listens.
    pub fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", usize::from(self.port) + node - 1)
    }

    /// Changes the configuration of a node.
    pub fn configure(&self, node: usize, change: impl FnOnce(String) -> String) {
        let path = self.node(node).join("cluster.toml");
        let changed = change(fs::read_to_string(&path).unwrap());
        fs::write(path, changed).unwrap();
    }

    /// How many commands each height decided.
    pub fn sizes(&self, node: usize) -> Vec<usize> {
        let text = fs::read_to_string(self.node(node).join("decisions.jsonl")).unwrap();
        let size = |line: &str| {
            let decision: Value = serde_json::from_str(line).unwrap();
            decision["value"].as_str().unwrap().lines().count() - 1
        };
        text.lines().map(size).collect()
    }

    /// A port of this cluster's that no founder has.
    pub fn spare_port(&self) -> u16 {
        self.port + 9
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            for node in 1..=self.nodes.len() {
                let log = self.log(node);
                let lines: Vec<&str> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(25)..].join("\n");
                eprintln!("--- the last of node {node}'s log\n{last}");
            }
        }
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// The lines of a ledger, all segments.
pub fn ledger_bytes(dir: &Path) -> Vec<u8> {
    let mut segments: Vec<PathBuf> = fs::read_dir(dir.join("ledger"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .collect();
    segments.sort();
    segments
        .iter()
        .flat_map(|path| fs::read(path).unwrap())
        .collect()
}

/// Tries until something is there.
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The first of `count` ports in a row that nobody has.
fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 400).unwrap() * 50;
    loop {
        let offset = NEXT.fetch_add(count, Ordering::Relaxed);
        let port = 20_000 + (start.wrapping_add(offset)) % 12_000;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (port..port + count).all(is_free) {
            return port;
        }
    }
}
