//! Clusters of real processes on this machine.

mod decisions;
mod faults;
mod harness;
mod members;
mod schedules;
