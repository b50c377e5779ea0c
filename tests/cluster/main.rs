//! Clusters of real processes on this machine.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests read and write files, and look at the machine"
)]

mod decisions;
mod equivocator;
mod faults;
mod halfopen;
mod harness;
mod liar;
mod members;
mod network;
mod schedules;
