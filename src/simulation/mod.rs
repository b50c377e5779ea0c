//! Seeded rounds of consensus with Byzantine nodes, and an independent checker that watches them.
//!
//! A run is deterministic and on one thread: clocks, delays, keys and choices follow from the seed,
//! so the same scenario gives the same report and the same ledger on every machine.
//!
//! # What orders
//!
//! The rules decide commands in one order. A cluster gets that order from a consensus engine; on
//! one machine the file lock makes it. Here a *sequencer* stands for it: it gives every command
//! that reaches it the next place and the time of its arrival, and sends it to all nodes. It judges
//! nothing and drops nothing. Each node has a replica of its own, the production
//! [`Node`](crate::node::Node) over a ledger in memory, which decides every command itself, in
//! order, at the command's time, and appends what follows to its own ledger. So honest replicas
//! must have the same bytes at the same height, whatever the network, crashes and adversaries do.
//!
//! Between the nodes and the sequencer lies a [network](Network) that delays, loses, repeats and
//! reorders messages and may be partitioned. Senders repeat what is lost. A node that crashes
//! starts again from its own ledger, torn tail and all, and has the rest sent again.
//!
//! Honest nodes think, vote once, close what is over, execute what waits, pass on ballots that
//! were whispered to them, and submit evidence of contradictions. [Adversaries](Behaviour) do what
//! they like with their own keys.
//!
//! # What is checked
//!
//! After every step the [checker](Invariant) compares honest replicas and enters new lines in books
//! of its own. It counts ballots anew and asks none of the engine's predicates.
//!
//! ```
//! use althing::simulation::{Scenario, run};
//!
//! let scenario: Scenario = r#"
//!     name = "a third"
//!     rounds = 3
//!     [[nodes]]
//!     name = "node"
//!     count = 6
//!     [[proposals]]
//!     kind = "authorize-model"
//!     [[adversaries]]
//!     behaviour = "equivocator"
//!     share = "1/3"
//! "#.parse()?;
//! let report = run(&scenario)?;
//! assert_eq!(report.violation, None);
//! assert_eq!(report.equivocators_caught, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod actions;
mod agent;
mod byzantine;
mod checker;
mod clock;
mod coverage;
mod engine;
mod generate;
mod heads;
mod keys;
mod network;
#[cfg(test)]
mod planted;
pub mod plot;
mod random;
mod replica;
mod report;
mod rounds;
mod scenario;
mod shrink;
mod signer;
mod sweep;
#[cfg(test)]
mod tests;
mod world;

use std::fmt;

pub use byzantine::Behaviour;
pub use checker::Invariant;
pub use coverage::SOMETIMES;
pub use network::Traffic;
pub use report::{RoundReport, RunReport, TimelinePoint, Violation};
pub use scenario::{
    AdversaryPlan, Base, Crash, KeyRotation, Latency, Network, NodeGroup, Opinion, Partition,
    PolicyChoice, ProposalPlan, Scenario, ScenarioError, Trigger,
};
pub use shrink::shrink;
pub use signer::Signatures;
pub use sweep::{Cell, CellViolation, Grid, Progress, run_all, sweep};

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// The scenario does not fit together.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The simulation itself could not go on.
    #[error("the simulation could not go on: {0}")]
    Broken(#[from] Broken),
}

/// What a simulation can't go on without failed: a key, a statement, an append.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

impl Broken {
    pub(crate) fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }

    pub(crate) const fn text(message: String) -> Self {
        Self(message)
    }
}

/// Runs a scenario under its own seed.
///
/// A violated invariant ends the run and stands in the report.
///
/// # Errors
/// [`SimulationError`] where the scenario does not fit together.
pub fn run(scenario: &Scenario) -> Result<RunReport, SimulationError> {
    scenario.validate()?;
    Ok(rounds::run(scenario, &engine::Production, true)?)
}
