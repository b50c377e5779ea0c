//! The command line, run as its users run it: as a process, with arguments, files and pipes.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests of processes need files, threads and time limits"
)]

mod answers;
mod authorization;
mod bad_input;
mod checkpoints;
mod consensus;
mod demo;
mod diff;
mod disks;
mod explain;
mod founding;
mod golden_ledger;
pub mod harness;
mod help;
mod history;
mod import;
mod independent;
mod independent_receipts;
mod keys;
mod lifecycle;
mod newer;
mod predictions;
mod processes;
mod receipts;
mod remembering;
mod shapes;
mod simulate;
mod snapshots;
mod statements;
mod terminal;
