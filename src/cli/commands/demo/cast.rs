//! Who takes part, and what they can sign.

use std::path::Path;

use uuid::Uuid;

use crate::cli::commands::init::node_name;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::governance::ballot::{Ballot, Decision};
use crate::governance::founding::{Founder, Founding};
use crate::governance::genesis::Genesis;
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::key::{Algorithm, PublicKey, Signature};
use crate::governance::label::{Label, Name, Prose, Title};
use crate::governance::policy::Policy;
use crate::governance::proposal::{Action, NewNode, Proposal};
use crate::governance::state::State;
use crate::governance::state::proposal::ProposalState;
use crate::governance::statement::{Signed, Statement, StatementContent};
use crate::governance::time::Timestamp;
use crate::governance::tree_head::{Cosignature, TreeHead};
use crate::governance::weight::Weight;
use crate::identity::{KeyStore, PublicKeyExport, SigningKey};

/// One hospital with its key.
pub struct Hospital {
    pub name: &'static str,
    weight: Weight,
    key: SigningKey,
    export: PublicKeyExport,
}

/// Makes a hospital with a new ML-DSA-65 key in a key directory.
pub fn hospital(keys: &Path, name: &'static str, weight: u64) -> Result<Hospital, Failure> {
    let store = KeyStore::new(keys);
    let key_name = name.to_lowercase();
    let export = store.create(&key_name, Algorithm::MlDsa65, None)?;
    let key = store.load(&key_name, || Ok(None))?;
    Ok(Hospital {
        name,
        weight: Weight::new(weight).unwrap_or(Weight::ONE),
        key,
        export,
    })
}

/// What can't go wrong with the story's own words, but is not assumed.
fn scripted<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, Failure> {
    result.map_err(|error| Failure::new(Exit::Failure, "demo.script", error.to_string()))
}

impl Hospital {
    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.key.node_id()
    }

    /// The name under which the registry knows it.
    fn node_name(&self) -> Result<Name, Failure> {
        node_name(&self.export)
    }

    fn sign<T: StatementContent>(&self, content: T) -> Result<Signed<T>, Failure> {
        scripted(self.key.sign(scripted(Statement::new(content))?))
    }

    /// Signs a proposal.
    pub fn propose(
        &self,
        state: &State,
        title: &str,
        action: Action,
        at: Timestamp,
    ) -> Result<Signed<Proposal>, Failure> {
        let title: Title = scripted(title.parse())?;
        self.sign(Proposal {
            action,
            created_at: at,
            description: Prose::default(),
            ledger: state.ledger(),
            parameters: serde_json::Map::new(),
            proposal_id: ProposalId::from_uuid(Uuid::new_v4()),
            proposer: self.id(),
            title,
        })
    }

    /// Signs a ballot in the name of `voter`, which an honest hospital itself is.
    pub fn vote_as(
        &self,
        voter: NodeId,
        state: &State,
        proposal: &ProposalState,
        decision: Decision,
        at: Timestamp,
    ) -> Result<Signed<Ballot>, Failure> {
        self.sign(Ballot {
            cast_at: at,
            decision,
            ledger: state.ledger(),
            proposal_hash: *proposal.hash(),
            proposal_id: proposal.id(),
            rationale: Prose::default(),
            vote_id: VoteId::from_uuid(Uuid::new_v4()),
            voter,
        })
    }

    /// The key that others know.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// Signs a checkpoint.
    pub fn cosign(&self, head: &TreeHead, posix_seconds: u64) -> Result<Cosignature, Failure> {
        let message = head.message(self.id(), posix_seconds);
        Ok(Cosignature {
            signer: self.id(),
            posix_seconds,
            signature: scripted(self.key.sign_message(&message))?,
        })
    }

    /// What the group needs to know to admit this hospital.
    pub fn application(&self) -> Result<NewNode, Failure> {
        Ok(NewNode {
            key: self.key.public_key().clone(),
            name: self.node_name()?,
            node: self.id(),
            possession: self.export.clone().into_signed().signature,
            weight: self.weight,
        })
    }
}

/// The founding statement of these hospitals under the default policy, signed by each of them.
pub fn constitution(founders: &[&Hospital], at: Timestamp) -> Result<Genesis, Failure> {
    let members = founders.iter().map(|hospital| {
        Ok(Founder {
            did: hospital.id(),
            name: hospital.node_name()?,
            weight: hospital.weight,
        })
    });
    let nonce: Label = scripted(Uuid::new_v4().to_string().parse())?;
    let founding = Founding {
        created_at: at,
        founders: members.collect::<Result<_, Failure>>()?,
        name: scripted("Hospital consortium".parse())?,
        nonce,
        policy: Policy::default(),
    };
    let statement = scripted(Statement::new(founding))?;
    let message = statement.message();
    let signatures = founders.iter().map(|hospital| {
        let signature: Signature = scripted(hospital.key.sign_message(&message))?;
        Ok((hospital.key.public_key().clone(), signature))
    });
    Ok(Genesis {
        founders: signatures.collect::<Result<_, Failure>>()?,
        statement,
    })
}
