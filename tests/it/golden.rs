//! Golden histories: a ledger for every scenario of the specification, with the state that it leads
//! to.
//!
//! `tests/golden/histories/NAME/` holds `ledger/00000000000000000001.jsonl`, really signed
//! (ML-DSA-44), and `expected.json`: what the history shows, its rules, its head, Merkle root and
//! state hashes, and what became of everything. Whoever writes another implementation can read them.
//!
//! They are not made anew to make a test pass: a changed golden file is a change of format. Where the
//! format changes, which it may until it is released:
//!
//! ```text
//! cargo test --test it make_the_golden_histories -- --ignored
//! ```
//!
//! Keys come from seeds and signatures are made without chance, so that what did not change comes
//! out as it was.

mod authorization;
mod checkpoints;
mod evidence;
mod failures;
mod lives;
mod membership;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use althing::governance::event::{Event, OPERATIONS};
use althing::governance::id::ProposalId;
use althing::governance::key::{Algorithm, SignatureVerifier};
use althing::governance::kind::ProposalKind;
use althing::governance::policy::Policy;
use althing::governance::proposal::{Action, DelegationTerms, FreezeTarget, GrantTerms};
use althing::governance::state::State;
use althing::governance::time::Seconds;
use althing::identity::MlDsaVerifier;
use althing::replay::Replay;
use althing::testing::scenario::{Scenario, Stage};
use althing::testing::{Signatures, StandInVerifier, actions};
use serde_json::{Value, json};

const REAL: Signatures = Signatures::Deterministic(Algorithm::MlDsa44);

/// A scenario of the specification.
pub struct Golden {
    name: &'static str,
    shows: &'static str,
    rules: &'static str,
    tell: fn(Signatures) -> Scenario,
}

const fn golden(
    name: &'static str,
    shows: &'static str,
    rules: &'static str,
    tell: fn(Signatures) -> Scenario,
) -> Golden {
    Golden {
        name,
        shows,
        rules,
        tell,
    }
}

fn scenarios() -> impl Iterator<Item = &'static Golden> {
    [
        lives::SCENARIOS,
        evidence::SCENARIOS,
        membership::SCENARIOS,
        authorization::SCENARIOS,
        failures::SCENARIOS,
        checkpoints::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

/// Decisions wait for an hour, and then for a day at most.
fn timelocked() -> Policy {
    let mut policy = Policy::uniform();
    policy.default.timelock_seconds = Seconds::HOUR;
    policy.default.window_seconds = Seconds::DAY;
    policy
}

fn late(policy: Policy) -> Policy {
    Policy {
        early_decision: false,
        ..policy
    }
}

fn joins(weight: u64) -> impl FnOnce(&mut Stage) -> Action {
    move |stage: &mut Stage| Action::AddNode(stage.assembly.newcomer(weight))
}

fn leaves(node: usize) -> impl FnOnce(&mut Stage) -> Action {
    move |stage: &mut Stage| actions::remove_node(stage.assembly.id(node))
}

fn replaces(node: usize) -> impl FnOnce(&mut Stage) -> Action {
    move |stage: &mut Stage| Action::ReplaceKey(stage.assembly.new_key(stage.assembly.id(node)).1)
}

fn reinstates(node: usize) -> impl FnOnce(&mut Stage) -> Action {
    move |stage: &mut Stage| {
        Action::ReinstateNode(stage.assembly.new_key(stage.assembly.id(node)).1)
    }
}

/// A model, or everything.
fn target(model: Option<&str>) -> FreezeTarget {
    model.map_or(FreezeTarget::Everything, |model| {
        FreezeTarget::Subject(actions::model(model))
    })
}

fn freezes(model: Option<&str>, seconds: u64) -> impl FnOnce(&mut Stage) -> Action + use<> {
    let target = target(model);
    move |stage: &mut Stage| {
        let seconds = Seconds::new(seconds).expect("a length of time");
        let until = stage.assembly.now().saturating_add(seconds);
        Action::EmergencyFreeze { target, until }
    }
}

fn lifts(model: Option<&str>) -> Action {
    let target = target(model);
    Action::LiftFreeze { target }
}

/// What was granted under one label is passed on to an agent.
fn delegates(from: &'static str, to: &'static str) -> impl FnOnce(&mut Stage) -> Action {
    move |stage: &mut Stage| {
        Action::Delegation(DelegationTerms {
            parent: stage.proposal(from),
            terms: GrantTerms::unrestricted(actions::agent(to)),
        })
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/histories")
}

fn segment(name: &str) -> PathBuf {
    directory()
        .join(name)
        .join("ledger")
        .join(format!("{:020}.jsonl", 1))
}

fn expected(name: &str) -> Value {
    let path = directory().join(name).join("expected.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).expect("JSON")
}

/// What replaying a ledger comes to, and what it meets on the way.
struct Met {
    outcome: Value,
    steps: BTreeSet<(String, String)>,
    reasons: BTreeSet<String>,
}

fn statuses(state: Option<&State>) -> BTreeMap<ProposalId, &'static str> {
    let proposals = state.into_iter().flat_map(|state| state.proposals().iter());
    proposals.map(|it| (it.id(), it.status().name())).collect()
}

fn meet(ledger: &[u8], verifier: &dyn SignatureVerifier) -> Met {
    let mut replay = Replay::new(verifier);
    let mut operations = Vec::new();
    let mut states = serde_json::Map::new();
    let mut steps = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for line in ledger.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").expect("a whole line");
        let before = statuses(replay.state());
        let (recorded, _) = replay.entry(line).expect("what is checked in replays");
        for (proposal, status) in statuses(replay.state()) {
            let known = before.get(&proposal).copied();
            if known.is_some_and(|known| known != status) {
                steps.insert((known.unwrap_or_default().to_owned(), status.to_owned()));
            }
        }
        if let Event::ProposalFailed(failed) = &recorded.event {
            let reason = serde_json::to_value(failed.reason).expect("a reason");
            reasons.insert(reason.as_str().unwrap_or_default().to_owned());
        }
        if let Event::ProposalSuperseded(superseded) = &recorded.event {
            let reason = serde_json::to_value(superseded.reason).expect("a reason");
            reasons.insert(reason.as_str().unwrap_or_default().to_owned());
        }
        if let Some(state) = replay.state() {
            states.insert(
                format!("{:02}", recorded.seq),
                json!(state.hash().to_string()),
            );
        }
        operations.push(recorded.event.operation());
    }
    let replayed = replay.finish().expect("whole batches");
    let state = &replayed.state;
    let outcome = json!({
        "entries": replayed.head.seq,
        "head": replayed.head.hash.to_string(),
        "ledger": state.ledger().to_string(),
        "merkle_root": replayed.merkle.root().to_string(),
        "nodes": nodes(state),
        "operations": operations,
        "proposals": proposals(state),
        "grants": grants(state),
        "state_hash": state.hash().to_string(),
        "state_hash_at": states,
    });
    Met {
        outcome,
        steps,
        reasons,
    }
}

fn nodes(state: &State) -> Value {
    let nodes = state.registry().iter();
    nodes
        .map(|(_, node)| {
            let name = node.name().as_str();
            json!({"name": name, "status": node.status().name(), "weight": node.weight().get()})
        })
        .collect()
}

fn proposals(state: &State) -> Value {
    let proposals = state.proposals().iter();
    proposals
        .map(|it| {
            let (kind, status) = (it.kind().name(), it.status().name());
            json!({"kind": kind, "status": status, "tainted": it.is_tainted()})
        })
        .collect()
}

fn grants(state: &State) -> Value {
    let grants = state.authorizations();
    let all = grants.iter().map(|(id, grant)| {
        let status = grants.status(id, state.clock()).map(|status| status.name());
        let (kind, subject) = (grant.kind().name(), &grant.terms().subject);
        json!({"kind": kind, "status": status, "subject": subject})
    });
    all.collect()
}

/// Every scenario told once, quickly, with stand-in signatures.
fn told() -> &'static [(&'static Golden, Met)] {
    static TOLD: OnceLock<Vec<(&Golden, Met)>> = OnceLock::new();
    TOLD.get_or_init(|| {
        let told = scenarios().map(|golden| {
            let scenario = (golden.tell)(Signatures::StandIn);
            (
                golden,
                meet(scenario.stage().assembly.bytes(), &StandInVerifier),
            )
        });
        told.collect()
    })
}

/// The parts that don't depend on which signatures were made.
fn plain(mut outcome: Value) -> Value {
    let parts = outcome.as_object_mut().expect("an object");
    for hashed in [
        "head",
        "ledger",
        "merkle_root",
        "state_hash",
        "state_hash_at",
    ] {
        parts.remove(hashed);
    }
    outcome
}

fn described(golden: &Golden, outcome: Value) -> Value {
    let mut all = json!({"rules": golden.rules, "shows": golden.shows});
    let parts = all.as_object_mut().expect("an object");
    parts.extend(outcome.as_object().expect("an object").clone());
    all
}

#[test]
fn golden_histories_replay_to_what_they_always_did() {
    for golden in scenarios() {
        let ledger = fs::read(segment(golden.name)).expect(golden.name);
        let found = described(golden, meet(&ledger, &MlDsaVerifier).outcome);
        let expected = expected(golden.name);
        for (part, value) in expected.as_object().expect("an object") {
            assert_eq!(&found[part], value, "{}: {part}", golden.name);
        }
        assert_eq!(found, expected, "{}", golden.name);
    }
}

#[test]
fn golden_histories_are_what_their_scenarios_tell() {
    for (golden, met) in told() {
        let found = met.outcome.clone();
        let expected = plain(expected(golden.name));
        assert_eq!(plain(described(golden, found)), expected, "{}", golden.name);
    }
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/specification")
        .join(name);
    fs::read_to_string(path).expect("the specification")
}

#[test]
fn every_scenario_of_the_specification_has_a_golden_history_and_no_other() {
    let rows: Vec<String> = document("19-scenarios.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();
    let known: Vec<String> = scenarios()
        .map(|it| format!("| `{}` | {} | {} |", it.name, it.shows, it.rules))
        .collect();
    assert_eq!(rows, known);
    let on_disk: BTreeSet<String> = fs::read_dir(directory())
        .expect("the golden histories")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    assert_eq!(on_disk, scenarios().map(|it| it.name.to_owned()).collect());
}

/// The steps of a proposal's life that the specification draws.
fn drawn_steps() -> BTreeSet<(String, String)> {
    let text = document("04-proposals.md");
    let steps = text.lines().filter_map(|line| {
        let (from, rest) = line.trim().split_once(" --> ")?;
        let to = rest.split(':').next()?;
        (from != "[*]").then(|| (from.to_owned(), to.to_owned()))
    });
    steps.collect()
}

/// The reasons of PROP-16 for which no small history exists, each with why.
const WITHOUT: [(&str, &str); 5] = [
    ("too-many-grants", "takes a thousand grants"),
    (
        "policy",
        "what could stand when it was proposed can stand for ever: floors never change",
    ),
    (
        "too-many-nodes",
        "whatever registers a node moves the epoch, which is looked at first",
    ),
    (
        "not-registered",
        "whatever removes a node moves the epoch, which is looked at first",
    ),
    (
        "no-active-node",
        "whatever retires a node moves the epoch, which is looked at first",
    ),
];

/// Life cycle, operations, kinds and reasons: none of them lacks a history.
#[test]
fn golden_histories_meet_everything_that_the_specification_draws() {
    let mut steps = BTreeSet::new();
    let mut reasons: BTreeSet<String> = WITHOUT.iter().map(|(it, _)| (*it).to_owned()).collect();
    let without = reasons.clone();
    let mut operations = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for (golden, met) in told() {
        assert!(
            met.reasons.is_disjoint(&without),
            "{}: {:?}",
            golden.name,
            met.reasons
        );
        steps.extend(met.steps.clone());
        reasons.extend(met.reasons.clone());
        let names = |list: &str, part: &str| -> BTreeSet<String> {
            let list = met.outcome[list].as_array().expect("a list").iter();
            list.map(|it| {
                it.get(part)
                    .unwrap_or(it)
                    .as_str()
                    .expect("a name")
                    .to_owned()
            })
            .collect()
        };
        operations.extend(names("operations", ""));
        kinds.extend(names("proposals", "kind"));
    }
    let drawn = drawn_steps();
    assert!(drawn.len() >= 14, "{drawn:?}");
    assert_eq!(steps, drawn);

    let table = document("04-proposals.md");
    let mut listed: BTreeSet<String> = table
        .lines()
        .skip_while(|line| !line.starts_with("| reason | kind"))
        .skip(2)
        .map_while(|line| line.strip_prefix("| `"))
        .filter_map(|row| row.split('`').next())
        .map(str::to_owned)
        .collect();
    assert!(listed.len() >= 12, "{listed:?}");
    listed.extend(["epoch-changed", "revocation", "evidence"].map(str::to_owned));
    assert_eq!(reasons, listed);

    assert_eq!(
        operations,
        OPERATIONS.iter().map(|it| (*it).to_owned()).collect()
    );
    assert_eq!(
        kinds,
        ProposalKind::ALL
            .iter()
            .map(|it| it.name().to_owned())
            .collect()
    );
}

#[test]
fn the_rules_that_golden_histories_name_exist() {
    let rules: BTreeSet<&str> = include_str!("../specification.txt")
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for golden in scenarios() {
        for rule in golden.rules.split(", ") {
            assert!(rules.contains(rule), "{}: there is no {rule}", golden.name);
        }
    }
}

/// Makes the golden histories anew: only while the format is unreleased. See the top of the file.
#[test]
#[ignore = "writes the golden histories"]
fn make_the_golden_histories() {
    let _ = fs::remove_dir_all(directory());
    for golden in scenarios() {
        let told = (golden.tell)(REAL);
        let ledger = told.stage().assembly.bytes();
        let outcome = described(golden, meet(ledger, &MlDsaVerifier).outcome);
        let path = segment(golden.name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, ledger).expect("a file");
        let text = serde_json::to_string_pretty(&outcome).expect("JSON") + "\n";
        fs::write(directory().join(golden.name).join("expected.json"), text).expect("a file");
    }
}

/// Telling a scenario again with the same keys gives the same bytes, signatures included.
#[test]
#[ignore = "signs everything once more; make_the_golden_histories and git say the same"]
fn golden_histories_come_out_the_same() {
    for golden in scenarios() {
        let told = (golden.tell)(REAL);
        let ledger = fs::read(segment(golden.name)).expect(golden.name);
        assert!(told.stage().assembly.bytes() == ledger, "{}", golden.name);
    }
}
