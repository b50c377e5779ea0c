//! Everything that is tested from outside the library.
//!
//! One binary, one module a subject: a single link, and the tests of all subjects run in parallel.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read and write files, and look at the machine"
)]

mod architecture;
mod blast_radius;
mod bytes;
#[cfg(feature = "cli")]
mod cli;
mod delegation;
#[cfg(feature = "cli")]
mod documentation;
mod forgery;
mod freeze;
mod holes;
mod invariants;
mod keys;
mod lifecycle;
mod model;
mod node;
mod order;
mod policy_lint;
mod provenance;
mod refusals;
mod replaying;
mod rules;
#[cfg(feature = "simulation")]
mod simulation;
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
