//! Proposals: the list, and each with its count, its life and its ballots.

use maud::{Markup, html};

use super::Document;
use super::links::{Links, Place, proposal_anchor};
use super::lists::Cut;
use super::parts::{self, Segment};
use crate::governance::state::State;
use crate::governance::state::proposal::{ProposalState, Status};
use crate::governance::tally::Standing;
use crate::governance::time::Timestamp;
use crate::views::counting::{Condition, ConditionKind, Outlook, Voter};
use crate::views::history::Entry;
use crate::views::proposals::{BallotView, ProposalSummary, ProposalView};
use crate::views::text;

/// With more proposals than this, those that are over are folded.
const UNFOLDED: usize = 12;

/// Everything that is shown of one proposal.
#[derive(Debug, Clone)]
pub struct ProposalPage {
    /// The proposal.
    pub view: ProposalView,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// What would decide it, while it is open for ballots.
    pub outlook: Option<Outlook>,
    /// Weight that has not voted and no longer may.
    pub barred_weight: u64,
}

impl ProposalPage {
    /// One proposal as of `at`.
    #[must_use]
    pub fn of(proposal: &ProposalState, state: &State, at: Timestamp) -> Self {
        Self {
            view: ProposalView::of(proposal, state, at),
            conditions: Condition::all(proposal),
            outlook: Outlook::of(proposal, state),
            barred_weight: proposal.tally().barred(),
        }
    }
}

/// All proposals.
#[must_use]
pub fn page(document: &Document, links: Links) -> Markup {
    let folds = document.proposals.len() > UNFOLDED;
    html! {
        @if document.proposals.is_empty() { p { "Nothing was proposed yet." } }
        @else { (list(document.proposals.iter().map(|it| &it.view.summary), links)) }
        @for proposal in &document.proposals {
            @let open = !folds || !proposal.view.summary.status.is_final();
            article.proposal id=(proposal_anchor(proposal.view.summary.proposal_id)) {
                details open[open] {
                    summary {
                        h3 { (parts::said(&proposal.view.summary.title)) }
                        " " (parts::status(proposal.view.summary.status))
                    }
                    (detail(proposal, document.history.life(proposal.view.summary.proposal_id), links))
                }
            }
        }
    }
}

/// The list of a server: some of the proposals, the newest first, and where others are.
#[must_use]
pub fn cut(cut: &Cut<'_, ProposalSummary>, wanted: Option<Status>, links: Links) -> Markup {
    let page = links.place(Place::Proposals);
    html! {
        form.filters method="get" action=(page) aria-label="Filters" {
            label { "Status " select name="status" {
                option value="" { "any" }
                @for status in Status::ALL {
                    option value=(status.name()) selected[wanted == Some(status)] { (status.name()) }
                }
            } }
            span.do { button type="submit" { "Show" } " "
                @if wanted.is_some() { a href=(page) { "Everything" } } }
        }
        @match (cut.shown.is_empty(), wanted) {
            (true, None) => p { "Nothing was proposed yet." },
            (true, Some(status)) => p { "No proposal is " (status.name()) "." },
            (false, _) => (list(cut.shown.iter(), links)),
        }
        (cut.steps("Other proposals"))
    }
}

fn list<'a>(summaries: impl Iterator<Item = &'a ProposalSummary>, links: Links) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="List of proposals" {
            table {
                thead { tr {
                    th scope="col" { "Proposal" } th scope="col" { "Status" } th scope="col" { "Asks for" }
                    th.number scope="col" { "Approve" } th.number scope="col" { "Reject" }
                    th.number scope="col" { "Of" }
                } }
                tbody {
                    @for summary in summaries {
                        tr {
                            th scope="row" {
                                a href=(links.proposal(summary.proposal_id)) { (parts::said(&summary.title)) }
                            }
                            td { (parts::status(summary.status)) }
                            td { (summary.kind) br; small { (parts::said(&summary.subject)) } }
                            td.number { (summary.approve_weight) } td.number { (summary.reject_weight) }
                            td.number { (summary.total_weight) }
                        }
                    }
                }
            }
        }
    }
}

/// The page of one proposal.
#[must_use]
pub fn single(proposal: &ProposalPage, life: &[Entry], links: Links) -> Markup {
    let id = proposal.view.summary.proposal_id;
    let timeline = links.place(Place::Timeline);
    html! {
        p { (parts::status(proposal.view.summary.status)) " "
            a href=(links.place(Place::Proposals)) { "All proposals" } }
        article.proposal id=(proposal_anchor(id)) { (detail(proposal, life.iter(), links)) }
        p { a href=(super::links::query(&timeline, [("proposal", id.to_string())])) { "Every entry about it" } }
    }
}

/// One proposal; `life` are the entries that concern it, ballots excepted.
pub fn detail<'a>(
    proposal: &ProposalPage,
    life: impl Iterator<Item = &'a Entry>,
    links: Links,
) -> Markup {
    let view = &proposal.view;
    let summary = &view.summary;
    html! {
        @if !view.description.is_empty() { blockquote { (parts::prose(&view.description)) } }
        dl.facts {
            dt { "Asks for" } dd { (summary.kind) " " (parts::said(&summary.subject)) }
            dt { "Proposed by" } dd { (parts::node(summary.proposer, &view.proposer_name, links)) }
            dt { "Ballots until" } dd { (parts::time(summary.deadline)) " UTC" }
            @if let (Some(from), Some(until)) = (view.executable_from, view.executable_until) {
                dt { "Executable" } dd { "from " (parts::time(from)) " until " (parts::time(until)) " UTC" }
            }
            @if view.tainted {
                dt { "Tainted" } dd { "A voter was found Byzantine after it was carried out; it stands." }
            }
            dt { "Proposal" } dd { code.hash { (summary.proposal_id) } }
            dt { "Every ballot signs" } dd { (parts::hash(&view.proposal_hash)) }
        }
        (count(proposal))
        @if let Some(outlook) = &proposal.outlook { (what_decides(outlook, links)) }
        h4 { "Life" }
        ol.life {
            @for entry in life {
                li {
                    strong { (entry.operation.replace('_', " ")) } " "
                    (parts::time(entry.at)) ", " (parts::entry(entry.seq, links))
                }
            }
            @if !summary.status.is_final() { li.now { (waits(summary.status)) } }
        }
        (ballots(view, links))
        details.terms {
            summary { "Terms, as they were signed" }
            pre tabindex="0" { (text::escaped_lines(&terms(view)).join("\n")) }
        }
    }
}

const fn waits(status: Status) -> &'static str {
    match status {
        Status::Voting => "open for ballots, or waiting to be closed",
        _ => "waiting to be carried out",
    }
}

fn terms(view: &ProposalView) -> String {
    let terms = serde_json::json!({"action": view.action, "parameters": view.parameters});
    serde_json::to_string_pretty(&terms).unwrap_or_default()
}

fn count(proposal: &ProposalPage) -> Markup {
    let summary = &proposal.view.summary;
    let total = summary.total_weight;
    let uncast = if proposal.outlook.is_some() {
        "may still vote"
    } else {
        "had not voted"
    };
    let parts = [
        ("approve", "approve", summary.approve_weight),
        ("reject", "reject", summary.reject_weight),
        ("abstain", "abstain", summary.abstain_weight),
        ("byzantine", "Byzantine", summary.byzantine_weight),
        ("uncast", uncast, proposal.view.uncast_weight),
        ("barred", "no longer votes", proposal.barred_weight),
    ];
    let segments = parts.map(|(class, _, weight)| Segment { class, weight });
    html! {
        h4 { "Count" }
        div.count {
            (parts::bar(&segments, total, None))
            ul.legend {
                @for (class, name, weight) in parts {
                    @if weight > 0 { li { span class={ "key " (class) } {} (name) " " strong { (weight) } } }
                }
                li { "of " strong { (total) } }
            }
        }
        ul.conditions { @for condition in &proposal.conditions { (self::condition(condition)) } }
    }
}

fn condition(condition: &Condition) -> Markup {
    let Condition {
        share,
        weight,
        of,
        needed,
        holds,
        ..
    } = *condition;
    let (name, asks, class) = match condition.kind {
        ConditionKind::Quorum => (
            "Quorum",
            format!("at least {share} of all weight takes part"),
            "part",
        ),
        ConditionKind::Approval => (
            "Approval",
            format!("at least {share} of the deciding weight approves"),
            "approve",
        ),
        ConditionKind::Absolute => (
            "Majority of all",
            format!("more than {share} of all weight approves"),
            "approve",
        ),
    };
    let mark = (of > 0).then_some(needed.min(of));
    html! {
        li {
            p {
                strong { (name) } ": " (asks) ". "
                @if of > 0 { (weight) " of " (of) "; " (needed) " needed. " } @else { "Nobody has decided yet. " }
                (parts::badge(if holds { "good" } else { "over" }, if holds { "holds" } else { "does not hold" }))
            }
            (parts::bar(&[Segment { class, weight }], of, mark))
        }
    }
}

fn what_decides(outlook: &Outlook, links: Links) -> Markup {
    html! {
        h4 { "What would decide it" }
        ul.plain {
            li { "If nobody else votes: " strong { (outlook.if_nobody_votes.name()) } "." }
            li {
                @match outlook.approval_to_pass {
                    Some(0) => "It has what it needs to pass at its deadline.",
                    Some(weight) => { "To pass: at least " strong { (weight) } " more weight that approves." },
                    None => "It can't pass any more.",
                }
            }
            @if let Some(weight) = outlook.rejection_to_fail {
                li {
                    @if weight == 0 { "Passing is out of reach." }
                    @else { "To fail for certain: at least " strong { (weight) } " more weight that rejects." }
                }
            }
            @if outlook.decided_early {
                li { "It is decided as soon as no further ballot can change the outcome." }
            }
            li {
                "May still vote: "
                @if outlook.may_vote.is_empty() { "nobody." }
                @for (index, voter) in outlook.may_vote.iter().enumerate() {
                    @if index > 0 { ", " }
                    (parts::node(voter.node, &voter.name, links)) " (" (voter.weight) (alone(voter)) ")"
                }
            }
        }
    }
}

const fn alone(voter: &Voter) -> &'static str {
    match (voter.approval_decides, voter.rejection_decides) {
        (true, true) => ", decides it either way",
        (true, false) => ", its approval decides",
        (false, true) => ", its rejection decides",
        (false, false) => "",
    }
}

fn ballots(view: &ProposalView, links: Links) -> Markup {
    html! {
        h4 { "Ballots" }
        div.scroll tabindex="0" role="region" aria-label={ "Ballots on proposal " (view.summary.proposal_id.short()) } {
            table {
                thead { tr {
                    th scope="col" { "Node" } th.number scope="col" { "Weight" } th scope="col" { "Ballot" }
                    th scope="col" { "Counts as" } th scope="col" { "Recorded" } th scope="col" { "Rationale" }
                } }
                tbody { @for ballot in &view.electorate { (row(ballot, links)) } }
            }
        }
    }
}

fn row(ballot: &BallotView, links: Links) -> Markup {
    let class = match ballot.standing {
        Standing::Byzantine => "bad",
        Standing::Approve | Standing::Reject | Standing::Abstain => "plain",
        Standing::Uncast | Standing::Barred => "over",
    };
    html! {
        tr {
            th scope="row" { (parts::node(ballot.voter, &ballot.name, links)) }
            td.number { (ballot.weight) }
            td { @match ballot.decision { Some(decision) => (decision), None => "–" } }
            td { (parts::badge(class, text::standing(ballot.standing))) }
            td { @if let (Some(at), Some(seq)) = (ballot.recorded_at, ballot.seq) {
                (parts::time(at)) br; small { (parts::entry(seq, links)) }
            } }
            td { (parts::prose(ballot.rationale.as_deref().unwrap_or_default())) }
        }
    }
}
