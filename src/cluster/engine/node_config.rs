//! The engine's configuration, from ours.

use std::time::Duration;

use arc_malachitebft_app_channel::app::config::{
    ConsensusConfig, DiscoveryConfig, NodeConfig, P2pConfig, PubSubProtocol, ValuePayload,
    ValueSyncConfig,
};
use arc_malachitebft_app_channel::app::net::Multiaddr;
use arc_malachitebft_app_channel::app::types::core::LinearTimeouts;

use crate::cluster::config::{Config, Gossip, Timeouts};

/// What the engine is configured with.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    moniker: String,
    gossip: Gossip,
    consensus: ConsensusConfig,
    value_sync: ValueSyncConfig,
}

/// How often a node tells its peers how far it is.
const STATUS_INTERVAL: Duration = Duration::from_secs(2);

/// How many peers a node takes in either direction: all of the largest cluster, and some that follow.
const MAX_PEERS: usize = 200;

/// How many decisions are asked for at once. Their values must fit into one answer.
const SYNC_BATCH: usize = 4;

/// An address is not of the form that is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an address such as 10.0.0.1:26000 or node.example:26000, found {0:?}")]
pub struct AddressError(pub String);

/// `host:port` as the engine writes it.
fn multiaddr(address: &str) -> Result<Multiaddr, AddressError> {
    let error = || AddressError(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(error)?;
    let port: u16 = port.parse().map_err(|_| error())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let protocol = match host.parse() {
        Ok(std::net::IpAddr::V4(_)) => "ip4",
        Ok(std::net::IpAddr::V6(_)) => "ip6",
        Err(_) => "dns",
    };
    format!("/{protocol}/{host}/tcp/{port}")
        .parse()
        .map_err(|_| error())
}

impl EngineConfig {
    /// The engine's configuration for a node.
    ///
    /// # Errors
    /// [`AddressError`] where an address is none.
    pub fn new(config: &Config) -> Result<Self, AddressError> {
        let peers: Result<Vec<Multiaddr>, AddressError> =
            config.peers.iter().map(|peer| multiaddr(peer)).collect();
        let p2p = P2pConfig {
            listen_addr: multiaddr(&config.listen)?,
            persistent_peers: peers?,
            protocol: match config.gossip {
                Gossip::Broadcast => PubSubProtocol::Broadcast,
                Gossip::Gossipsub => PubSubProtocol::default(),
            },
            discovery: DiscoveryConfig {
                // Nodes behind one address, all of them on loopback, are nodes still.
                max_connections_per_ip: config.max_connections_per_address,
                num_inbound_peers: MAX_PEERS,
                num_outbound_peers: MAX_PEERS,
                ..DiscoveryConfig::default()
            },
            ..P2pConfig::default()
        };
        Ok(Self {
            moniker: config.name.clone(),
            gossip: config.gossip,
            consensus: ConsensusConfig {
                p2p,
                // Values without parts would count as valid unseen.
                value_payload: ValuePayload::ProposalAndParts,
                ..ConsensusConfig::default()
            },
            value_sync: ValueSyncConfig {
                status_update_interval: STATUS_INTERVAL,
                batch_size: SYNC_BATCH,
                ..ValueSyncConfig::default()
            },
        })
    }

    /// How messages reach all nodes.
    #[must_use]
    pub const fn gossip(&self) -> Gossip {
        self.gossip
    }
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.value_sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.value_sync
    }
}

/// The timeouts of a height.
impl From<Timeouts> for LinearTimeouts {
    fn from(timeouts: Timeouts) -> Self {
        let millis = Duration::from_millis;
        let (propose, vote) = (millis(timeouts.propose_ms), millis(timeouts.vote_ms));
        Self {
            propose,
            propose_delta: propose / 4,
            prevote: vote,
            prevote_delta: vote / 4,
            precommit: vote,
            precommit_delta: vote / 4,
            rebroadcast: propose + vote + vote,
            max_timeout: millis(timeouts.max_ms),
        }
    }
}
