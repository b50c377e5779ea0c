//! The whole file, of every golden history.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use althing::governance::event::OPERATIONS;
use althing::pages::STYLE;
use althing::pages::timeline::{GROUPS, group};
use althing::testing::{Assembly, actions};

use super::Page;

const SEGMENT: &str = "ledger/00000000000000000001.jsonl";

/// Every golden ledger, by its name.
fn golden() -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let histories = fs::read_dir(dir.join("histories")).unwrap();
    let mut ledgers: Vec<PathBuf> = histories.map(|entry| entry.unwrap().path()).collect();
    ledgers.push(dir.join("ledger-v1"));
    assert!(ledgers.len() > 40);
    let read = |path: PathBuf| {
        let bytes = fs::read(path.join(SEGMENT)).unwrap();
        (path, bytes)
    };
    ledgers.into_iter().map(read).collect()
}

#[test]
fn every_link_leads_to_something_and_every_line_comes_back() {
    let mut links = 0;
    for (path, ledger) in golden() {
        let page = Page::of(&ledger);
        let ids: Vec<&str> = (page.all("[id]").iter())
            .map(|it| it.attr("id").unwrap())
            .collect();
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "{}", path.display());
        for link in page.all("a") {
            let target = link.attr("href").unwrap().strip_prefix('#');
            let target = target.expect("one file links to itself only");
            assert!(distinct.contains(target), "{target} of {}", path.display());
            links += 1;
        }
        for label in page.all("[aria-labelledby], label[for]") {
            let named = label.attr("aria-labelledby").or(label.attr("for")).unwrap();
            assert!(distinct.contains(named), "{named}");
        }
        assert_eq!(page.lines().as_bytes(), ledger, "{}", path.display());
    }
    assert!(links > 4_000, "{links}");
}

#[test]
fn every_operation_can_be_hidden_by_a_box_without_a_script() {
    let page = Page::of_assembly(&Assembly::of(&[1, 1]));
    for operation in OPERATIONS {
        let group = group(operation);
        assert!(GROUPS.iter().any(|(name, _)| *name == group), "{operation}");
        let rule = format!("section:has(#show-{group}:not(:checked)) .g-{group}");
        assert!(STYLE.contains(&rule), "{rule}");
        let boxes = page.all(&format!(
            "#timeline input[type=checkbox]#show-{group}[checked]"
        ));
        assert_eq!(boxes.len(), 1, "{group}");
    }
    assert_eq!(
        page.all("#timeline input[type=checkbox]").len(),
        GROUPS.len()
    );
}

#[test]
fn headings_go_down_one_step_at_a_time() {
    let (_, ledger) = golden().pop().unwrap();
    let page = Page::of(&ledger);
    let levels = page.all("h1, h2, h3, h4, h5, h6");
    let levels: Vec<u32> = (levels.iter())
        .map(|it| it.value().name()[1..].parse().unwrap())
        .collect();
    assert_eq!(levels[0], 1);
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    for pair in levels.windows(2) {
        assert!(pair[1] <= pair[0] + 1, "{levels:?}");
    }
}

#[test]
fn many_predictions_are_few_rows_and_all_their_lines_are_there() {
    let mut assembly = Assembly::of(&[1, 1]);
    for index in 0..1_103 {
        assembly.predict(if index % 2 == 0 { "one" } else { "two" });
    }
    assembly.propose(0, actions::authorize_model("one"));
    assembly.predict("one");
    let page = Page::of_assembly(&assembly);
    let rows = page.all("#timeline-rows > li.g-predictions");
    let places: Vec<_> = (rows.iter())
        .map(|row| {
            (
                row.attr("data-first").unwrap(),
                row.attr("data-last").unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("4", "503"),
            ("504", "1003"),
            ("1004", "1106"),
            ("1108", "1108")
        ]
    );
    assert_eq!(page.lines().as_bytes(), assembly.bytes());
    let first = &page.all_words("#timeline-rows > li#entry-4 .what");
    assert!(
        first.starts_with("500 predictions by urn:model:one, urn:model:two"),
        "{first}"
    );
    let models = page.all_words("#predictions article.model > p");
    assert!(
        models.contains("0 under a grant, 553 outside any grant"),
        "{models}"
    );
    assert!(
        page.all_words("#predictions summary")
            .contains("the first 50")
    );
}

/// The timeline stays a list of what happened where the lines are too many to stand in a page.
#[test]
fn a_page_without_lines_asks_for_the_files() {
    let assembly = Assembly::of(&[1, 1]);
    let page = Page::with(assembly.bytes(), false);
    assert_eq!(page.lines(), "");
    assert_eq!(page.all("#timeline-rows > li").len(), 3);
    assert!(page.words("#verifier").contains("too long for its lines"));
    assert_eq!(
        page.all("#verifier[data-lines=none] details[open] input[type=file]")
            .len(),
        1
    );
}
