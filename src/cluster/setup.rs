//! A new cluster: one directory for each node, with its keys, its configuration and the founding
//! lines that every founder has signed.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::config::{self, Config, ConfigError, Gossip, Timeouts};
use super::replica::GENESIS_FILE;
use super::run::{KEY_DIR, TRANSPORT};
use crate::governance::founding::{Founder, Founding};
use crate::governance::genesis::Genesis;
use crate::governance::id::{LedgerId, NodeId};
use crate::governance::key::Algorithm;
use crate::governance::label::Name;
use crate::governance::policy::Policy;
use crate::governance::statement::{Statement, StatementError};
use crate::governance::time::Timestamp;
use crate::governance::weight::Weight;
use crate::identity::secret::{self, SecretError};
use crate::identity::{KeyStore, KeyStoreError, SigningKey};
use crate::ledger::MemoryLedger;
use crate::node::{Node, NodeError};

/// What a new cluster is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the group calls itself.
    pub name: Name,
    /// How many nodes, each of weight 1.
    pub nodes: u16,
    /// The port of the first node; the others follow.
    pub port: u16,
    /// The policy.
    pub policy: Policy,
    /// When it is founded.
    pub at: Timestamp,
    /// A text that no other ledger was founded with.
    pub nonce: String,
}

/// A node of a new cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Its directory.
    pub dir: PathBuf,
    /// Its id.
    pub node: NodeId,
    /// The ledger.
    pub ledger: LedgerId,
}

/// A cluster can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There are too few nodes, too many, or no ports for them.
    #[error(
        "expected 1 to 100 nodes and as many ports from the first on, found {nodes} from {port}"
    )]
    Nodes {
        /// How many.
        nodes: u16,
        /// The first port.
        port: u16,
    },
    /// Something is there already.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A name, nonce or port is none.
    #[error("{0}")]
    Name(String),
    /// A key can't be made.
    #[error(transparent)]
    Key(#[from] KeyStoreError),
    /// The transport's key can't be made.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The founding can't be stated.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The founding is refused.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The configuration can't be read or written.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl SetupError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nodes { .. } => "cluster.nodes",
            Self::Exists(_) => "cluster.exists",
            Self::Name(_) => "cluster.name",
            Self::Key(error) => error.code(),
            Self::Secret(error) => error.code(),
            Self::Statement(_) => "genesis.statement",
            Self::Node(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::Io { .. } => "cluster.io",
        }
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SetupError + use<> {
    let path = path.to_owned();
    |source| SetupError::Io { path, source }
}

/// The most nodes of a set-up on one machine.
const MAX_NODES: u16 = 100;

/// Sets a cluster up in `dir`: `dir/node1`, `dir/node2` and so on, all on this machine.
///
/// # Errors
/// [`SetupError`]; what was made so far stays.
pub fn init(dir: &Path, plan: &Plan) -> Result<Vec<Prepared>, SetupError> {
    let (nodes, port) = (plan.nodes, plan.port);
    if nodes == 0 || nodes > MAX_NODES || port == 0 || port.checked_add(nodes - 1).is_none() {
        return Err(SetupError::Nodes { nodes, port });
    }
    let dirs: Vec<PathBuf> = (1..=nodes)
        .map(|it| dir.join(format!("node{it}")))
        .collect();
    let keys =
        (dirs.iter().map(|dir| make_node(dir))).collect::<Result<Vec<SigningKey>, SetupError>>()?;
    let genesis = found(plan, &keys)?;
    let node = Node::found(MemoryLedger::new(), &genesis, plan.at)?;
    let ledger = node.state().ledger();
    let lines = node.into_ledger();
    let addresses: Vec<String> = (0..nodes)
        .map(|it| format!("127.0.0.1:{}", port + it))
        .collect();
    let mut prepared = Vec::new();
    for ((dir, key), listen) in dirs.into_iter().zip(&keys).zip(&addresses) {
        write(&dir.join(GENESIS_FILE), lines.bytes())?;
        let peers = addresses.iter().filter(|address| *address != listen);
        let config = Config {
            name: name_of(&dir)?,
            node: key.node_id(),
            ledger,
            listen: listen.clone(),
            peers: peers.cloned().collect(),
            gossip: Gossip::default(),
            max_connections_per_address: 200,
            max_clock_lead_seconds: config::default_lead(),
            max_clock_lag_seconds: config::default_lag(),
            passphrase_file: None,
            log: config::default_log(),
            timeouts: Timeouts::default(),
        };
        write_config(&dir, &config)?;
        prepared.push(Prepared {
            dir,
            node: key.node_id(),
            ledger,
        });
    }
    Ok(prepared)
}

/// Prepares a directory for a node that is to join the cluster of the node in `like`: it follows the
/// ledger at once, and takes part once a vote has admitted it.
///
/// # Errors
/// [`SetupError`].
pub fn join(dir: &Path, like: &Path, listen: &str) -> Result<Prepared, SetupError> {
    let known = Config::read(like)?;
    let genesis = like.join(GENESIS_FILE);
    let lines = fs::read(&genesis).map_err(io_error(&genesis))?;
    let key = make_node(dir)?;
    write(&dir.join(GENESIS_FILE), &lines)?;
    let mut peers = vec![known.listen.clone()];
    peers.extend(known.peers.iter().filter(|peer| *peer != listen).cloned());
    let config = Config {
        name: name_of(dir)?,
        node: key.node_id(),
        listen: listen.to_owned(),
        peers,
        passphrase_file: None,
        ..known
    };
    write_config(dir, &config)?;
    Ok(Prepared {
        dir: dir.to_owned(),
        node: key.node_id(),
        ledger: config.ledger,
    })
}

/// A node's directory with its keys.
fn make_node(dir: &Path) -> Result<SigningKey, SetupError> {
    if dir.exists() {
        return Err(SetupError::Exists(dir.to_owned()));
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(io_error(dir))?;
    let keys = dir.join(KEY_DIR);
    let key =
        SigningKey::generate(Algorithm::MlDsa65).map_err(|error| SetupError::Key(error.into()))?;
    KeyStore::new(&keys).import(&name_of(dir)?, &key, None)?;
    secret::existing_or_new(&keys, TRANSPORT)?;
    Ok(key)
}

/// A node, and its key, is called as its directory.
fn name_of(dir: &Path) -> Result<String, SetupError> {
    let name = dir.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| SetupError::Name(format!("{}: expected a name in UTF-8", dir.display())))
}

fn found(plan: &Plan, keys: &[SigningKey]) -> Result<Genesis, SetupError> {
    let name = |text: String| {
        let parsed = text.parse::<Name>();
        parsed.map_err(|error| SetupError::Name(format!("{text:?}: {error}")))
    };
    let founders = keys.iter().enumerate().map(|(index, key)| {
        Ok(Founder {
            did: key.node_id(),
            name: name(format!("node{}", index + 1))?,
            weight: Weight::ONE,
        })
    });
    let statement = Statement::new(Founding {
        created_at: plan.at,
        founders: founders.collect::<Result<_, SetupError>>()?,
        name: plan.name.clone(),
        nonce: (plan.nonce.parse())
            .map_err(|error| SetupError::Name(format!("{:?}: {error}", plan.nonce)))?,
        policy: plan.policy.clone(),
    })?;
    let message = statement.message();
    let sign = |key: &SigningKey| {
        let signature = key.sign_message(&message).map_err(KeyStoreError::from)?;
        Ok((key.public_key().clone(), signature))
    };
    let founders = keys.iter().map(sign);
    Ok(Genesis {
        founders: founders.collect::<Result<_, SetupError>>()?,
        statement,
    })
}

fn write_config(dir: &Path, config: &Config) -> Result<(), SetupError> {
    write(&dir.join(config::FILE), config.to_text()?.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SetupError> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(io_error(path))
}
