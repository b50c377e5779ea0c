//! Keys: who can read them, who can use them.

use std::fs;

use serde_json::{Value, json};

use super::harness::{FOUNDED, World};

#[cfg(unix)]
#[test]
fn only_the_user_can_read_keys() {
    use std::os::unix::fs::PermissionsExt as _;

    let world = World::founded();
    // Makes the secret of user ids and the journal, too.
    let line = json!({"model": "urn:m:1", "model_version": "1", "input": 1, "user_id": "u"});
    world
        .run_with(&format!("predict record --now {FOUNDED}"), line.to_string())
        .ok();
    let proposal = world.propose("authorize-agent did:example:a", FOUNDED);
    world.approve(&proposal, &["ada"], FOUNDED);

    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.keys()), 0o700);
    let mut seen = 0;
    for entry in fs::read_dir(world.keys()).unwrap() {
        let path = entry.unwrap().path();
        let allowed = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), allowed, "{}", path.display());
        seen += 1;
    }
    assert!(
        seen >= 10,
        "four keys, their exports, a secret and a journal"
    );

    fs::set_permissions(
        world.keys().join("ada.pem"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let answer = world
        .run(&format!(
            "vote {proposal} approve --as ada --now {FOUNDED} --json"
        ))
        .fails(1, "key.permissions");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("chmod 600"), "{message}");
}

#[test]
fn keys_are_listed_shown_and_exported_but_never_replaced() {
    let world = World::empty();
    for (name, algorithm) in [
        ("ada", "ML-DSA-44"),
        ("bea", "ML-DSA-65"),
        ("cid", "ML-DSA-87"),
    ] {
        let made = world
            .run(&format!("key new {name} --algorithm {algorithm} --json"))
            .ok()
            .json();
        assert_eq!(made["algorithm"], algorithm);
        assert_eq!(made["encrypted"], false);
        let shown = world.run(&format!("key show {name} --json")).ok().json();
        assert_eq!(shown, made);
        let export = world.run(&format!("key export {name} --public")).ok();
        let export: Value = export.json();
        assert!(!export.to_string().contains("PRIVATE"));
    }
    let list = world.run("key list --json").ok().json();
    let names: Vec<&str> = list["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ada", "bea", "cid"]);

    let before = fs::read(world.keys().join("ada.pem")).unwrap();
    world.run("key new ada --json").fails(1, "key.exists");
    assert_eq!(fs::read(world.keys().join("ada.pem")).unwrap(), before);

    // Keys of every parameter set found a ledger together and decide.
    world
        .run(&format!(
            "init --name g --founder ada --founder bea --founder cid --now {FOUNDED}"
        ))
        .ok();
    let proposal = world.pass("remove-node cid", FOUNDED);
    assert_eq!(world.status(&proposal), "executed");
    world.verify();
}

#[test]
fn a_passphrase_protects_a_key() {
    let world = World::empty();
    let right = world.file("right", "correct horse\nignored\n");
    let wrong = world.file("wrong", "battery staple\n");
    let empty = world.file("empty", "");
    for (arguments, code) in [
        ("--no-input".to_owned(), "key.passphrase"),
        (String::new(), "key.passphrase"),
        (format!("--passphrase-file {empty}"), "key.passphrase"),
    ] {
        world
            .run(&format!("key new ada --passphrase {arguments} --json"))
            .fails(4, code);
    }
    world
        .run(&format!(
            "key new ada --passphrase --passphrase-file {right}"
        ))
        .ok();
    let pem = fs::read_to_string(world.keys().join("ada.pem")).unwrap();
    assert!(pem.contains("ENCRYPTED PRIVATE KEY"), "{pem}");
    let shown = world.run("key show ada --json").ok().json();
    assert_eq!(shown["encrypted"], true);

    let init = format!("init --name g --founder ada --now {FOUNDED} --json");
    for bad in [
        "--no-input".to_owned(),
        format!("--passphrase-file {wrong}"),
    ] {
        world
            .run(&format!("{init} {bad}"))
            .fails(4, "key.passphrase");
    }
    let gone = world.path("gone");
    let answer = world
        .run(&format!("{init} --passphrase-file {gone}"))
        .fails(1, "file.io");
    let error = answer["error"].to_string();
    assert!(error.contains(&gone), "the file is named: {error}");
    assert!(!world.ledger().exists());
    world.run(&format!("{init} --passphrase-file {right}")).ok();
}

#[test]
fn the_signing_journal_outlives_the_ledger() {
    let world = World::founded();
    let proposal = world.propose("authorize-agent did:example:a", FOUNDED);
    let backup = world.copy();
    world.approve(&proposal, &["ada"], FOUNDED);
    // The ledger is restored from a backup; what the key has signed is not forgotten.
    fs::write(world.segment(), backup.bytes()).unwrap();
    world.run("verify --forget").ok();
    world
        .run(&format!(
            "vote {proposal} reject --as ada --now {FOUNDED} --json"
        ))
        .fails(4, "already-signed");
    let again = world
        .run(&format!(
            "vote {proposal} approve --as ada --now {FOUNDED} --json"
        ))
        .ok()
        .json();
    assert_eq!(again["recorded"], true);
    world.verify();
}
