//! The engine's side of a session: a node on a ledger in memory, held against the reference after
//! every step.

use std::collections::BTreeMap;
use std::fmt::Debug;

use althing::governance::command::Command;
use althing::governance::decide::{Context, decide};
use althing::governance::digest::Digest;
use althing::governance::event::{CheckpointRecorded, Event, Recorded, Timing};
use althing::governance::genesis;
use althing::governance::id::{LedgerId, NodeId, ProposalId};
use althing::governance::prediction::PredictionVerdict;
use althing::governance::state::proposal::ProposalState;
use althing::governance::tally::Verdict;
use althing::governance::time::Timestamp;
use althing::ledger::{Ledger as _, MemoryLedger};
use althing::node::{Node, NodeError};
use althing::replay::replay;
use althing::testing::Signatures;
use althing::testing::model::{Answer, Model};
use proptest_state_machine::StateMachineTest;

use super::compare;
use super::coverage::{Coverage, Section};
use super::event_names::{answer, ending, text};
use super::orders::{Order, What, genesis_symbol, symbol};
use super::reference::Reference;
use super::rules::Attempt;
use super::steps::{Claim, FalseStart, Step, Twist};
use super::world::World;

/// The engine, and what the session has met.
pub struct Engine {
    pub node: Node<MemoryLedger>,
    /// The hash of each proposal's entry by its symbol.
    hashes: BTreeMap<Digest, Digest>,
    statuses: BTreeMap<ProposalId, &'static str>,
    met: Coverage,
}

/// Ends a session without a word on the way: the report comes at the end of all shrinking.
pub fn agree<T: PartialEq + Debug>(what: &str, engine: &T, model: &T) {
    if engine != model {
        disagree(&format!(
            "{what}\n  engine: {engine:?}\n  model:  {model:?}"
        ));
    }
}

fn disagree(message: &str) -> ! {
    std::panic::resume_unwind(Box::new(message.to_owned()))
}

pub struct Sessions;

impl StateMachineTest for Sessions {
    type SystemUnderTest = Engine;
    type Reference = Reference;

    fn init_test(world: &World) -> Engine {
        let mut met = Coverage::default();
        for false_start in &world.start.false_starts {
            try_to_found(*false_start, world, &mut met);
        }
        let attempt = world.start.attempt();
        let verifier = Signatures::StandIn.boxed_verifier();
        let node = Node::found_with(MemoryLedger::new(), &attempt.genesis, world.now, verifier);
        let node = node.unwrap_or_else(|error| disagree(&format!("not founded: {error}")));
        met.note(Section::Operation, "ledger_created");
        for _ in 0..world.start.weights.len() {
            met.note(Section::Operation, "node_added");
        }
        met.sessions = 1;
        met.entries = node.state().entries();
        let hashes = BTreeMap::from([(genesis_symbol(), node.state().identity().origin)]);
        Engine {
            node,
            hashes,
            statuses: BTreeMap::new(),
            met,
        }
    }

    fn apply(mut engine: Engine, world: &World, step: Step) -> Engine {
        if world.is_lost {
            disagree(&format!("by then this is about nothing: {step}"));
        }
        engine.met.steps += 1;
        engine.note_moves(&step);
        engine.submit(world);
        engine
    }

    fn check_invariants(engine: &Engine, world: &World) {
        compare::standing(engine, world);
    }

    fn teardown(mut engine: Engine, world: World) {
        let state = engine.node.state();
        for proposal in state.proposals().iter() {
            compare::proposal(proposal, &world.model);
            if proposal.is_tainted() {
                let met = "an executed decision that is tainted";
                engine.met.note(Section::Also, met);
            }
        }
        if state.entries() <= MOST_REPLAYED {
            check_replay(&engine);
        }
        engine.met.hand_over();
    }
}

/// Ledgers of more entries are not replayed again, for the sake of time.
const MOST_REPLAYED: u64 = 1_000;

fn check_replay(engine: &Engine) {
    let state = engine.node.state();
    let reader = engine.node.ledger().reader().expect("it is in memory");
    match replay(reader, Signatures::StandIn.verifier()) {
        Ok(replayed) => agree("the replayed state", &replayed.state.hash(), &state.hash()),
        Err(error) => disagree(&format!("the ledger does not replay: {error}")),
    }
}

fn try_to_found(false_start: FalseStart, world: &World, met: &mut Coverage) {
    let Attempt { genesis, told } = false_start.attempt();
    let statement = &genesis.statement;
    let ledger = LedgerId::of_founding(statement.as_str());
    let expected = Model::found(ledger, statement.content(), &told, world.now).err();
    let context = Context {
        at: world.now,
        verifier: Signatures::StandIn.verifier(),
    };
    let found = genesis::found(&genesis, &context).err();
    let found = found.map(|refusal| refusal.code());
    agree(&format!("the founding {false_start:?}"), &found, &expected);
    let name = match false_start {
        FalseStart::BadPolicy(_) => "BadPolicy".to_owned(),
        other => format!("{other:?}"),
    };
    met.note(Section::Move, format!("a false start: {name}"));
    if let Some(code) = found {
        met.note(Section::Refusal, code);
    }
}

/// The evidence on no proposal that a command shows by itself.
fn shown(commands: &[Command]) -> Option<&'static str> {
    match commands {
        [Command::SubmitContradictingHeads(_)] => Some("two checkpoints"),
        [Command::SubmitConsensusEquivocation(_)] => Some("two messages of consensus"),
        _ => None,
    }
}

impl Engine {
    fn submit(&mut self, world: &World) {
        let Some((orders, at, expected)) = &world.submitted else {
            return;
        };
        let commands: Vec<Command> = orders
            .iter()
            .map(|order| self.command(order, *at))
            .collect();
        self.met.commands += commands.len() as u64;
        let before = statuses_of_nodes(&self.node);
        let recorded = match self.node.submit_all(&commands, *at) {
            Ok(recorded) => recorded,
            Err(NodeError::Refused(refusal)) => {
                agree("the answer", &Answer::Refused(refusal.code()), expected);
                self.met.note(Section::Refusal, refusal.code());
                if let Some(what) = shown(&commands) {
                    let met = format!("{what} refused: {}", refusal.code());
                    self.met.note(Section::Also, met);
                }
                if commands.len() > 1 {
                    let met = "several commands refused together";
                    self.met.note(Section::Also, met);
                }
                return;
            }
            Err(error) => disagree(&format!("the node fails: {error}")),
        };
        agree("the answer", &answer(&recorded), expected);
        self.met.entries += recorded.len() as u64;
        if let (Some(what), []) = (shown(&commands), &*recorded) {
            self.met.note(Section::Also, format!("{what} again"));
        }
        if recorded.is_empty() {
            self.met.note(Section::Also, "nothing to record");
        } else if commands.len() > 1 {
            let met = "several commands recorded in one write";
            self.met.note(Section::Also, met);
        }
        for order in orders {
            self.note_stretched(&order.what, world);
        }
        self.note_events(&recorded, &before);
        compare::all(self, world);
    }

    /// An order as a command, with this ledger's hashes in it.
    fn command(&self, order: &Order, at: Timestamp) -> Command {
        let claim = match &order.what {
            What::Checkpoint(Some(claim)) => self.claim(*claim, at),
            _ => None,
        };
        let hash = |symbol| self.hashes.get(&symbol).copied().unwrap_or(symbol);
        claim.map_or_else(
            || order.command(hash),
            |it| Command::RecordCheckpoint(Some(it)),
        )
    }

    /// What the state amounts to, or something else; nothing where it is no time to say so.
    fn claim(&self, claim: Claim, at: Timestamp) -> Option<CheckpointRecorded> {
        let verifier = Signatures::StandIn.verifier();
        let command = Command::RecordCheckpoint(None);
        let events = decide(self.node.state(), &command, &Context { at, verifier });
        let mut claimed = events.ok()?.into_iter().find_map(|event| match event {
            Event::CheckpointRecorded(it) => Some(it),
            _ => None,
        })?;
        match claim {
            Claim::Right => {}
            Claim::OtherState => claimed.state_hash = Digest::ZERO,
            Claim::OtherRegistry => claimed.registry_hash = Digest::ZERO,
            Claim::OtherRoot => claimed.grants_root = Digest::ZERO,
            Claim::OtherCount => claimed.live_grants += 1,
        }
        Some(claimed)
    }

    /// Remembers hashes and statuses, and counts what was met.
    fn note_events(&mut self, recorded: &[Recorded], before: &BTreeMap<NodeId, &'static str>) {
        for (place, entry) in recorded.iter().enumerate() {
            self.met.note(Section::Operation, entry.event.operation());
            self.note_about_nodes(&entry.event, place == 0, before);
            let next = recorded.get(place + 1).and_then(|next| ending(&next.event));
            match &entry.event {
                Event::ProposalCreated(created) => {
                    let id = created.statement.content().proposal_id;
                    self.hashes.insert(symbol(id), entry.hash);
                    self.to(id, "voting", entry.event.operation());
                }
                Event::ConsensusReached(it) => {
                    let timing = match it.timing {
                        Timing::Early => "early",
                        Timing::Close => "close",
                    };
                    // What follows at once needed no wait.
                    let at_once = next.is_some_and(|(id, ..)| id == it.proposal_id);
                    let reason = text(&it.reason);
                    match it.decision {
                        Verdict::Passed if !at_once => {
                            let waits = self.waits_for(it.proposal_id);
                            self.to(it.proposal_id, "queued", &format!("{timing}, {waits}"));
                        }
                        other => {
                            self.to(it.proposal_id, other.name(), &format!("{timing}, {reason}"));
                        }
                    }
                }
                event => {
                    if let Some((id, status, cause)) = ending(event) {
                        if status == "failed" {
                            self.met.note(Section::Failure, cause.clone());
                        }
                        self.to(id, status, &cause);
                    }
                }
            }
        }
    }

    fn waits_for(&self, proposal: ProposalId) -> &'static str {
        let found = self.node.state().proposals().get(proposal);
        match found {
            Some(found) if found.timelock().get() == 0 => "freeze",
            _ => "timelock",
        }
    }

    fn to(&mut self, proposal: ProposalId, status: &'static str, cause: &str) {
        let from = self.statuses.insert(proposal, status).unwrap_or("(opened)");
        self.met.note(Section::Status, status);
        let name = format!("{from} → {status}: {cause}");
        self.met.note(Section::Transition, name);
    }

    fn note_about_nodes(
        &mut self,
        event: &Event,
        is_cause: bool,
        before: &BTreeMap<NodeId, &'static str>,
    ) {
        let was = |node: &NodeId| before.get(node).copied().unwrap_or("unknown");
        let met = match event {
            Event::ByzantineDetected(it) if it.suspended => {
                format!("a node from {} to suspended", was(&it.node))
            }
            Event::ByzantineDetected(it) if was(&it.node) == "active" => {
                "evidence against the last active node".to_owned()
            }
            Event::ByzantineDetected(_) => {
                "evidence against a node that takes no part any more".to_owned()
            }
            Event::ConsensusContradicted(it) if it.suspended => {
                "a node suspended for two messages of consensus".to_owned()
            }
            Event::ConsensusContradicted(it) if was(&it.node) == "active" => {
                "two messages of consensus of the last active node".to_owned()
            }
            Event::ConsensusContradicted(_) => {
                "two messages of consensus of a node that takes no part any more".to_owned()
            }
            Event::CheckpointsContradicted(it) if it.suspended => {
                "a node suspended for two checkpoints".to_owned()
            }
            Event::CheckpointsContradicted(it) if was(&it.node) == "active" => {
                "two checkpoints of the last active node".to_owned()
            }
            Event::CheckpointsContradicted(_) => {
                "two checkpoints of a node that takes no part any more".to_owned()
            }
            Event::NodeRemoved(it) => format!("a node from {} to removed", was(&it.node)),
            Event::NodeReinstated(it) => format!("a node from {} to active", was(&it.node)),
            Event::PredictionRecorded(it) => match it.verdict {
                PredictionVerdict::Granted(_) => "a prediction under a grant".to_owned(),
                PredictionVerdict::Unauthorized => "a prediction without a grant".to_owned(),
            },
            _ => return,
        };
        self.met.note(Section::Also, met);
        if let (Event::ByzantineDetected(it), true) = (event, is_cause) {
            let votes = [&it.first, &it.second].map(|signed| signed.content().vote_id);
            let proposal = self.node.state().proposals().get(it.proposal_id);
            let cast = proposal.and_then(|proposal| proposal.member(it.node)?.ballot());
            let is_recorded = cast.is_some_and(|cast| votes.contains(&cast.content().vote_id));
            let how = if is_recorded {
                "a ballot that contradicts the recorded one"
            } else {
                "two contradictory ballots shown"
            };
            self.met.note(Section::Also, how);
        }
    }

    /// A decision carried out although its window alone would have been over.
    fn note_stretched(&mut self, what: &What, world: &World) {
        let What::Execute(id) = what else {
            return;
        };
        let stretched = self.node.state().proposals().get(*id).is_some_and(|it| {
            let shortest = it.rules().iter().map(|rule| rule.window_seconds).min();
            let until = it.decided().zip(shortest).map(|(decided, window)| {
                let eta = decided.at.saturating_add(it.timelock());
                eta.saturating_add(window)
            });
            it.status().name() == "executed"
                && it.ended_at() == Some(world.now)
                && until.is_some_and(|until| world.now >= until)
        });
        if stretched {
            let met = "a decision carried out in a window that a freeze stretched";
            self.met.note(Section::Also, met);
        }
    }

    fn note_moves(&mut self, step: &Step) {
        let twist = match step {
            Step::Propose { twist, .. }
            | Step::Vote { twist, .. }
            | Step::Withdraw { twist, .. }
            | Step::Rotate { twist, .. }
            | Step::Accuse { twist, .. }
            | Step::Fork { twist, .. }
            | Step::Equivocate { twist, .. }
            | Step::Predict { twist, .. } => twist.map(Twist::name),
            Step::Checkpoint(claim) => claim.and_then(Claim::name),
            Step::Again(_) => Some("an earlier order again"),
            Step::Early(_) => Some("a second before the last entry"),
            Step::Together(steps) => {
                for step in steps {
                    self.note_moves(step);
                }
                None
            }
            Step::Wait(_) | Step::Close(_) | Step::Execute(_) | Step::Recover => None,
        };
        if let Some(twist) = twist {
            self.met.note(Section::Move, twist);
        }
    }

    pub fn note_also(&mut self, name: String) {
        self.met.note(Section::Also, name);
    }
}

fn statuses_of_nodes(node: &Node<MemoryLedger>) -> BTreeMap<NodeId, &'static str> {
    let registry = node.state().registry();
    let nodes = registry.iter();
    nodes.map(|(id, node)| (id, node.status().name())).collect()
}

/// All proposals of a state.
pub fn proposals(engine: &Engine) -> impl Iterator<Item = &ProposalState> {
    engine.node.state().proposals().iter()
}
