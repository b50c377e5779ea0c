//! Everything that is tested from outside the library.
//!
//! One binary, one module a subject: a single link, and the tests of all subjects run in parallel.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read and write files, and look at the machine"
)]

mod adversarial;
mod architecture;
mod blast_radius;
mod bulk;
mod bytes;
mod checkpoint;
#[cfg(feature = "cli")]
mod cli;
mod contradictions;
mod delegation;
mod divergence;
#[cfg(feature = "cli")]
mod documentation;
mod equivocations;
mod exhaustive;
mod forgery;
mod freeze;
mod golden;
mod grants_root;
mod group;
mod holes;
mod idempotence;
mod invariants;
mod keys;
mod kills;
mod lifecycle;
mod merkle;
mod model;
mod node;
mod order;
#[cfg(feature = "pages")]
mod pages;
mod parallel;
mod policy_lint;
mod provenance;
mod receipts;
mod refusals;
mod repair;
mod replaying;
mod rules;
mod scenario;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "simulation")]
mod simulation;
mod snapshot_files;
mod snapshot_records;
mod snapshots;
mod specification;
mod tally;

use proptest::test_runner::{Config, FileFailurePersistence};

/// A proptest configuration whose regressions land in `proptest-regressions/` at the top.
fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/it.txt",
        ))),
        ..Config::default()
    }
}
