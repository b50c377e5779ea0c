//! Which entries of a ledger the decision for one grant depends on.
//!
//! The entries of a receipt must lead to the same decisions as the whole ledger did, entry for entry.
//! What the rules look at when they decide on a proposal is: the nodes and their keys, the policy,
//! evidence and freezes, all of which are taken in whole; the proposal's own entries; and the grants
//! and revocations of its subject. A consequence brings its cause, and so the cause's proposal.
//! Specification, "Receipts".

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::chain::checkpoint::Checkpoint;
use crate::chain::lines::{Ending, LineReader, ReadLineError};
use crate::chain::merkle::{LeafHash, WholeTree};
use crate::chain::receipt::{LivePath, Receipt, ReceiptEntry};
use crate::governance::event::{AdmittedBy, Event, Recorded};
use crate::governance::grants_root::prove_live;
use crate::governance::id::{GrantId, ProposalId, Subject};
use crate::governance::key::SignatureVerifier;
use crate::governance::kind::AuthorizationKind;
use crate::governance::rejection::Rejection;
use crate::replay::{Replay, ReplayError, Role};

/// The entries that go into a receipt, and where they stand.
#[derive(Debug, Clone)]
pub struct Selection {
    grant: GrantId,
    entries: BTreeSet<u64>,
    tree: WholeTree,
    live: Option<LivePath>,
}

/// Why there is no receipt to be had.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The ledger is no ledger.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The ledger can't be read.
    #[error(transparent)]
    Read(#[from] ReadLineError),
    /// The ledger has given no such grant.
    #[error("{}", Rejection::UnknownGrant { grant: *.0 })]
    UnknownGrant(GrantId),
    /// The checkpoint does not cover the grant.
    #[error("the checkpoint covers {size} entries, the grant was given in entry {granted}")]
    OlderThanGrant {
        /// How many entries the checkpoint covers.
        size: u64,
        /// The entry that gave the grant.
        granted: u64,
    },
    /// The checkpoint is of another history.
    #[error("the checkpoint is not one of this ledger")]
    OtherHistory,
}

impl SelectError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Replay(error) => error.problem.code(),
            Self::Read(error) => error.code(),
            Self::UnknownGrant(_) => "grant.unknown",
            Self::OlderThanGrant { .. } => "receipt.older-checkpoint",
            Self::OtherHistory => "checkpoint.inconsistent",
        }
    }
}

impl Selection {
    /// Reads a ledger and chooses what a receipt for `grant` under `checkpoint` has to hold.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn read(
        source: impl Read,
        grant: GrantId,
        checkpoint: &Checkpoint,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Self, SelectError> {
        let tree = checkpoint.head().tree;
        let mut lines = Lines::new(source);
        let mut replay = Replay::new(verifier);
        let mut history = History::default();
        let mut leaves = Vec::new();
        let mut live = None;
        while let Some(raw) = (leaves.len() as u64 != tree.size)
            .then(|| lines.next())
            .transpose()?
            .flatten()
        {
            let (recorded, role) = replay.entry(raw)?;
            leaves.push(LeafHash::of_entry(&recorded.hash));
            if let (Event::CheckpointRecorded(_), Some(state)) = (&recorded.event, replay.state()) {
                live = prove_live(state.authorizations(), grant, recorded.timestamp);
            }
            history.take(&recorded, role);
        }
        let whole = WholeTree::over(leaves);
        if whole.tree_root() != tree {
            return Err(SelectError::OtherHistory);
        }
        if !history.gives(grant) {
            return Err(granted_later(replay, lines, grant, tree.size)?);
        }
        Ok(Self {
            grant,
            entries: history.needed_for(grant),
            tree: whole,
            live: live.map(|live| LivePath {
                index: live.proof.index(),
                path: live.proof.path().to_vec(),
            }),
        })
    }

    /// The numbers of the entries chosen.
    #[must_use]
    pub const fn entries(&self) -> &BTreeSet<u64> {
        &self.entries
    }

    /// The receipt, with the lines from the same ledger, read once more.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn receipt(
        self,
        source: impl Read,
        checkpoint: Checkpoint,
    ) -> Result<Receipt, SelectError> {
        let mut lines = Lines::new(source);
        let mut entries = Vec::with_capacity(self.entries.len());
        let mut seq = 0;
        while let Some(raw) = lines.next()? {
            seq += 1;
            if self.entries.contains(&seq) {
                let proof = self.tree.prove(seq - 1);
                entries.push(ReceiptEntry {
                    line: String::from_utf8_lossy(raw).into_owned(),
                    path: proof.map(|proof| proof.path().to_vec()).unwrap_or_default(),
                });
            }
            if self.entries.last() == Some(&seq) {
                break;
            }
        }
        Ok(Receipt {
            grant: self.grant,
            checkpoint,
            entries,
            live: self.live,
        })
    }
}

/// Whether the rest of the ledger gives the grant.
fn granted_later<R: Read>(
    mut replay: Replay<'_>,
    mut lines: Lines<R>,
    grant: GrantId,
    size: u64,
) -> Result<SelectError, SelectError> {
    while let Some(raw) = lines.next()? {
        let (recorded, _) = replay.entry(raw)?;
        if matches!(&recorded.event, Event::AuthorizationGranted(it) if it.grant_id == grant) {
            return Ok(SelectError::OlderThanGrant {
                size,
                granted: recorded.seq,
            });
        }
    }
    Ok(SelectError::UnknownGrant(grant))
}

/// The whole lines of a ledger; a torn one at its end is none.
struct Lines<R>(LineReader<R>);

impl<R: Read> Lines<R> {
    fn new(source: R) -> Self {
        Self(LineReader::new(source))
    }

    fn next(&mut self) -> Result<Option<&[u8]>, ReadLineError> {
        let line = self.0.next_line()?;
        Ok(line
            .filter(|line| line.ending == Ending::LineFeed)
            .map(|line| line.bytes))
    }
}

/// Whose authorizations something is about.
type About = (AuthorizationKind, Subject);

/// What is kept of a history to choose from it.
#[derive(Default)]
struct History {
    /// Entries that every receipt has.
    always: BTreeSet<u64>,
    /// Proposals that every receipt has: they changed the registry, the policy or the freezes, or
    /// there is evidence of ballots on them.
    core: BTreeSet<ProposalId>,
    proposals: BTreeMap<ProposalId, Facts>,
    /// Proposals that gave or revoked something, by whose it was.
    moved: BTreeMap<About, Vec<ProposalId>>,
    /// The last cause, with its proposal.
    cause: Option<ProposalId>,
    last_record: Option<u64>,
}

/// What is known of one proposal.
#[derive(Default)]
struct Facts {
    entries: Vec<u64>,
    /// The proposals whose entries led to some of these.
    causes: BTreeSet<ProposalId>,
    about: Option<About>,
    parent: Option<GrantId>,
    gave: bool,
}

impl History {
    fn take(&mut self, recorded: &Recorded, role: Role) {
        let (seq, event) = (recorded.seq, &recorded.event);
        let proposal = proposal_of(event);
        if role == Role::Cause {
            self.cause = proposal;
        }
        match (proposal, event) {
            (_, Event::CheckpointRecorded(_)) => self.last_record = Some(seq),
            (_, Event::PredictionRecorded(_) | Event::RecoveryRecorded(_)) => {}
            // The founding, rotations and evidence on no proposal.
            (None, _) => {
                self.always.insert(seq);
            }
            (Some(proposal), event) => self.note(seq, proposal, event),
        }
    }

    fn note(&mut self, seq: u64, proposal: ProposalId, event: &Event) {
        let facts = self.proposals.entry(proposal).or_default();
        facts.entries.push(seq);
        facts.causes.extend(self.cause);
        match event {
            Event::ProposalCreated(created) => {
                let action = &created.statement.content().action;
                let given = action.grants().map(|(kind, terms)| (kind, &terms.subject));
                let ended = action.revokes().map(|(kind, terms)| (kind, &terms.subject));
                facts.about = given
                    .or(ended)
                    .map(|(kind, subject)| (kind, subject.clone()));
                facts.parent = action.parent();
            }
            Event::AuthorizationGranted(_) | Event::AuthorizationRevoked(_) => {
                facts.gave = matches!(event, Event::AuthorizationGranted(_));
                if let Some(about) = facts.about.clone() {
                    self.moved.entry(about).or_default().push(proposal);
                }
            }
            Event::NodeAdded(_)
            | Event::NodeRemoved(_)
            | Event::KeyReplaced(_)
            | Event::NodeReinstated(_)
            | Event::PolicyUpdated(_)
            | Event::FreezeImposed(_)
            | Event::FreezeLifted(_)
            | Event::ByzantineDetected(_) => {
                self.core.insert(proposal);
            }
            _ => {}
        }
    }

    fn gives(&self, grant: GrantId) -> bool {
        self.proposals.get(&grant).is_some_and(|facts| facts.gave)
    }

    /// The entries that the decision for `grant` depends on.
    fn needed_for(&self, grant: GrantId) -> BTreeSet<u64> {
        let mut entries = self.always.clone();
        entries.extend(self.last_record);
        let mut taken = BTreeSet::new();
        let mut open: Vec<ProposalId> = self.core.iter().copied().chain([grant]).collect();
        while let Some(proposal) = open.pop() {
            let Some(facts) = self.proposals.get(&proposal) else {
                continue;
            };
            if !taken.insert(proposal) {
                continue;
            }
            entries.extend(&facts.entries);
            open.extend(&facts.causes);
            open.extend(facts.parent);
            let same_subject = facts.about.as_ref().and_then(|about| self.moved.get(about));
            open.extend(same_subject.into_iter().flatten());
        }
        entries
    }
}

/// The proposal that an event is about.
fn proposal_of(event: &Event) -> Option<ProposalId> {
    Some(match event {
        Event::ProposalCreated(it) => it.statement.content().proposal_id,
        Event::ProposalWithdrawn(it) => it.content().proposal_id,
        Event::ProposalSuperseded(it) => it.proposal_id,
        Event::ProposalFailed(it) => it.proposal_id,
        Event::ProposalLapsed(it) => it.proposal_id,
        Event::VoteCast(it) => it.content().proposal_id,
        Event::ConsensusReached(it) => it.proposal_id,
        Event::DecisionOverturned(it) => it.proposal_id,
        Event::ByzantineDetected(it) => it.proposal_id,
        Event::AuthorizationGranted(it) => it.grant_id,
        Event::AuthorizationRevoked(it) => it.proposal_id,
        Event::FreezeImposed(it) => it.proposal_id,
        Event::FreezeLifted(it) => it.proposal_id,
        Event::NodeRemoved(it) => it.proposal_id,
        Event::KeyReplaced(it) => it.proposal_id,
        Event::NodeReinstated(it) => it.proposal_id,
        Event::PolicyUpdated(it) => it.proposal_id,
        Event::NodeAdded(it) => match it.admitted_by {
            AdmittedBy::Proposal(proposal) => proposal,
            AdmittedBy::Founding(_) => return None,
        },
        Event::LedgerCreated(_)
        | Event::KeyRotated(_)
        | Event::CheckpointsContradicted(_)
        | Event::ConsensusContradicted(_)
        | Event::PredictionRecorded(_)
        | Event::RecoveryRecorded(_)
        | Event::CheckpointRecorded(_) => return None,
    })
}
