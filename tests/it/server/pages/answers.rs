//! What each page answers: status, type, headers, facts; its twin for programs; and what nobody should ask.

use std::fs::File;

use super::{eventful, open, page};
use crate::cli::harness::{FOUNDED, TRIAGE, World};
use crate::server::harness::Server;

/// What every page keeps a browser from.
const POLICY: [&str; 10] = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
];

/// The only proposal of a status.
fn proposal(world: &World, status: &str) -> String {
    let listed = world.run(&format!("proposal list --status {status} --json"));
    let listed = listed.ok().json();
    listed["proposals"][0]["proposal_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn every_page_has_its_facts_and_leads_to_the_same_as_json() {
    let world = eventful();
    let server = Server::start(&world);
    let open_one = proposal(&world, "voting");
    let executed = proposal(&world, "executed");
    let head = world.lines().len().to_string();
    let entries = format!("{head} entries");
    let single = format!("/proposals/{open_one}");
    let over = format!("/proposals/{executed}");
    let why = format!("/authorizations?grant={executed}");
    let asked = format!("/authorizations?subject={TRIAGE}&kind=model&context=environment%3Dprod");
    // Path, title, facts in the page, its twin, facts there.
    type Facts<'a> = &'a [&'a str];
    let cases: [(&str, &str, Facts<'_>, &str, Facts<'_>); 12] = [
        (
            "/",
            "Overview",
            &[
                "Not frozen.",
                "1 undecided proposals",
                "2 predictions outside a grant",
                "Last events",
            ],
            "/v1/ledger",
            &[
                "\"frozen\":false",
                "\"open_proposals\":1",
                "\"unauthorized\":2",
            ],
        ),
        (
            "/timeline",
            "Timeline",
            &["dan signed both approve and reject", "byzantine detected"],
            "/v1/log",
            &["byzantine_detected", "next_before"],
        ),
        (
            "/proposals",
            "Proposals",
            &["voting", "executed", TRIAGE],
            "/v1/proposals",
            &[open_one.as_str(), TRIAGE],
        ),
        (
            "/proposals?status=executed",
            "Proposals",
            &["executed", TRIAGE],
            "/v1/proposals?status=executed",
            &[TRIAGE],
        ),
        (
            &single,
            "Test",
            &[
                "May still vote: ada (1, its rejection decides), bea",
                "Quorum: at least",
                "Byzantine",
                "proposal created",
                "byzantine detected",
            ],
            "/v1/proposals/",
            &[
                "\"byzantine_weight\":1",
                "\"rejection_decides\":true",
                "\"kind\":\"quorum\"",
                "byzantine_detected",
            ],
        ),
        (
            &over,
            "Test",
            &["executed", "consensus reached", "authorization granted"],
            "/v1/proposals/",
            &["\"approve_weight\":3"],
        ),
        (
            "/nodes",
            "Registry",
            &["ada", "active", "dan suspended", "two ballots"],
            "/v1/nodes",
            &["\"suspended\"", "\"total_weight\":3"],
        ),
        (
            "/authorizations",
            "Authorizations",
            &[
                TRIAGE,
                "environment=prod",
                "granted by",
                "revoked by",
                "signed by the key",
            ],
            "/v1/authorizations",
            &[TRIAGE, "\"revoked\""],
        ),
        (
            &why,
            "Authorizations",
            &["granted by", "did not vote"],
            "/v1/authorizations/why?",
            &["\"out-of-scope\""],
        ),
        (
            &asked,
            "Authorizations",
            &["allowed", "granted by"],
            "/v1/authorizations/why?",
            &["\"allowed\":true"],
        ),
        (
            "/predictions",
            "Predictions",
            &[
                "1 under a grant, 1 outside any grant",
                "did:example:shadow",
                "Looked for in entries 1 to",
            ],
            "/v1/predictions/models",
            &[
                "\"authorized\":1",
                "did:example:shadow",
                "\"looked_from\":1",
            ],
        ),
        (
            "/evidence",
            "Evidence",
            &["dan signed two ballots", "approve", "differs"],
            "/v1/evidence",
            &["\"kind\":\"ballots\""],
        ),
    ];
    for (path, title, facts, twin, said) in cases {
        let answer = server.browse("GET", path, &[], "").is(200);
        let shown = page(&answer);
        assert_eq!(shown.words("h2"), title, "{path}");
        assert_eq!(shown.words("title"), format!("{title} – parliament"));
        assert_eq!(shown.all("h1").len(), 1);
        assert_eq!(
            shown.all("nav.sections [aria-current=page]").len(),
            1,
            "{path}"
        );
        assert!(shown.words("header").contains(&entries), "{path}");
        let words = shown.words("main");
        for fact in facts {
            assert!(words.contains(fact), "{path}: {fact}: {words}");
        }
        // In the head, in the page, and among the headers.
        let link = |selector: &str| shown.all(selector)[0].attr("href").unwrap().to_owned();
        let found = link("head > link[rel=alternate][type='application/json']");
        assert_eq!(found, link("a.twin"), "{path}");
        let header = format!("<{found}>; rel=\"alternate\"; type=\"application/json\"");
        assert_eq!(answer.header("link"), Some(header.as_str()));
        assert!(found.starts_with(twin), "{path}: {found}");
        let json = server.get(&found).is(200).text();
        for fact in said {
            assert!(json.contains(fact), "{found}: {fact}: {json}");
        }
    }
    let verify = open(&server, "/verify");
    assert!(
        verify
            .words("main")
            .contains("proves only that it is consistent")
    );
    let verifier = verify.all("#verifier")[0].value();
    assert_eq!(verifier.attr("data-entries"), Some(head.as_str()));
    let listed = server.get("/v1/segments").is(200).json();
    assert_eq!(listed["head"].to_string(), head);
}

#[test]
fn a_browser_is_let_do_only_what_a_page_needs() {
    let world = eventful();
    let server = Server::start(&world);
    let paths = [
        "/",
        "/timeline",
        "/proposals",
        "/nodes",
        "/authorizations",
        "/predictions",
        "/evidence",
        "/verify",
        "/nothing",
        "/proposals/x",
    ];
    for path in paths {
        let answer = server.browse("GET", path, &[], "");
        let policy = answer.header("content-security-policy").unwrap();
        let directives: Vec<&str> = policy.split("; ").collect();
        let expected = POLICY.into_iter();
        let expected: Vec<&str> = expected
            .filter(|it| path == "/verify" || !it.starts_with("connect-src"))
            .collect();
        assert_eq!(directives, expected, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("vary", "accept"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
        // Nothing is inline, and whatever is loaded is there, for ever.
        let shown = page(&answer);
        for element in shown.all("*") {
            for (name, value) in element.value().attrs() {
                assert!(!name.starts_with("on") && name != "style", "{path}: {name}");
                assert!(!value.starts_with("http"), "{path}: {value}");
            }
        }
        assert!(shown.all("style").is_empty() && shown.all("script").len() == 1);
        let loaded = ["link[rel=stylesheet]", "link[rel=icon]", "script"];
        let kinds = [
            "text/css; charset=utf-8",
            "image/svg+xml",
            "text/javascript; charset=utf-8",
        ];
        for (selector, kind) in loaded.into_iter().zip(kinds) {
            let element = shown.all(selector)[0];
            let place = element.attr("href").or(element.attr("src")).unwrap();
            let asset = server.browse("GET", place, &[], "").is(200);
            assert_eq!(asset.header("content-type"), Some(kind));
            let kept = asset.header("cache-control").unwrap();
            assert!(kept.contains("immutable"), "{kept}");
        }
    }
}

/// Follows every link of every page, up to a depth that reaches all kinds of them.
#[test]
fn every_link_leads_to_something() {
    let world = eventful();
    let server = Server::start(&world);
    let mut known = vec!["/".to_owned()];
    let mut next = 0;
    let mut anchors = 0;
    while let Some(path) = known.get(next).cloned() {
        next += 1;
        let answer = server.browse("GET", &path, &[], "").is(200);
        if answer.header("content-type") != Some("text/html; charset=utf-8") {
            continue;
        }
        let shown = page(&answer);
        let ids: Vec<_> = (shown.all("[id]").iter())
            .map(|it| it.attr("id").unwrap().to_owned())
            .collect();
        let mut distinct = ids.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(ids.len(), distinct.len(), "{path}");
        for link in shown.all("a") {
            let href = link.attr("href").unwrap();
            let (to, anchor) = href.split_once('#').unwrap_or((href, ""));
            if let Some(anchor) = Some(anchor).filter(|it| !it.is_empty()) {
                let there = match to {
                    "" => ids.contains(&anchor.to_owned()),
                    to => open(&server, to).all(&format!("[id='{anchor}']")).len() == 1,
                };
                assert!(there, "{path}: {href}");
                anchors += 1;
            }
            if !to.is_empty() && !known.contains(&to.to_owned()) {
                known.push(to.to_owned());
            }
        }
    }
    assert!(
        known.len() > 40 && anchors > 40,
        "{} {anchors}",
        known.len()
    );
}

#[test]
fn problems_are_pages_for_people_and_documents_for_programs() {
    let world = World::founded();
    let server = Server::start(&world);
    let long = format!("/timeline?actor={}", "a".repeat(600));
    let longer = format!("/timeline?{}", "operation=vote_cast&".repeat(2_000));
    for (path, status, code) in [
        ("/proposals/nothing", 404, "proposal.unknown"),
        (
            "/proposals/00000000-0000-4000-8000-000000000000",
            404,
            "proposal.unknown",
        ),
        ("/authorizations?grant=nothing", 404, "grant.unknown"),
        (
            "/authorizations?subject=nothing&kind=model",
            400,
            "request.query",
        ),
        (
            "/authorizations?subject=did:a:b&context=x",
            400,
            "request.query",
        ),
        ("/timeline?operation=brewed", 400, "request.query"),
        ("/timeline?sort=up", 400, "request.query"),
        ("/timeline?since=yesterday", 400, "request.query"),
        ("/timeline?before=1&after=2", 400, "request.query"),
        ("/timeline?before=-1", 400, "request.query"),
        ("/timeline?actor=a&actor=b", 400, "request.query"),
        (
            "/timeline?before=99999999999999999999999",
            400,
            "request.query",
        ),
        (&long, 400, "request.query"),
        ("/proposals?status=asleep", 400, "request.query"),
        ("/proposals?before=x", 400, "request.query"),
        ("/predictions?model=x", 400, "request.query"),
        ("/evidence?before=x", 400, "request.query"),
        ("/nodes?name=x", 400, "request.query"),
        ("/?x=y", 400, "request.query"),
        ("/verify?x=y", 400, "request.query"),
        ("/proposals/%ff", 400, "request.path"),
        ("/proposals/..%2f..%2ftokens.json", 404, "proposal.unknown"),
        ("/timeline/../../tokens.json", 404, "request.unknown-path"),
        ("/assets/..%2f..%2ftokens.json", 404, "request.unknown-path"),
        ("/nothing", 404, "request.unknown-path"),
    ] {
        let document = server.browse("GET", path, &[("accept", "*/*")], "");
        document.fails(status, code);
        if path.starts_with("/assets/") {
            continue;
        }
        let shown = page(&server.browse("GET", path, &[], "").is(status));
        assert!(shown.words("main").contains(code), "{path}");
        assert_eq!(shown.all("nav").len(), 0, "it tells nothing of the ledger");
    }
    // Longer than a head may be.
    let answer = server.browse("GET", &longer, &[], "");
    assert!([414, 431].contains(&answer.status), "{}", answer.status);
    // What is for programs stays so.
    server
        .browse("GET", "/v1/nothing", &[], "")
        .fails(404, "request.unknown-path");
    server
        .browse("GET", "/v1/log?limit=0", &[], "")
        .fails(400, "request.query");
    server
        .browse("POST", "/timeline", &[("accept", "*/*")], "")
        .fails(405, "request.method");
    for foreign in [("host", "evil.example"), ("host", "evil.example:8460")] {
        let refused = server.browse("GET", "/", &[foreign], "").is(421);
        assert!(page(&refused).words("main").contains("access.host"));
    }
}

#[test]
fn who_comes_too_early_gets_a_page_that_asks_again() {
    let world = World::founded();
    let lock = File::options()
        .write(true)
        .open(world.ledger().join("LOCK"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    let server = Server::unready(&world, &["--wait", "60"]);
    let early = server.browse("GET", "/timeline", &[], "").is(503);
    assert_eq!(early.header("refresh"), Some("2"));
    assert!(
        page(&early)
            .words("main")
            .contains("still replaying the ledger")
    );
    let program = server.browse("GET", "/timeline", &[("accept", "*/*")], "");
    program.fails(503, "server.starting");
    lock.unlock().unwrap();
    server.wait_until_ready();
    open(&server, "/timeline");
}

#[test]
fn markup_in_a_ledger_stays_text_in_served_pages() {
    let world = World::founded();
    let title = "</title><script>alert(1)</script><img src=x onerror=alert(1)>";
    let run = world.run(&format!(
        "propose authorize-model {TRIAGE} --title '{title}' --description '{title}' --as ada --now {FOUNDED} --json"
    ));
    let report = run.ok().json();
    let id = report["proposal_id"].as_str().unwrap();
    let server = Server::start(&world);
    for path in ["/", "/timeline", "/proposals", &format!("/proposals/{id}")] {
        let shown = open(&server, path);
        assert!(shown.text.contains("onerror"), "{path}: the text is there");
        assert_eq!(shown.all("script").len(), 1, "{path}");
        assert!(shown.all("img, [onerror]").is_empty(), "{path}");
    }
    let single = open(&server, &format!("/proposals/{id}"));
    assert_eq!(single.words("h2"), title);
    // What is asked is shown again, too.
    let asked = open(
        &server,
        "/timeline?actor=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    );
    assert_eq!(asked.all("script").len(), 1);
    let field = asked.all("input[name=actor]")[0];
    assert_eq!(field.attr("value"), Some("\"><script>alert(1)</script>"));
}

#[test]
fn long_lists_are_cut_and_every_part_is_reached() {
    let world = World::under(&serde_json::json!({"max_open_proposals": 100}));
    for number in 0..53 {
        world.propose(&format!("authorize-agent did:example:a{number}"), FOUNDED);
    }
    let server = Server::start(&world);
    let mut path = "/proposals".to_owned();
    let mut found = Vec::new();
    loop {
        let shown = open(&server, &path);
        let rows = shown.all("tbody tr small");
        assert!(rows.len() <= 50);
        found.extend(rows.iter().map(|row| row.text().collect::<String>()));
        match shown.all("nav.steps a[rel=next]").first() {
            Some(link) => path = link.attr("href").unwrap().to_owned(),
            None => break,
        }
    }
    let expected: Vec<String> = (0..53)
        .rev()
        .map(|it| format!("did:example:a{it}"))
        .collect();
    assert_eq!(found, expected);
    let back = open(&server, &path);
    assert_eq!(
        back.all("nav.steps a[rel=prev]")[0].attr("href"),
        Some("/proposals")
    );
}
