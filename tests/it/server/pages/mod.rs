//! The auditor's pages, as a browser gets them.

mod answers;
mod login;
mod timeline;

use super::harness::{Answer, Server};
use crate::cli::harness::{FOUNDED, TRIAGE, World};
use crate::pages::Page;

/// A ledger with something on every page: a grant, one that ended, an open proposal, a contradiction,
/// predictions under a grant and outside any.
fn eventful() -> World {
    let world = World::founded();
    world.pass(
        &format!("authorize-model {TRIAGE} --scope environment=prod"),
        FOUNDED,
    );
    world.pass("authorize-agent did:example:porter", FOUNDED);
    world.pass("revoke-agent did:example:porter", "2026-01-02T00:00:00Z");
    let predict = |model: &str, context: &str| {
        let sent = format!(
            r#"{{"model": "{model}", "model_version": "1.2", "input": {{"age": 61}}, "context": {{{context}}}}}"#
        );
        world
            .run_with("predict record --now 2026-01-03T00:00:00Z", &sent)
            .ok();
    };
    predict(TRIAGE, r#""environment": "prod""#);
    predict(TRIAGE, "");
    predict("did:example:shadow", "");
    let open = world.propose("authorize-agent did:example:helper", "2026-01-04T00:00:00Z");
    let now = "--as dan --now 2026-01-04T00:00:00Z";
    world.run(&format!("vote {open} approve {now}")).ok();
    world
        .run(&format!("vote {open} reject --force {now}"))
        .exits(3);
    world
}

/// A page, which has to be one.
#[track_caller]
fn page(answer: &Answer) -> Page {
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{}",
        answer.text()
    );
    Page::from(answer.text())
}

/// The page at a path.
#[track_caller]
fn open(server: &Server, path: &str) -> Page {
    page(&server.browse("GET", path, &[], "").is(200))
}
