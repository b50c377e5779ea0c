//! What a node proposes, and how values reach the others.

use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::LocallyProposedValue;
use arc_malachitebft_app_channel::app::types::core::Round;
use arc_malachitebft_app_channel::{Channels, NetworkMsg, Reply};
use tracing::{error, info, warn};

use super::Application;
use crate::clock::system_time;
use crate::cluster::engine::{Althing, Height, Part, Proposal, SharedSigner, ValueId};
use crate::cluster::replica::ReplicaError;
use crate::cluster::value::Value;
use crate::identity::JournalError;

impl Application {
    /// Proposes a value: the one that this node has proposed in this place, or a new one.
    pub(super) async fn propose(
        &mut self,
        height: Height,
        round: Round,
        reply: Reply<LocallyProposedValue<Althing>>,
        channels: &Channels<Althing>,
    ) -> Result<(), ReplicaError> {
        let (Some(signer), true) = (self.signer.clone(), height == self.replica.next_height())
        else {
            return Ok(());
        };
        let before = signer.with(|signing| signing.proposed(height.0, round));
        let value = match before.and_then(|id| self.replica.undecided().get(&id).cloned()) {
            Some(value) => value,
            None => self.replica.build(&self.mempool, system_time())?,
        };
        self.replica.keep(value.clone())?;
        match self.signed(&signer, (height, round), Round::Nil, &value) {
            Ok(part) => {
                info!(
                    %height, %round, commands = value.commands().len(), "proposing a value"
                );
                let _ = reply.send(LocallyProposedValue::new(height, round, value.id()));
                self.publish(part, channels).await;
            }
            // Another value was proposed here and is lost: the next proposer goes on.
            Err(problem) => error!(%height, %round, "not proposing: {problem}"),
        }
        Ok(())
    }

    /// Sends a value again on which others are locked.
    pub(super) async fn restream(
        &mut self,
        height: Height,
        round: Round,
        valid_round: Round,
        id: ValueId,
        channels: &Channels<Althing>,
    ) {
        let (Some(signer), Some(value)) = (&self.signer, self.replica.undecided().get(&id)) else {
            return;
        };
        match self.signed(signer, (height, round), valid_round, value) {
            Ok(part) => self.publish(part, channels).await,
            Err(problem) => warn!(%height, %round, "not sending a value again: {problem}"),
        }
    }

    /// A value with this node's signature for it in one place.
    fn signed(
        &self,
        signer: &SharedSigner,
        (height, round): (Height, Round),
        pol_round: Round,
        value: &Value,
    ) -> Result<Part, JournalError> {
        let proposal = Proposal {
            height,
            round,
            value: value.id(),
            pol_round,
            proposer: self.me,
        };
        let signature = signer.with(|signing| signing.proposal(&proposal))?;
        Ok(Part::Value {
            proposal,
            signature,
            bytes: value.bytes().to_vec().into(),
        })
    }

    pub(super) async fn publish(&mut self, part: Part, channels: &Channels<Althing>) {
        self.streams += 1;
        let stream = [
            self.me.0.digest().as_bytes().as_slice(),
            &self.streams.to_be_bytes(),
        ];
        let stream = StreamId::new(stream.concat().into());
        let message = StreamMessage::new(stream, 0, StreamContent::Data(part));
        // The engine is about to end where nobody takes it.
        let _ = (channels.network)
            .send(NetworkMsg::PublishProposalPart(message))
            .await;
    }
}
