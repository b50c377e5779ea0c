//! Receipts: a decision taken again from its own entries, by the rules that took it first.
//!
//! A receipt holds every entry that the decision depends on, and nothing else of the ledger. Its
//! entries are replayed as a whole ledger is, but without the links between them: instead each is
//! shown to stand in the tree of a signed checkpoint. Specification, "Receipts".

mod error;
mod select;
mod trust;

use crate::chain::checkpoint::Endorsement;
use crate::chain::line::{Line, stated_hash_differs};
use crate::chain::merkle::{InclusionProof, LeafHash, TreeRoot};
use crate::chain::receipt::Receipt;
use crate::governance::digest::Digest;
use crate::governance::event::{CheckpointRecorded, Event, Recorded};
use crate::governance::id::GrantId;
use crate::governance::key::SignatureVerifier;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::registry::Registry;
use crate::governance::time::Timestamp;
use crate::governance::tree_head::{Origin, TreeHead};

use super::error::Illegal;
use super::{advance, founded, require_nothing_outstanding};
pub use error::ReceiptError;
pub use select::{SelectError, Selection};
pub use trust::{Basis, MalformedTrustPolicy, Pinned, Trust, TrustPolicy};

/// What a receipt shows.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The grant, which was decided by the quorum.
    pub grant: GrantId,
    /// The state that the receipt's entries lead to: the grant, how it was decided, and who was
    /// registered. Other matters of the ledger are not in it.
    pub state: State,
    /// What the checkpoint says.
    pub head: TreeHead,
    /// Who of the receipt's registry signed the checkpoint.
    pub endorsement: Endorsement,
    /// Whether the receipt holds every change of membership, of a key and of the policy up to the
    /// checkpoint, so that its registry is the ledger's.
    pub registry_proven: bool,
    /// Why the checkpoint is believed; `None` where nothing was pinned.
    pub basis: Option<Basis>,
    /// Whether the grant was live.
    pub liveness: Liveness,
}

/// Whether a grant was live when the ledger last recorded which ones were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It was live at that time.
    AuthorizedAsOf(Timestamp),
    /// The receipt does not show that it ever was. Where the entries show why not, with the reason.
    NotShown(Option<GrantStatus>),
}

impl Receipt {
    /// Takes the decision again from the receipt's entries, and asks whether `trust` believes the
    /// checkpoint that they stand under. Needs no ledger, no clock and no network.
    ///
    /// With [`Trust::Nothing`] all is checked, and nobody vouches for it: [`Verdict::basis`] is
    /// `None` then, and the grant must not be relied on.
    ///
    /// ```
    /// use althing::chain::receipt::Receipt;
    /// use althing::replay::receipt::{Liveness, Trust};
    /// # use althing::chain::checkpoint::Checkpoint;
    /// # use althing::governance::command::Command;
    /// # use althing::governance::tree_head::{Cosignature, Origin, TreeHead};
    /// # use althing::replay::receipt::Selection;
    /// # use althing::testing::{Assembly, StandInVerifier, actions};
    /// # let mut assembly = Assembly::of(&[1, 1, 1]);
    /// # let grant = assembly.pass(0..3, actions::authorize_model("triage"));
    /// # assembly.accept(&Command::RecordCheckpoint(None));
    /// # let origin = assembly.state().identity().origin;
    /// # let head = TreeHead {
    /// #     origin: Origin { ledger: assembly.state().ledger(), genesis: origin },
    /// #     tree: assembly.replay().merkle.tree_root(),
    /// # };
    /// # let mut checkpoint = Checkpoint::unsigned(head)?;
    /// # for by in 0..3 {
    /// #     let signer = assembly.signer(by);
    /// #     let signature = signer.sign_message(&head.message(assembly.id(by), 7));
    /// #     let cosignature = Cosignature { signer: assembly.id(by), posix_seconds: 7, signature };
    /// #     let key = assembly.state().registry().get(assembly.id(by)).ok_or("a node")?.key();
    /// #     checkpoint.sign(&cosignature, key)?;
    /// # }
    /// # let selection = Selection::read(assembly.bytes(), grant, &checkpoint, &StandInVerifier)?;
    /// # let bytes = selection.receipt(assembly.bytes(), checkpoint)?.to_bytes()?;
    /// # let verifier = StandInVerifier;
    /// let receipt = Receipt::parse(&bytes)?;
    /// let verdict = receipt.verify(&Trust::Origin(origin), &verifier)?;
    /// assert!(verdict.basis.is_some());
    /// assert!(matches!(verdict.liveness, Liveness::AuthorizedAsOf(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReceiptError`] with the first thing that is not as it must be.
    pub fn verify(
        &self,
        trust: &Trust,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Verdict, ReceiptError> {
        let lines = self.lines()?;
        let mut replay = EntryReplay::new(self.grant, verifier);
        for line in &lines {
            replay.take(line)?;
        }
        replay.finish()?.verdict(self, trust, verifier)
    }

    /// The receipt's lines, each with its own hash, in order, and in the checkpoint's tree.
    fn lines(&self) -> Result<Vec<Line<'_>>, ReceiptError> {
        let mut lines = Vec::with_capacity(self.entries.len());
        let mut previous = 0;
        for (entry, number) in self.entries.iter().zip(1..) {
            let line = read(number, &entry.line)?;
            if line.seq <= previous {
                return Err(ReceiptError::Order {
                    number,
                    previous,
                    found: line.seq,
                });
            }
            check_inclusion(&line, &entry.path, &self.checkpoint.head().tree)?;
            previous = line.seq;
            lines.push(line);
        }
        Ok(lines)
    }
}

/// Decodes a line that carries its own hash.
fn read(number: usize, line: &str) -> Result<Line<'_>, ReceiptError> {
    if let Some((stated, computed)) = stated_hash_differs(line.as_bytes()) {
        return Err(ReceiptError::Hash {
            number,
            stated,
            computed,
        });
    }
    Line::decode(line.as_bytes()).map_err(|error| ReceiptError::Line { number, error })
}

fn check_inclusion(line: &Line<'_>, path: &[Digest], tree: &TreeRoot) -> Result<(), ReceiptError> {
    let seq = line.seq;
    let proof = seq
        .checked_sub(1)
        .and_then(|index| InclusionProof::new(index, tree.size, path.to_vec()).ok());
    let leaf = LeafHash::of_entry(&line.entry_hash);
    if proof.is_some_and(|proof| proof.proves(&leaf, tree)) {
        return Ok(());
    }
    Err(ReceiptError::Inclusion { seq })
}

/// The entries of a receipt in the course of being replayed.
struct EntryReplay<'a> {
    grant: GrantId,
    verifier: &'a dyn SignatureVerifier,
    last: u64,
    founding: Vec<Recorded>,
    governed: Option<Governed>,
}

/// What holds after the founding.
struct Governed {
    state: State,
    /// The registry after the founding.
    founders: Registry,
    /// The time of a cause whose consequences may still be outstanding.
    cause_at: Option<Timestamp>,
    /// The data of the entry that gave the grant.
    granted: Option<String>,
    record: Option<Record>,
}

/// The `checkpoint_recorded` of a receipt.
struct Record {
    seq: u64,
    at: Timestamp,
    recorded: CheckpointRecorded,
    /// What the grant was to the receipt's own entries at that time.
    status: Option<GrantStatus>,
}

impl<'a> EntryReplay<'a> {
    fn new(grant: GrantId, verifier: &'a dyn SignatureVerifier) -> Self {
        Self {
            grant,
            verifier,
            last: 0,
            founding: Vec::new(),
            governed: None,
        }
    }

    fn take(&mut self, line: &Line<'_>) -> Result<(), ReceiptError> {
        let seq = line.seq;
        self.last = seq;
        let event = Event::decode(line.operation, line.data)
            .map_err(|error| ReceiptError::Event { seq, error })?;
        let recorded = Recorded {
            seq,
            timestamp: line.timestamp,
            hash: line.entry_hash,
            event,
        };
        let illegal = |illegal| ReceiptError::Illegal { seq, illegal };
        let Some(governed) = &mut self.governed else {
            // Nothing of the founding may be missing: its entries are the ledger's first.
            self.founding.push(recorded);
            if self.founding.len() as u64 != seq {
                return Err(illegal(Illegal::Genesis));
            }
            if line.batch.is_last() {
                let state = founded(&self.founding, self.verifier).map_err(illegal)?;
                self.governed = Some(Governed::new(state));
            }
            return Ok(());
        };
        match &recorded.event {
            Event::CheckpointRecorded(claimed) => {
                if line.batch.index > 1 {
                    return Err(illegal(Rejection::CheckpointPlace.into()));
                }
                governed.record(self.grant, &recorded, *claimed)
            }
            // What no decision depends on has no place here.
            Event::PredictionRecorded(_) | Event::RecoveryRecorded(_) => {
                Err(ReceiptError::ForeignEntry { seq })
            }
            event => {
                if let Event::AuthorizationGranted(granted) = event
                    && granted.grant_id == self.grant
                {
                    governed.granted = Some(line.data.to_owned());
                }
                governed.enter(&recorded, self.verifier).map_err(illegal)
            }
        }
    }

    fn finish(self) -> Result<Governed, ReceiptError> {
        let seq = self.last;
        let illegal = |illegal| ReceiptError::Illegal { seq, illegal };
        let governed = self.governed.ok_or_else(|| illegal(Illegal::Genesis))?;
        require_nothing_outstanding(&governed.state, governed.cause_at).map_err(illegal)?;
        Ok(governed)
    }
}

impl Governed {
    fn new(state: State) -> Self {
        Self {
            founders: state.registry().clone(),
            state,
            cause_at: None,
            granted: None,
            record: None,
        }
    }

    fn enter(
        &mut self,
        recorded: &Recorded,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), Illegal> {
        advance(&mut self.state, &mut self.cause_at, recorded, verifier).map(drop)
    }

    /// Takes what the ledger recorded of its state. The state hash covers more than a receipt holds;
    /// the registry hash does not.
    fn record(
        &mut self,
        grant: GrantId,
        entry: &Recorded,
        recorded: CheckpointRecorded,
    ) -> Result<(), ReceiptError> {
        let seq = entry.seq;
        let illegal = |illegal| ReceiptError::Illegal { seq, illegal };
        require_nothing_outstanding(&self.state, self.cause_at.take()).map_err(illegal)?;
        let (head, found) = (self.state.clock(), entry.timestamp);
        if found < head {
            return Err(illegal(Rejection::ClockBehindHead { head, found }.into()));
        }
        if self.record.is_some() {
            return Err(ReceiptError::ForeignEntry { seq });
        }
        let computed = self.state.registry_hash();
        if recorded.registry_hash != computed {
            return Err(ReceiptError::RegistryDiffers {
                expected: recorded.registry_hash,
                found: computed,
            });
        }
        let status = self.state.authorizations().status(grant, found);
        self.state.apply(seq, found, entry.hash, &entry.event);
        self.record = Some(Record {
            seq,
            at: found,
            recorded,
            status,
        });
        Ok(())
    }

    fn verdict(
        self,
        receipt: &Receipt,
        trust: &Trust,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Verdict, ReceiptError> {
        let (state, head) = (&self.state, *receipt.checkpoint.head());
        let origin = Origin {
            ledger: state.ledger(),
            genesis: state.identity().origin,
        };
        if origin != head.origin {
            return Err(ReceiptError::OtherLedger {
                expected: Box::new(head.origin),
                found: Box::new(origin),
            });
        }
        let grant = receipt.grant;
        if self.granted.is_none() {
            return Err(ReceiptError::NoGrant { grant });
        }
        let liveness = self.liveness(receipt)?;
        let endorsement = receipt.checkpoint.endorsement(state.registry(), verifier)?;
        // Who counts under a checkpoint is who was registered at its last entry.
        let record_is_last = |record: &Record| record.seq == head.tree.size;
        let registry_proven = self.record.as_ref().is_some_and(record_is_last);
        let basis = trust::Weighing {
            checkpoint: &receipt.checkpoint,
            founders: &self.founders,
            registry: state.registry(),
            registry_proven,
            endorsement: &endorsement,
            verifier,
        }
        .basis(trust)?;
        Ok(Verdict {
            grant,
            head,
            endorsement,
            registry_proven,
            basis,
            liveness,
            state: self.state,
        })
    }

    fn liveness(&self, receipt: &Receipt) -> Result<Liveness, ReceiptError> {
        let Some(live) = &receipt.live else {
            let now = self.state.clock();
            let status = match &self.record {
                Some(record) => record.status,
                None => self.state.authorizations().status(receipt.grant, now),
            };
            // What is live as far as these entries go may have ended in others.
            let known = status.filter(|status| *status != GrantStatus::Live);
            return Ok(Liveness::NotShown(known));
        };
        let (Some(record), Some(data)) = (&self.record, &self.granted) else {
            return Err(ReceiptError::Liveness);
        };
        let tree = TreeRoot {
            size: record.recorded.live_grants,
            root: record.recorded.grants_root,
        };
        let leaf = LeafHash::of(data.as_bytes());
        let proof = InclusionProof::new(live.index, tree.size, live.path.clone());
        let proven = proof.is_ok_and(|proof| proof.proves(&leaf, &tree));
        if !proven || record.status != Some(GrantStatus::Live) {
            return Err(ReceiptError::Liveness);
        }
        Ok(Liveness::AuthorizedAsOf(record.at))
    }
}
