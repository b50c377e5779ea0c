//! From a proposal to what comes of it.

use serde_json::json;

use super::harness::{TRIAGE, World};

const DAY_1: &str = "2026-01-01T01:00:00Z";
/// Before the deadline of what was proposed on the first day.
const BEFORE: &str = "2026-01-02T00:59:59.999999Z";
/// The deadline of what was proposed on the first day.
const DEADLINE: &str = "2026-01-02T01:00:00Z";

#[test]
fn a_model_is_authorized_by_a_majority() {
    let world = World::with(&[1, 1, 3], "default");
    let proposed = world
        .run(&format!(
            "propose authorize-model {TRIAGE} --title 'Triage 1.2' --description 'Why' \
             --scope environment=prod --scope environment=test --scope max_rate_qps=50 \
             --duration 30d --param note='\"x y\"' --as bea --now {DAY_1} --json"
        ))
        .ok()
        .json();
    assert_eq!(proposed["status"], "voting");
    assert_eq!(proposed["entries"], json!([5]));
    assert_eq!(proposed["deadline"], "2026-01-02T01:00:00.000000Z");
    let id = proposed["proposal_id"].as_str().unwrap();

    let first = world
        .run(&format!("vote {id} approve --as bea --now {DAY_1} --json"))
        .ok()
        .json();
    assert_eq!(first["status"], "voting");
    assert_eq!(first["entries"], json!([6]));
    assert_eq!(first["approve_weight"], 1);
    let second = world
        .run(&format!(
            "vote {} approve --rationale 'seen it' --as cid --now {DAY_1} --json",
            &id[..8]
        ))
        .ok()
        .json();
    assert_eq!(second["status"], "executed");
    assert_eq!(second["entries"], json!([7, 8, 9]));
    assert_eq!(second["approve_weight"], 4);
    assert_eq!(second["total_weight"], 5);

    let shown = world.run(&format!("proposal show {id} --json")).ok().json();
    assert_eq!(shown["proposal_hash"], proposed["proposal_hash"]);
    assert_eq!(shown["parameters"], json!({"note": "x y"}));
    assert_eq!(shown["description"], "Why");
    assert_eq!(shown["uncast_weight"], 1);
    assert_eq!(shown["ballots"][1]["rationale"], "seen it");
    assert_eq!(shown["ballots"].as_array().unwrap().len(), 2);
    assert_eq!(
        shown["action"]["scope"],
        json!({"environment": ["prod", "test"], "max_rate_qps": 50})
    );
    let text = world.run(&format!("proposal show {id}")).ok().stdout;
    for part in ["Triage 1.2", "executed", "4 of 5", "seen it", "not voted"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    world.verify();
}

#[test]
fn every_kind_in_force_can_be_proposed_and_carried_out() {
    let world = World::founded();
    world.run("key new eve").ok();
    let newcomer = world.path("eve.pub.json");
    world
        .run(&format!("key export eve --public --out {newcomer}"))
        .ok();
    let policy = world.policy_file("longer.json", &json!({"default": {"voting_seconds": 7200}}));
    let kinds = [
        (format!("authorize-model {TRIAGE}"), "authorization_granted"),
        (format!("revoke-model {TRIAGE}"), "authorization_revoked"),
        (
            "authorize-agent urn:agent:scheduler".to_owned(),
            "authorization_granted",
        ),
        (
            "revoke-agent urn:agent:scheduler".to_owned(),
            "authorization_revoked",
        ),
        (
            format!("add-node --file {newcomer} --param weight=2"),
            "node_added",
        ),
        ("remove-node eve".to_owned(), "node_removed"),
        (format!("update-policy --file {policy}"), "policy_updated"),
    ];
    for (hour, (what, operation)) in kinds.iter().enumerate() {
        let now = format!("2026-01-01T{:02}:00:00Z", hour + 1);
        let proposal = world.propose(what, &now);
        // The newcomer counts for two of six when it is its own removal.
        world.approve(&proposal, &["ada", "bea", "cid", "dan"][..3], &now);
        if world.status(&proposal) == "voting" {
            world.approve(&proposal, &["dan"], &now);
            if world.status(&proposal) == "voting" {
                world.approve(&proposal, &["eve"], &now);
            }
        }
        assert_eq!(world.status(&proposal), "executed", "{what}");
        let log = world
            .run(&format!(
                "log --operation {operation} --reverse --limit 1 --json"
            ))
            .ok()
            .json_lines();
        assert!(
            log[0]["timestamp"]
                .as_str()
                .unwrap()
                .starts_with(&now[..19]),
            "{what}: {log:?}"
        );
    }
    let policy = world.run("policy show --json").ok().json();
    assert_eq!(policy["default"]["voting_seconds"], 7200);
    let nodes = world.run("node list --json").ok().json();
    assert_eq!(nodes["nodes"][4]["status"], "removed");
    assert_eq!(nodes["total_weight"], 4);
    world.verify();
}

#[test]
fn a_newcomer_votes_on_what_is_proposed_after_it_joined() {
    let world = World::founded();
    world.run("key new eve").ok();
    let before = world.propose(&format!("authorize-model {TRIAGE}"), DAY_1);
    // The key's own name serves as a file.
    world.pass("add-node eve --file eve --param weight=3", DAY_1);
    world
        .run(&format!(
            "vote {before} approve --as eve --now {DAY_1} --json"
        ))
        .fails(3, "ballot.not-in-electorate");

    let after = world.propose(&format!("authorize-model {TRIAGE}"), DAY_1);
    let report = world
        .run(&format!(
            "vote {after} approve --as eve --now {DAY_1} --json"
        ))
        .ok()
        .json();
    assert_eq!(report["approve_weight"], 3);
    assert_eq!(report["total_weight"], 7);
}

#[test]
fn a_removed_node_neither_votes_nor_proposes() {
    let world = World::founded();
    world.pass("remove-node dan", DAY_1);
    let proposal = world.propose(&format!("authorize-model {TRIAGE}"), DAY_1);
    world
        .run(&format!(
            "vote {proposal} reject --as dan --now {DAY_1} --json"
        ))
        .fails(3, "ballot.not-in-electorate");
    world
        .run(&format!(
            "propose authorize-model {TRIAGE} --title T --as dan --now {DAY_1} --json"
        ))
        .fails(3, "node.not-active");
    let shown = world.run(&format!("proposal show {proposal} --json")).ok();
    assert_eq!(shown.json()["total_weight"], 3);
}

#[test]
fn a_timelock_delays_execution_until_its_window_closes() {
    let world = World::founded();
    let rules = json!({"default": {"timelock_seconds": 3600, "window_seconds": 7200}});
    let policy = world.policy_file("timelock.json", &rules);
    // The old policy has no timelock, but a change waits under the new one, too.
    let change = world.pass(
        &format!("update-policy --file {policy}"),
        "2026-01-01T00:30:00Z",
    );
    assert_eq!(world.status(&change), "queued");
    world
        .run(&format!("execute {change} --now 2026-01-01T01:30:00Z"))
        .ok();
    assert_eq!(world.status(&change), "executed");

    let model = format!("authorize-model {TRIAGE}");
    let in_time = world.pass(&model, "2026-01-01T02:00:00Z");
    let too_late = world.pass("authorize-agent did:example:agent", "2026-01-01T02:00:00Z");
    assert_eq!(world.status(&in_time), "queued");
    let shown = world.run(&format!("proposal show {in_time} --json")).ok();
    assert_eq!(
        shown.json()["executable_from"],
        "2026-01-01T03:00:00.000000Z"
    );
    assert_eq!(
        shown.json()["executable_until"],
        "2026-01-01T05:00:00.000000Z"
    );
    world
        .run(&format!(
            "authorization check {TRIAGE} --kind model --now 2026-01-01T02:30:00Z"
        ))
        .exits(3);

    let execute =
        |proposal: &str, now: &str| world.run(&format!("execute {proposal} --now {now} --json"));
    execute(&in_time, "2026-01-01T02:59:59.999999Z").fails(3, "execute.before-timelock");
    let done = execute(&in_time, "2026-01-01T03:00:00Z").ok().json();
    assert_eq!(done["status"], "executed");
    assert_eq!(done["entries"].as_array().unwrap().len(), 1);
    execute(&in_time, "2026-01-01T03:00:00Z").fails(3, "execute.not-queued");
    world
        .run(&format!(
            "authorization check {TRIAGE} --kind model --now 2026-01-01T03:00:00Z"
        ))
        .ok();

    let lapsed = execute(&too_late, "2026-01-01T05:00:00Z").ok().json();
    assert_eq!(lapsed["status"], "lapsed");
    assert_eq!(world.status(&too_late), "lapsed");
    world
        .run("authorization check did:example:agent --kind agent --now 2026-01-01T05:00:00Z")
        .exits(3);
    world.verify();
}

#[test]
fn closing_waits_for_the_deadline() {
    let world = World::founded();
    let model = format!("authorize-model {TRIAGE}");
    let expired = world.propose(&model, DAY_1);
    let rejected = world.propose(&model, DAY_1);
    for (voter, decision) in [("ada", "approve"), ("bea", "approve"), ("cid", "reject")] {
        world
            .run(&format!(
                "vote {rejected} {decision} --as {voter} --now {DAY_1}"
            ))
            .ok();
    }
    for proposal in [&expired, &rejected] {
        world
            .run(&format!("close {proposal} --now {BEFORE} --json"))
            .fails(3, "close.before-deadline");
    }
    world
        .run(&format!(
            "vote {expired} approve --as dan --now {DEADLINE} --json"
        ))
        .fails(3, "ballot.outside-voting-period");
    for (proposal, status) in [(&expired, "expired"), (&rejected, "rejected")] {
        let closed = world
            .run(&format!("close {proposal} --now {DEADLINE} --json"))
            .ok()
            .json();
        assert_eq!(closed["status"], status);
        world
            .run(&format!("close {proposal} --now {DEADLINE} --json"))
            .fails(3, "proposal.closed");
    }
    let list = world
        .run("proposal list --status expired --json")
        .ok()
        .json();
    assert_eq!(list["proposals"].as_array().unwrap().len(), 1);
    assert_eq!(list["proposals"][0]["proposal_id"], expired.as_str());
    let text = world.run("proposal list").ok().stdout;
    assert!(
        text.contains("expired") && text.contains("rejected"),
        "{text}"
    );
    world.verify();
}

#[test]
fn enough_rejections_end_a_vote_early() {
    let world = World::founded();
    let proposal = world.propose(&format!("authorize-model {TRIAGE}"), DAY_1);
    for voter in ["ada", "bea"] {
        world
            .run(&format!(
                "vote {proposal} reject --as {voter} --now {DAY_1}"
            ))
            .ok();
    }
    assert_eq!(world.status(&proposal), "rejected");
}

#[test]
fn a_proposer_withdraws_until_somebody_else_has_voted() {
    let world = World::founded();
    let model = format!("authorize-model {TRIAGE}");
    let withdrawn = world.propose(&model, DAY_1);
    world.approve(&withdrawn, &["ada"], DAY_1);
    let report = world
        .run(&format!(
            "withdraw {withdrawn} --as ada --now {DAY_1} --json"
        ))
        .ok()
        .json();
    assert_eq!(report["status"], "withdrawn");
    world
        .run(&format!(
            "vote {withdrawn} approve --as bea --now {DAY_1} --json"
        ))
        .fails(3, "ballot.proposal-closed");

    let kept = world.propose(&model, DAY_1);
    world
        .run(&format!("withdraw {kept} --as bea --now {DAY_1} --json"))
        .fails(4, "withdraw.not-proposer");
    world.approve(&kept, &["bea"], DAY_1);
    world
        .run(&format!("withdraw {kept} --as ada --now {DAY_1} --json"))
        .fails(3, "withdraw.ballots-cast");
    let late = world.propose(&model, DAY_1);
    world
        .run(&format!("withdraw {late} --as ada --now {DEADLINE} --json"))
        .fails(3, "withdraw.after-deadline");
}

#[test]
fn one_grant_can_be_revoked_and_the_other_stays() {
    let world = World::founded();
    let first = world.pass(&format!("authorize-model {TRIAGE} --scope ward=a"), DAY_1);
    world.pass(&format!("authorize-model {TRIAGE} --scope ward=b"), DAY_1);
    world.pass(
        &format!("revoke-model {TRIAGE} --param grant_id={}", &first[..8]),
        DAY_1,
    );
    for (ward, exit) in [("a", 3), ("b", 0)] {
        world
            .run(&format!(
                "authorization check {TRIAGE} --kind model --context ward={ward} --now {DAY_1}"
            ))
            .exits(exit);
    }
    let list = world
        .run(&format!("authorization list --now {DAY_1} --json"))
        .ok()
        .json();
    let statuses: Vec<&str> = list["authorizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grant| grant["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["revoked", "live"]);
}

#[test]
fn a_freeze_stops_checks_until_it_is_lifted() {
    let world = World::founded();
    world.pass(&format!("authorize-model {TRIAGE}"), DAY_1);
    let check = |now: &str| {
        let line = format!("authorization check {TRIAGE} --kind model --now {now} --json");
        let ran = world.run(&line);
        (ran.code, ran.json()["reason"].as_str().unwrap().to_owned())
    };
    let granted = (Some(0), "granted".to_owned());
    let frozen = (Some(3), "frozen".to_owned());
    assert_eq!(check(DAY_1), granted);
    // More than a third is enough to stop everything.
    let freeze = world.propose("emergency-freeze * --duration 24h", DAY_1);
    world.approve(&freeze, &["ada", "bea"], DAY_1);
    assert_eq!(world.status(&freeze), "executed");
    assert_eq!(check(DAY_1), frozen);
    assert_eq!(check(BEFORE), frozen);
    assert_eq!(check(DEADLINE), granted);
    let replayed = world
        .run(&format!("replay --now {DAY_1} --json"))
        .ok()
        .json();
    assert_eq!(replayed["frozen"], true);
    world.pass("lift-freeze *", DAY_1);
    assert_eq!(check(DAY_1), granted);
    let replayed = world
        .run(&format!("replay --now {DAY_1} --json"))
        .ok()
        .json();
    assert_eq!(replayed["frozen"], false);
    world.verify();
}

#[test]
fn a_delegation_lives_as_long_as_its_parent() {
    let world = World::founded();
    let agent = "did:example:agent";
    let parent = world.pass(&format!("authorize-agent {agent} --scope ward=a"), DAY_1);
    world
        .run(&format!(
            "propose delegation did:example:child --scope ward=b --param parent={parent} \
             --title T --as ada --now {DAY_1} --json"
        ))
        .fails(3, "delegation.invalid");
    let terms = format!("--scope ward=a --param parent={}", &parent[..8]);
    world.pass(&format!("delegation did:example:child {terms}"), DAY_1);
    let check = format!(
        "authorization check did:example:child --kind delegation --context ward=a --now {DAY_1}"
    );
    world.run(&check).ok();
    world.pass(&format!("revoke-agent {agent}"), DAY_1);
    world.run(&check).exits(3);
    world.verify();
}

#[test]
fn a_node_changes_its_key_and_keeps_its_place() {
    let world = World::founded();
    for name in ["dan-2", "dan-3"] {
        world.run(&format!("key new {name}")).ok();
    }
    let open = world.propose(&format!("authorize-model {TRIAGE}"), DAY_1);
    let line = format!("rotate-key dan-2 --as dan --now {DAY_1} --json");
    let rotated = world.run(&line).ok().json();
    let shown = world.run("node show dan --json").ok().json();
    assert_eq!(rotated["node"], shown["did"]);
    world.approve(&open, &["dan-2"], DAY_1);
    for (line, exit, code) in [
        (format!("vote {open} approve --as dan"), 4, "key.retired"),
        ("rotate-key dan-3 --as dan".to_owned(), 4, "key.retired"),
        ("rotate-key dan-2 --as dan-2".to_owned(), 3, "node.key-used"),
        (
            "rotate-key nobody --as dan-2".to_owned(),
            4,
            "key.not-found",
        ),
    ] {
        let line = format!("{line} --now {DAY_1} --json");
        world.run(&line).fails(exit, code);
    }
    // The statement travels like any other.
    let file = "rotation.json";
    let out = format!("rotate-key dan-3 --as dan-2 --now {DAY_1} --out {file}");
    world.run(&out).ok();
    world.run(&format!("submit {file} --now {DAY_1}")).ok();
    assert_eq!(world.verify()["ok"], true);
}

#[test]
fn a_lost_key_is_replaced_and_a_suspended_node_comes_back() {
    let world = World::founded();
    world.run("key new dan-2").ok();
    world.run("key new cid-2").ok();
    let model = format!("authorize-model {TRIAGE}");
    world.pass("replace-key dan --file dan-2", DAY_1);
    let next = world.propose(&model, DAY_1);
    world
        .run(&format!(
            "vote {next} approve --as dan --now {DAY_1} --json"
        ))
        .fails(4, "key.retired");
    world.approve(&next, &["dan-2"], DAY_1);

    world.approve(&next, &["cid"], DAY_1);
    world
        .run(&format!(
            "vote {next} reject --as cid --force --now {DAY_1} --json"
        ))
        .fails(3, "ballot.equivocation");
    let back = world.propose("reinstate-node cid --file cid-2", DAY_1);
    world.approve(&back, &["ada", "bea", "dan-2"], DAY_1);
    assert_eq!(world.status(&back), "executed");
    let node = world.run("node show cid --json").ok().json();
    assert_eq!(node["status"], "active");
    let last = world.propose(&model, DAY_1);
    world.approve(&last, &["cid-2"], DAY_1);
    world.verify();
}
