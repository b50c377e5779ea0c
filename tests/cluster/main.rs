//! Clusters of real processes on this machine.

mod decisions;
mod faults;
mod harness;
mod liar;
mod members;
mod schedules;
