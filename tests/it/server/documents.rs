//! What the documents tell to type, typed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

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

fn example() -> Command {
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/audited_predictions.py"
    );
    let mut command = Command::new("python3");
    command.arg(example);
    command
}

/// Hands requests on, and every other answer back: of the rest, nobody is told what became of them.
fn lossy(server: &Server, listener: &TcpListener) {
    for (number, client) in listener.incoming().enumerate() {
        let mut client = client.unwrap();
        let request = request_of(&mut client);
        if request.is_empty() {
            return;
        }
        let mut behind = server.connect();
        behind.write_all(&request).unwrap();
        let mut answer = Vec::new();
        behind.read_to_end(&mut answer).unwrap();
        if number % 2 == 1 {
            client.write_all(&answer).unwrap();
        }
    }
}

/// One request as it was sent, which says how long it is.
fn request_of(client: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut more = [0; 1_024];
    loop {
        let count = client.read(&mut more).unwrap();
        request.extend_from_slice(&more[..count]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1);
        let length = length.and_then(|it| it.lines().next()?.parse().ok());
        let is_whole = text
            .find("\r\n\r\n")
            .is_some_and(|end| length.is_some_and(|length: usize| text.len() == end + 4 + length));
        if count == 0 || is_whole {
            return request;
        }
    }
}

#[test]
fn the_workers_in_python_are_audited_once_also_where_answers_are_lost() {
    let world = World::founded();
    let server = Server::start(&world);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let printed = thread::scope(|scope| {
        scope.spawn(|| lossy(&server, &listener));
        let mut workers = example();
        let workers = workers
            .env("ALTHING_URL", format!("http://{address}"))
            .env("ALTHING_TOKEN", secret(&world));
        let printed = succeeds(workers);
        // Whoever says nothing ends it.
        drop(TcpStream::connect(address).unwrap());
        printed
    });
    assert_eq!(printed.lines().count(), 8, "{printed}");
    let log = world.run("log --operation prediction_recorded --json").ok();
    assert_eq!(log.json_lines().len(), 8);
}

#[test]
fn a_worker_in_python_is_told_what_is_refused() {
    let world = World::under(&serde_json::json!({"predictions": "refuse"}));
    let server = Server::start(&world);
    let mut worker = example();
    let worker = worker
        .env("ALTHING_URL", format!("http://{}", server.address))
        .env("ALTHING_TOKEN", secret(&world));
    let ran = worker.output().unwrap();
    assert!(!ran.status.success());
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(errors.contains("[prediction.unauthorized]"), "{errors}");
}

#[test]
fn it_takes_a_worker_five_lines() {
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/audited_predictions.py"
    );
    let text = fs::read_to_string(example).unwrap();
    let shown = text.split("five lines:").nth(1).unwrap();
    let shown = shown.split("Nobody gets").next().unwrap();
    let lines = shown.lines().filter(|line| !line.trim().is_empty());
    assert!(lines.count() <= 5, "{shown}");
}
