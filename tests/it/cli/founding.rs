//! Founding a ledger: alone, and across machines.

use std::fs;

use serde_json::json;

use super::harness::{FOUNDED, Ran, World};

#[test]
fn a_ledger_is_founded_with_weights_and_a_policy() {
    let world = World::empty();
    for name in ["ada", "bea"] {
        world.run(&format!("key new {name}")).ok();
    }
    // A key export in a file, and a key by its name.
    let export = world.path("bea.pub.json");
    world
        .run(&format!("key export bea --public --out {export}"))
        .ok();
    let founded = world
        .run(&format!(
            "init --name 'Zwei Häuser' --founder ada --founder {export}:3 --policy uniform \
             --now {FOUNDED} --json"
        ))
        .ok()
        .json();
    assert_eq!(founded["nodes"], 2);
    assert_eq!(founded["total_weight"], 4);
    assert_eq!(founded["entries"], 3);
    assert_eq!(founded["origin"], world.verify()["head"]);
    let uniform = world.run("policy template --uniform").ok().json();
    assert_eq!(world.run("policy show").ok().json(), uniform);
    let node = world.run("node show bea --json").ok().json();
    assert_eq!(node["weight"], 3);
    assert_eq!(node["status"], "active");
}

#[test]
fn a_single_founder_decides_alone() {
    let world = World::with(&[1], "default");
    let proposal = world.propose("authorize-agent did:example:a", "2026-01-01T01:00:00Z");
    world.approve(&proposal, &["ada"], "2026-01-01T01:00:00Z");
    assert_eq!(world.status(&proposal), "executed");
}

/// Runs a command with the keys of another machine.
fn on(world: &World, machine: &str, line: &str) -> Ran {
    let keys = world.path(machine);
    world.run(&format!("--keys {keys} {line}"))
}

/// Three machines with a key each; returns `--founder` arguments for all of them.
fn machines(world: &World) -> String {
    let mut founders = String::new();
    for name in ["ada", "bea", "cid"] {
        on(world, name, &format!("key new {name}")).ok();
        let export = world.path(&format!("{name}.pub.json"));
        on(
            world,
            name,
            &format!("key export {name} --public --out {export}"),
        )
        .ok();
        founders.push_str(&format!(" --founder {export}"));
    }
    founders
}

#[test]
fn founders_sign_on_their_own_machines() {
    let world = World::empty();
    let founders = machines(&world);
    let file = world.path("genesis.json");
    let drawn_up = on(
        &world,
        "ada",
        &format!("init --name g --out {file} --now {FOUNDED}{founders}"),
    )
    .ok();
    assert!(
        drawn_up.stderr.contains("still to sign: bea, cid"),
        "{drawn_up:?}"
    );
    assert!(!world.ledger().exists());

    on(&world, "ada", &format!("init --from {file} --json")).fails(4, "genesis.signatures-missing");
    let second = on(
        &world,
        "bea",
        &format!("genesis sign {file} --as bea --json"),
    )
    .ok()
    .json();
    assert_eq!(second["missing"], json!(["cid"]));
    on(&world, "ada", &format!("init --from {file} --json")).fails(4, "genesis.signatures-missing");
    assert!(!world.ledger().exists());
    let third = on(
        &world,
        "cid",
        &format!("genesis sign {file} --as cid --json"),
    )
    .ok()
    .json();
    assert_eq!(third["missing"], json!([]));

    let founded = on(
        &world,
        "elsewhere",
        &format!("init --from {file} --now 2026-01-01T02:00:00Z --json"),
    )
    .ok()
    .json();
    assert_eq!(founded["ledger"], third["ledger"]);
    assert_eq!(founded["nodes"], 3);
    world.verify();
}

#[test]
fn a_founding_statement_can_not_be_changed_after_signing() {
    let world = World::empty();
    let founders = machines(&world);
    let file = world.path("genesis.json");
    on(
        &world,
        "ada",
        &format!("init --name g --out {file} --now {FOUNDED}{founders}"),
    )
    .ok();
    for name in ["bea", "cid"] {
        on(&world, name, &format!("genesis sign {file} --as {name}")).ok();
    }
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replacen("\"weight\":1", "\"weight\":7", 1);
    assert_ne!(text, changed);
    fs::write(&file, changed).unwrap();
    on(&world, "ada", &format!("init --from {file} --json")).fails(11, "genesis.signature");
    assert!(!world.ledger().exists(), "nothing is left behind");
}

#[test]
fn only_founders_sign() {
    let world = World::empty();
    let founders = machines(&world);
    let file = world.path("genesis.json");
    on(
        &world,
        "ada",
        &format!("init --name g --out {file} --now {FOUNDED}{founders}"),
    )
    .ok();
    on(&world, "eve", "key new eve").ok();
    let before = fs::read(&file).unwrap();
    on(
        &world,
        "eve",
        &format!("genesis sign {file} --as eve --json"),
    )
    .fails(4, "genesis.not-a-founder");
    assert_eq!(fs::read(&file).unwrap(), before);
}
