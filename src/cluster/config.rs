//! The configuration of a node: `cluster.toml` in its directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::governance::id::{LedgerId, NodeId};
use crate::governance::time::Seconds;

/// The name of the file.
pub const FILE: &str = "cluster.toml";

/// What a node is told. Only `ledger`, `listen`, `name` and `node` must be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the node is called in logs and metrics.
    pub name: String,
    /// The node's id. Its key lies in `keys/`.
    pub node: NodeId,
    /// The id of the ledger.
    pub ledger: LedgerId,
    /// The address and port that it listens on for other nodes.
    pub listen: String,
    /// The addresses and ports of the other nodes.
    #[serde(default)]
    pub peers: Vec<String>,
    /// How messages reach all nodes.
    #[serde(default)]
    pub gossip: Gossip,
    /// How many connections from one address are taken.
    #[serde(default = "default_connections")]
    pub max_connections_per_address: usize,
    /// How far a proposed time may lie ahead of this node's clock, in seconds.
    #[serde(default = "default_lead")]
    pub max_clock_lead_seconds: Seconds,
    /// How far a proposed time may lie behind this node's clock, in seconds.
    #[serde(default = "default_lag")]
    pub max_clock_lag_seconds: Seconds,
    /// The file with the passphrase of the key, relative to the node's directory; none where the key
    /// is not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// What is logged, as a filter of `tracing`.
    #[serde(default = "default_log")]
    pub log: String,
    /// How long a round waits.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// How messages reach all nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gossip {
    /// Each node sends to every other: the quickest where all are connected to all.
    #[default]
    Broadcast,
    /// Nodes pass on what they hear: for clusters in which not all are connected to all.
    Gossipsub,
}

/// How long a round waits, in milliseconds. Each further round waits a quarter longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a proposal.
    pub propose_ms: u64,
    /// For the missing votes, once two thirds have voted.
    pub vote_ms: u64,
    /// The longest that any round waits.
    pub max_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            propose_ms: 3000,
            vote_ms: 1000,
            max_ms: 60_000,
        }
    }
}

const fn default_connections() -> usize {
    200
}

pub(super) fn default_lead() -> Seconds {
    Seconds::new(30).unwrap_or(Seconds::FIVE_MINUTES)
}

pub(super) const fn default_lag() -> Seconds {
    Seconds::FIVE_MINUTES
}

/// Of the engine what needs attention. Its network reports each dial to a peer that is down.
pub(super) fn default_log() -> String {
    "info,arc_malachitebft=warn,arc_malachitebft_network=off,arc_malachitebft_discovery=off,\
     libp2p=error"
        .to_owned()
}

/// A configuration can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It says something else than a configuration does.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl ConfigError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "cluster.config-malformed",
            Self::Io { .. } => "cluster.io",
        }
    }
}

impl Config {
    /// Reads the configuration of the node in `dir`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join(FILE);
        let text = fs::read_to_string(&path).map_err(|source| ConfigError::Io {
            path: path.clone(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Malformed {
            path,
            problem: error.to_string(),
        })
    }

    /// The configuration as a file holds it.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`] where it has no such form.
    pub fn to_text(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::Malformed {
            path: FILE.into(),
            problem: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_by_default() {
        let least = format!(
            "name = \"a\"\nnode = \"did:pqaid:{0}\"\nledger = \"{0}\"\nlisten = \"127.0.0.1:1\"\n",
            "ab".repeat(32)
        );
        let config: Config = toml::from_str(&least).unwrap();
        assert_eq!(config.gossip, Gossip::Broadcast);
        assert_eq!(config.timeouts, Timeouts::default());
        let written = config.to_text().unwrap();
        assert_eq!(toml::from_str::<Config>(&written).unwrap(), config);
        for bad in [
            least.replace("listen", "lisen"),
            least.replace("did:pqaid:", "did:key:"),
            format!("{least}gossip = \"smoke\"\n"),
            format!("{least}max_clock_lead_seconds = -1\n"),
            format!("{least}[timeouts]\npropose = 1\n"),
        ] {
            assert!(toml::from_str::<Config>(&bad).is_err(), "{bad}");
        }
    }
}
