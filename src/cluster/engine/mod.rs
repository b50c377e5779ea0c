//! The one place that knows the consensus engine: its types, its wire form, its signatures.
//!
//! The engine is Malachite (`arc-malachitebft-*`), Tendermint BFT. It is at an alpha stage by its own
//! account and changes between minor releases, so that its version is pinned and nothing outside the
//! cluster names it.

mod codec;
mod hearing;
pub mod message;
mod node_config;
mod signing;
mod start;
mod types;

pub use codec::Wire;
pub use node_config::{AddressError, EngineConfig};
pub use signing::{FindKey, SharedSigner, Signing, Verifying};
pub use start::{Engine, EngineError, start};
pub use types::{
    Address, Althing, Heard, Height, Part, Proposal, Validator, ValidatorSet, ValueId, Vote,
};

#[cfg(test)]
mod tests;
