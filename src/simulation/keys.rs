//! Keys that nodes change, and predictions and recoveries that they record.

use super::Broken;
use super::clock::instant;
use super::world::{Origin, World};
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::event::{Event, RecoveryRecorded};
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::key::PublicKey;
use crate::governance::prediction::{OutputSummary, Prediction};
use crate::governance::proposal::{Action, NewKey, Rotation};
use crate::governance::scope::CheckContext;

impl World<'_> {
    /// A node changes its own key, if it takes part.
    pub(super) fn rotate(&mut self, place: usize) -> Result<(), Broken> {
        if self.state_of(place).is_none() {
            return Ok(());
        }
        let new_key = self.new_key(place)?;
        self.rotate_to(place, new_key)
    }

    /// A node that is to get a key by a decision changes to it by itself now and then, before the
    /// decision is carried out.
    pub(super) fn take_offered_key(
        &mut self,
        place: usize,
        proposal: ProposalId,
    ) -> Result<(), Broken> {
        let node = self.replicas[place].signer.node();
        let offered = self.state_of(place).and_then(|state| {
            match &state.proposals().get(proposal)?.content().action {
                Action::ReplaceKey(offered) if offered.node == node => Some(offered.clone()),
                _ => None,
            }
        });
        match offered {
            Some(offered) if self.ids.percent(20) => self.rotate_to(place, offered),
            _ => Ok(()),
        }
    }

    fn rotate_to(&mut self, place: usize, new_key: NewKey) -> Result<(), Broken> {
        let Some(ledger) = self.state_of(place).map(|state| state.ledger()) else {
            return Ok(());
        };
        let replica = &self.replicas[place];
        let rotation = replica.signer.sign(Rotation {
            ledger,
            new_key,
            rotated_at: replica.clock.reads(self.now),
        })?;
        self.say(place, Origin::Honest, Command::RotateKey(rotation));
        Ok(())
    }

    /// What a node does that sees a key change: its own new one it uses from now on, and votes again
    /// with it where its ballot has not been recorded; what others said may be theirs now.
    pub(super) fn key_changed(&mut self, place: usize, event: &Event) {
        let Some((node, key)) = new_key_of(event) else {
            return;
        };
        if self.replicas[place].signer.node() == node {
            let mut known = self.keyring.iter();
            if let Some(signer) = known.find(|signer| signer.key() == key) {
                self.replicas[place].signer = signer.clone();
            }
            let voting: Vec<_> = self
                .state_of(place)
                .into_iter()
                .flat_map(|state| state.proposals().undecided())
                .map(crate::governance::state::proposal::ProposalState::id)
                .filter(|proposal| self.replicas[place].journal.contains_key(proposal))
                .collect();
            for proposal in voting {
                self.plan_vote(place, proposal);
            }
        }
        self.reconsider(place, |about, _| about == node);
    }

    /// Lets nodes record predictions in turn: of the model that the round is about, and of one that
    /// nobody authorized.
    pub(super) fn predict(&mut self, round: u64) -> Result<(), Broken> {
        for number in 0..self.scenario.predictions {
            let count = self.replicas.len() as u64;
            let place = usize::try_from((round + number) % count).unwrap_or(0);
            if self.state_of(place).is_none() {
                continue;
            }
            let authorized = ["urn:simulated:shared", "urn:simulated:unknown"];
            let model = match number % 3 {
                0 => authorized[0].to_owned(),
                1 => format!("urn:simulated:round-{}", round.saturating_sub(1)),
                _ => authorized[1].to_owned(),
            };
            let mut context = CheckContext::default();
            if self.ids.percent(50) {
                context.set("environment", "prod").map_err(Broken::new)?;
            }
            let prediction = Prediction {
                context,
                duration_ms: Some(self.ids.below(1000)),
                input_digest: Digest::of(&self.ids.bits().to_be_bytes()),
                model: model.parse().map_err(Broken::new)?,
                model_version: "1".parse().map_err(Broken::new)?,
                output_summary: OutputSummary::default(),
                recorder: None,
                request_id: None,
                user_id: None,
            };
            self.say(place, Origin::Honest, Command::RecordPrediction(prediction));
        }
        Ok(())
    }

    /// A node tells the group that it set a torn tail aside.
    pub(super) fn report_recovery(&mut self, place: usize, tail: &[u8], offset: u64) {
        let recovery = RecoveryRecorded {
            bytes: tail.len() as u64,
            offset,
            sha256: Digest::of(tail),
        };
        self.say(place, Origin::Honest, Command::RecordRecovery(recovery));
    }

    /// The time by the right clock, in seconds since 1970.
    pub(super) fn posix_seconds(&self) -> u64 {
        instant(self.now).as_micros() / 1_000_000
    }
}

fn new_key_of(event: &Event) -> Option<(NodeId, &PublicKey)> {
    match event {
        Event::KeyRotated(rotation) => {
            let new = &rotation.content().new_key;
            Some((new.node, &new.key))
        }
        Event::KeyReplaced(replaced) => Some((replaced.node, &replaced.key)),
        Event::NodeReinstated(reinstated) => Some((reinstated.node, &reinstated.key)),
        _ => None,
    }
}
