//! How a service begins and ends, and what others do meanwhile.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::harness::{Server, prediction, token};
use crate::cli::harness::{TRIAGE, World};

#[test]
fn a_service_that_can_not_open_its_ledger_says_so_and_ends() {
    let world = World::empty();
    world
        .run("serve --listen 127.0.0.1:0 --json")
        .fails(1, "ledger.not-found");
    let world = World::founded();
    let text = String::from_utf8(world.bytes()).unwrap();
    std::fs::write(world.segment(), text.replace("parliament", "parliamenT")).unwrap();
    let ran = world
        .run("serve --listen 127.0.0.1:0 --json --log off")
        .exits(10);
    assert!(ran.stdout.contains("althing.error/1"), "{ran:?}");
}

#[test]
fn commands_write_beside_a_service_and_each_sees_the_other() {
    let world = World::founded();
    let server = Server::start(&world);
    let opened = world.run(&format!(
        "propose authorize-model {TRIAGE} --title T --as ada --json"
    ));
    let opened = opened.ok().json();
    let proposal = opened["proposal_id"].as_str().unwrap();
    let shown = || server.get(&format!("/v1/proposals/{proposal}"));
    while shown().status == 404 {
        thread::sleep(Duration::from_millis(10));
    }
    let ballot = world
        .run(&format!("vote {proposal} approve --as bea --out -"))
        .ok()
        .stdout;
    server.post("/v1/statements", &[], ballot).is(201);
    let voted = world
        .run(&format!("proposal show {proposal} --json"))
        .ok()
        .json();
    assert_eq!(voted["approve_weight"], 1, "{voted}");
    world.verify();
}

#[test]
fn a_service_that_is_told_to_end_answers_what_it_has_taken() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let mut server = Server::start(&world);
    let sent = prediction(TRIAGE).to_string();
    let acknowledged: Vec<u64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut entries = Vec::new();
                    // Until nobody listens any more.
                    while let Some(answer) = try_post(&server, &token, &sent) {
                        entries.push(answer["results"][0]["entry"].as_u64().unwrap());
                    }
                    entries
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(300));
        server.terminate();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    assert_eq!(server.wait(), Some(0));
    assert!(!acknowledged.is_empty());
    let lines = world.lines();
    for entry in &acknowledged {
        let index = usize::try_from(*entry).unwrap() - 1;
        assert!(lines[index].contains("prediction_recorded"), "{entry}");
    }
    // Nothing was written that nobody was told of.
    let recorded = lines
        .iter()
        .filter(|line| line.contains("\"prediction_recorded\""));
    assert_eq!(recorded.count(), acknowledged.len());
    world.verify();
}

/// `None` where nobody listens, or the answer is that the service is ending.
fn try_post(server: &Server, token: &str, body: &str) -> Option<Value> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(&server.address).ok()?;
    let request = format!(
        "POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).ok()?;
    let answer = super::harness::parse(&received)?;
    (answer.status == 201).then(|| answer.json())
}

/// Waits until `/readyz` gives an answer that is wanted.
#[track_caller]
fn wait_until(server: &Server, status: u16) -> String {
    loop {
        let (found, code) = server.get("/readyz").outcome();
        if found == status {
            return code;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_service_that_can_not_write_its_ledger_is_not_ready_until_it_can() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let server = Server::with(&world, &["--wait", "0"]);
    let sent = prediction(TRIAGE).to_string();
    let post = || server.post("/v1/predictions", &[("authorization", &token)], &sent);
    let (segment, aside) = (world.segment(), world.path("aside"));
    let segments = segment.parent().unwrap().to_owned();
    let sound = std::fs::read(&segment).unwrap();
    let lock = std::fs::File::open(world.ledger().join("LOCK")).unwrap();
    let other = World::with(&[1, 1], "default");
    type Step<'a> = Box<dyn Fn() + 'a>;
    let put_back = || std::fs::write(&segment, &sound).unwrap();
    let cases: [(&str, Step<'_>, Step<'_>); 4] = [
        (
            "ledger.io",
            Box::new(|| std::fs::rename(&segments, &aside).unwrap()),
            Box::new(|| std::fs::rename(&aside, &segments).unwrap()),
        ),
        (
            "ledger.in-use",
            Box::new(|| lock.lock().unwrap()),
            Box::new(|| lock.unlock().unwrap()),
        ),
        (
            "line.malformed",
            Box::new(|| std::fs::write(&segment, [&sound[..], b"{}\n"].concat()).unwrap()),
            Box::new(put_back),
        ),
        (
            "ledger.io",
            Box::new(|| {
                std::fs::copy(other.segment(), &segment).unwrap();
            }),
            Box::new(put_back),
        ),
    ];
    for (code, fail, mend) in &cases {
        fail();
        // A lock is noticed by who wants to write: the files are as they were.
        let refused = post();
        assert!(refused.status >= 500, "{code}: {}", refused.text());
        assert_eq!(&wait_until(&server, 503), code);
        server.get("/v1/nodes").is(200);
        server.get("/healthz").is(200);
        mend();
        wait_until(&server, 200);
    }
    post().is(201);
    world.verify();
}

#[test]
fn the_counts_tell_what_was_asked() {
    let world = World::founded();
    let server = Server::start(&world);
    server.get("/v1/nodes").is(200);
    server.get("/v1/nodes/nobody").is(404);
    server.get("/made/up").is(404);
    let text = server.get("/metrics").is(200).text();
    for line in [
        "althing_http_requests_total{method=\"GET\",route=\"/v1/nodes\",status=\"200\"} 1",
        "althing_http_requests_total{method=\"GET\",route=\"/v1/nodes/{node}\",status=\"404\"} 1",
        "althing_http_requests_total{method=\"GET\",route=\"unknown\",status=\"404\"} 1",
        "althing_problems_total{code=\"node.unknown\"} 1",
        "althing_entries 5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn a_request_has_an_id_that_the_client_may_choose() {
    let world = World::founded();
    let server = Server::start(&world);
    let id = |id: &str| {
        let answer = server.ask("GET", "/healthz", &[("x-request-id", id)], b"");
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id("job-7:3"), "job-7:3");
    for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
        assert_ne!(id(bad), bad);
    }
}
