//! Given, when, then: a history told step by step, each step held against all the rules there are.

mod expected;
mod moves;
mod outline;

use std::collections::BTreeMap;

use super::assembly::Assembly;
use super::signer::Signatures;
use crate::governance::command::Command;
use crate::governance::event::Event;
use crate::governance::id::ProposalId;
use crate::governance::invariant::{self, Violation};
use crate::governance::policy::Policy;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::replay::Replay;

pub use expected::{Expected, events, holds, nothing, refused, status, tainted};
pub use moves::{
    IntoAction, Move, accuses, authorizes, closes, executes, passes, predicts, proposes, rotates,
    submits, vote_each, votes, waits, waits_for_deadline, withdraws,
};

/// A ledger and the labels under which its proposals are told of.
#[derive(Debug)]
pub struct Stage {
    /// The ledger, with everything that it takes to drive it.
    pub assembly: Assembly,
    labels: BTreeMap<String, ProposalId>,
}

impl Stage {
    /// The proposal of a label.
    ///
    /// # Panics
    /// Where nothing was proposed under it.
    #[must_use]
    pub fn proposal(&self, label: &str) -> ProposalId {
        let known = || self.labels.keys().collect::<Vec<_>>();
        let found = self.labels.get(label).copied();
        found.unwrap_or_else(|| panic!("nothing was proposed as {label:?}, only {:?}", known()))
    }

    /// The labels of all proposals, each with its proposal.
    pub fn labels(&self) -> impl Iterator<Item = (&str, ProposalId)> {
        self.labels.iter().map(|(label, id)| (label.as_str(), *id))
    }

    fn label(&mut self, label: &str, proposal: ProposalId) {
        let before = self.labels.insert(label.to_owned(), proposal);
        assert_eq!(before, None, "{label:?} was proposed already");
    }

    /// An event in one line of words: its operation, whom and what it is about, and its outcome.
    #[must_use]
    pub fn outline(&self, event: &Event) -> String {
        outline::of(self, event)
    }
}

/// What became of the last [`when`](Scenario::when).
type Outcome = Result<Vec<Event>, Rejection>;

/// A history in the course of being told.
///
/// Every command on the way, wanted or refused, has to keep the promises:
///
/// - a preview gives what submitting gives;
/// - what is refused, or changes nothing, leaves the bytes and the state hash as they were;
/// - the lines that are written replay, one by one, strictly, to the same state hash;
/// - [`invariant::check`] and [`invariant::check_later`] hold after every event, and
///   [`invariant::check_settled`] between commands.
///
/// ```
/// use althing::governance::ballot::Decision::{Approve, Reject};
/// use althing::governance::state::proposal::Status;
/// use althing::testing::actions::authorize_model;
/// use althing::testing::scenario::{Scenario, events, proposes, refused, status, votes};
///
/// Scenario::of(&[1, 1, 1])
///     .given(proposes(0, "triage", authorize_model("triage")))
///     .given(votes(0, "triage", Approve))
///     .when(votes(1, "triage", Approve))
///     .then(events([
///         "vote_cast node-1 approve",
///         "consensus_reached triage passed early",
///         "authorization_granted triage",
///     ]))
///     .then(status("triage", Status::Executed))
///     .when(votes(2, "triage", Reject))
///     .then(refused("ballot.proposal-closed"));
/// ```
pub struct Scenario {
    stage: Stage,
    replay: Replay<'static>,
    /// How many bytes of the ledger were replayed.
    replayed: usize,
    /// The state after the last entry replayed.
    state: Option<State>,
    told: Vec<String>,
    outcome: Option<Outcome>,
}

impl Scenario {
    /// Founders of these weights under the default policy, with stand-in signatures.
    #[must_use]
    pub fn of(weights: &[u64]) -> Self {
        Self::under(Policy::default(), weights)
    }

    /// Founders of these weights under `policy`, with stand-in signatures.
    #[must_use]
    pub fn under(policy: Policy, weights: &[u64]) -> Self {
        Self::signing(Signatures::StandIn, policy, weights)
    }

    /// Founders of these weights under `policy`, with signatures of a given kind.
    #[must_use]
    pub fn signing(signatures: Signatures, policy: Policy, weights: &[u64]) -> Self {
        Self::on(Assembly::signing(signatures, policy, weights))
    }

    /// Goes on from what an assembly has recorded.
    ///
    /// # Panics
    /// Where that breaks a promise.
    #[must_use]
    pub fn on(assembly: Assembly) -> Self {
        let mut scenario = Self {
            replay: Replay::new(assembly.signatures().verifier()),
            told: vec![founders(&assembly)],
            stage: Stage {
                assembly,
                labels: BTreeMap::new(),
            },
            replayed: 0,
            state: None,
            outcome: None,
        };
        scenario.follow();
        scenario
    }

    /// Something that happens before what is told of. It must be accepted.
    ///
    /// # Panics
    /// Where a command is refused, or breaks a promise.
    #[track_caller]
    pub fn given(mut self, action: Move) -> Self {
        self.told.push(format!("given   {}", action.what));
        if let Err(refusal) = self.make(action) {
            self.fail(&format!("refused: {}: {refusal}", refusal.code()));
        }
        self.outcome = None;
        self
    }

    /// What is told of, refused or not. Several commands count as one, up to the first refusal.
    ///
    /// # Panics
    /// Where a command breaks a promise.
    #[track_caller]
    pub fn when(mut self, action: Move) -> Self {
        self.told.push(format!("when    {}", action.what));
        let outcome = self.make(action);
        self.outcome = Some(outcome);
        self
    }

    /// What must have come of it.
    ///
    /// # Panics
    /// Where something else came of it. The message tells the history and sets what was expected
    /// beside what was found.
    #[track_caller]
    pub fn then(mut self, expected: Expected) -> Self {
        if let Err(difference) = expected.check(&self.stage, self.outcome.as_ref()) {
            self.told.push(format!("then    {}", expected.what()));
            self.fail(&difference);
        }
        self
    }

    /// The ledger and its labels.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The ledger, for steps that the scenario has no word for. Whatever they record is checked with
    /// the next move.
    #[must_use]
    pub const fn stage_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }

    /// What has happened so far, one line a step.
    #[must_use]
    pub fn told(&self) -> &[String] {
        &self.told
    }

    #[track_caller]
    fn make(&mut self, action: Move) -> Outcome {
        self.follow();
        let mut events = Vec::new();
        for step in action.steps {
            if let Some(command) = step(&mut self.stage) {
                events.extend(self.submit(&command)?);
            }
        }
        Ok(events)
    }

    #[track_caller]
    fn submit(&mut self, command: &Command) -> Outcome {
        let assembly = &mut self.stage.assembly;
        let foreseen = assembly.node().preview(command, assembly.now());
        let hash = assembly.state().hash();
        let found: Outcome = assembly
            .submit(command)
            .map(|recorded| recorded.into_iter().map(|entry| entry.event).collect());
        if found != foreseen {
            self.fail(&format!(
                "a preview gave {foreseen:#?}, then came {found:#?}"
            ));
        }
        let silent = found.as_ref().map_or(true, Vec::is_empty);
        let assembly = &self.stage.assembly;
        if silent && (assembly.bytes().len() != self.replayed || assembly.state().hash() != hash) {
            self.fail("nothing was recorded, and yet something changed");
        }
        self.follow();
        found
    }

    /// Replays what was written since the last time, and checks every promise on the way.
    #[track_caller]
    fn follow(&mut self) {
        let bytes = self.stage.assembly.bytes()[self.replayed..].to_vec();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            if let Err(refused) = self.replay.line(line) {
                self.fail(&format!("replay refuses what was written: {refused}"));
            }
            let state = self.replay.state().cloned();
            if let Err(violation) = keeps_promises(self.state.as_ref(), state.as_ref()) {
                self.fail(&format!("a promise is broken: {violation}"));
            }
            self.state = state;
        }
        self.replayed += bytes.len();
        let live = self.stage.assembly.state();
        if let Err(violation) = invariant::check_settled(live) {
            self.fail(&format!("a promise is broken: {violation}"));
        }
        let replayed = self.state.as_ref().map(State::hash);
        if replayed != Some(live.hash()) {
            self.fail("the lines replay to another state than the writer has");
        }
    }

    #[track_caller]
    fn fail(&self, difference: &str) -> ! {
        panic!("\n  {}\n\n{difference}\n", self.told.join("\n  "));
    }
}

fn keeps_promises(before: Option<&State>, after: Option<&State>) -> Result<(), Violation> {
    let Some(after) = after else {
        return Ok(());
    };
    invariant::check(after)?;
    before.map_or(Ok(()), |before| invariant::check_later(before, after))
}

fn founders(assembly: &Assembly) -> String {
    let nodes = assembly.state().registry().iter();
    let weights: Vec<String> = nodes
        .map(|(_, node)| node.weight().get().to_string())
        .collect();
    format!("given   founders of weights {}", weights.join(", "))
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario")
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}
