//! The pages for auditors, read as a browser reads them.

#[cfg(feature = "cli")]
mod command;
mod hostile;
mod policy;
mod says;
mod whole;

use althing::chain::line::Line;
use althing::chain::lines::LineReader;
use althing::pages::{self, Document};
use althing::replay::{Unchecked, replay};
use althing::testing::Assembly;
use althing::views::history::History;
use scraper::{ElementRef, Html, Selector};

/// A page as text and as a browser has it.
pub struct Page {
    pub text: String,
    pub html: Html,
}

impl Page {
    /// The page of a ledger.
    pub fn of(ledger: &[u8]) -> Self {
        Self::with(ledger, true)
    }

    /// The page of a ledger, with its lines or without.
    pub fn with(ledger: &[u8], keeps_lines: bool) -> Self {
        let replayed = replay(ledger, &Unchecked).expect("the ledger is sound");
        let mut history = History::new(keeps_lines);
        let mut lines = LineReader::new(ledger);
        while let Some(raw) = lines.next_line().unwrap() {
            let line = Line::decode(raw.bytes).unwrap();
            history.read(&line, std::str::from_utf8(raw.bytes).unwrap());
        }
        let at = replayed.state.clock();
        let (head, root) = (replayed.head.hash, replayed.merkle.root());
        Self::from(pages::file(&Document::of(
            &replayed.state,
            head,
            root,
            at,
            history,
            None,
        )))
    }

    /// The page of what an assembly recorded, as of its own clock.
    pub fn of_assembly(assembly: &Assembly) -> Self {
        Self::of(assembly.bytes())
    }

    pub fn from(text: String) -> Self {
        let html = Html::parse_document(&text);
        assert!(html.errors.is_empty(), "{:?}", html.errors);
        Self { text, html }
    }

    /// The elements that a selector finds.
    pub fn all(&self, selector: &str) -> Vec<ElementRef<'_>> {
        let selector = Selector::parse(selector).expect("a selector");
        self.html.select(&selector).collect()
    }

    /// The words of the only element that a selector finds, spaces made one.
    pub fn words(&self, selector: &str) -> String {
        let found = self.all(selector);
        assert_eq!(found.len(), 1, "{selector}");
        words(found[0])
    }

    /// The words of every element that a selector finds, one after the other.
    pub fn all_words(&self, selector: &str) -> String {
        let words: Vec<String> = self.all(selector).into_iter().map(words).collect();
        words.join("\n")
    }

    /// The lines that stand in the page, put together again as its script does it.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for pre in self.all("#timeline-rows pre.lines") {
            for child in pre.children() {
                if let Some(text) = child.value().as_text() {
                    lines.push_str(text);
                } else {
                    let code = ElementRef::wrap(child).expect("an element").text();
                    let code: String = code.collect();
                    let number = &code["\\u{".len()..code.len() - 1];
                    let number = u32::from_str_radix(number, 16).expect("a number");
                    lines.push(char::from_u32(number).expect("a character"));
                }
            }
            if !lines.ends_with('\n') {
                lines.push('\n');
            }
        }
        lines
    }
}

fn words(element: ElementRef<'_>) -> String {
    let text: String = element.text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
