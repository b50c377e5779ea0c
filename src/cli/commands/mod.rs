//! One file a command.

pub mod authorization;
pub mod checkpoint;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod completions;
pub mod contradiction;
pub mod demo;
pub mod diff;
pub mod evidence;
mod explain;
pub mod export;
pub mod genesis;
pub mod import;
pub mod init;
pub mod key;
pub mod lifecycle;
pub mod log;
pub mod node;
pub mod policy;
pub mod predict;
pub mod proposal;
pub mod propose;
pub mod receipt;
pub mod repair;
pub mod replay;
pub mod rotate_key;
#[cfg(feature = "server")]
pub mod serve;
pub mod simulate;
pub mod snapshot;
pub mod submit;
#[cfg(feature = "server")]
pub mod token;
pub mod verify;
pub mod vote;
mod why_report;
pub mod withdraw;
mod without;
