//! Every command works where `--ledger` names a database.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::server;
use crate::suite::files;

/// A machine with its own state, and keys that all machines of a test share.
pub struct Machine {
    state: TempDir,
    keys: PathBuf,
    url: String,
}

impl Machine {
    pub fn new(url: &str, keys: &Path) -> Self {
        Self {
            state: tempfile::tempdir().unwrap(),
            keys: keys.join("keys"),
            url: url.to_owned(),
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
        command
            .args(arguments)
            .env("ALTHING_LEDGER", &self.url)
            .env("ALTHING_KEYS", &self.keys)
            .env("ALTHING_STATE", self.state.path().join("state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What a command prints that must succeed.
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.text(&arguments)).unwrap()
    }

    /// What a command says that must fail.
    pub fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeds");
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
    }
}

/// A ledger of six entries: founded, proposed, voted, decided, granted.
pub fn decide(machine: &Machine) {
    machine.text(&["key", "new", "clinic", "--no-input"]);
    machine.text(&["init", "--name", "hospitals", "--founder", "clinic"]);
    let model = ["propose", "authorize-model", "did:example:triage"];
    machine.text(&[&model[..], &["--title", "Triage 1.2", "--as", "clinic"]].concat());
    let proposals = machine.json(&["proposal", "list"]);
    let proposal = proposals["proposals"][0]["proposal_id"].as_str().unwrap();
    machine.text(&["vote", proposal, "approve", "--as", "clinic"]);
}

#[test]
fn what_one_machine_decides_all_others_see() {
    let Some(cluster) = server::start() else {
        return;
    };
    let keys = tempfile::tempdir().unwrap();
    let (here, there) = (
        Machine::new(&cluster.url(), keys.path()),
        Machine::new(&cluster.url(), keys.path()),
    );
    assert!(
        there
            .failure(&["log"])
            .contains("there is no ledger in schema althing")
    );
    decide(&here);
    assert!(
        there
            .failure(&["init", "--name", "x", "--founder", "clinic"])
            .contains("ledger.exists")
    );

    let check = [
        "authorization",
        "check",
        "did:example:triage",
        "--kind",
        "model",
    ];
    assert!(there.text(&check).starts_with("allowed"));
    // What was checked there is still the head here.
    let prediction = r#"{"model":"did:example:triage","model_version":"1.2","input":{"age":1},"output_summary":{"score":0.5}}"#;
    let file = keys.path().join("predictions.jsonl");
    std::fs::write(&file, format!("{prediction}\n{prediction}\n")).unwrap();
    let file = file.to_str().unwrap();
    there.text(&["predict", "record", "--file", file]);
    here.text(&["predict", "record", "--file", file]);
    assert!(here.text(&["verify"]).contains("intact"));

    let mut exports = [&here, &there].map(|machine| machine.text(&["export", "--format", "jsonl"]));
    exports.sort();
    assert_eq!(exports[0], exports[1]);
    assert_eq!(exports[0].lines().count(), 10);
    for command in [
        &["replay"][..],
        &["node", "list"],
        &["snapshot", "create"],
        &["policy", "show"],
    ] {
        there.text(command);
    }
}

#[test]
fn what_is_wrong_with_a_url_is_said() {
    let keys = tempfile::tempdir().unwrap();
    let cases = [
        ("postgres://althing@127.0.0.1:1/postgres", "upstream.failed"),
        ("postgres:///postgres", "postgres.url"),
        (
            "postgres://h/postgres?schema=Two%20words",
            "postgres.schema-name",
        ),
        ("postgres://h/postgres?sslmode=maybe", "postgres.url"),
        (
            "postgres://h/postgres?sslrootcert=/nowhere.pem",
            "upstream.failed",
        ),
    ];
    for (url, code) in cases {
        let said = Machine::new(url, keys.path()).failure(&["log", "--wait", "0"]);
        assert!(said.contains(code), "{url}: {said}");
    }
    let secret = "postgres://althing:hunter2@127.0.0.1:1/postgres";
    let said = Machine::new(secret, keys.path()).failure(&["log", "--verbose", "--wait", "0"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_ledger_moves_out_and_in_as_it_is() {
    let Some(cluster) = server::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new(&cluster.url(), dir.path());
    decide(&machine);
    let (out, back) = (dir.path().join("out"), dir.path().join("back"));
    let [out_text, back_text] = [&out, &back].map(|path| path.to_str().unwrap().to_owned());
    machine.text(&["export", "--format", "segments", &out_text]);
    // Once more: nothing is missing.
    machine.text(&["export", "--format", "segments", &out_text]);

    let other = Machine::new(&cluster.url_of("other"), dir.path());
    let imported = other.json(&["import", &out_text]);
    assert_eq!(
        (&imported["imported"], &imported["entries"]),
        (&6.into(), &6.into())
    );
    let imported = other.json(&["import", &out_text]);
    assert_eq!(imported["imported"], 0);
    assert!(other.text(&["verify"]).contains("intact"));
    other.text(&["export", "--format", "segments", &back_text]);
    assert_eq!(files(&back), files(&out));
    assert_eq!(
        machine.json(&["verify"])["head"],
        other.json(&["verify"])["head"]
    );

    let third = Machine::new(&cluster.url_of("third"), dir.path());
    third.text(&["init", "--name", "third", "--founder", "clinic"]);
    assert!(
        third
            .failure(&["import", &out_text])
            .contains("import.other-history")
    );
}
