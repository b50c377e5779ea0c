//! Act seven: a decision travels without the ledger.

use std::fs;
use std::path::Path;

use super::{AGENT, Story, Who, off_script, subject};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::receipt::Receipt;
use crate::cli::error::Failure;
use crate::cli::tree;
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::id::GrantId;
use crate::governance::time::Timestamp;
use crate::identity::MlDsaVerifier;
use crate::ledger::Ledger as _;
use crate::replay::Unchecked;
use crate::replay::receipt::{Liveness, Selection, Trust};

/// The file in the directory of the story.
pub const FILE: &str = "receipt.json";

/// What somebody without the ledger knows in the end.
pub struct Received {
    /// The hash that was pinned.
    pub origin: Digest,
    pub entries: usize,
    pub authorized_as_of: Timestamp,
    /// With what the receipt without its last ballot was refused.
    pub refused: &'static str,
}

impl Story<'_> {
    /// Act seven.
    pub(super) fn give_a_receipt(&mut self, dir: &Path) -> Result<Received, Failure> {
        self.stage
            .act(7, "An auditor without the ledger gets a receipt")?;
        self.submit(&Command::RecordCheckpoint(None))?;
        let checkpoint = self.checkpoint()?;
        let size = checkpoint.head().tree.size;
        self.stage.done(&format!(
            "Aurora, Birch, Coast and University sign a checkpoint of all {size} entries"
        ))?;
        let receipt = self.receipt_of(self.grant_of_the_agent()?, checkpoint)?;
        let bytes = receipt.to_bytes()?;
        let path = dir.join(FILE);
        fs::write(&path, &bytes).map_err(|error| Failure::file(&path, &error))?;
        let entries = receipt.entries.len();
        self.stage.say(&format!(
            "the receipt of {AGENT}: {entries} of the entries, {} KiB",
            bytes.len() >> 10
        ))?;
        // From here on nothing is known but the file and the origin of act one.
        let origin = self.node()?.state().identity().origin;
        let authorized_as_of = self.audit(&bytes, origin)?;
        let refused = self.audit_without_a_ballot(receipt, origin)?;
        Ok(Received {
            origin,
            entries,
            authorized_as_of,
            refused,
        })
    }

    /// A checkpoint of everything, signed by more than two thirds of the active weight.
    fn checkpoint(&self) -> Result<Checkpoint, Failure> {
        let head = tree::head_of(self.node()?);
        let mut checkpoint = Checkpoint::unsigned(head)?;
        for who in [Who::Aurora, Who::Birch, Who::Coast, Who::University] {
            let hospital = self.hospital(who);
            let cosignature = hospital.cosign(&head, self.session.posix_seconds())?;
            let added = checkpoint.sign(&cosignature, hospital.public_key());
            added.map_err(|error| off_script(&error.to_string()))?;
        }
        Ok(checkpoint)
    }

    fn grant_of_the_agent(&self) -> Result<GrantId, Failure> {
        let agent = subject(AGENT)?;
        let mut grants = self.node()?.state().authorizations().iter();
        let found = grants.find(|(_, grant)| grant.terms().subject == agent);
        found
            .map(|(id, _)| id)
            .ok_or_else(|| off_script("the agent has no grant"))
    }

    fn receipt_of(&self, grant: GrantId, checkpoint: Checkpoint) -> Result<Receipt, Failure> {
        let ledger = self.node()?.ledger();
        let io = |error: std::io::Error| off_script(&error.to_string());
        let reader = ledger.reader().map_err(io)?;
        let selection = Selection::read(reader, grant, &checkpoint, &Unchecked)?;
        Ok(selection.receipt(ledger.reader().map_err(io)?, checkpoint)?)
    }

    fn audit(&self, receipt: &[u8], origin: Digest) -> Result<Timestamp, Failure> {
        let trust = Trust::Origin(origin);
        let verdict = Receipt::parse(receipt)?.verify(&trust, &MlDsaVerifier)?;
        let Liveness::AuthorizedAsOf(at) = verdict.liveness else {
            return Err(off_script("the grant is not live"));
        };
        let signed = &verdict.endorsement;
        self.stage.done(&format!(
            "receipt verify, with the pinned origin: decided by the quorum, authorized as of {at}"
        ))?;
        self.stage.aside(&format!(
            "signatures, ballots and count checked again; {} of {} weight vouch for it",
            signed.signed_weight.get(),
            signed.active_weight.get()
        ))?;
        Ok(at)
    }

    fn audit_without_a_ballot(
        &self,
        mut receipt: Receipt,
        origin: Digest,
    ) -> Result<&'static str, Failure> {
        let is_ballot = |line: &str| line.contains(r#""operation":"vote_cast""#);
        let ballot = (receipt.entries.iter()).rposition(|entry| is_ballot(&entry.line));
        let ballot = ballot.ok_or_else(|| off_script("the receipt holds no ballot"))?;
        receipt.entries.remove(ballot);
        match receipt.verify(&Trust::Origin(origin), &MlDsaVerifier) {
            Ok(_) => Err(off_script("the missing ballot was not found out")),
            Err(error) => {
                let code = error.code();
                self.stage
                    .refused("the same receipt without its last ballot: refused", code)?;
                Ok(code)
            }
        }
    }
}
