//! `althing export --format html`.

use std::fs;

use super::Page;
use crate::cli::harness::World;

#[test]
fn the_page_is_written_to_a_file_a_directory_or_standard_output() {
    let world = World::founded();
    world.propose("authorize-model did:example:triage", "2026-01-01T01:00:00Z");
    let now = "--now 2026-01-01T02:00:00Z";
    let dir = world.path("evidence");
    fs::create_dir(&dir).unwrap();
    let file = world.path("page.html");
    let page = world
        .run(&format!("export --format html {now}"))
        .ok()
        .stdout;
    for (out, written) in [(&file, file.clone()), (&dir, format!("{dir}/audit.html"))] {
        world.run(&format!("export --format html {out} {now}")).ok();
        assert!(fs::read_to_string(&written).unwrap() == page, "{written}");
    }
    let page = Page::from(page);
    assert_eq!(page.lines().as_bytes(), world.bytes());
    assert_eq!(page.words("h1"), "parliament");
}

#[test]
fn a_checkpoint_comes_with_who_signed_it() {
    let world = World::founded();
    let file = world.path("checkpoint.txt");
    world
        .run(&format!(
            "checkpoint create --as ada --as bea --as cid -o {file} --now 2026-01-01T01:00:00Z"
        ))
        .ok();
    let run = world
        .run(&format!("export --format html --checkpoint {file}"))
        .ok();
    let page = Page::from(run.stdout);
    let note: String = page.all("#checkpoint-note")[0].text().collect();
    assert_eq!(note, fs::read_to_string(&file).unwrap());
    let verify = page.words("#verify");
    assert!(
        verify.contains("over 6 entries, signed by 3 of 4 active weight. more than two thirds"),
        "{verify}"
    );
    assert!(
        page.words("#overview")
            .contains("Over 6 entries, signed by 3 of 4 weight")
    );
}

#[test]
fn no_page_is_made_of_what_does_not_hold() {
    let (world, other) = (World::founded(), World::founded());
    let foreign = world.path("foreign.txt");
    other
        .run(&format!(
            "checkpoint create --as ada -o {foreign} --now 2026-01-01T01:00:00Z"
        ))
        .ok();
    let out = world.path("page.html");
    let cases = [
        (
            format!("export --format html --checkpoint {foreign} {out}"),
            12,
            "checkpoint.other-ledger",
        ),
        (format!("export --format jsonl {out}"), 2, "export.option"),
        (
            format!("export --format audit-json --checkpoint {foreign}"),
            2,
            "export.option",
        ),
    ];
    for (line, exit, code) in cases {
        world.run(&format!("{line} --json")).fails(exit, code);
    }
    let mut bytes = world.bytes();
    bytes[200] ^= 1;
    fs::write(world.segment(), bytes).unwrap();
    world
        .run(&format!("export --format html {out} --json"))
        .fails(10, "chain.hash");
    assert!(!fs::exists(&out).unwrap());
}
