//! A ledger set up for something to go wrong on it.

use super::Wrong;
use crate::governance::ballot::{Ballot, Decision};
use crate::governance::command::Command;
use crate::governance::id::ProposalId;
use crate::governance::state::proposal::Status;
use crate::governance::statement::Signed;
use crate::testing::{Assembly, Signer, actions};

/// A proposal that does not exist.
pub(super) fn nowhere() -> ProposalId {
    ProposalId::from_uuid(uuid::Uuid::from_u128(u128::MAX))
}

/// Signers from this number on are nobody's.
const OUTSIDER: usize = 900_000;

/// A ledger on which nothing is open but one proposal, and a node that may vote on it.
pub(super) struct Stage {
    pub(super) assembly: Assembly,
    pub(super) by: usize,
    pub(super) proposal: ProposalId,
}

impl Stage {
    pub(super) fn set(assembly: Assembly, at: usize) -> Self {
        let mut stage = Self {
            assembly,
            by: 0,
            proposal: nowhere(),
        };
        // What is settled may remove a node: only then is it certain who may vote.
        stage.settle();
        let active: Vec<usize> = (0..stage.assembly.signer_count())
            .filter(|index| {
                let id = stage.assembly.id(*index);
                let node = stage.assembly.state().registry().get(id);
                node.is_some_and(|node| node.is_active())
            })
            .collect();
        stage.by = active[at % active.len()];
        stage.propose();
        stage
    }

    /// Closes whatever is open, and lets the deadlines of what was withdrawn pass.
    pub(super) fn settle(&mut self) {
        let proposals = self.assembly.state().proposals();
        let last = proposals.iter().map(|it| it.deadline()).max();
        let open: Vec<ProposalId> = proposals.undecided().map(|it| it.id()).collect();
        self.assembly
            .wait_until(last.unwrap_or(self.assembly.now()));
        for proposal in open {
            // Closing one can end another.
            if self.assembly.status(proposal) == Status::Voting {
                self.assembly.close(proposal);
            }
        }
    }

    pub(super) fn propose(&mut self) {
        // A name of its own, so that no earlier revocation or freeze of it is on record.
        let name = format!("mischief-{}", self.assembly.state().entries());
        self.proposal = self
            .assembly
            .propose(self.by, actions::authorize_model(&name));
    }

    /// The signer with the voter's present key.
    pub(super) fn signer(&self) -> Signer {
        self.assembly.signer_of(self.assembly.id(self.by)).clone()
    }

    pub(super) fn outsider(&self) -> Signer {
        Signer::nth(self.assembly.signatures(), OUTSIDER)
    }

    pub(super) fn ballot(&mut self) -> Signed<Ballot> {
        self.assembly
            .signed_ballot(self.by, self.proposal, Decision::Approve)
    }

    /// A ballot that is changed before it is signed, by the voter unless somebody else does.
    pub(super) fn vote(
        &mut self,
        change: impl FnOnce(&mut Ballot),
        signer: Option<Signer>,
    ) -> Wrong {
        let mut ballot = self
            .assembly
            .ballot(self.by, self.proposal, Decision::Approve);
        change(&mut ballot);
        let signer = signer.unwrap_or_else(|| self.signer());
        Wrong::Command(Command::Vote(signer.sign(ballot)))
    }
}
