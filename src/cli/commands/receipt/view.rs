//! What a receipt shows, as an auditor files it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::chain::receipt::Receipt;
use crate::cli::output::Report;
use crate::cli::style::{Grid, bad, bold, dim, escaped, fields, good};
use crate::governance::ballot::Decision;
use crate::governance::digest::Digest;
use crate::governance::id::{GrantId, NodeId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::scope::Scope;
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::proposal::Member;
use crate::governance::time::Timestamp;
use crate::governance::tree_head::Origin;
use crate::replay::receipt::{Basis, Liveness, Verdict};
use crate::views::text;

/// The answer of `receipt verify`.
#[derive(Serialize)]
pub(super) struct VerifyReport {
    decided: bool,
    believed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    basis: Option<BasisView>,
    authorized_as_of: Option<Timestamp>,
    status: Option<GrantStatus>,
    grant: GrantView,
    decision: DecisionView,
    delegated_from: Vec<GrantView>,
    origin: Origin,
    size: u64,
    root: Digest,
    signed_weight: u64,
    active_weight: u64,
    registry_proven: bool,
    entries: usize,
}

#[derive(Serialize)]
struct BasisView {
    kind: &'static str,
    signed: u64,
    total: u64,
}

#[derive(Serialize)]
struct GrantView {
    id: GrantId,
    kind: AuthorizationKind,
    subject: Subject,
    scope: Scope,
    obligations: BTreeMap<String, u64>,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    granted_at: Timestamp,
    granted_seq: u64,
}

#[derive(Serialize)]
struct DecisionView {
    title: String,
    opened_at: Timestamp,
    decided_at: Option<Timestamp>,
    approve_weight: u64,
    reject_weight: u64,
    abstain_weight: u64,
    byzantine_weight: u64,
    total_weight: u64,
    tainted: bool,
    electorate: Vec<VoterView>,
}

#[derive(Serialize)]
struct VoterView {
    node: NodeId,
    name: String,
    weight: u64,
    decision: Option<Decision>,
}

impl GrantView {
    fn of(verdict: &Verdict, id: GrantId) -> Option<Self> {
        let grant = verdict.state.authorizations().get(id)?;
        let terms = grant.terms();
        let limits = terms.scope.obligations();
        Some(Self {
            id,
            kind: grant.kind(),
            subject: terms.subject.clone(),
            obligations: limits
                .map(|(key, limit)| (key.to_string(), limit))
                .collect(),
            scope: terms.scope.clone(),
            not_before: terms.not_before,
            expires_at: terms.expires_at,
            granted_at: grant.granted_at(),
            granted_seq: grant.granted_seq(),
        })
    }
}

impl DecisionView {
    fn of(verdict: &Verdict) -> Option<Self> {
        let state = &verdict.state;
        let proposal = state.proposals().get(verdict.grant)?;
        let tally = proposal.tally();
        let name = |node| {
            let found = state.registry().get(node);
            found.map_or_else(String::new, |node| node.name().to_string())
        };
        let voter = |(node, member): (NodeId, &Member)| VoterView {
            node,
            name: name(node),
            weight: member.weight().get(),
            decision: member.ballot().map(|it| it.content().decision),
        };
        Some(Self {
            title: proposal.content().title.to_string(),
            opened_at: proposal.opened_at(),
            decided_at: proposal.decided().map(|decided| decided.at),
            approve_weight: tally.approve(),
            reject_weight: tally.reject(),
            abstain_weight: tally.abstain(),
            byzantine_weight: tally.byzantine(),
            total_weight: tally.total(),
            tainted: proposal.is_tainted(),
            electorate: proposal.electorate().map(voter).collect(),
        })
    }
}

impl BasisView {
    const fn of(basis: Basis) -> Self {
        let (kind, signed, total) = match basis {
            Basis::Founders { signed, total } => ("founders", signed, total),
            Basis::Registry { signed, total } => ("registry", signed, total),
            Basis::Policy { signed, total } => ("policy", signed, total),
        };
        Self {
            kind,
            signed,
            total,
        }
    }

    fn text(&self) -> String {
        let Self {
            kind,
            signed,
            total,
        } = self;
        let who = match *kind {
            "founders" => "founders' weight, under the pinned origin",
            "registry" => "active weight; every change of the group since it was founded is shown",
            _ => "pinned weight",
        };
        format!("{signed} of {total} {who}")
    }
}

impl VerifyReport {
    pub(super) fn of(receipt: &Receipt, verdict: &Verdict) -> Option<Self> {
        let lineage = verdict.state.authorizations().lineage(verdict.grant);
        let parents = lineage
            .skip(1)
            .filter_map(|(id, _)| GrantView::of(verdict, id));
        let (authorized_as_of, status) = match verdict.liveness {
            Liveness::AuthorizedAsOf(at) => (Some(at), None),
            Liveness::NotShown(status) => (None, status),
        };
        let code = verdict.basis.is_none().then_some("receipt.no-pin");
        Some(Self {
            decided: true,
            believed: verdict.basis.is_some(),
            code,
            basis: verdict.basis.map(BasisView::of),
            authorized_as_of,
            status,
            grant: GrantView::of(verdict, verdict.grant)?,
            decision: DecisionView::of(verdict)?,
            delegated_from: parents.collect(),
            origin: verdict.head.origin,
            size: verdict.head.tree.size,
            root: verdict.head.tree.root,
            signed_weight: verdict.endorsement.signed_weight.get(),
            active_weight: verdict.endorsement.active_weight.get(),
            registry_proven: verdict.registry_proven,
            entries: receipt.entries.len(),
        })
    }

    fn headline(&self) -> String {
        let answer = match (&self.code, self.authorized_as_of) {
            (Some(code), _) => bad(&format!(
                "not to be relied on: nothing was pinned, so nobody vouches for this [{code}]"
            )),
            (None, Some(at)) => good(&format!("decided by the quorum; authorized as of {at}")),
            (None, None) => good("decided by the quorum"),
        };
        bold(&answer)
    }

    fn live_text(&self) -> String {
        match (self.authorized_as_of, self.status) {
            (Some(at), _) => at.to_string(),
            (None, Some(status)) => format!("not shown: it was {}", status.name()),
            (None, None) => "not shown".to_owned(),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let (grant, decision) = (&self.grant, &self.decision);
        let time =
            |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let mut rows = vec![
            ("grant", grant.id.to_string()),
            ("subject", format!("{} {}", grant.kind, grant.subject)),
            ("scope", escaped(&text::scope(&grant.scope))),
            ("expires", time(grant.expires_at)),
            (
                "granted",
                format!("{} (entry {})", grant.granted_at, grant.granted_seq),
            ),
            ("proposal", escaped(&decision.title)),
            ("decided", time(decision.decided_at)),
            (
                "weight",
                format!(
                    "{} approve, {} reject, {} abstain, {} Byzantine, of {}",
                    decision.approve_weight,
                    decision.reject_weight,
                    decision.abstain_weight,
                    decision.byzantine_weight,
                    decision.total_weight
                ),
            ),
        ];
        if let Some(start) = grant.not_before {
            rows.insert(3, ("not before", start.to_string()));
        }
        if decision.tainted {
            rows.push((
                "evidence",
                "came after the execution: see the Byzantine weight".to_owned(),
            ));
        }
        for parent in &self.delegated_from {
            rows.push((
                "passed on from",
                format!("{} {}", parent.id.short(), parent.subject),
            ));
        }
        rows.push(("authorized as of", self.live_text()));
        rows.push(("ledger", self.origin.genesis.to_string()));
        rows.push((
            "checkpoint",
            format!("{} entries, root {}", self.size, self.root),
        ));
        let basis = self.basis.as_ref();
        rows.push((
            "vouched for by",
            basis.map_or_else(|| "nobody".to_owned(), BasisView::text),
        ));
        rows
    }
}

impl Report for VerifyReport {
    const SCHEMA: &'static str = "althing.receipt-verify/1";

    fn text(&self) -> String {
        let mut text = format!("{}\n{}\n", self.headline(), fields(&self.rows()));
        let mut grid = Grid::new(&["voter", "weight", "ballot"]).right(1);
        for voter in &self.decision.electorate {
            let ballot = voter.decision.map_or("none", |it| it.name());
            grid.row([
                escaped(&voter.name),
                voter.weight.to_string(),
                ballot.to_owned(),
            ]);
        }
        text.push_str(&grid.text());
        let checked = format!(
            "Checked again from {} entries: signatures, ballots, count, and their place in the ledger.\n",
            self.entries
        );
        text + &dim(&checked)
    }
}
