//! The answer of `althing authorization why`, as a tree.

use std::fmt::Write as _;

use super::authorization::verdict;
use crate::cli::output::Report;
use crate::cli::style::{bad, bold, dim, escaped, escaped_lines, good};
use crate::governance::label::Name;
use crate::governance::provenance::{
    DecisionOrigin, FreezeOrigin, GrantOrigin, PolicyOrigin, VoterOrigin,
};
use crate::governance::state::authorization::GrantStatus;
use crate::governance::tally::Standing;
use crate::views::why::WhyView;
use crate::views::{View, text};

impl Report for WhyView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let mut tree = Tree::default();
        tree.line(&verdict(self.kind, &self.subject, self.reason));
        tree.line(&dim(&format!(
            "as of {}, entry {}",
            self.at, self.as_of_seq
        )));
        for (name, limit) in &self.obligations {
            tree.line(&format!("obligation: {name} ≤ {limit}"));
        }
        if self.grants.is_empty() {
            tree.line("no grant of this subject and kind was ever given");
        }
        let last = self.grants.is_empty();
        for (index, freeze) in self.freezes.iter().enumerate() {
            let last = last && index + 1 == self.freezes.len();
            tree.branch(last, |tree| tree.freeze(freeze));
        }
        tree.children(&self.grants, Tree::grant);
        tree.text
    }
}

/// Lines with branches drawn before them.
#[derive(Default)]
struct Tree {
    text: String,
    /// What stands before every line of the present branch.
    prefix: String,
    /// What stands before the next line instead, where a branch begins.
    first: Option<String>,
}

impl Tree {
    fn line(&mut self, text: &str) {
        let prefix = self.first.take().unwrap_or_else(|| self.prefix.clone());
        // Writing to a string can't fail.
        let _ = writeln!(self.text, "{prefix}{text}");
    }

    /// Draws each item as a branch of its own.
    fn children<T>(&mut self, items: &[T], draw: fn(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            self.branch(index + 1 == items.len(), |tree| draw(tree, item));
        }
    }

    fn branch(&mut self, last: bool, draw: impl FnOnce(&mut Self)) {
        let outer = self.prefix.clone();
        let (corner, stem) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        self.first = Some(format!("{outer}{corner}"));
        self.prefix = format!("{outer}{stem}");
        draw(self);
        self.prefix = outer;
        self.first = None;
    }

    fn freeze(&mut self, freeze: &FreezeOrigin) {
        let target = String::from(freeze.target.clone());
        self.line(&format!(
            "{} since {}: {target}, until {}",
            bad("frozen"),
            freeze.from,
            freeze.until
        ));
        if let Some(decision) = &freeze.decision {
            self.branch(true, |tree| tree.decision("imposed by", decision));
        }
    }

    fn grant(&mut self, grant: &GrantOrigin) {
        let status = match grant.status {
            GrantStatus::Live => good(grant.status.name()),
            _ => bad(grant.status.name()),
        };
        self.line(&format!(
            "grant {} of entry {}, {}: {status}",
            grant.id.short(),
            grant.granted_seq,
            grant.granted_at
        ));
        self.line(&format!("scope: {}", text::scope(&grant.terms.scope)));
        if let Some(start) = grant.terms.not_before {
            self.line(&format!("not before {start}"));
        }
        if let Some(end) = grant.terms.expires_at {
            self.line(&format!("expires {end}"));
        }
        let revoked = grant.revoked_by.is_some();
        let parent = grant.parent.is_some();
        if let Some(decision) = &grant.decision {
            self.branch(!revoked && !parent, |tree| {
                tree.decision("granted by", decision)
            });
        }
        if let Some(decision) = &grant.revoked_by {
            self.branch(!parent, |tree| tree.decision("revoked by", decision));
        }
        if let Some(from) = &grant.parent {
            self.branch(true, |tree| {
                tree.line("passed on from");
                tree.branch(true, |tree| tree.grant(from));
            });
        }
    }

    fn decision(&mut self, role: &str, decision: &DecisionOrigin) {
        self.line(&format!(
            "{role} {} {}, \"{}\": {}",
            decision.kind,
            decision.proposal_id.short(),
            escaped(decision.title.as_str()),
            bold(decision.status.name())
        ));
        let proposer = name_of(decision.proposer_name.as_ref(), &decision.proposer.short());
        self.line(&format!(
            "proposed by {proposer} in entry {}, {}",
            decision.seq, decision.opened_at
        ));
        if let (Some(seq), Some(at)) = (decision.decided_seq, decision.decided_at) {
            let early = decision.decided_early.unwrap_or_default();
            let how = if early {
                "before its deadline"
            } else {
                "at its deadline"
            };
            self.line(&format!("decided {how} in entry {seq}, {at}"));
        }
        let policy = match decision.policy {
            PolicyOrigin::Founding => "the founding policy".to_owned(),
            PolicyOrigin::Proposal(change) => format!("the policy of {}", change.short()),
        };
        for rule in &decision.rules {
            self.line(&format!("by {policy}: {}", text::rule(rule)));
        }
        let tally = &decision.tally;
        self.line(&format!(
            "counted: {} approve, {} reject, {} abstain, {} Byzantine, of {}",
            tally.approve(),
            tally.reject(),
            tally.abstain(),
            tally.byzantine(),
            decision.total_weight
        ));
        if decision.tainted {
            self.line(&bad("a voter was found Byzantine afterwards"));
        }
        self.children(&decision.electorate, Self::voter);
    }

    fn voter(&mut self, voter: &VoterOrigin) {
        let name = name_of(voter.name.as_ref(), &voter.node.short());
        let Some(ballot) = &voter.ballot else {
            let what = match voter.standing {
                Standing::Byzantine => "contradicted itself",
                _ => "did not vote",
            };
            self.line(&dim(&format!("{name}, weight {}: {what}", voter.weight)));
            return;
        };
        let counted = match voter.standing {
            Standing::Byzantine => bad(" (Byzantine: does not count)"),
            _ => String::new(),
        };
        self.line(&format!(
            "{name}, weight {}: {}{counted} in entry {}, {}",
            voter.weight,
            bold(ballot.decision.name()),
            ballot.seq,
            ballot.at
        ));
        if !ballot.rationale.as_str().is_empty() {
            self.line(&format!(
                "\"{}\"",
                escaped_lines(ballot.rationale.as_str()).join(" / ")
            ));
        }
        self.line(&dim(&format!(
            "signed by the key {}… that entry {} registered",
            ballot.key_fingerprint.short(),
            ballot.key_since_seq
        )));
    }
}

fn name_of(name: Option<&Name>, otherwise: &str) -> String {
    name.map_or_else(|| otherwise.to_owned(), |name| escaped(name.as_str()))
}
