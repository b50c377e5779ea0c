//! What a node answers to its clients.

use std::time::{Duration, Instant};

use arc_malachitebft_app_channel::{Channels, NetworkRequest};
use tracing::warn;

use super::Application;
use crate::clock::system_time;
use crate::cluster::control::{Request, Status};
use crate::cluster::engine::{Althing, Part};

/// How long the network may take to say who is connected.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);

impl Application {
    /// Answers a client.
    pub(super) async fn serve(&mut self, request: Request, channels: &Channels<Althing>) {
        match request {
            Request::Submit {
                command,
                line,
                client,
            } => {
                if let Some(outcome) = self.replica.foresee(&command, system_time()) {
                    let _ = client.send(outcome);
                    return;
                }
                let command = *command;
                match self
                    .mempool
                    .add_own(command, line.clone(), Some(client), Instant::now())
                {
                    Ok(true) => self.publish(Part::Command(line.into()), channels).await,
                    Ok(false) => {}
                    // Its client sees that the answer does not come.
                    Err(full) => warn!("{full}"),
                }
            }
            Request::Status(client) => {
                let _ = client.send(self.status(channels).await);
            }
        }
    }

    async fn status(&self, channels: &Channels<Althing>) -> Status {
        let dump = NetworkRequest::dump_state(&channels.net_requests);
        let peers = tokio::time::timeout(STATUS_PATIENCE, dump).await;
        let peers = peers.ok().and_then(Result::ok).flatten();
        let peers = peers.map_or(0, |dump| dump.peers.len());
        let height = self.replica.next_height().0 - 1;
        let deciders = self.replica.deciders();
        let state = self.replica.state();
        Status {
            entries: state.entries(),
            head: self.replica.head().hash,
            height,
            is_idle: self.idle.is_some(),
            is_validator: self.signer.is_some() && deciders.key_of(&self.me).is_some(),
            lag: self.highest.borrow().saturating_sub(height),
            ledger: state.ledger(),
            node: self.me.0,
            peers,
            round: self.round.as_u32().unwrap_or(0),
            state_hash: state.hash(),
            validators: deciders.len(),
            waiting: self.mempool.count(),
            weight: deciders.weight_of(&self.me),
            weight_of_all: deciders.total(),
        }
    }
}
