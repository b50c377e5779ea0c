//! One file a command.

pub mod authorization;
pub mod completions;
pub mod demo;
pub mod evidence;
pub mod export;
pub mod genesis;
pub mod init;
pub mod key;
pub mod lifecycle;
pub mod log;
pub mod node;
pub mod policy;
pub mod predict;
pub mod proposal;
pub mod propose;
pub mod replay;
pub mod rotate_key;
pub mod simulate;
pub mod submit;
pub mod verify;
pub mod vote;
mod why_report;
pub mod withdraw;
mod without;
