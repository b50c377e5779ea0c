//! What others propose: taken, kept until it can be judged, and judged.

use std::time::Instant;

use arc_malachitebft_app_channel::app::engine::host::SyncedValueOutcome;
use arc_malachitebft_app_channel::app::types::ProposedValue;
use arc_malachitebft_app_channel::app::types::core::{
    Height as _, Round, Validator as _, Validity,
};
use tracing::warn;

use super::Application;
use crate::clock::system_time;
use crate::cluster::engine::{
    Address, Althing, Height, Part, Proposal, ValueId, Verifying, message,
};
use crate::cluster::replica::ReplicaError;
use crate::cluster::value::Value;

/// Of how many coming heights, and how many of each proposer, values are kept until they can be
/// judged.
const MAX_AHEAD: u64 = 8;
const MAX_PER_PROPOSER: usize = 4;

/// How many values one node may propose in one round before its others are not looked at: two are a
/// contradiction, and the engine keeps no more.
const MAX_PER_ROUND: usize = 2;

impl Application {
    /// The values of a height that came before it began.
    ///
    /// Only these: the engine remembers what it was given at this height, in its log, too, and takes no
    /// more than two values a round. What was given to it once more in a later round would take the place
    /// of what is proposed there.
    pub(super) fn early_values(
        &mut self,
        height: Height,
    ) -> Result<Vec<ProposedValue<Althing>>, ReplicaError> {
        if height != self.replica.next_height() {
            return Ok(Vec::new());
        }
        let (ours, later): (Vec<Part>, Vec<Part>) = std::mem::take(&mut self.early)
            .into_iter()
            .partition(|part| is_of(part, height.0));
        self.early = later;
        let mut values = Vec::new();
        for part in ours {
            values.extend(self.receive(part)?);
        }
        Ok(values)
    }

    /// What this node thinks of a value.
    fn judged(
        &self,
        value: &Value,
        round: Round,
        valid_round: Round,
        proposer: Address,
    ) -> ProposedValue<Althing> {
        let current = self.round.as_u32().unwrap_or(0);
        let validity = match self.replica.judge(value, system_time(), current) {
            Ok(()) => Validity::Valid,
            Err(objection) => {
                warn!(
                    height = value.header().height,
                    value = %value.id(),
                    proposer = %proposer.0.short(),
                    code = objection.code(),
                    "voting against a value: {objection}"
                );
                Validity::Invalid
            }
        };
        ProposedValue {
            height: Height(value.header().height),
            round,
            valid_round,
            proposer,
            value: value.id(),
            validity,
        }
    }

    /// Takes what another node sent. A value is given back once it is judged.
    pub(super) fn receive(
        &mut self,
        part: Part,
    ) -> Result<Option<ProposedValue<Althing>>, ReplicaError> {
        match part {
            Part::Command(line) => {
                let replica = &self.replica;
                let is_ready = |command: &_| replica.foresee(command, system_time()).is_none();
                self.mempool.add_foreign(&line, is_ready, Instant::now());
                Ok(None)
            }
            Part::Heard(heard) => {
                self.hear(*heard);
                Ok(None)
            }
            Part::Value {
                proposal,
                signature,
                bytes,
            } => {
                let ledger = self.replica.state().ledger();
                self.hear(message::heard_proposal(ledger, &proposal, &signature));
                let next = self.replica.next_height();
                let is_next = proposal.height == next && self.idle.is_none();
                if proposal.height < next {
                    return Ok(None);
                }
                let deciders = self.replica.deciders();
                let verifying = Verifying(self.replica.state().ledger());
                let is_turn = || {
                    let turn = deciders.proposer(proposal.height, proposal.round);
                    turn.address() == &proposal.proposer
                        && verifying.is_proposal_of(&proposal, &signature, turn.public_key())
                };
                // Who decides a later height is not known yet.
                if proposal.height == next && !is_turn() {
                    return Ok(None);
                }
                if !is_next {
                    self.keep_early(Part::Value {
                        proposal,
                        signature,
                        bytes,
                    });
                    return Ok(None);
                }
                self.receive_value(&proposal, &bytes)
            }
        }
    }

    fn keep_early(&mut self, part: Part) {
        let Part::Value { proposal, .. } = &part else {
            return;
        };
        let of_proposer = |known: &&Part| matches!(known, Part::Value { proposal: it, .. } if it.proposer == proposal.proposer);
        let next = self.replica.next_height();
        let is_near = proposal.height <= next.increment_by(MAX_AHEAD);
        let has_room = self.early.iter().filter(of_proposer).count() < MAX_PER_PROPOSER;
        let takes_part = self.replica.deciders().key_of(&proposal.proposer).is_some();
        if takes_part && is_near && has_room && !self.early.contains(&part) {
            self.is_called |= calls(&part, next);
            self.early.push(part);
        }
    }

    /// Judges a value that the proposer has signed for.
    fn receive_value(
        &mut self,
        proposal: &Proposal,
        bytes: &[u8],
    ) -> Result<Option<ProposedValue<Althing>>, ReplicaError> {
        let value = match Value::decode(bytes) {
            Ok(value) if value.id() == proposal.value => value,
            Ok(_) => return Ok(None),
            Err(problem) => {
                warn!(
                    proposer = %proposal.proposer.0.short(),
                    code = problem.code(),
                    "a proposer sent no value: {problem}"
                );
                return Ok(None);
            }
        };
        let place = (proposal.proposer, proposal.round, proposal.value);
        if !self.proposed.contains(&place) {
            let of_round = |it: &&(Address, Round, ValueId)| (it.0, it.1) == (place.0, place.1);
            if self.proposed.iter().filter(of_round).count() >= MAX_PER_ROUND {
                return Ok(None);
            }
            self.proposed.push(place);
        }
        let judged = self.judged(
            &value,
            proposal.round,
            proposal.pol_round,
            proposal.proposer,
        );
        if judged.validity.is_valid() {
            self.replica.keep(value)?;
        }
        Ok(Some(judged))
    }

    /// A value that peers have decided.
    pub(super) fn synced(
        &mut self,
        height: Height,
        round: Round,
        proposer: Address,
        bytes: &[u8],
    ) -> Result<SyncedValueOutcome<Althing>, ReplicaError> {
        if height != self.replica.next_height() {
            return Ok(SyncedValueOutcome::LocalTransientError);
        }
        let Ok(value) = Value::decode(bytes) else {
            return Ok(SyncedValueOutcome::PeerFault);
        };
        if let Err(objection) = self.replica.judge_decided(&value) {
            warn!(%height, code = objection.code(), "a peer sent a bad decision: {objection}");
            return Ok(SyncedValueOutcome::PeerFault);
        }
        let judged = ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value: value.id(),
            validity: Validity::Valid,
        };
        self.replica.keep(value)?;
        self.is_syncing = true;
        Ok(SyncedValueOutcome::Verdict(judged))
    }
}

fn is_of(part: &Part, height: u64) -> bool {
    matches!(part, Part::Value { proposal, .. } if proposal.height.0 == height)
}

/// Whether a part proposes commands at a height. An empty value is no reason to start one.
pub(super) fn calls(part: &Part, height: Height) -> bool {
    let Part::Value { bytes, .. } = part else {
        return false;
    };
    is_of(part, height.0) && Value::decode(bytes).is_ok_and(|value| !value.commands().is_empty())
}
