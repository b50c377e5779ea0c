//! Orders: commands as the reference makes them, before anybody has hashed an entry.
//!
//! A ballot names the hash of its proposal's entry, which only the engine's ledger gives. In an
//! order a [symbol](symbol) stands for it; both sides sign the statement for themselves.

use althing::governance::ballot::Ballot;
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::event::RecoveryRecorded;
use althing::governance::evidence::Equivocation;
use althing::governance::id::ProposalId;
use althing::governance::prediction::Prediction;
use althing::governance::proposal::{Proposal, Rotation, Withdrawal};
use althing::governance::statement::{Signed, StatementContent};
use althing::testing::model::{Key, Told};
use althing::testing::{Signatures, Signer};

use super::equivocations::Said;
use super::forks::Fork;
use super::steps::Claim;

/// A command, and what the model is told about its signatures.
#[derive(Debug, Clone)]
pub struct Order {
    pub what: What,
    pub told: Told,
}

#[derive(Debug, Clone)]
pub enum What {
    Propose(Proposal),
    Vote(Ballot),
    Withdraw(Withdrawal),
    Rotate(Rotation),
    Close(ProposalId),
    Execute(ProposalId),
    Evidence(Ballot, Ballot),
    Predict(Prediction),
    Recover,
    /// With what is claimed of the state, if anything is.
    Checkpoint(Option<Claim>),
    Fork(Fork),
    Equivocate(Said),
}

/// What stands for the hash of a proposal's entry.
pub fn symbol(proposal: ProposalId) -> Digest {
    Digest::of(proposal.to_string().as_bytes())
}

/// The key of nobody.
pub const NOBODY: Key = 99_999;

pub fn signer(key: Key) -> Signer {
    Signer::nth(Signatures::StandIn, key)
}

/// What stands for the hash of the last genesis entry.
pub fn genesis_symbol() -> Digest {
    Digest::of(b"genesis")
}

fn sign<T: StatementContent>(content: T, key: Option<Key>) -> Signed<T> {
    signer(key.unwrap_or(NOBODY)).sign(content)
}

impl Order {
    /// The signed command, with hashes in the place of symbols.
    pub fn command(&self, hash: impl Fn(Digest) -> Digest) -> Command {
        let by = self.told.signed_by;
        let named = |ballot: &Ballot| {
            let mut ballot = ballot.clone();
            ballot.proposal_hash = hash(ballot.proposal_hash);
            ballot
        };
        match &self.what {
            What::Propose(proposal) => Command::Propose(sign(proposal.clone(), by)),
            What::Vote(ballot) => Command::Vote(sign(named(ballot), by)),
            What::Withdraw(withdrawal) => {
                let mut withdrawal = withdrawal.clone();
                withdrawal.proposal_hash = hash(withdrawal.proposal_hash);
                Command::Withdraw(sign(withdrawal, by))
            }
            What::Rotate(rotation) => Command::RotateKey(sign(rotation.clone(), by)),
            What::Close(proposal) => Command::Close(*proposal),
            What::Execute(proposal) => Command::Execute(*proposal),
            What::Evidence(first, second) => Command::SubmitEvidence(Equivocation {
                first: sign(named(first), by),
                second: sign(named(second), self.told.second_signed_by),
            }),
            What::Predict(prediction) => Command::RecordPrediction(prediction.clone()),
            // Only an engine can say what a claim would be.
            What::Checkpoint(_) => Command::RecordCheckpoint(None),
            What::Fork(fork) => {
                let mut origin = fork.origin;
                origin.genesis = hash(origin.genesis);
                let keys = [by, self.told.second_signed_by];
                Command::SubmitContradictingHeads(Box::new(fork.signed(origin, keys)))
            }
            What::Equivocate(said) => {
                let keys = [by, self.told.second_signed_by];
                Command::SubmitConsensusEquivocation(Box::new(said.signed(keys)))
            }
            What::Recover => Command::RecordRecovery(RecoveryRecorded {
                bytes: 1,
                offset: 1,
                sha256: Digest::of(b"tail"),
            }),
        }
    }
}
