//! Nodes that do not trust each other agree on one ledger.
//!
//! Commands are ordered by Byzantine fault-tolerant consensus (Malachite, Tendermint BFT), in which
//! every active node of the registry votes with its weight and its key. What is agreed on at a height
//! is a batch of signed commands, the entry that it extends and a time; every node decides the
//! commands itself, and all ledgers are the same, byte for byte. While less than a third of the
//! weight is faulty in any way whatever, no two nodes ever record different histories, and while more
//! than two thirds are up and connected, what is submitted is decided.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`engine`] | the one place that knows the consensus engine |
//! | [`value`], [`command`] | what is agreed on, and its one form |
//! | [`judge`] | whether a value may be decided |
//! | [`replica`] | ledger, decisions and candidates of one node |
//! | [`mempool`] | commands that wait |
//! | [`application`] | between the engine and the replica |
//! | [`certificate`], [`audit`] | why something was decided, for anyone to check |
//! | [`run`], [`control`], [`client`], [`metrics`] | a node as a process, and those who talk to it |
//! | [`setup`] | a new cluster |

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a node of a cluster is a process with a clock, files and sockets"
)]

pub mod application;
pub mod audit;
pub mod certificate;
pub mod client;
pub mod command;
pub mod config;
pub mod control;
pub mod engine;
pub mod judge;
pub mod ledger;
pub mod mempool;
pub mod metrics;
pub mod outcome;
pub mod replica;
pub mod run;
pub mod setup;
pub mod store;
pub mod value;
mod watch;
