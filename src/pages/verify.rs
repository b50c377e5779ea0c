//! Checking every line in the reader's own browser.

use maud::{Markup, html};

use super::Document;
use super::links::Links;
use super::parts;
use crate::views::checkpoint::CheckpointView;

/// The page. The lines themselves stand in the timeline.
#[must_use]
pub fn page(document: &Document, links: Links) -> Markup {
    let state = &document.state;
    html! {
        p { "Your browser can compute every hash of this ledger itself, from the lines as they were recorded. "
            "It needs no network, and nobody's word but its own." }
        div #verifier data-entries=(state.entries) data-head=(state.head) data-root=(document.root)
            data-lines=(if document.history.keeps_lines() { "page" } else { "none" }) {
            p.needs-script hidden {
                button #verify-start type="button" { "Verify in this browser" }
            }
            p.notice.without-script { "This needs JavaScript, which is off. "
                "Without it: " code { "althing verify" } ", or the commands below." }
            div.needs-script hidden {
                details open[!document.history.keeps_lines()] {
                    summary { "Verify the ledger's own files, or against a checkpoint of your own" }
                    @if !document.history.keeps_lines() {
                        p { "The ledger is too long for its lines to stand in this page. Choose its files." }
                    }
                    p { label for="verify-files" { "Files of the ledger, " code { "*.jsonl" } ", all of them: " }
                        input #verify-files type="file" multiple accept=".jsonl"; }
                    p { label for="verify-note" { "A checkpoint that you hold:" } br;
                        textarea #verify-note rows="5" spellcheck="false" autocomplete="off" {} }
                }
            }
            p #verify-progress hidden { progress #verify-bar max="1" value="0" aria-label="Verified so far" {} " "
                span #verify-count {} }
            div #verify-result role="status" {}
        }
        h3 { "What it is compared with" }
        dl.facts {
            dt { "Entries" } dd { (state.entries) }
            dt { "Head" } dd { (parts::hash(&state.head)) }
            dt { "Merkle root" } dd { (parts::hash(&document.root)) }
        }
        @match &document.checkpoint {
            Some(checkpoint) => (note(checkpoint, links)),
            None => p { "No checkpoint came with this page, so head and root are only what its maker says: they "
                "show that page and lines belong together, not that nothing was cut off or written anew. "
                "Compare a checkpoint that you hold." },
        }
        h3 { "What it shows, and what it does not" }
        ul.plain {
            li { "It shows that no byte of a line was changed, left out or put elsewhere since the head, the root "
                "or the checkpoint was made that you compare with." }
            li { "It does not check signatures (browsers have no ML-DSA) and does not decide anything again: "
                code { "althing verify" } " does both." }
            li { "The words of this page were written by whoever exported it. Each entry of the timeline holds "
                "the line itself; its number, time and operation are compared with what the page says." }
            li { "The script is part of this page. To rely on none of it, use the ledger's files with "
                code { "sha256sum" } ", " code { "jq" } " or the verifiers in other languages that come with Althing." }
        }
        h3 { "By hand" }
        p { "The hash of line 5, and what the line states:" }
        pre tabindex="0" { "sed -n 5p FILE | head -c -82 | sha256sum\nsed -n 5p FILE | jq -r .entry_hash" }
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
