//! The state hash: SHA-256 over the canonical JSON of a versioned projection of the state.
//!
//! The projection is written out member by member, apart from the state's own types, so that a
//! later field of theirs never changes the hash of an old history. Specification, "Determinism".

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::State;
use super::proposal::{CastBallot, ProposalState};
use crate::governance::digest::Digest;

/// The version of the projection that [`State::hash`] is computed over.
pub const PROJECTION_VERSION: u64 = 1;

/// The hash of a state. Equal histories have equal state hashes on every machine.
pub type StateHash = Digest;

impl State {
    /// The state hash. Time linear in the state.
    #[must_use]
    pub fn hash(&self) -> StateHash {
        Digest::of(self.projection().as_bytes())
    }

    /// The canonical JSON (RFC 8785) that the state hash is computed over.
    #[must_use]
    pub fn projection(&self) -> String {
        // Strings, integers and lists of them only: there is nothing that could fail to be
        // written, and an empty text would show at once.
        serde_json_canonicalizer::to_string(&self.project()).unwrap_or_default()
    }

    /// The hash of the registry: SHA-256 over the canonical JSON of who votes, with which keys and
    /// under which policy, and of all evidence. Whoever knows every change of these, and nothing
    /// else of the history, comes to the same hash.
    #[must_use]
    pub fn registry_hash(&self) -> Digest {
        Digest::of(self.registry_projection().as_bytes())
    }

    /// The canonical JSON (RFC 8785) that the registry hash is computed over.
    #[must_use]
    pub fn registry_projection(&self) -> String {
        let mut nodes = self.project_nodes();
        // Which ballots a node has cast takes the whole history to know.
        for node in nodes["registered"].as_array_mut().into_iter().flatten() {
            node.as_object_mut().map(|members| members.remove("votes"));
        }
        let projected = json!({
            "epoch": self.epoch,
            "evidence": self.project_evidence(),
            "ledger": self.identity.ledger,
            "nodes": nodes,
            "policy": self.policy(),
            "projection": PROJECTION_VERSION,
        });
        serde_json_canonicalizer::to_string(&projected).unwrap_or_default()
    }

    fn project(&self) -> Value {
        json!({
            "authorizations": self.project_authorizations(),
            "clock": self.clock,
            "entries": self.entries,
            "epoch": self.epoch,
            "evidence": self.project_evidence(),
            "ledger": {
                "created_at": self.identity.created_at,
                "id": self.identity.ledger,
                "name": self.identity.name,
                "origin": self.identity.origin,
            },
            "nodes": self.project_nodes(),
            "policy": self.policy(),
            "predictions": self.project_predictions(),
            "projection": PROJECTION_VERSION,
            "proposals": self.proposals.iter().map(project_proposal).collect::<Vec<_>>(),
            "recoveries": self.recoveries,
        })
    }

    fn project_nodes(&self) -> Value {
        let nodes = self.registry.iter().map(|(id, node)| {
            json!({
                "added_at": node.added_at,
                "former_keys": node.keys.iter().map(|held| {
                    json!({
                        "from": held.from,
                        "key": held.key.fingerprint(),
                        "until": held.until,
                    })
                }).collect::<Vec<_>>(),
                "key": node.key.fingerprint(),
                "name": node.name,
                "node": id,
                "status": node.status,
                "votes": node.votes,
                "weight": node.weight,
            })
        });
        json!({
            "registered": nodes.collect::<Vec<_>>(),
            "used_keys": self.registry.used_keys(),
        })
    }

    fn project_authorizations(&self) -> Value {
        let grants = self.authorizations.iter().map(|(id, grant)| {
            json!({
                "grant": id,
                "granted_at": grant.granted_at,
                "granted_seq": grant.granted_seq,
                "kind": grant.kind,
                "parent": grant.parent,
                "revoked": grant.revoked.map(|revoked| {
                    json!({"at": revoked.at, "by": revoked.by, "seq": revoked.seq})
                }),
                "terms": grant.terms,
            })
        });
        let revocations = self
            .authorizations
            .revocations()
            .map(|(kind, subject, seq)| json!({"kind": kind, "seq": seq, "subject": subject}));
        let freezes = self.authorizations.freezes.iter().map(|(id, freeze)| {
            json!({
                "freeze": id,
                "from": freeze.from,
                "lifted_at": freeze.lifted_at,
                "target": freeze.target,
                "until": freeze.until,
            })
        });
        json!({
            "freezes": freezes.collect::<Vec<_>>(),
            "grants": grants.collect::<Vec<_>>(),
            "revocations": revocations.collect::<Vec<_>>(),
        })
    }

    fn project_evidence(&self) -> Value {
        let ballots = self
            .evidence()
            .map(|(node, proposal, record)| (node, Some(proposal), record));
        let checkpoints = self
            .contradicting_heads()
            .map(|(node, _, record)| (node, None, record));
        ballots
            .chain(checkpoints)
            .map(|(node, proposal, record)| {
                json!({
                    "at": record.at,
                    "node": node,
                    "proposal": proposal,
                    "seq": record.seq,
                    "suspended": record.suspended,
                })
            })
            .collect()
    }

    fn project_predictions(&self) -> Value {
        let models: BTreeMap<_, _> = self.predictions.models().collect();
        json!({"models": models, "others": self.predictions.others()})
    }
}

fn project_proposal(proposal: &ProposalState) -> Value {
    let electorate = proposal.electorate().map(|(node, member)| {
        json!({
            "ballot": member.ballot().map(project_ballot),
            "node": node,
            "standing": member.standing(),
            "weight": member.weight(),
        })
    });
    json!({
        "action": proposal.content.action,
        "deadline": proposal.deadline,
        "decided": proposal.decided.map(|decided| {
            json!({"at": decided.at, "early": decided.early, "seq": decided.seq})
        }),
        "early_decision": proposal.early_decision,
        "electorate": electorate.collect::<Vec<_>>(),
        "ended_at": proposal.ended_at,
        "ended_seq": proposal.ended_seq,
        "epoch": proposal.epoch,
        "evidence_window_seconds": proposal.evidence_window,
        "hash": proposal.hash,
        "opened_at": proposal.opened_at,
        "proposal": proposal.id(),
        "proposer": proposal.content.proposer,
        "rules": proposal.rules,
        "seq": proposal.seq,
        "status": proposal.status,
        "tainted": proposal.tainted,
        "tally": proposal.tally,
        "title": proposal.content.title,
    })
}

fn project_ballot(ballot: &CastBallot) -> Value {
    let content = ballot.content();
    json!({
        "at": ballot.at,
        "decision": content.decision,
        "seq": ballot.seq,
        "vote": content.vote_id,
    })
}
