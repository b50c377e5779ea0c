//! One node as a process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::application::{Application, Ended};
use super::config::{Config, ConfigError};
use super::control::Control;
use super::engine::{
    self, Address, AddressError, Engine, EngineConfig, EngineError, SharedSigner, Signing, Wire,
};
use super::replica::{Replica, ReplicaError};
use crate::governance::key::PublicKey;
use crate::identity::secret::{self, SecretError};
use crate::identity::{ConsensusJournal, JournalError, KeyStore, KeyStoreError, SigningKey};

/// Where a node's keys are.
pub const KEY_DIR: &str = "keys";

/// The name of the seed of the transport's key.
pub const TRANSPORT: &str = "transport.key";

/// How many requests of clients wait for the application.
const REQUESTS: usize = 1000;

/// Why a node ends otherwise than asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its configuration can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address in it is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It can't go on.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// A key can't be read.
    #[error(transparent)]
    Key(#[from] KeyStoreError),
    /// There is no private key of the node.
    #[error("there is no private key of {node} in {}", path.display())]
    NoKey {
        /// The node.
        node: crate::governance::id::NodeId,
        /// Where its keys are.
        path: PathBuf,
    },
    /// The journal of signatures can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The transport's key can't be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine stopped by itself.
    #[error("the consensus engine stopped; the log says why")]
    EngineStopped,
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl RunError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Address(_) => "cluster.address",
            Self::Replica(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::NoKey { .. } => "key.not-found",
            Self::Journal(error) => error.code(),
            Self::Secret(error) => error.code(),
            Self::Engine(_) => "cluster.engine",
            Self::EngineStopped => "cluster.engine-stopped",
            Self::Io { .. } => "cluster.io",
        }
    }
}

/// Runs the node in `dir` until it is asked to end by SIGTERM or SIGINT, or has caught up with what it
/// is bound to ([`Ended::CaughtUp`]) and is to be run again, in a new process: the engine leaves traces
/// in its own.
///
/// # Errors
/// [`RunError`].
pub fn run(dir: &Path) -> Result<Ended, RunError> {
    let config = Config::read(dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Io {
            what: "the asynchronous runtime does not start",
            source,
        })?;
    let ended = runtime.block_on(run_node(dir, &config));
    // Everything that counts is on disk.
    runtime.shutdown_background();
    ended
}

async fn run_node(dir: &Path, config: &Config) -> Result<Ended, RunError> {
    let mut stop = stop_signals()?;
    let replica = Replica::open(dir, config)?;
    let signer = signer(dir, config, &replica)?;
    let control = Control::listen(dir).map_err(|source| RunError::Io {
        what: "the socket for clients can't be made",
        source,
    })?;
    let (send, mut requests) = mpsc::channel(REQUESTS);
    let working = run_engine(dir, config, replica, signer, &mut requests, &mut stop);
    tokio::select! {
        ended = working => ended,
        () = control.serve(send) => Ok(Ended::Asked),
    }
}

async fn run_engine(
    dir: &Path,
    config: &Config,
    replica: Replica,
    signer: SharedSigner,
    requests: &mut mpsc::Receiver<super::control::Request>,
    stop: &mut watch::Receiver<bool>,
) -> Result<Ended, RunError> {
    let next = replica.next_height();
    let wal = dir.join("wal");
    fs::create_dir_all(&wal).map_err(|source| RunError::Io {
        what: "the directory of the write-ahead log can't be made",
        source,
    })?;
    let log = wal.join("consensus.wal");
    let has_log = fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0);
    let watches_until = signer.with(|signing| signing.watches_until(next, has_log));
    if let Some(height) = watches_until {
        warn!(
            height,
            "this node forgot what it voted for: watching until this height comes"
        );
    }
    let signer = watches_until.is_none().then_some(signer);
    let me = Address(config.node);
    let wire = Wire::default();
    let highest = wire.highest();
    let (mut channels, handle) = engine::start(Engine {
        node: config.node,
        ledger: config.ledger,
        config: EngineConfig::new(config)?,
        transport: secret::existing_or_new(&dir.join(KEY_DIR), TRANSPORT)?,
        wal: log,
        signer: signer.clone().map(|signer| Box::new(signer) as _),
        wire,
    })
    .await?;
    info!(node = %config.node, height = %next, "running");
    let mut application =
        Application::new(replica, me, signer, watches_until, config.timeouts, highest);
    let ended = tokio::select! {
        ended = application.run(&mut channels, requests, stop) => ended?,
        _ = handle.handle => Ended::EngineStopped,
    };
    info!(?ended, "ending");
    if ended == Ended::EngineStopped {
        return Err(RunError::EngineStopped);
    }
    handle.actor.get_cell().stop_children(None);
    handle.actor.stop(None);
    Ok(ended)
}

/// The node's signer, with the key that the registry holds for it by now; with its first one where it
/// is no node yet.
fn signer(dir: &Path, config: &Config, replica: &Replica) -> Result<SharedSigner, RunError> {
    let keys = dir.join(KEY_DIR);
    let passphrase = match &config.passphrase_file {
        None => None,
        Some(path) => {
            let text = fs::read_to_string(dir.join(path)).map_err(|source| RunError::Io {
                what: "the passphrase can't be read",
                source,
            })?;
            let text = Zeroizing::new(text);
            Some(Zeroizing::new(
                text.lines().next().unwrap_or_default().to_owned(),
            ))
        }
    };
    let store = KeyStore::new(&keys);
    let find = move |key: &PublicKey| -> Result<Option<SigningKey>, KeyStoreError> {
        match store.find_by_key(key)? {
            None => Ok(None),
            Some(name) => store.load(&name, || Ok(passphrase.clone())).map(Some),
        }
    };
    let registered = replica.state().registry().get(config.node);
    let key = match registered {
        Some(node) => find(node.key())?,
        None => first_key(&KeyStore::new(&keys), config, &find)?,
    };
    let key = key.ok_or_else(|| RunError::NoKey {
        node: config.node,
        path: keys.clone(),
    })?;
    let journal = ConsensusJournal::open(&keys, config.ledger)?;
    let find = move |key: &PublicKey| {
        find(key).unwrap_or_else(|error| {
            warn!("a key can't be read: {error}");
            None
        })
    };
    let signing = Signing::new(config.ledger, key, journal, Box::new(find));
    Ok(SharedSigner::new(signing))
}

/// The key that a node's id comes from.
fn first_key(
    store: &KeyStore,
    config: &Config,
    find: &impl Fn(&PublicKey) -> Result<Option<SigningKey>, KeyStoreError>,
) -> Result<Option<SigningKey>, KeyStoreError> {
    let stored = store.list()?;
    let first = stored
        .iter()
        .find(|key| key.export.node_id() == config.node);
    first.map_or(Ok(None), |key| find(key.export.public_key()))
}

/// Turns true when the process is asked to end.
fn stop_signals() -> Result<watch::Receiver<bool>, RunError> {
    let (ask, asked) = watch::channel(false);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).map_err(|source| RunError::Io {
            what: "signals can't be received",
            source,
        })?;
        let ask = ask.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                ask.send_replace(true);
            }
        });
    }
    Ok(asked)
}
