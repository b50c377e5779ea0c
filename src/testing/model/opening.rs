//! Opening a proposal: PROP-8 and the rules of each kind.

use super::conditions::can_stand;
use super::members::Standing;
use super::{Caused, Model, NOW, Opened, Outcome, Told};
use crate::governance::id::NodeId;
use crate::governance::kind::AuthorizationKind;
use crate::governance::proposal::{
    Action, FreezeTarget, GrantTerms, NewNode, Proposal, RevocationTerms,
};
use crate::governance::time::Timestamp;
use serde_json::Value;

/// Why something is refused, if it is.
type Checked = Result<(), &'static str>;

impl Model {
    /// PROP-8
    pub(super) fn propose(&mut self, it: &Proposal, told: &Told, at: Timestamp) -> Caused {
        if it.ledger != self.ledger {
            return Err("statement.wrong-ledger");
        }
        let Some(standing) = self.node(it.proposer, NOW) else {
            return Err("node.unknown");
        };
        if told.signed_by != self.present_key(it.proposer) {
            return Err("signature.invalid");
        }
        if standing != Standing::Active {
            return Err("node.not-active");
        }
        if self.place_of(it.proposal_id).is_some() {
            return Err("proposal.duplicate-id");
        }
        if length_of(&Value::Object(it.parameters.clone())) > 64 * 1024 {
            return Err("proposal.parameters-too-large");
        }
        if self.open_of(it.proposer, at) >= self.policy(NOW).max_open_proposals {
            return Err("proposal.too-many-open");
        }
        self.check_action(&it.action, told, at)?;
        let seq = self.next_entry();
        let opened = Opened {
            seq,
            at,
            id: it.proposal_id,
            proposer: it.proposer,
            action: it.action.clone(),
            new_key: told.new_key.as_ref().map(|new| new.key),
            hash: None,
            ballots: Vec::new(),
            ends: Vec::new(),
        };
        let deadline = self.deadline(&opened);
        self.proposals.push(opened);
        Ok(Some(Outcome::Opened(it.proposal_id, deadline)))
    }

    /// PROP-9
    fn open_of(&self, proposer: NodeId, at: Timestamp) -> u64 {
        let open = |it: &&Opened| match it.status() {
            "voting" => true,
            "withdrawn" => at < self.deadline(it),
            _ => false,
        };
        let own = self.proposals.iter().filter(|it| it.proposer == proposer);
        own.filter(open).count() as u64
    }

    fn check_action(&self, action: &Action, told: &Told, at: Timestamp) -> Checked {
        match action {
            Action::AuthorizeModel(terms) => self.check_terms(AuthorizationKind::Model, terms, at),
            Action::AuthorizeAgent(terms) => self.check_terms(AuthorizationKind::Agent, terms, at),
            Action::Delegation(delegation) => {
                self.check_terms(AuthorizationKind::Delegation, &delegation.terms, at)?;
                if self.may_delegate(delegation, at) {
                    Ok(())
                } else {
                    Err("delegation.invalid")
                }
            }
            Action::RevokeModel(terms) => self.check_revocation(AuthorizationKind::Model, terms),
            Action::RevokeAgent(terms) => self.check_revocation(AuthorizationKind::Agent, terms),
            Action::RevokeDelegation(terms) => {
                self.check_revocation(AuthorizationKind::Delegation, terms)
            }
            Action::UpdatePolicy { policy } => {
                if can_stand(policy, &self.policy(NOW).floors) {
                    Ok(())
                } else {
                    Err("policy.invalid")
                }
            }
            Action::AddNode(new) => self.check_newcomer(new, told),
            Action::RemoveNode { node } => self.check_removal(*node),
            Action::EmergencyFreeze { until, .. } => self.check_freeze(*until, at),
            Action::LiftFreeze { target } => self.check_lift(target, at),
            Action::ReplaceKey(new) => match self.node(new.node, NOW) {
                None => Err("node.unknown"),
                Some(Standing::Active) => self.check_new_key(told).map(|_| ()),
                Some(_) => Err("node.has-no-vote"),
            },
            Action::ReinstateNode(new) => match self.node(new.node, NOW) {
                None => Err("node.unknown"),
                Some(Standing::Suspended) => self.check_new_key(told).map(|_| ()),
                Some(_) => Err("node.not-suspended"),
            },
        }
    }

    /// PROP-3
    fn check_terms(&self, kind: AuthorizationKind, terms: &GrantTerms, at: Timestamp) -> Checked {
        if self.has_too_many_grants(kind, &terms.subject) {
            return Err("grant.too-many");
        }
        let Some(end) = terms.expires_at else {
            return Ok(());
        };
        if end <= at {
            return Err("grant.expiry-in-past");
        }
        if terms.not_before.is_some_and(|start| end <= start) {
            return Err("grant.empty-period");
        }
        Ok(())
    }

    /// PROP-4
    fn check_revocation(&self, kind: AuthorizationKind, terms: &RevocationTerms) -> Checked {
        let Some(id) = terms.grant_id else {
            return Ok(());
        };
        let Some(grant) = self.grant(id) else {
            return Err("grant.unknown");
        };
        if grant.kind != kind || grant.terms.subject != terms.subject {
            return Err("grant.of-another");
        }
        Ok(())
    }

    /// MEM-2
    fn check_newcomer(&self, new: &NewNode, told: &Told) -> Checked {
        let Some(key) = &told.new_key else {
            return Err("node.no-possession");
        };
        if key.gives != new.node {
            return Err("node.id-mismatch");
        }
        if self.node(new.node, NOW).is_some() {
            return Err("node.already-registered");
        }
        if self.is_key_used(key.key) {
            return Err("node.key-used");
        }
        if self.is_name_taken(new.name.as_str()) {
            return Err("node.name-taken");
        }
        if self.members(NOW).len() >= 10_000 {
            return Err("node.too-many");
        }
        if self.would_overflow(new.weight.get()) {
            return Err("weight.overflow");
        }
        if !key.possession {
            return Err("node.no-possession");
        }
        Ok(())
    }

    /// MEM-3
    fn check_removal(&self, node: NodeId) -> Checked {
        if matches!(self.node(node, NOW), None | Some(Standing::Removed)) {
            return Err("node.unknown");
        }
        if self.is_last_active(node) {
            return Err("node.last-active");
        }
        Ok(())
    }

    /// AUTH-13
    fn check_freeze(&self, until: Timestamp, at: Timestamp) -> Checked {
        if until <= at {
            return Err("freeze.end-in-past");
        }
        if until > at.saturating_add(self.policy(NOW).max_freeze_seconds) {
            return Err("freeze.too-long");
        }
        Ok(())
    }

    /// AUTH-18
    fn check_lift(&self, target: &FreezeTarget, at: Timestamp) -> Checked {
        if self.freezes_on(target, at).is_empty() {
            return Err("freeze.not-frozen");
        }
        Ok(())
    }
}

/// How many bytes canonical JSON takes. LIM-7
fn length_of(value: &Value) -> usize {
    let commas = |count: usize| count.saturating_sub(1);
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => length_of_text(text),
        Value::Array(parts) => 2 + commas(parts.len()) + parts.iter().map(length_of).sum::<usize>(),
        Value::Object(parts) => {
            let members = parts.iter();
            let members = members.map(|(key, part)| length_of_text(key) + 1 + length_of(part));
            2 + commas(parts.len()) + members.sum::<usize>()
        }
    }
}

fn length_of_text(text: &str) -> usize {
    let lengths = text.chars().map(|it| match it {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        _ => it.len_utf8(),
    });
    2 + lengths.sum::<usize>()
}
