//! What nodes sign, made of the state: proposals, ballots and withdrawals.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::governance::ballot::{Ballot, Decision};
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::key::PublicKey;
use crate::governance::label::{Prose, Title};
use crate::governance::proposal::{Action, Proposal, Withdrawal};
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::proposal::{ProposalState, Status};
use crate::governance::statement::{Signed, Statement, StatementContent};
use crate::governance::tally::Standing;
use crate::governance::time::Timestamp;
use crate::identity::{JournalError, SigningJournal, SigningKey, SigningKeyError, Slot};

/// A key that signs, with its journal.
#[derive(Debug)]
pub struct Signer {
    /// The key.
    pub key: SigningKey,
    /// What it has signed.
    pub journal: SigningJournal,
    key_dir: PathBuf,
}

/// Why something is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The rules would refuse it.
    #[error(transparent)]
    Refused(#[from] Rejection),
    /// The key was a node's once.
    #[error("this key was a node's once and has been replaced by another")]
    Retired,
    /// The journal says no, or fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The key fails.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// What is to be signed can't be stated.
    #[error("{problem}")]
    Malformed {
        /// The stable code.
        code: &'static str,
        /// Why.
        problem: String,
    },
}

impl SignError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(rejection) => rejection.code(),
            Self::Retired => "key.retired",
            Self::Journal(error) => error.code(),
            Self::Key(_) => "key.crypto",
            Self::Malformed { code, .. } => code,
        }
    }
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What happens if it passes.
    pub action: Action,
    /// What it is about, in a line.
    pub title: Title,
    /// The case for it.
    pub description: Prose,
    /// Anything else that voters should know.
    pub parameters: Map<String, Value>,
}

impl Draft {
    /// Whether a proposal says what this says.
    #[must_use]
    pub fn is_said_by(&self, proposal: &ProposalState) -> bool {
        let content = proposal.content();
        content.action == self.action
            && content.title == self.title
            && content.description == self.description
            && content.parameters == self.parameters
    }
}

/// How a node votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// An id that was never used before.
    pub vote_id: VoteId,
    /// The decision.
    pub decision: Decision,
    /// Why, for everyone to read.
    pub rationale: Prose,
    /// Whether to sign although the journal holds another ballot.
    pub despite_conflict: bool,
}

impl Signer {
    /// A key of the directory `key_dir`, with its journal there.
    ///
    /// # Errors
    /// [`JournalError`] where the journal can't be used.
    pub fn new(key: SigningKey, key_dir: &Path) -> Result<Self, JournalError> {
        let journal = SigningJournal::open(key_dir, key.public_key())?;
        Ok(Self {
            key,
            journal,
            key_dir: key_dir.to_owned(),
        })
    }

    /// Holds this key to what other keys of the same node have signed, too.
    ///
    /// # Errors
    /// [`JournalError`] where a journal can't be used.
    pub fn follow<'k>(
        &mut self,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> Result<(), JournalError> {
        self.journal.follow(&self.key_dir, keys)
    }

    /// The node that this key belongs to in `state`, or the one that it would found: an outsider's,
    /// which the rules refuse. A key that was a node's once signs nothing any more.
    ///
    /// # Errors
    /// [`SignError::Retired`].
    pub fn node_id(&self, state: &State) -> Result<NodeId, SignError> {
        let key = self.key.public_key();
        let mut nodes = state.registry().iter();
        match nodes.find(|(_, node)| node.key() == key) {
            Some((id, _)) => Ok(id),
            None if state.registry().knows_key(key) => Err(SignError::Retired),
            None => Ok(self.key.node_id()),
        }
    }

    /// Signs a proposal under a new id.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn propose(
        &self,
        draft: Draft,
        proposal_id: ProposalId,
        state: &State,
        now: Timestamp,
    ) -> Result<Signed<Proposal>, SignError> {
        let proposal = Proposal {
            action: draft.action,
            created_at: now,
            description: draft.description,
            ledger: state.ledger(),
            parameters: draft.parameters,
            proposal_id,
            proposer: self.node_id(state)?,
            title: draft.title,
        };
        Ok(self.key.sign(stated(proposal, "proposal.malformed")?)?)
    }

    /// Signs a ballot, or gives out the one that was signed before with the same decision.
    ///
    /// # Errors
    /// [`SignError`]: what can't count is not signed, because the journal would give out the same ballot,
    /// with its late time, whenever it is asked again.
    pub fn vote(
        &mut self,
        choice: Choice,
        proposal: &ProposalState,
        state: &State,
        now: Timestamp,
    ) -> Result<Signed<Ballot>, SignError> {
        let voter = self.node_id(state)?;
        let Some(member) = proposal.member(voter) else {
            return Err(Rejection::NotInElectorate { voter }.into());
        };
        let deadline = proposal.deadline();
        let is_late = proposal.status() == Status::Voting && now >= deadline;
        if is_late && member.standing() == Standing::Uncast {
            return Err(Rejection::BallotOutsidePeriod { deadline }.into());
        }
        let decision = choice.decision;
        let ballot = Ballot {
            cast_at: now,
            decision,
            ledger: state.ledger(),
            proposal_hash: *proposal.hash(),
            proposal_id: proposal.id(),
            rationale: choice.rationale,
            vote_id: choice.vote_id,
            voter,
        };
        let scope = format!("ballot/{}/{}", state.ledger(), proposal.id());
        let slot = Slot::new(scope, decision.name());
        // Under every key that it held while the proposal was open, a second ballot is evidence.
        let registered = state.registry().get(voter).into_iter();
        let former = registered.flat_map(|node| node.former_keys());
        self.follow(former.map(|held| &held.key))?;
        let statement = stated(ballot, "ballot.malformed")?;
        let Self { key, journal, .. } = self;
        let signed = if choice.despite_conflict {
            journal.sign_despite_conflict(key, &slot, statement)
        } else {
            journal.sign_once(key, &slot, statement)
        };
        Ok(signed?)
    }

    /// Signs the withdrawal of a proposal.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn withdraw(
        &self,
        proposal: &ProposalState,
        state: &State,
        now: Timestamp,
    ) -> Result<Signed<Withdrawal>, SignError> {
        let withdrawal = Withdrawal {
            ledger: state.ledger(),
            proposal_hash: *proposal.hash(),
            proposal_id: proposal.id(),
            proposer: self.node_id(state)?,
            withdrawn_at: now,
        };
        Ok(self.key.sign(stated(withdrawal, "withdrawal.malformed")?)?)
    }
}

fn stated<T: StatementContent>(content: T, code: &'static str) -> Result<Statement<T>, SignError> {
    Statement::new(content).map_err(|error| SignError::Malformed {
        code,
        problem: error.to_string(),
    })
}
