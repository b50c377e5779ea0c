//! What a run amounts to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::byzantine::Behaviour;
use super::checker::Invariant;
use super::network::Traffic;

/// One run of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// What the scenario is called.
    pub scenario: String,
    /// The seed that everything followed from.
    pub seed: u64,
    /// Which signatures the nodes made.
    pub signatures: &'static str,
    /// The policy, in a few words.
    pub policy: String,
    /// How many nodes there were, those that were to join included.
    pub nodes: usize,
    /// The founders' weight.
    pub total_weight: u64,
    /// The weight of founders that behaved badly.
    pub byzantine_weight: u64,
    /// The rounds, in order.
    pub rounds: Vec<RoundReport>,
    /// How many proposals adversaries opened.
    pub harmful_proposals: u64,
    /// How many of them passed.
    pub harmful_passed: u64,
    /// How many nodes contradicted themselves before honest eyes.
    pub equivocators: u64,
    /// How many of them ended in evidence.
    pub equivocators_caught: u64,
    /// Refused commands by code.
    pub refusals: BTreeMap<String, u64>,
    /// What became of each adversary's commands: operations for what was recorded, codes for what
    /// was refused.
    pub adversaries: BTreeMap<Behaviour, BTreeMap<String, u64>>,
    /// The network.
    pub traffic: Traffic,
    /// Commands in the order.
    pub commands: u64,
    /// Lines of the ledger.
    pub entries: u64,
    /// The hash of its last line.
    pub head: String,
    /// The state hash that all honest replicas came to.
    pub state_hash: String,
    /// Nodes that started again.
    pub restarts: u64,
    /// Of these, with a torn write.
    pub torn_tails: u64,
    /// Happenings of the simulation.
    pub steps: u64,
    /// How much time passed in it, in seconds.
    pub simulated_seconds: u64,
    /// How often what a run should sometimes meet was met.
    pub met: BTreeMap<String, u64>,
    /// The invariant that was broken, if one was.
    pub violation: Option<Violation>,
    /// How the weights of each round's proposal moved.
    #[serde(skip)]
    pub timeline: Vec<TimelinePoint>,
}

/// A round: one proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoundReport {
    /// The number, from 1.
    pub round: u64,
    /// The kind of the proposal.
    pub kind: &'static str,
    /// Whether honest nodes wanted it to pass; absent where they were not of one mind.
    pub wanted: Option<bool>,
    /// How it ended: a status, or the code of the refusal where it was never opened.
    pub outcome: String,
    /// Whether the outcome is what honest nodes wanted; absent where nothing was decided, or they
    /// were not of one mind.
    pub right: Option<bool>,
    /// From the opening to the decision, in milliseconds.
    pub decision_ms: Option<u64>,
    /// Weight that approved.
    pub approve_weight: u64,
    /// Weight that rejected.
    pub reject_weight: u64,
    /// Weight that abstained.
    pub abstain_weight: u64,
    /// Weight that contradicted itself.
    pub byzantine_weight: u64,
    /// The electorate's weight.
    pub total_weight: u64,
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// In which step of the run.
    pub step: u64,
    /// At which time of the run, in milliseconds.
    pub at_ms: u64,
    /// At which node, where it was at one.
    pub node: Option<String>,
    /// What was found.
    pub message: String,
}

/// The weights of one proposal at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelinePoint {
    /// The round.
    pub round: u64,
    /// Since the proposal was opened, in milliseconds.
    pub ms: u64,
    /// Weight that approves.
    pub approve: u64,
    /// Weight that rejects.
    pub reject: u64,
    /// Weight that abstains.
    pub abstain: u64,
    /// Weight that contradicted itself.
    pub byzantine: u64,
    /// The electorate's weight.
    pub total: u64,
    /// Whether the proposal is decided.
    pub decided: bool,
}

impl RunReport {
    /// How many rounds ended as honest nodes wanted.
    #[must_use]
    pub fn decided_rightly(&self) -> u64 {
        self.count(Some(true))
    }

    /// How many rounds ended otherwise than honest nodes wanted, and how many proposals of
    /// adversaries passed.
    #[must_use]
    pub fn decided_wrongly(&self) -> u64 {
        self.count(Some(false)) + self.harmful_passed
    }

    fn count(&self, right: Option<bool>) -> u64 {
        let rounds = self.rounds.iter();
        rounds.filter(|round| round.right == right).count() as u64
    }

    /// The times to a decision, in milliseconds, sorted.
    #[must_use]
    pub fn decision_times_ms(&self) -> Vec<u64> {
        let mut times: Vec<u64> = (self.rounds.iter())
            .filter_map(|round| round.decision_ms)
            .collect();
        times.sort_unstable();
        times
    }
}
