//! Starting and stopping the engine.

use std::path::PathBuf;

use arc_malachitebft_app_channel::app::config::NodeConfig as _;
use arc_malachitebft_app_channel::app::metrics::SharedRegistry;
use arc_malachitebft_app_channel::app::types::Keypair;
use arc_malachitebft_app_channel::spawn::spawn_network_actor;
use arc_malachitebft_app_channel::{
    Channels, ConsensusContext, EngineBuilder, EngineHandle, NetworkIdentity, RequestContext,
    SyncContext, WalContext,
};

use arc_malachitebft_signing::Signer;

use super::codec::Wire;
use super::hearing::keep_heard;
use super::node_config::EngineConfig;
use super::signing::Verifying;
use super::types::{Address, Althing};
use crate::governance::id::{LedgerId, NodeId};
use crate::identity::secret::Secret;

/// What the engine of one node needs.
pub struct Engine {
    /// The node.
    pub node: NodeId,
    /// The ledger.
    pub ledger: LedgerId,
    /// The engine's configuration.
    pub config: EngineConfig,
    /// The seed of the key that the transport is authenticated with.
    pub transport: Secret,
    /// Where the engine keeps its write-ahead log.
    pub wal: PathBuf,
    /// Who signs; nobody where the node only watches.
    pub signer: Option<Box<dyn Signer<Althing>>>,
    /// The codec.
    pub wire: Wire,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("node", &self.node)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

/// The engine does not start.
#[derive(Debug, thiserror::Error)]
#[error("the consensus engine does not start: {0}")]
pub struct EngineError(String);

/// Starts the engine.
///
/// # Errors
/// [`EngineError`] where it can't listen, or its log can't be opened.
pub async fn start(engine: Engine) -> Result<(Channels<Althing>, EngineHandle), EngineError> {
    let error = |error: &dyn std::fmt::Display| EngineError(error.to_string());
    let mut seed = engine.transport.to_vec();
    let keypair = Keypair::ed25519_from_bytes(&mut seed).map_err(|it| error(&it))?;
    let verifier = Box::new(Verifying(engine.ledger));
    let address = Address(engine.node);
    // A proof that the node is a validator does not fit its frame on the wire, and peers would hang
    // up on it. Without one they only do not know which of their peers are validators.
    let name = engine.signer.as_ref().map(|_| address.to_string());
    let config = engine.config;
    let identity = NetworkIdentity::new(config.moniker().to_owned(), keypair, name);
    let consensus = match engine.signer {
        Some(signer) => ConsensusContext::new_validator(address, verifier, signer),
        None => ConsensusContext::new_full_node(address, verifier),
    };
    let (network, to_network) = spawn_network_actor(
        identity,
        config.consensus(),
        config.value_sync(),
        &SharedRegistry::global().with_moniker(config.moniker()),
        engine.wire.clone(),
    )
    .await
    .map_err(|it| error(&it))?;
    let gossip = config.gossip();
    let (channels, handle) = EngineBuilder::new(Althing, config)
        .with_default_wal(WalContext::new(engine.wal, engine.wire.clone()))
        .with_custom_network(network.clone(), to_network)
        .with_default_sync(SyncContext::new(engine.wire))
        .with_default_consensus(consensus)
        .with_default_request(RequestContext::new(REQUESTS))
        .build()
        .await
        .map_err(|it| error(&it))?;
    tokio::spawn(keep_heard(network, channels.net_requests.clone(), gossip));
    Ok((channels, handle))
}

/// How many requests of ours may wait for the engine.
const REQUESTS: usize = 100;
