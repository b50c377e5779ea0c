//! Who contradicts itself in consensus is accused by every node that notices.

use std::time::Instant;

use arc_malachitebft_app_channel::Channels;
use arc_malachitebft_app_channel::app::consensus::SignedConsensusMsg;
use tracing::warn;

use super::Application;
use crate::clock::system_time;
use crate::cluster::command;
use crate::cluster::engine::{Althing, Heard, Part, message};
use crate::governance::command::Command;
use crate::governance::consensus::ConsensusEquivocation;
use crate::identity::MlDsaVerifier;

impl Application {
    /// Compares what a node said with what is known of it.
    pub(super) fn hear(&mut self, heard: Heard) {
        let next = self.replica.next_height().0;
        let found = (self.watch).hear(heard, self.replica.state(), next, &MlDsaVerifier);
        self.to_accuse.extend(found);
    }

    /// Compares what the engine has received. What comes late others may need as well.
    pub(super) fn overhear(&mut self, said: &SignedConsensusMsg<Althing>) {
        let heard = message::heard(self.replica.state().ledger(), said);
        let was_news = self.watch.is_news(&heard);
        self.hear(heard.clone());
        if !was_news && self.watch.is_news(&heard) {
            self.to_pass_on.push(heard);
        }
    }

    /// Accuses whom it has to, and passes on what others may need for that.
    pub(super) async fn speak_up(&mut self, channels: &Channels<Althing>) {
        for found in std::mem::take(&mut self.to_accuse) {
            self.accuse(found, channels).await;
        }
        for heard in std::mem::take(&mut self.to_pass_on) {
            self.publish(Part::Heard(Box::new(heard)), channels).await;
        }
    }

    /// Orders evidence, as a client would. Others do the same: the first that is decided counts.
    async fn accuse(&mut self, found: ConsensusEquivocation, channels: &Channels<Althing>) {
        let (node, height, round, step) = (found.node, found.height, found.round, found.step);
        let accusation = Command::SubmitConsensusEquivocation(Box::new(found));
        // Nobody need accuse itself, and nobody is convicted twice.
        let is_new = self.replica.foresee(&accusation, system_time()).is_none();
        if node == self.me.0 || !is_new {
            return;
        }
        warn!(%node, height, round, step = step.name(), "a node contradicted itself");
        let line = match command::encode(&accusation) {
            Ok(line) => line,
            Err(problem) => return warn!("evidence can't be ordered: {problem}"),
        };
        let added = (self.mempool).add_own(accusation, line.clone(), None, Instant::now());
        match added {
            Ok(true) => self.publish(Part::Command(line.into()), channels).await,
            Ok(false) => {}
            Err(full) => warn!("{full}"),
        }
    }
}
