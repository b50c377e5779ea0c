//! Text from a ledger is text, whatever stands in it.

use althing::governance::ballot::Decision;
use althing::governance::command::Command;
use althing::governance::label::{Label, Prose, Title};
use althing::testing::{Assembly, actions};

use super::Page;

/// Ends a script, an element, a comment, an attribute; loads and runs something.
const MARKUP: &str =
    "</script></style></pre><!--<img src=x onerror=alert(1)>\" onfocus='alert(1)' ]]>&lt;&#60;";

/// Turns the direction of writing, hides, moves a cursor, ends a line.
const UNSEEN: &str =
    "\u{202e}gnp.exe\u{200b}\u{2066}\u{feff}\u{1b}[2J\u{7}\r\n\u{2028}\u{85}\u{0}end";

fn ledger() -> Assembly {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let mut draft = assembly.draft(0, actions::authorize_model("</script><img>"));
    draft.title = MARKUP.parse::<Title>().unwrap();
    draft.description = format!("{MARKUP}{UNSEEN}").parse::<Prose>().unwrap();
    draft.parameters.insert(MARKUP.to_owned(), UNSEEN.into());
    let proposal = draft.proposal_id;
    let signed = assembly.sign(0, draft);
    assembly.accept(&Command::Propose(signed));
    for voter in [0, 1] {
        let mut ballot = assembly.ballot(voter, proposal, Decision::Approve);
        ballot.rationale = format!("{UNSEEN}{MARKUP}").parse::<Prose>().unwrap();
        let signed = assembly.sign(voter, ballot);
        assembly.accept(&Command::Vote(signed));
    }
    let mut prediction = althing::testing::prediction("</pre><b>");
    prediction.model_version = MARKUP.parse::<Label>().unwrap();
    assembly.accept(&Command::RecordPrediction(prediction));
    assembly
}

#[test]
fn markup_in_a_ledger_makes_no_element_and_no_attribute() {
    let assembly = ledger();
    let page = Page::of_assembly(&assembly);
    assert!(page.text.contains("onerror"), "the text is there");
    assert_eq!(page.all("script").len(), 1);
    assert_eq!(page.all("style").len(), 1);
    for none in [
        "img",
        "iframe",
        "object",
        "b",
        "[onerror]",
        "[onfocus]",
        "[src]",
    ] {
        assert_eq!(page.all(none).len(), 0, "{none}");
    }
    // The document goes on behind it.
    assert_eq!(page.all("body > footer").len(), 1);
    let title = page.words("#proposals article h3");
    assert_eq!(title, MARKUP);
    // And the bytes that are hashed are the ledger's.
    assert_eq!(page.lines().as_bytes(), assembly.bytes());
}

#[test]
fn nothing_is_invisible_and_nothing_turns_the_direction_of_writing() {
    let page = Page::of_assembly(&ledger());
    let unseen = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let found: Vec<char> = page.text.chars().filter(|c| unseen(*c)).collect();
    assert!(found.is_empty(), "{found:?}");
    let rationale = page.all_words("#proposals td bdi");
    assert!(
        rationale.contains("\\u{202e}gnp.exe\\u{200b}"),
        "{rationale}"
    );
}
