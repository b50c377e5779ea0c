//! Who reads with a browser where tokens are asked for.

use super::page;
use crate::cli::harness::World;
use crate::server::harness::{Answer, Server, token};

/// The secret of a token.
fn secret(world: &World, scopes: &[&str]) -> String {
    token(world, scopes).replacen("Bearer ", "", 1)
}

fn enter(server: &Server, secret: &str, to: &str) -> Answer {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = format!("token={secret}&to={}", to.replace('/', "%2F"));
    server.browse("POST", "/login", &[form], &body)
}

/// What a browser sends back of a cookie.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap();
    set.split(';').next().unwrap().to_owned()
}

#[test]
fn a_token_logs_in_and_the_cookie_reads_and_does_nothing_else() {
    let world = World::founded();
    let everything = secret(&world, &["read", "predict", "submit"]);
    let server = Server::with(&world, &["--access", "tokens"]);
    let asked = server.browse("GET", "/timeline?actor=ada", &[], "").is(401);
    let shown = page(&asked);
    assert_eq!(shown.words("h2"), "Log in");
    let aim = shown.all("form input[name=to]")[0]
        .attr("value")
        .unwrap()
        .to_owned();
    assert_eq!(aim, "/timeline?actor=ada");
    let entered = enter(&server, &everything, "/timeline").is(303);
    assert_eq!(entered.header("location"), Some("/timeline"));
    let set = entered.header("set-cookie").unwrap();
    let attributes = "; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200";
    assert!(set.ends_with(attributes), "{set}");
    let random = everything.rsplit('_').next().unwrap();
    assert!(!set.contains(random), "the token itself is not in it");
    let cookie = cookie(&entered);
    let given = [("cookie", cookie.as_str())];
    for path in [
        "/",
        "/timeline",
        "/verify",
        "/v1/nodes",
        "/v1/segments",
        "/metrics",
    ] {
        server.browse("GET", path, &given, "").is(200);
        server.browse("HEAD", path, &given, "").is(200);
    }
    // Behind a proxy the name is not this machine's; the cookie is its name's.
    server
        .browse("GET", "/", &[given[0], ("host", "ledger.example")], "")
        .is(200);
    let json = ("content-type", "application/json");
    for path in ["/v1/predictions", "/v1/statements", "/v1/receipts"] {
        let refused = server.browse("POST", path, &[given[0], json], "{}");
        refused.fails(401, "access.token-missing");
    }
    // As a bearer token it is worth nothing.
    let (_, value) = cookie.split_once('=').unwrap();
    let bearer = format!("Bearer {value}");
    let refused = server.browse("GET", "/v1/nodes", &[("authorization", &bearer)], "");
    refused.fails(401, "access.token-invalid");
    // Out again.
    let shown = page(&server.browse("GET", "/", &given, ""));
    assert_eq!(
        shown
            .all("form[action='/logout'][method=post] button")
            .len(),
        1
    );
    let left = server.browse("POST", "/logout", &given, "").is(303);
    assert!(left.header("set-cookie").unwrap().starts_with("althing=; "));
    assert!(left.header("set-cookie").unwrap().ends_with("Max-Age=0"));
}

#[test]
fn wrong_tokens_open_nothing_and_are_told_so() {
    let world = World::founded();
    let predict = secret(&world, &["predict"]);
    let read = secret(&world, &["read"]);
    let server = Server::with(&world, &["--access", "tokens"]);
    let last = if read.ends_with('0') { '1' } else { '0' };
    let near = format!("{}{last}", &read[..read.len() - 1]);
    for (sent, words) in [
        (near.as_str(), "unknown, revoked or expired"),
        ("", "unknown, revoked or expired"),
        ("%3Cscript%3E", "unknown, revoked or expired"),
        (predict.as_str(), "does not open what can be read"),
    ] {
        let refused = enter(&server, sent, "/nodes").is(403);
        assert!(refused.header("set-cookie").is_none());
        let shown = page(&refused);
        assert!(shown.words("[role=alert]").contains(words), "{sent}");
        assert!(!shown.text.contains("althing_"), "no token comes back");
        assert_eq!(
            shown.all("form input[name=to]")[0].attr("value"),
            Some("/nodes")
        );
    }
    let entered = cookie(&enter(&server, &read, "/").is(303));
    let (name, value) = entered.split_once('=').unwrap();
    let parts: Vec<&str> = value.split('.').collect();
    let later = format!("{name}={}.{}.{}", parts[0], "99999999999999999", parts[2]);
    let other = format!("{name}={}.{}.{}", "00000000", parts[1], parts[2]);
    let none = format!("{name}={}.{}.{}", parts[0], parts[1], "0".repeat(64));
    for wrong in [
        later.as_str(),
        &other,
        &none,
        "althing=",
        "althing=x",
        "althing=\"\"",
    ] {
        let refused = server.browse("GET", "/", &[("cookie", wrong)], "").is(401);
        assert_eq!(page(&refused).words("h2"), "Log in", "{wrong}");
        let refused = server.browse("GET", "/v1/nodes", &[("cookie", wrong)], "");
        refused.fails(401, "access.token-missing");
    }
}

#[test]
fn a_revoked_token_ends_its_logins_at_once() {
    let world = World::founded();
    let read = secret(&world, &["read"]);
    let server = Server::with(&world, &["--access", "tokens"]);
    let cookie = cookie(&enter(&server, &read, "/"));
    let ask = || server.browse("GET", "/", &[("cookie", &cookie)], "");
    ask().is(200);
    let listed = world.run("token list --json").ok().json();
    let id = listed["tokens"][0]["id"].as_str().unwrap();
    world.run(&format!("token revoke {id}")).ok();
    assert_eq!(page(&ask().is(401)).words("h2"), "Log in");
}

#[test]
fn forms_of_other_origins_and_too_many_attempts_are_refused() {
    let world = World::founded();
    let read = secret(&world, &["read"]);
    let server = Server::with(&world, &["--access", "tokens"]);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = format!("token={read}");
    for (header, status) in [
        (("origin", "http://localhost"), 303),
        (("sec-fetch-site", "same-origin"), 303),
        (("origin", "http://evil.example"), 403),
        (("origin", "null"), 403),
        (("sec-fetch-site", "cross-site"), 403),
        (("sec-fetch-site", "same-site"), 403),
    ] {
        let answer = server.browse("POST", "/login", &[form, header], &body);
        assert_eq!(answer.status, status, "{header:?}");
        assert_eq!(answer.header("set-cookie").is_some(), status == 303);
        let answer = server.browse("POST", "/logout", &[header], "");
        assert_eq!(answer.status, status, "{header:?}");
    }
    let answers = (0..40).map(|_| enter(&server, "wrong", "/").status);
    let answers: Vec<u16> = answers.collect();
    assert!(answers.contains(&429), "{answers:?}");
    let page_of = |to: &str| enter(&server, &read, to);
    // Nobody is led elsewhere, however often it takes.
    let entered = std::iter::repeat_with(|| page_of("//evil.example"))
        .take(600)
        .inspect(|_| std::thread::sleep(std::time::Duration::from_millis(20)))
        .find(|answer| answer.status == 303);
    assert_eq!(entered.unwrap().header("location"), Some("/"));
    let long = format!("token={}", "x".repeat(10_000));
    let answer = std::iter::repeat_with(|| server.browse("POST", "/login", &[form], &long))
        .take(600)
        .inspect(|_| std::thread::sleep(std::time::Duration::from_millis(20)))
        .find(|answer| answer.status != 429);
    assert_eq!(answer.unwrap().status, 400);
}

#[test]
fn guessed_bearer_tokens_count_against_the_rate() {
    let world = World::founded();
    let server = Server::with(&world, &["--access", "tokens", "--rate", "2"]);
    let guess = || {
        server.browse(
            "GET",
            "/v1/nodes",
            &[("authorization", "Bearer althing_x")],
            "",
        )
    };
    let statuses: Vec<u16> = (0..20).map(|_| guess().status).collect();
    assert!(
        statuses.contains(&401) && statuses.contains(&429),
        "{statuses:?}"
    );
}

#[test]
fn where_reading_is_open_nobody_has_to_log_in() {
    let world = World::founded();
    let server = Server::start(&world);
    let answer = server.browse("GET", "/login?to=/nodes", &[], "").is(303);
    assert_eq!(answer.header("location"), Some("/nodes"));
    // A cookie of an earlier time keeps nobody out.
    server
        .browse("GET", "/", &[("cookie", "althing=a.b.c")], "")
        .is(200);
    // And no page of somebody else's reads under a name of its own.
    let foreign = [("host", "evil.example"), ("cookie", "althing=a.b.c")];
    server.browse("GET", "/nodes", &foreign, "").is(421);
}
