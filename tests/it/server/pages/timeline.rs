//! The timeline: its filters, its parts, and lines that do not hold.

use std::fs;

use super::{eventful, open};
use crate::cli::harness::World;
use crate::server::harness::{Server, prediction, token};

/// The entries that the rows of a page stand for, as they stand there.
fn entries(page: &crate::pages::Page) -> Vec<u64> {
    let number = |row: &scraper::ElementRef<'_>, name| row.attr(name).unwrap().parse().unwrap();
    let rows = page.all("#timeline-rows > li");
    rows.iter()
        .flat_map(|row| (number(row, "data-first")..=number(row, "data-last")).rev())
        .collect()
}

/// Follows a link from part to part; the entries of all of them, one part after the other.
fn walk(server: &Server, from: &str, rel: &str) -> Vec<Vec<u64>> {
    let mut parts = Vec::new();
    let mut path = from.to_owned();
    loop {
        let page = open(server, &path);
        parts.push(entries(&page));
        let steps = page.all(&format!("nav.steps a[rel={rel}]"));
        match steps.first() {
            Some(link) => path = link.attr("href").unwrap().to_owned(),
            None => return parts,
        }
    }
}

/// A ledger of more rows than one part has.
fn long() -> World {
    let world = eventful();
    for round in 0..8 {
        let now = "2026-01-05T00:00:00Z";
        let proposal = world.propose(&format!("authorize-agent did:example:r{round}"), now);
        // Two of the three that are left are enough.
        world.approve(&proposal, &["ada", "bea"], now);
    }
    world
}

#[test]
fn filters_find_what_the_log_finds() {
    let world = long();
    let proposal = world.run("proposal list --json").ok().json()["proposals"][0].clone();
    let proposal = &proposal["proposal_id"].as_str().unwrap()[..8];
    let server = Server::start(&world);
    for (query, arguments) in [
        (String::new(), String::new()),
        ("operation=vote_cast".into(), "--operation vote_cast".into()),
        (
            "operation=vote_cast&operation=node_added".into(),
            "--operation vote_cast --operation node_added".into(),
        ),
        (
            "operation=prediction_recorded".into(),
            "--operation prediction_recorded".into(),
        ),
        (
            format!("proposal={proposal}"),
            format!("--proposal {proposal}"),
        ),
        ("actor=bea".into(), "--actor bea".into()),
        ("actor=nobody".into(), "--actor nobody".into()),
        (
            "since=2026-01-02".into(),
            "--since 2026-01-02T00:00:00Z".into(),
        ),
        (
            "since=2026-01-02T00:00&until=2026-01-04T00:00:00".into(),
            "--since 2026-01-02T00:00:00Z --until 2026-01-04T00:00:00Z".into(),
        ),
        (
            "until=2026-01-02T01:00:00%2B01:00".into(),
            "--until 2026-01-02T00:00:00Z".into(),
        ),
        (
            "until=2025-01-01".into(),
            "--until 2025-01-01T00:00:00Z".into(),
        ),
        (
            "since=2027-01-01".into(),
            "--since 2027-01-01T00:00:00Z".into(),
        ),
        // As a form sends it, empty where nothing was filled in.
        (
            "operation=vote_cast&actor=ada&proposal=&since=&until=".into(),
            "--operation vote_cast --actor ada".into(),
        ),
    ] {
        let printed = world.run(&format!("log --reverse {arguments} --json")).ok();
        let printed: Vec<u64> = (printed.json_lines().iter())
            .map(|line| line["seq"].as_u64().unwrap())
            .collect();
        let path = format!("/timeline?{query}");
        assert_eq!(walk(&server, &path, "next").concat(), printed, "{query}");
        // The twin of the first part has the same entries, in the same order.
        let first = open(&server, &path);
        let twin = first.all("a.twin")[0].attr("href").unwrap().to_owned();
        let log = server.get(&twin).is(200).json();
        let told: Vec<u64> = (log["entries"].as_array().unwrap().iter())
            .map(|line| line["seq"].as_u64().unwrap())
            .collect();
        let shown = entries(&first);
        assert_eq!(told[..shown.len()], shown, "{query}");
        // And so has the log, walked back.
        let strict = query.replace("2026-01-02T00:00&", "2026-01-02T00:00:00Z&");
        let strict: String = strict
            .split('&')
            .filter(|it| !it.ends_with('='))
            .map(|it| match it.split_once('=') {
                Some((name @ ("since" | "until"), time)) if time.len() == 10 => {
                    format!("{name}={time}T00:00:00Z&")
                }
                Some((name @ ("since" | "until"), time)) if time.len() == 19 => {
                    format!("{name}={time}Z&")
                }
                _ => format!("{it}&"),
            })
            .collect();
        let (mut before, mut told) = (u64::MAX, Vec::new());
        loop {
            let log = server
                .get(&format!("/v1/log?{strict}before={before}&limit=7"))
                .is(200)
                .json();
            let part = log["entries"].as_array().unwrap();
            told.extend(part.iter().map(|line| line["seq"].as_u64().unwrap()));
            before = log["next_before"].as_u64().unwrap();
            if log["is_complete"] == true {
                break;
            }
        }
        assert_eq!(told, printed, "{query}");
    }
    let bad = server.get("/v1/log?before=5&after=3");
    bad.fails(400, "request.query");
}

#[test]
fn parts_follow_each_other_in_both_directions() {
    let world = long();
    let server = Server::start(&world);
    let last = world.lines().len() as u64;
    let back = walk(&server, "/timeline", "next");
    assert!(back.len() > 1, "more than one part");
    let all: Vec<u64> = (1..=last).rev().collect();
    assert_eq!(back.concat(), all);
    let mut on = walk(&server, "/timeline?after=0", "prev");
    on.reverse();
    assert_eq!(on.concat(), all);
    // An entry that is led to comes first.
    let page = open(&server, "/timeline?before=8");
    assert_eq!(entries(&page), [7, 6, 5, 4, 3, 2, 1]);
    assert!(entries(&open(&server, "/timeline?before=1")).is_empty());
    assert!(entries(&open(&server, "/timeline?before=0")).is_empty());
    let beyond = format!("/timeline?after={}", u64::MAX);
    assert!(entries(&open(&server, &beyond)).is_empty());
}

#[test]
fn many_predictions_are_few_rows() {
    let world = World::founded();
    let token = token(&world, &["predict"]);
    let server = Server::start(&world);
    let several = serde_json::json!({"predictions": vec![prediction("did:example:x"); 1000]});
    for _ in 0..2 {
        let sent = several.to_string();
        server
            .post("/v1/predictions", &[("authorization", &token)], sent)
            .is(201);
    }
    let page = open(&server, "/timeline");
    let rows = page.all("#timeline-rows > li.g-predictions");
    assert_eq!(rows.len(), 4);
    assert_eq!(entries(&page).len(), world.lines().len());
    assert!(page.text.len() < 100_000, "{}", page.text.len());
    // One in the middle of a run is led to.
    let page = open(&server, "/timeline?before=1235");
    assert_eq!(entries(&page)[0], 1234);
}

#[test]
fn a_line_that_was_changed_on_disk_is_shown_at_its_place() {
    let world = eventful();
    let server = Server::start(&world);
    let lines = world.lines();
    let whole = lines
        .iter()
        .position(|line| line.contains("vote_cast"))
        .unwrap();
    let seq = whole + 1;
    let stated = &lines[whole][lines[whole].len() - 66..lines[whole].len() - 2];
    let text = String::from_utf8(world.bytes()).unwrap();
    let changed = lines[whole].replacen("\"decision\":\"approve\"", "\"decision\":\"abstain\"", 1);
    assert_ne!(changed, lines[whole]);
    fs::write(world.segment(), text.replacen(&lines[whole], &changed, 1)).unwrap();
    let page = open(&server, "/timeline");
    assert_eq!(page.all("#timeline-rows > li").len(), rows(&lines));
    let bad = page.words("#timeline-rows > li.bad");
    assert!(bad.contains(&format!("Entry {seq} does not hold")), "{bad}");
    assert!(
        bad.contains(&format!("expected {stated}")) && bad.contains("found "),
        "{bad}"
    );
    // Programs are not given it.
    server
        .get(&format!("/v1/log/{seq}"))
        .fails(500, "ledger.damaged");
    // One whose number is gone, too, is at its place.
    let gone = changed.replacen(&format!("\"seq\":{seq},"), "\"seq\":x,", 1);
    fs::write(world.segment(), text.replacen(&lines[whole], &gone, 1)).unwrap();
    let page = open(&server, "/timeline");
    assert_eq!(page.all(&format!("#entry-{seq}.bad")).len(), 1);
    assert_eq!(page.all("#timeline-rows > li.bad").len(), 1, "no other");
    let listed = server.get("/v1/segments").is(200).json();
    assert_eq!(listed["segments"][0]["bytes"], world.bytes().len());
    assert_eq!(page.all("#timeline-rows > li").len(), rows(&lines));
}

/// Neighbouring predictions are one row.
fn rows(lines: &[String]) -> usize {
    let is_prediction = |line: &String| line.contains("\"operation\":\"prediction_recorded\"");
    let joined = lines
        .windows(2)
        .filter(|pair| pair.iter().all(is_prediction));
    lines.len() - joined.count()
}
