//! A directory of its own for every test, and a way to run `althing` in it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The names of the founders' keys, in order.
pub const NAMES: [&str; 4] = ["ada", "bea", "cid", "dan"];

/// When every group is founded.
pub const FOUNDED: &str = "2026-01-01T00:00:00Z";

/// A model.
pub const TRIAGE: &str = "did:example:triage";

/// A ledger, keys and files of one test.
pub struct World {
    dir: TempDir,
    ledger: PathBuf,
    keys: PathBuf,
}

/// How a process ended and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub line: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// No keys and no ledger.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, keys) = (dir.path().join("ledger"), dir.path().join("keys"));
        Self { dir, ledger, keys }
    }

    /// Four founders of weight one under the default policy.
    pub fn founded() -> Self {
        Self::with(&[1, 1, 1, 1], "default")
    }

    /// Founders of these weights under a policy.
    pub fn with(weights: &[u64], policy: &str) -> Self {
        let world = Self::empty();
        let mut line = format!("init --name parliament --policy {policy} --now {FOUNDED}");
        for (name, weight) in NAMES.iter().zip(weights) {
            world.run(&format!("key new {name}")).ok();
            line.push_str(&format!(" --founder {name}:{weight}"));
        }
        world.run(&line).ok();
        world
    }

    /// Founders of weight one under the default policy with these top-level members replaced.
    pub fn under(changes: &Value) -> Self {
        let world = Self::empty();
        let policy = world.policy_file("policy.json", changes);
        for name in NAMES {
            world.run(&format!("key new {name}")).ok();
        }
        let founders = "--founder ada --founder bea --founder cid --founder dan";
        world
            .run(&format!(
                "init --name parliament --policy {policy} --now {FOUNDED} {founders}"
            ))
            .ok();
        world
    }

    /// Writes the policy template with these members merged in; returns the path.
    pub fn policy_file(&self, name: &str, changes: &Value) -> String {
        let mut policy = self.run("policy template").ok().json();
        merge(&mut policy, changes);
        self.file(name, policy.to_string())
    }

    /// The same group at the same point, in a directory of its own.
    pub fn copy(&self) -> Self {
        let copy = Self::empty();
        copy_dir(self.dir.path(), copy.dir.path());
        copy
    }

    /// The same group with its ledger, its keys and its state elsewhere.
    pub fn at(&self, dir: &Path) -> Self {
        let mut there = Self::empty();
        (there.ledger, there.keys) = (dir.join("ledger"), dir.join("keys"));
        copy_dir(&self.ledger, &there.ledger);
        copy_dir(&self.keys, &there.keys);
        there
    }

    /// Where the ledger is.
    pub fn ledger(&self) -> &Path {
        &self.ledger
    }

    /// Where the keys are.
    pub fn keys(&self) -> &Path {
        &self.keys
    }

    /// The only segment of the ledger.
    pub fn segment(&self) -> PathBuf {
        self.ledger.join("ledger/00000000000000000001.jsonl")
    }

    /// The bytes of the only segment.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.segment()).unwrap()
    }

    /// The lines of the only segment.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.bytes()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Writes a file; returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// The path of a file that may not exist yet.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// A prepared process.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
        command
            .env_clear()
            .env("ALTHING_LEDGER", &self.ledger)
            .env("ALTHING_KEYS", &self.keys)
            .env("ALTHING_STATE", self.dir.path().join("state"))
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command line; single quotes keep spaces.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    /// Runs a command line with a standard input.
    pub fn run_with(&self, line: &str, stdin: impl AsRef<[u8]>) -> Ran {
        run(self.command().args(words(line)), line, stdin.as_ref())
    }

    /// Opens a proposal as `ada`; returns its id.
    pub fn propose(&self, what: &str, now: &str) -> String {
        let line = format!("propose {what} --title Test --as ada --now {now} --json");
        let report = self.run(&line).ok().json();
        report["proposal_id"].as_str().unwrap().to_owned()
    }

    /// Lets these nodes approve.
    pub fn approve(&self, proposal: &str, voters: &[&str], now: &str) {
        for voter in voters {
            self.run(&format!("vote {proposal} approve --as {voter} --now {now}"))
                .ok();
        }
    }

    /// Opens a proposal and lets the first three approve: enough for everything.
    pub fn pass(&self, what: &str, now: &str) -> String {
        let proposal = self.propose(what, now);
        self.approve(&proposal, &["ada", "bea", "cid"], now);
        proposal
    }

    /// The status of a proposal.
    pub fn status(&self, proposal: &str) -> String {
        let shown = self.run(&format!("proposal show {proposal} --json")).ok();
        shown.json()["status"].as_str().unwrap().to_owned()
    }

    /// Fails the test unless the ledger is intact and legal.
    pub fn verify(&self) -> Value {
        let report = self.run("verify --json").ok().json();
        assert_eq!(report["ok"], true, "{report}");
        report
    }

    /// A digest of every file of the ledger directory, names included.
    pub fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        fingerprint(&self.ledger, &mut hasher);
        format!("{:?}", hasher.finalize())
    }
}

impl Ran {
    /// Fails the test unless the process succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Fails the test unless the process ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}: {self:#?}", self.line);
        self
    }

    /// Fails the test unless the process was run with `--json` and ended with this code and this
    /// error; returns the whole answer.
    #[track_caller]
    pub fn fails(self, exit: i32, code: &str) -> Value {
        let ran = self.exits(exit);
        let answer = ran.json();
        assert_eq!(answer["error"]["code"], code, "{ran:#?}");
        let message = answer["error"]["message"].as_str();
        assert!(message.is_some_and(|text| !text.is_empty()), "{ran:#?}");
        assert_eq!(answer["schema"], "althing.error/1", "{ran:#?}");
        assert_eq!(ran.stderr, "", "{ran:#?}");
        answer
    }

    /// The one JSON value on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The JSON values on standard output, one a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Runs a prepared process to its end.
pub fn run(command: &mut Command, line: &str, stdin: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // A process that ends without reading everything is no failure of the test.
        scope.spawn(move || drop(pipe.write_all(stdin)));
        child.wait_with_output().unwrap()
    });
    Ran {
        line: line.to_owned(),
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Splits a command line at spaces; single quotes keep them.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Puts the members of `changes` into `target`, objects member by member.
pub fn merge(target: &mut Value, changes: &Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (name, value) in changes {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, changes) => *target = changes.clone(),
    }
}

/// Copies a directory with everything in it.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn fingerprint(dir: &Path, hasher: &mut Sha256) {
    let Ok(entries) = fs::read_dir(dir) else {
        hasher.update(b"absent");
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        hasher.update(path.file_name().unwrap().as_encoded_bytes());
        if path.is_dir() {
            fingerprint(&path, hasher);
        } else if path.file_name().unwrap() != "LOCK" {
            // The lock names the last writer, whether it wrote or not.
            hasher.update(fs::read(&path).unwrap());
        }
    }
}
