//! What rounds propose, from a scenario's plan and what the proposer's replica holds.

use super::Broken;
use super::clock::instant;
use super::scenario::ProposalPlan;
use super::world::World;
use crate::governance::id::{GrantId, Subject};
use crate::governance::kind::{AuthorizationKind, ProposalKind};
use crate::governance::possession::KeyPossession;
use crate::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, NewKey, NewNode, RevocationTerms,
};
use crate::governance::time::Seconds;

impl World<'_> {
    /// What a round proposes at a node's place.
    pub(super) fn action(
        &mut self,
        number: u64,
        plan: &ProposalPlan,
        proposer: usize,
    ) -> Result<Action, Broken> {
        let named = plan.subject.clone();
        let subject = named.unwrap_or_else(|| format!("urn:simulated:round-{number}"));
        let subject: Subject = subject.parse().map_err(Broken::new)?;
        let target = match plan.subject {
            None => FreezeTarget::Everything,
            Some(_) => FreezeTarget::Subject(subject.clone()),
        };
        let members = &self.members;
        let named = |member: &super::scenario::Member| plan.node.as_ref() == Some(&member.name);
        let place = members.iter().position(named).unwrap_or(0);
        let node = self.replicas[place].signer.node();
        let everything = || RevocationTerms {
            grant_id: None,
            subject: subject.clone(),
        };
        Ok(match plan.kind {
            ProposalKind::AuthorizeModel => Action::AuthorizeModel(self.terms(plan, subject)),
            ProposalKind::AuthorizeAgent => Action::AuthorizeAgent(self.terms(plan, subject)),
            ProposalKind::Delegation => {
                Action::Delegation(self.delegation(plan, subject, proposer)?)
            }
            ProposalKind::RevokeModel => Action::RevokeModel(everything()),
            ProposalKind::RevokeAgent => Action::RevokeAgent(everything()),
            ProposalKind::RevokeDelegation => Action::RevokeDelegation(everything()),
            ProposalKind::AddNode => Action::AddNode(self.newcomer(place)?),
            ProposalKind::RemoveNode => Action::RemoveNode { node },
            ProposalKind::ReplaceKey => Action::ReplaceKey(self.new_key(place)?),
            ProposalKind::ReinstateNode => Action::ReinstateNode(self.new_key(place)?),
            ProposalKind::UpdatePolicy => Action::UpdatePolicy {
                policy: Box::new(plan.policy.clone().unwrap_or_default().policy()),
            },
            ProposalKind::EmergencyFreeze => Action::EmergencyFreeze {
                target,
                until: instant(self.now).saturating_add(Seconds::days(2)),
            },
            ProposalKind::LiftFreeze => Action::LiftFreeze { target },
        })
    }

    fn terms(&self, plan: &ProposalPlan, subject: Subject) -> GrantTerms {
        let expires = plan.expires_seconds;
        GrantTerms {
            expires_at: expires.map(|seconds| instant(self.now + seconds * 1_000_000)),
            scope: plan.scope.clone().unwrap_or_default(),
            ..GrantTerms::unrestricted(subject)
        }
    }

    /// The last grant of the parent that is not revoked, as the proposer's replica knows it; a grant
    /// that there is not, where it knows none.
    fn delegation(
        &mut self,
        plan: &ProposalPlan,
        subject: Subject,
        proposer: usize,
    ) -> Result<DelegationTerms, Broken> {
        let parent = plan.parent.clone().unwrap_or_default();
        let parent: Subject = parent.parse().map_err(Broken::new)?;
        let found = self.state_of(proposer).and_then(|state| {
            let all = state.authorizations();
            let kinds = [AuthorizationKind::Agent, AuthorizationKind::Delegation];
            let unrevoked = kinds.map(|kind| all.unrevoked(kind, &parent));
            let last = unrevoked.into_iter().flatten().last()?;
            Some((last, all.get(last)?.terms().clone()))
        });
        let Some((parent, of_parent)) = found else {
            return Ok(DelegationTerms {
                parent: GrantId::from_uuid(self.ids.uuid()),
                terms: self.terms(plan, subject),
            });
        };
        let own = self.terms(plan, subject.clone());
        let terms = GrantTerms {
            expires_at: own.expires_at.or(of_parent.expires_at),
            scope: plan.scope.clone().unwrap_or(of_parent.scope),
            subject,
            ..of_parent
        };
        Ok(DelegationTerms { parent, terms })
    }

    fn newcomer(&self, place: usize) -> Result<NewNode, Broken> {
        let member = &self.members[place];
        let signer = &self.replicas[place].signer;
        let possession =
            KeyPossession::new(signer.key().clone(), &member.name).map_err(Broken::new)?;
        Ok(NewNode {
            key: signer.key().clone(),
            name: member.name.parse().map_err(Broken::new)?,
            node: signer.node(),
            possession: signer.sign(possession)?.signature,
            weight: member.weight,
        })
    }

    /// Another key for a node, which uses it as soon as the group has it on record.
    pub(super) fn new_key(&mut self, place: usize) -> Result<NewKey, Broken> {
        let number = self.keyring.len();
        let name = format!("{}, key {number}", self.members[place].name);
        let node = self.replicas[place].signer.node();
        let signer = super::signer::Signer::new(self.scenario.signatures, self.seed, &name)?;
        let key_name = format!("key-{number}");
        let possession =
            KeyPossession::new(signer.key().clone(), &key_name).map_err(Broken::new)?;
        let new = NewKey {
            key: signer.key().clone(),
            key_name: key_name.parse().map_err(Broken::new)?,
            node,
            possession: signer.sign(possession)?.signature,
        };
        self.keyring.push(signer.of(node));
        Ok(new)
    }
}
