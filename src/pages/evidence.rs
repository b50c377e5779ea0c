//! Evidence: what a node signed, side by side.

use maud::{Markup, html};

use super::links::{Links, evidence_anchor};
use super::parts;
use crate::governance::ballot::Ballot;
use crate::governance::digest::Digest;
use crate::governance::evidence::{ContradictingHeads, SignedHead};
use crate::governance::statement::Signed;
use crate::views::evidence::{EvidenceSummary, Statements};

/// A piece of evidence with what it consists of.
#[derive(Debug, Clone)]
pub struct EvidencePage {
    /// What a list shows of it.
    pub summary: EvidenceSummary,
    /// The two statements.
    pub statements: Statements,
}

/// One line of a comparison.
struct Pair {
    name: &'static str,
    one: String,
    other: String,
}

impl Pair {
    fn new(name: &'static str, one: impl ToString, other: impl ToString) -> Self {
        Self {
            name,
            one: one.to_string(),
            other: other.to_string(),
        }
    }
}

/// All evidence.
#[must_use]
pub fn page(evidence: &[EvidencePage], links: Links) -> Markup {
    html! {
        @if evidence.is_empty() { p { "No node was found to contradict itself." } }
        @for evidence in evidence { (detail(evidence, links)) }
    }
}

/// One piece of evidence.
#[must_use]
pub fn detail(evidence: &EvidencePage, links: Links) -> Markup {
    let summary = &evidence.summary;
    let (what, heads, pairs) = comparison(&evidence.statements);
    html! {
        article.evidence id=(evidence_anchor(summary.seq)) {
            h3 { (parts::said(&summary.name)) " signed two " (what) " that contradict each other" }
            p {
                "Recorded in " (parts::entry(summary.seq, links)) ", " (parts::time(summary.at)) " UTC. "
                (parts::node(summary.node, &summary.name, links))
                @if summary.suspended { " was suspended by it. " (parts::badge("bad", "suspended")) }
                @else { " was not suspended by it: it was already, or it is the last active node." }
                @if let Some(proposal) = summary.proposal_id {
                    " On " a href=(links.proposal(proposal)) { "proposal " (proposal.short()) } "."
                }
            }
            div.scroll tabindex="0" role="region" aria-label={ "Evidence of entry " (summary.seq) } {
                table.compared {
                    thead { tr {
                        th scope="col" { span.unseen { "What" } }
                        th scope="col" { (heads[0]) } th scope="col" { (heads[1]) }
                        th scope="col" { span.unseen { "Whether they differ" } }
                    } }
                    tbody { @for pair in &pairs { (row(pair)) } }
                }
            }
            p.quiet { "Both signatures verify under a key that the registry held for the node; althing checked them "
                (match links {
                    Links::Anchors => "when it made this page.",
                    Links::Paths => "when the evidence was recorded.",
                }) }
        }
    }
}

fn row(pair: &Pair) -> Markup {
    let differs = pair.one != pair.other;
    html! {
        tr.differs[differs] {
            th scope="row" { (pair.name) }
            @for side in [&pair.one, &pair.other] {
                td { @if differs { mark { (parts::prose(side)) } } @else { (parts::prose(side)) } }
            }
            td { @if differs { "differs" } @else { span.quiet { "same" } } }
        }
    }
}

fn comparison(statements: &Statements) -> (&'static str, [&'static str; 2], Vec<Pair>) {
    match statements {
        Statements::Ballots(ballots) => (
            "ballots",
            ["One ballot", "The other"],
            of_ballots(&ballots.first, &ballots.second),
        ),
        Statements::Checkpoints(heads) => (
            "checkpoints",
            ["One checkpoint", "The other"],
            of_checkpoints(heads),
        ),
        Statements::Consensus(said) => {
            let value =
                |value: Option<Digest>| value.map_or("none".to_owned(), |it| it.to_string());
            let pairs = vec![
                Pair::new("Height", said.height, said.height),
                Pair::new("Round", said.round, said.round),
                Pair::new("Step", said.step.name(), said.step.name()),
                Pair::new("Value", value(said.first.value), value(said.second.value)),
            ];
            ("messages of consensus", ["One message", "The other"], pairs)
        }
    }
}

fn of_ballots(first: &Signed<Ballot>, second: &Signed<Ballot>) -> Vec<Pair> {
    let (one, other) = (first.content(), second.content());
    vec![
        Pair::new("Decision", one.decision, other.decision),
        Pair::new("Proposal", one.proposal_id, other.proposal_id),
        Pair::new("Proposal's hash", one.proposal_hash, other.proposal_hash),
        Pair::new("Voter", one.voter, other.voter),
        Pair::new("Cast at", one.cast_at, other.cast_at),
        Pair::new("Vote id", one.vote_id, other.vote_id),
        Pair::new("Rationale", &one.rationale, &other.rationale),
    ]
}

fn of_checkpoints(heads: &ContradictingHeads) -> Vec<Pair> {
    let (one, other): (&SignedHead, &SignedHead) = (&heads.first, &heads.second);
    let mut pairs = vec![
        Pair::new("Ledger", heads.origin, heads.origin),
        Pair::new("Entries", one.size, other.size),
        Pair::new("Root", one.root, other.root),
        Pair::new(
            "Signed (seconds since 1970)",
            one.posix_seconds,
            other.posix_seconds,
        ),
    ];
    if let Some(divergence) = &heads.divergence {
        pairs.push(Pair::new(
            "Root over the smaller size",
            one.root,
            divergence.root,
        ));
    }
    pairs
}
