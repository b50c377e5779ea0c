//! What a faulty or hostile node does, and what has to come of it.

mod stage;

use super::assembly::Assembly;
use super::book::Book;
use super::history::History;
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::event::{
    AuthorizationGranted, ByzantineDetected, Event, ProposalCreated, ProposalLapsed,
};
use crate::governance::evidence::Equivocation;
use crate::governance::id::LedgerId;
use crate::governance::kind::AuthorizationKind;
use crate::governance::proposal::GrantTerms;
use crate::governance::time::Seconds;
use crate::testing::actions;
use stage::{Stage, nowhere};

/// One thing that goes wrong, on purpose or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mischief {
    // What comes in as a command.
    /// A member's ballot is signed by a key that is nobody's.
    WrongSigner,
    /// A ballot names another proposal hash: it was signed for a different history.
    WrongHash,
    /// A ballot was signed for another ledger.
    CrossLedger,
    /// A ballot names a proposal that does not exist.
    UnknownProposal,
    /// Somebody who is no member votes, with a key and a signature of its own.
    Outsider,
    /// A ballot comes when the proposal has been closed.
    Stale,
    /// A ballot comes at the deadline.
    Late,
    /// A ballot says that it was cast after the deadline.
    Postdated,
    /// A ballot is signed with the key that the voter had before its present one.
    RetiredKey,
    /// A ballot carries the id of another ballot of the same voter.
    ReusedVoteId,
    /// A ballot comes twice: no harm done.
    Repeated,
    /// A node votes, and then votes otherwise.
    Equivocating,
    /// A node is accused with two ballots that don't contradict each other.
    FalseAccusation,
    /// A node is accused with ballots that it did not sign.
    ForgedEvidence,
    /// A node proposes in the name of another.
    ForgedProposal,
    /// A node withdraws what another one proposed.
    ForeignWithdrawal,
    /// A proposal is closed before its deadline.
    EarlyClose,
    // What only somebody who writes the file can do.
    /// A grant is recorded that nobody decided.
    ForgedConsequence,
    /// A lapse is recorded of a decision that was not taken.
    ForgedEnd,
    /// The last consequence of a command is left out.
    OmittedConsequence,
    /// Two consequences of one command stand in another order.
    Reordered,
    /// A consequence has another time than its cause.
    Postponed,
    /// A batch ends between a cause and its consequence.
    Cut,
}

/// What has to come of a mischief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is refused with this stable code: by a node where it comes in, and by replay where
    /// somebody recorded it all the same.
    Refused(&'static str),
    /// It is accepted, and nothing is recorded.
    Nothing,
    /// It is accepted, and what is recorded begins with this operation.
    Recorded(&'static str),
}

/// An honest history and the one thing that goes wrong after it.
#[derive(Debug)]
pub struct Adversarial {
    /// What goes wrong.
    pub mischief: Mischief,
    /// The honest history, which goes on until just before.
    pub assembly: Assembly,
    /// The command that comes in; none where only a file can be that wrong.
    pub command: Option<Command>,
    /// What has to come of it.
    pub outcome: Outcome,
    /// The history with the wrong thing recorded, well hashed, and the entry at which replay has to
    /// refuse it; none where there is nothing to refuse.
    pub forged: Option<(Book, u64)>,
}

impl Mischief {
    /// Every mischief, from the plainest on.
    pub const ALL: [Self; 23] = [
        Self::WrongSigner,
        Self::WrongHash,
        Self::CrossLedger,
        Self::UnknownProposal,
        Self::Outsider,
        Self::Stale,
        Self::Late,
        Self::Postdated,
        Self::RetiredKey,
        Self::ReusedVoteId,
        Self::Repeated,
        Self::Equivocating,
        Self::FalseAccusation,
        Self::ForgedEvidence,
        Self::ForgedProposal,
        Self::ForeignWithdrawal,
        Self::EarlyClose,
        Self::ForgedConsequence,
        Self::ForgedEnd,
        Self::OmittedConsequence,
        Self::Reordered,
        Self::Postponed,
        Self::Cut,
    ];

    /// What has to come of it, wherever it happens.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        Outcome::Refused(match self {
            Self::WrongSigner | Self::RetiredKey => "ballot.signature",
            Self::WrongHash => "ballot.hash-mismatch",
            Self::CrossLedger => "statement.wrong-ledger",
            Self::UnknownProposal => "ballot.unknown-proposal",
            Self::Outsider => "ballot.not-in-electorate",
            Self::Stale => "ballot.proposal-closed",
            Self::Late => "ballot.outside-voting-period",
            Self::Postdated => "ballot.cast-after-deadline",
            Self::ReusedVoteId => "ballot.vote-id-reused",
            Self::Repeated => return Outcome::Nothing,
            Self::Equivocating => return Outcome::Recorded("byzantine_detected"),
            Self::FalseAccusation => "evidence.not-contradictory",
            Self::ForgedEvidence => "evidence.signature",
            Self::ForgedProposal => "signature.invalid",
            Self::ForeignWithdrawal => "withdraw.not-proposer",
            Self::EarlyClose => "close.before-deadline",
            Self::ForgedConsequence | Self::ForgedEnd => "execute.not-queued",
            Self::OmittedConsequence | Self::Cut => "replay.missing-consequence",
            Self::Reordered => "replay.divergence",
            Self::Postponed => "replay.time",
        })
    }

    /// Lets a history happen and one thing go wrong after it, or in it.
    ///
    /// Whatever the history left behind is closed first, and a node that is active then proposes
    /// something, which the mischief is about. `at` says which of several places or nodes is meant;
    /// it wraps around. `None` where the history has no such place.
    #[must_use]
    pub fn after(self, history: &History, at: usize) -> Option<Adversarial> {
        let assembly = history.play().assembly;
        match self {
            Self::OmittedConsequence | Self::Reordered | Self::Postponed | Self::Cut => {
                self.in_file(assembly, at)
            }
            _ => Some(self.on_stage(Stage::set(assembly, at))),
        }
    }

    fn on_stage(self, mut stage: Stage) -> Adversarial {
        let wrong = self.commit(&mut stage);
        let Stage { assembly, .. } = stage;
        let mut book = Book::read(assembly.bytes());
        let (command, event) = match wrong {
            Wrong::Command(command) => {
                let event = recorded_as(&assembly, &command);
                (Some(command), event)
            }
            Wrong::Event(event) => (None, Some(event)),
        };
        let forged = match (self.outcome(), event) {
            (Outcome::Refused(_), Some(event)) => {
                let seq = book.append(assembly.now(), event);
                Some((book, seq))
            }
            _ => None,
        };
        Adversarial {
            mischief: self,
            assembly,
            command,
            outcome: self.outcome(),
            forged,
        }
    }

    /// Does what goes wrong in public, up to the last command or event, which is returned.
    fn commit(self, stage: &mut Stage) -> Wrong {
        let (by, proposal) = (stage.by, stage.proposal);
        let deadline = stage.assembly.proposal(proposal).deadline();
        match self {
            Self::WrongSigner => stage.vote(|_| (), Some(stage.outsider())),
            Self::WrongHash => stage.vote(|it| it.proposal_hash = Digest::of(b"another"), None),
            Self::CrossLedger => {
                stage.vote(|it| it.ledger = LedgerId::of_founding("elsewhere"), None)
            }
            Self::UnknownProposal => stage.vote(|it| it.proposal_id = nowhere(), None),
            Self::Outsider => {
                let outsider = stage.outsider();
                stage.vote(|it| it.voter = outsider.node(), Some(outsider.clone()))
            }
            Self::Stale => {
                let ballot = stage.ballot();
                stage.assembly.close_at_deadline(proposal);
                Wrong::Command(Command::Vote(ballot))
            }
            Self::Late => {
                let ballot = stage.ballot();
                stage.assembly.wait_until(deadline);
                Wrong::Command(Command::Vote(ballot))
            }
            Self::Postdated => stage.vote(|it| it.cast_at = deadline, None),
            Self::RetiredKey => {
                let retired = stage.signer();
                let (_, new) = stage.assembly.new_key(stage.assembly.id(by));
                let rotation = stage.assembly.rotation(new);
                let rotation = retired.sign(rotation);
                stage.assembly.accept(&Command::RotateKey(rotation));
                stage.vote(|_| (), Some(retired))
            }
            Self::ReusedVoteId => {
                let first = stage.ballot();
                stage.assembly.accept(&Command::Vote(first.clone()));
                stage.settle();
                stage.propose();
                stage.vote(|it| it.vote_id = first.content().vote_id, None)
            }
            Self::Repeated => {
                let ballot = stage.ballot();
                stage.assembly.accept(&Command::Vote(ballot.clone()));
                Wrong::Command(Command::Vote(ballot))
            }
            Self::Equivocating => {
                let ballot = stage.ballot();
                stage.assembly.accept(&Command::Vote(ballot));
                stage.vote(|it| it.decision = Decision::Reject, None)
            }
            Self::FalseAccusation => Wrong::Command(Command::SubmitEvidence(Equivocation {
                first: stage.ballot(),
                second: stage.ballot(),
            })),
            Self::ForgedEvidence => {
                let mut evidence = stage.assembly.equivocation(by, proposal);
                evidence.second = stage.outsider().sign(evidence.second.content().clone());
                Wrong::Command(Command::SubmitEvidence(evidence))
            }
            Self::ForgedProposal => {
                let draft = stage.assembly.draft(by, actions::authorize_model("forged"));
                Wrong::Command(Command::Propose(stage.outsider().sign(draft)))
            }
            Self::ForeignWithdrawal => {
                let mut withdrawal = stage.assembly.withdrawal(proposal);
                let outsider = stage.outsider();
                withdrawal.proposer = outsider.node();
                Wrong::Command(Command::Withdraw(outsider.sign(withdrawal)))
            }
            Self::EarlyClose => Wrong::Command(Command::Close(proposal)),
            Self::ForgedEnd => Wrong::Event(Event::ProposalLapsed(ProposalLapsed {
                proposal_id: proposal,
            })),
            // The others are done to files.
            _ => Wrong::Event(Event::AuthorizationGranted(AuthorizationGranted {
                grant_id: proposal,
                kind: AuthorizationKind::Model,
                parent: None,
                terms: GrantTerms::unrestricted(actions::model("mischief")),
            })),
        }
    }

    /// Forges the record of what happened, and ends it with the batch that is forged.
    fn in_file(self, assembly: Assembly, at: usize) -> Option<Adversarial> {
        let mut book = Book::read(assembly.bytes());
        let places: Vec<(usize, usize)> = book
            .consequences()
            .filter(|(batch, place)| self.fits(&book, *batch, *place))
            .collect();
        let (batch, place) = *places.get(at.checked_rem(places.len())?)?;
        book.0.truncate(batch + 1);
        let seq = book.entries_before(batch) + place as u64 + 1;
        let last = &mut book.0[batch];
        let wrong = match self {
            Self::OmittedConsequence => {
                last.pop();
                seq - 1
            }
            Self::Reordered => {
                last.swap(place, place + 1);
                seq
            }
            Self::Postponed => {
                let later = Seconds::new(1)?;
                for (at, _) in &mut last[place..] {
                    *at = at.saturating_add(later);
                }
                seq
            }
            _ => {
                book.cut_before(seq);
                seq - 1
            }
        };
        Some(Adversarial {
            mischief: self,
            assembly,
            command: None,
            outcome: self.outcome(),
            forged: Some((book, wrong)),
        })
    }

    fn fits(self, book: &Book, batch: usize, place: usize) -> bool {
        let entries = &book.0[batch];
        match self {
            Self::OmittedConsequence => place + 1 == entries.len(),
            Self::Reordered => {
                let next = entries.get(place + 1);
                next.is_some_and(|(_, next)| *next != entries[place].1)
            }
            _ => true,
        }
    }
}

/// The last thing to go wrong.
enum Wrong {
    Command(Command),
    Event(Event),
}

/// The event that a command would be recorded as, if nobody checked it.
fn recorded_as(assembly: &Assembly, command: &Command) -> Option<Event> {
    match command {
        Command::Vote(ballot) => Some(Event::VoteCast(ballot.clone())),
        Command::Withdraw(withdrawal) => Some(Event::ProposalWithdrawn(withdrawal.clone())),
        Command::SubmitEvidence(evidence) => {
            let content = evidence.first.content();
            Some(Event::ByzantineDetected(ByzantineDetected {
                first: evidence.first.clone(),
                node: content.voter,
                proposal_id: content.proposal_id,
                second: evidence.second.clone(),
                suspended: true,
            }))
        }
        Command::Propose(signed) => {
            let any = assembly.state().proposals().iter().last()?;
            Some(Event::ProposalCreated(ProposalCreated {
                deadline: any.deadline(),
                epoch: assembly.state().epoch(),
                signature: signed.signature.clone(),
                statement: signed.statement.clone(),
                total_weight: assembly.state().registry().active_weight(),
            }))
        }
        _ => None,
    }
}
