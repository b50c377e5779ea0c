//! From the state to records.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{
    BallotRecord, ContradictionEntry, End, EvidenceEntry, FreezeRecord, GrantRecord, KeptRecord,
    KeyRecord, MemberRecord, ModelRecord, NodeRecord, ProposalRecord, Record, RevocationRecord,
    StateRecord,
};
use crate::governance::id::NodeId;
use crate::governance::state::State;
use crate::governance::state::proposal::{KeptBallot, Member, ProposalState};

impl State {
    /// Writes the whole state as records, one JSON object a line. The same state always gives the
    /// same bytes. Memory use does not grow with the state.
    ///
    /// # Errors
    /// Where `out` fails.
    pub fn write_records<W: Write>(&self, out: W) -> io::Result<()> {
        let mut records = Records(out);
        records.write(&Record::State(self.state_record()))?;
        records.nodes(self)?;
        for proposal in self.proposals.iter() {
            records.write(&Record::Proposal(Box::new(proposal_record(proposal))))?;
            for (node, member) in proposal.electorate() {
                records.write(&Record::Member(member_record(node, member)))?;
            }
        }
        records.authorizations(self)?;
        for (node, proposal, record) in self.evidence() {
            records.write(&Record::Evidence(EvidenceEntry {
                node,
                proposal,
                seq: record.seq,
                at: record.at,
                suspended: record.suspended,
            }))?;
        }
        for (kind, node, term, record) in self.contradictions() {
            records.write(&Record::Contradiction(ContradictionEntry {
                kind,
                node,
                term,
                seq: record.seq,
                at: record.at,
                suspended: record.suspended,
            }))?;
        }
        for (model, count) in self.predictions.models() {
            records.write(&Record::Model(ModelRecord {
                model: Cow::Borrowed(model),
                count: *count,
            }))?;
        }
        Ok(())
    }

    fn state_record(&self) -> StateRecord<'_> {
        StateRecord {
            ledger: self.identity.ledger,
            name: Cow::Borrowed(&self.identity.name),
            created_at: self.identity.created_at,
            origin: self.identity.origin,
            entries: self.entries,
            clock: self.clock,
            epoch: self.epoch,
            policy: Cow::Borrowed(&self.policy),
            recoveries: self.recoveries,
            other_predictions: *self.predictions.others(),
        }
    }
}

struct Records<W>(W);

impl<W: Write> Records<W> {
    fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, record)?;
        self.0.write_all(b"\n")
    }

    fn nodes(&mut self, state: &State) -> io::Result<()> {
        for (id, node) in state.registry.iter() {
            self.write(&Record::Node(NodeRecord {
                node: id,
                name: Cow::Borrowed(&node.name),
                weight: node.weight,
                key: Cow::Borrowed(&node.key),
                status: node.status,
                added_at: node.added_at,
            }))?;
            for held in &node.keys {
                self.write(&Record::FormerKey(KeyRecord {
                    key: Cow::Borrowed(&held.key),
                    until: held.until,
                }))?;
            }
        }
        Ok(())
    }

    fn authorizations(&mut self, state: &State) -> io::Result<()> {
        for (id, grant) in state.authorizations.iter() {
            self.write(&Record::Grant(GrantRecord {
                grant: id,
                kind: grant.kind,
                parent: grant.parent,
                terms: Cow::Borrowed(&grant.terms),
                granted_seq: grant.granted_seq,
                granted_at: grant.granted_at,
                revoked: grant.revoked,
            }))?;
        }
        for (kind, subject, seq) in state.authorizations.revocations() {
            self.write(&Record::Revocation(RevocationRecord {
                kind,
                subject: Cow::Borrowed(subject),
                seq,
            }))?;
        }
        for (id, freeze) in state.authorizations.freezes.iter() {
            self.write(&Record::Freeze(FreezeRecord {
                freeze: id,
                target: Cow::Borrowed(&freeze.target),
                from: freeze.from,
                until: freeze.until,
                lifted_at: freeze.lifted_at,
            }))?;
        }
        Ok(())
    }
}

fn proposal_record(proposal: &ProposalState) -> ProposalRecord<'_> {
    ProposalRecord {
        content: Cow::Borrowed(&proposal.content),
        hash: proposal.hash,
        seq: proposal.seq,
        opened_at: proposal.opened_at,
        deadline: proposal.deadline,
        epoch: proposal.epoch,
        rules: Cow::Borrowed(&proposal.rules),
        early_decision: proposal.early_decision,
        evidence_window_seconds: proposal.evidence_window,
        status: proposal.status,
        decided: proposal.decided,
        ended: (proposal.ended_at.zip(proposal.ended_seq)).map(|(at, seq)| End { at, seq }),
        tainted: proposal.tainted,
    }
}

fn member_record(node: NodeId, member: &Member) -> MemberRecord<'_> {
    MemberRecord {
        node,
        weight: member.weight,
        standing: member.standing,
        ballot: member.ballot.as_ref().map(|ballot| BallotRecord {
            kept: match &ballot.kept {
                KeptBallot::Signed(signed) => KeptRecord::Signed(Cow::Borrowed(signed.as_ref())),
                KeptBallot::Said(content) => KeptRecord::Said(Cow::Borrowed(content.as_ref())),
            },
            seq: ballot.seq,
            at: ballot.at,
        }),
    }
}
