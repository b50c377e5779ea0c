//! Grants, and for each subject why it may act or may not, as a tree.

use maud::{Markup, html};

use super::links::{Links, Place, grant_anchor};
use super::parts;
use crate::governance::id::Subject;
use crate::governance::kind::AuthorizationKind;
use crate::governance::label::Name;
use crate::governance::provenance::{
    BallotOrigin, DecisionOrigin, FreezeOrigin, GrantOrigin, PolicyOrigin, VoterOrigin,
};
use crate::governance::state::authorization::{CheckReason, GrantStatus};
use crate::governance::tally::Standing;
use crate::governance::time::Timestamp;
use crate::views::authorizations::GrantView;
use crate::views::text;
use crate::views::why::WhyView;

/// Grants as of `at`, and where each comes from.
#[must_use]
pub fn page(at: Timestamp, grants: &[GrantView], trees: &[WhyView], links: Links) -> Markup {
    html! {
        p.quiet { "As of " (parts::time(at)) " UTC. Whoever asks names the circumstances of an action; "
            "here none are named, so a grant that is limited to some allows nothing by itself." }
        @if grants.is_empty() { p { "Nothing was ever granted." } }
        @else { (list(grants, links)) }
        @for why in trees { (tree(why, links)) }
    }
}

pub(super) fn list(grants: &[GrantView], links: Links) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="List of grants" {
            table {
                thead { tr {
                    th scope="col" { "Subject" } th scope="col" { "May act as" } th scope="col" { "Status" }
                    th scope="col" { "Expires" } th scope="col" { "Within" }
                } }
                tbody {
                    @for grant in grants {
                        tr {
                            th scope="row" { a href=(links.grant(grant.id)) { (parts::said(grant.subject.as_str())) } }
                            td { (grant.kind) }
                            td { (parts::grant_status(grant.status)) }
                            td { @match grant.expires_at { Some(at) => (parts::time(at)), None => "never" } }
                            td { (parts::said(&text::scope(&grant.scope))) }
                        }
                    }
                }
            }
        }
    }
}

/// The form in which a server is asked about a subject.
#[must_use]
pub fn question(
    kind: Option<AuthorizationKind>,
    subject: Option<&Subject>,
    context: &str,
) -> Markup {
    let action = Links::Paths.place(Place::Authorizations);
    html! {
        form.filters.question method="get" action=(action) aria-label="Ask why" {
            label { "Subject " input type="text" name="subject" autocomplete="off" spellcheck="false"
                placeholder="a model's or agent's DID or URN" value=[subject.map(Subject::as_str)]; }
            label { "Acts as " select name="kind" {
                @for it in AuthorizationKind::ALL {
                    option value=(it.name()) selected[kind == Some(it)] { (it.name()) }
                }
            } }
            label { "Where " input type="text" name="context" autocomplete="off" spellcheck="false"
                placeholder="KEY=VALUE" value=[(!context.is_empty()).then_some(context)]; }
            span.do { button type="submit" { "Ask why" } }
        }
    }
}

/// Why one subject may act, or may not.
#[must_use]
pub fn tree(why: &WhyView, links: Links) -> Markup {
    let (class, answer) = match why.reason {
        CheckReason::Granted => ("good", "allowed"),
        CheckReason::OutOfScope => ("open", "only in some circumstances"),
        _ => ("bad", "denied"),
    };
    html! {
        article.why {
            h3 { (why.kind) " " (parts::said(why.subject.as_str())) }
            p {
                (parts::badge(class, answer)) " "
                @if !why.allowed { (why.reason.name().replace('-', " ")) ", " }
                "as of " (parts::time(why.at)) " UTC, entry " (why.as_of_seq)
            }
            @for (name, limit) in &why.obligations {
                p { "Obligation: " (parts::said(name)) " at most " (limit) }
            }
            ul.tree {
                @for frozen in &why.freezes { li { (freeze(frozen, links)) } }
                @for origin in &why.grants {
                    li id=(grant_anchor(origin.id)) { (grant(origin, links)) }
                }
            }
        }
    }
}

fn freeze(freeze: &FreezeOrigin, links: Links) -> Markup {
    let target = String::from(freeze.target.clone());
    html! {
        p { (parts::badge("bad", "frozen")) " " (parts::said(&target)) " from " (parts::time(freeze.from))
            " until " (parts::time(freeze.until)) }
        @if let Some(origin) = &freeze.decision {
            ul { li { (decision("imposed by", origin, links)) } }
        }
    }
}

fn grant(origin: &GrantOrigin, links: Links) -> Markup {
    html! {
        p {
            (parts::grant_status(origin.status)) " grant of " (parts::entry(origin.granted_seq, links))
            ", " (parts::time(origin.granted_at))
            @if let Some(start) = origin.terms.not_before { ", not before " (parts::time(start)) }
            @match origin.terms.expires_at {
                Some(end) => { ", expires " (parts::time(end)) },
                None => ", never expires",
            }
        }
        p.quiet { "Within: " (parts::said(&text::scope(&origin.terms.scope))) }
        @if let Some(digest) = &origin.terms.artifact_digest {
            p.quiet { "Artifact: " (parts::hash(digest)) }
        }
        ul {
            @if let Some(origin) = &origin.decision { li { (decision("granted by", origin, links)) } }
            @if let Some(origin) = &origin.revoked_by { li { (decision("revoked by", origin, links)) } }
            @if let Some(parent) = &origin.parent { li { (passed_on(parent, links)) } }
        }
    }
}

/// The grant that another one passes on a part of: its own tree stands where its subject's does.
fn passed_on(parent: &GrantOrigin, links: Links) -> Markup {
    let status = if parent.status == GrantStatus::Live {
        "in force"
    } else {
        parent.status.name()
    };
    html! {
        p {
            "passed on from " a href=(links.grant(parent.id)) { "the grant of " (parts::said(parent.terms.subject.as_str())) }
            " (" (status) ")"
        }
        @if let Some(next) = &parent.parent { ul { li { (passed_on(next, links)) } } }
    }
}

fn decision(role: &str, origin: &DecisionOrigin, links: Links) -> Markup {
    let tally = &origin.tally;
    html! {
        p {
            (role) " " (origin.kind) " " a href=(links.proposal(origin.proposal_id)) { (parts::said(origin.title.as_str())) }
            " " (parts::status(origin.status))
        }
        p.quiet {
            "proposed by " (parts::node(origin.proposer, &name(origin.proposer_name.as_ref(), &origin.proposer.short()), links))
            " in " (parts::entry(origin.seq, links))
            @if let (Some(seq), Some(at)) = (origin.decided_seq, origin.decided_at) {
                "; decided " @if origin.decided_early.unwrap_or_default() { "before" } @else { "at" }
                " its deadline in " (parts::entry(seq, links)) ", " (parts::time(at))
            }
        }
        @for rule in &origin.rules {
            p.quiet { "by " (policy(origin.policy, links)) ": " (text::rule(rule)) }
        }
        p {
            "counted: " (tally.approve()) " approve, " (tally.reject()) " reject, " (tally.abstain())
            " abstain, " (tally.byzantine()) " Byzantine, of " (origin.total_weight)
        }
        @if origin.tainted { p { (parts::badge("bad", "tainted")) " a voter was found Byzantine afterwards" } }
        ul { @for member in &origin.electorate { li { (voter(member, links)) } } }
    }
}

fn policy(policy: PolicyOrigin, links: Links) -> Markup {
    html! {
        @match policy {
            PolicyOrigin::Founding => "the founding policy",
            PolicyOrigin::Proposal(change) => a href=(links.proposal(change)) { "the policy of " (change.short()) },
        }
    }
}

fn voter(voter: &VoterOrigin, links: Links) -> Markup {
    let name = name(voter.name.as_ref(), &voter.node.short());
    html! {
        p {
            (parts::node(voter.node, &name, links)) ", weight " (voter.weight.get()) ": "
            @match &voter.ballot {
                Some(ballot) => {
                    strong { (ballot.decision) }
                    @if voter.standing == Standing::Byzantine { " " (parts::badge("bad", "Byzantine: does not count")) }
                    " in " (parts::entry(ballot.seq, links))
                },
                None if voter.standing == Standing::Byzantine => "contradicted itself",
                None => "did not vote",
            }
        }
        @if let Some(ballot) = &voter.ballot { (said(ballot, links)) }
    }
}

fn said(ballot: &BallotOrigin, links: Links) -> Markup {
    html! {
        @if !ballot.rationale.as_str().is_empty() {
            blockquote { (parts::prose(ballot.rationale.as_str())) }
        }
        p.quiet {
            "signed by the key " code { (ballot.key_fingerprint.short()) "…" } " that "
            (parts::entry(ballot.key_since_seq, links)) " registered"
        }
    }
}

fn name(name: Option<&Name>, otherwise: &str) -> String {
    name.map_or_else(|| otherwise.to_owned(), Name::to_string)
}
