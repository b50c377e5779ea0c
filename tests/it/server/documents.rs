//! What the documents tell to type, typed.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::harness::Server;
use crate::cli::harness::World;

fn secret(world: &World) -> String {
    let made = world
        .run("token create reader --scope predict --json")
        .ok()
        .json();
    made["secret"].as_str().unwrap().to_owned()
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_examples_with_curl_run_as_they_are_written() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/server.md");
    let document = fs::read_to_string(document).unwrap();
    let script = document.split("```sh curl\n").nth(1).unwrap();
    let script = script.split("```").next().unwrap();
    let world = World::founded();
    let server = Server::start(&world);
    let programs = Path::new(env!("CARGO_BIN_EXE_althing")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    let printed = succeeds(
        command
            .args(["-euc", script])
            .env("PATH", path)
            .env("URL", format!("http://{}", server.address))
            .env("TOKEN", secret(&world))
            .env("ALTHING_LEDGER", world.ledger())
            .env("ALTHING_KEYS", world.keys())
            .env("ALTHING_STATE", world.path("state"))
            .current_dir(world.path("")),
    );
    for part in [
        "\"allowed\":false",
        "\"recorded\":1",
        "althing.statement/1",
        "id: 1\n",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    world.verify();
}

/// What the page that verifies tells to type, and the document of the same.
#[test]
fn a_copy_that_is_made_by_hand_verifies() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/auditing-in-a-browser.md");
    let document = fs::read_to_string(document).unwrap();
    assert!(document.contains(althing::pages::verify::COPY));
    let world = World::founded();
    let note = world.path("note.txt");
    world
        .run(&format!(
            "checkpoint create --as ada --as bea --as cid -o {note}"
        ))
        .ok();
    let server = Server::start(&world);
    let page = server.browse("GET", "/verify", &[], "").is(200);
    let page = crate::pages::Page::from(page.text());
    let script: String = page.all("pre")[0].text().collect();
    assert_eq!(script, althing::pages::verify::COPY);
    let copy = world.path("copy");
    let script = script
        .replace("COPY", &copy)
        .replace("URL", &format!("http://{}", server.address))
        .replace("FILE", &note);
    let programs = Path::new(env!("CARGO_BIN_EXE_althing")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    succeeds(
        command
            .args(["-euc", &script])
            .env("PATH", path)
            .env("ALTHING_STATE", world.path("another-state")),
    );
    let copied = format!("{copy}/ledger/00000000000000000001.jsonl");
    assert_eq!(fs::read(copied).unwrap(), world.bytes());
}

#[test]
fn the_workers_in_python_are_audited() {
    let world = World::founded();
    let server = Server::start(&world);
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/audited_predictions.py"
    );
    let mut command = Command::new("python3");
    let printed = succeeds(
        command
            .arg(example)
            .env("ALTHING_URL", format!("http://{}", server.address))
            .env("ALTHING_TOKEN", secret(&world)),
    );
    assert_eq!(printed.lines().count(), 8, "{printed}");
    let log = world.run("log --operation prediction_recorded --json").ok();
    assert_eq!(log.json_lines().len(), 8);
}
