//! Checking every line in the reader's own browser.

use maud::{Markup, html};

use super::links::Links;
use super::parts;
use crate::governance::digest::Digest;
use crate::views::checkpoint::CheckpointView;

/// Where the lines are that are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// In the timeline of the page.
    Page,
    /// Only in the ledger's files.
    Files,
    /// The server gives them, or the ledger's files are chosen.
    Server,
}

impl Lines {
    const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Files => "none",
            Self::Server => "server",
        }
    }
}

/// What the page shows.
#[derive(Debug, Clone, Copy)]
pub struct Verify<'a> {
    /// How many entries there are.
    pub entries: u64,
    /// The hash of the last one.
    pub head: Digest,
    /// The root over all of them.
    pub root: Digest,
    /// The checkpoint that the ledger was held against.
    pub checkpoint: Option<&'a CheckpointView>,
    /// Where the lines are.
    pub lines: Lines,
}

/// The page.
#[must_use]
pub fn page(verify: &Verify<'_>, links: Links) -> Markup {
    let is_served = verify.lines == Lines::Server;
    html! {
        @if is_served { (against_whom()) } @else {
            p { "Your browser can compute every hash of this ledger itself, from the lines as they were recorded. "
                "It needs no network, and nobody's word but its own." }
        }
        div #verifier data-entries=(verify.entries) data-head=(verify.head) data-root=(verify.root)
            data-lines=(verify.lines.name()) {
            @if is_served { (held_note()) }
            p.needs-script hidden {
                button #verify-start type="button" { "Verify in this browser" }
            }
            (without_script(verify.lines))
            (chosen(verify.lines))
            p #verify-progress hidden { progress #verify-bar max="1" value="0" aria-label="Verified so far" {} " "
                span #verify-count {} }
            div #verify-result role="status" {}
            @if is_served { ol.timeline #verify-place {} }
        }
        h3 { "What it is compared with" }
        dl.facts {
            dt { "Entries" } dd { (verify.entries) }
            dt { "Head" } dd { (parts::hash(&verify.head)) }
            dt { "Merkle root" } dd { (parts::hash(&verify.root)) }
        }
        @match &verify.checkpoint {
            Some(checkpoint) => (note(checkpoint, links)),
            None if is_served => p { "These are this server's words, as of when it made this page; the checkpoint that it "
                "gives when you verify is, too. If more was recorded meanwhile, that is verified as well." },
            None => p { "No checkpoint came with this page, so head and root are only what its maker says: they "
                "show that page and lines belong together, not that nothing was cut off or written anew. "
                "Compare a checkpoint that you hold." },
        }
        (limits(is_served))
        h3 { "By hand" }
        @if is_served {
            p { "A copy of the ledger, and everything checked, signatures and decisions included:" }
            pre tabindex="0" { (COPY) }
        }
        p { "The hash of line 5, and what the line states:" }
        pre tabindex="0" { "sed -n 5p FILE | head -c -82 | sha256sum\nsed -n 5p FILE | jq -r .entry_hash" }
    }
}

/// Copies the ledger of a server, and verifies it.
pub const COPY: &str = "mkdir -p COPY/ledger
curl -fsS URL/v1/segments | jq -r '.segments[].name' | while read -r name; do
    curl -fsS \"URL/v1/segments/$name\" -o \"COPY/ledger/$name\"
done
althing verify --ledger COPY --checkpoint FILE";

fn against_whom() -> Markup {
    html! {
        p { "Your browser fetches the ledger's files from this server, and computes every hash, every link and the "
            "Merkle root itself. It takes nobody's word for what it computes." }
        p.notice { strong { "Against whom this holds." } " What the server says about itself proves only that it "
            "is consistent: who wrote the whole history anew can show that, too. Compare a "
            "checkpoint that you got elsewhere: from a node that signed it, or from your last audit. Then "
            "nothing that it covers can have been changed, left out or cut off." }
    }
}

fn note_field() -> Markup {
    html! {
        p { label for="verify-note" { "A checkpoint that you hold:" } br;
            textarea #verify-note rows="5" spellcheck="false" autocomplete="off" {} }
    }
}

/// Where an auditor puts in what the server can't have made up.
fn held_note() -> Markup {
    html! {
        div.needs-script hidden {
            (note_field())
            p { label for="verify-note-file" { "or open it: " } input #verify-note-file type="file" accept=".txt,text/plain"; }
        }
    }
}

fn without_script(lines: Lines) -> Markup {
    html! {
        p.notice.without-script { "This needs JavaScript, which is off. "
            @if lines == Lines::Server { "Without it, verify by command: see below." }
            @else { "Without it: " code { "althing verify" } ", or the commands below." } }
    }
}

/// Files that are verified instead of the lines that the page has or the server gives.
fn chosen(lines: Lines) -> Markup {
    html! {
        div.needs-script hidden {
            details open[lines == Lines::Files] {
                summary { @if lines == Lines::Server { "Verify files of your own instead" }
                    @else { "Verify the ledger's own files, or against a checkpoint of your own" } }
                @if lines == Lines::Files {
                    p { "The ledger is too long for its lines to stand in this page. Choose its files." }
                }
                p { label for="verify-files" { "Files of the ledger, " code { "*.jsonl" } ", all of them: " }
                    input #verify-files type="file" multiple accept=".jsonl"; }
                @if lines != Lines::Server { (note_field()) }
            }
        }
    }
}

fn limits(is_served: bool) -> Markup {
    html! {
        h3 { "What it shows, and what it does not" }
        ul.plain {
            li { "It shows that no byte of a line was changed, left out or put elsewhere since the head, the root "
                "or the checkpoint was made that you compare with." }
            li { "It does not check signatures (browsers have no ML-DSA) and does not decide anything again: "
                code { "althing verify" } " does both." }
            @if is_served {
                li { "The words of the other pages are the server's. Each entry of the timeline holds the line itself." }
                li { "The script comes from this server, too. To rely on none of it, fetch the ledger's files ("
                    a href="/v1/segments" { "their list" } ") and use " code { "sha256sum" } ", " code { "jq" }
                    " or the verifiers in other languages that come with Althing; or choose the files in a page that "
                    code { "althing export --format html" } " made elsewhere." }
            } @else {
                li { "The words of this page were written by whoever exported it. Each entry of the timeline holds "
                    "the line itself; its number, time and operation are compared with what the page says." }
                li { "The script is part of this page. To rely on none of it, use the ledger's files with "
                    code { "sha256sum" } ", " code { "jq" } " or the verifiers in other languages that come with Althing." }
            }
        }
    }
}

fn note(checkpoint: &CheckpointView, links: Links) -> Markup {
    html! {
        p { "A checkpoint over " (checkpoint.size) " entries, signed by "
            (checkpoint.signed_weight) " of " (checkpoint.active_weight) " active weight. "
            @if checkpoint.believed { (parts::badge("good", "more than two thirds")) }
            @else { (parts::badge("bad", "too few")) } }
        ul.plain {
            @for signer in &checkpoint.signers {
                li { (parts::node(signer.node, &signer.name, links)) ", weight " (signer.weight) }
            }
        }
        details {
            summary { "The signed note" }
            pre #checkpoint-note tabindex="0" { "\n" (checkpoint.checkpoint) }
        }
    }
}
