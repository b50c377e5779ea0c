//! One history, given to the engine and to the model.

use std::collections::BTreeMap;

use althing::governance::command::Command;
use althing::governance::event::{Event, Recorded, Timing};
use althing::governance::evidence::{ContradictingHeads, SignedHead};
use althing::governance::id::{NodeId, Subject};
use althing::governance::key::{PublicKey, Signature};
use althing::governance::kind::AuthorizationKind;
use althing::governance::possession::KeyPossession;
use althing::governance::prediction::PredictionVerdict;
use althing::governance::proposal::{Action, FreezeTarget};
use althing::governance::rejection::Rejection;
use althing::governance::scope::CheckContext;
use althing::governance::state::proposal::ProposalState;
use althing::governance::statement::{Signed, Statement, StatementContent};
use althing::testing::model::{Answer, Count, Member, Model, Outcome, Told, ToldKey};
use althing::testing::{Assembly, History, Played, Signatures, Step, actions};
use serde::Serialize;

use super::mischief::Mischief;

/// What was met so far, and how often.
#[derive(Debug, Default)]
pub struct Reached {
    pub statuses: BTreeMap<String, u64>,
    pub refusals: BTreeMap<String, u64>,
    pub sometimes: BTreeMap<String, u64>,
}

fn note(counts: &mut BTreeMap<String, u64>, name: &str) {
    *counts.entry(name.to_owned()).or_default() += 1;
}

/// The engine and the model side by side.
pub struct Session<'a> {
    played: Played,
    rest: Rest<'a>,
}

struct Rest<'a> {
    model: Model,
    keys: Vec<PublicKey>,
    past: Vec<Command>,
    reached: &'a mut Reached,
}

impl<'a> Session<'a> {
    pub fn found(history: &History, reached: &'a mut Reached) -> Self {
        let founding = History {
            steps: Vec::new(),
            ..history.clone()
        };
        let played = founding.play();
        let assembly = &played.assembly;
        let mut keys = Vec::new();
        let mut founders = Vec::new();
        for (number, weight) in history.weights.iter().enumerate() {
            keys.push(assembly.signer(number).key().clone());
            founders.push(Member {
                node: assembly.id(number),
                name: format!("node-{number}"),
                weight: *weight,
                key: number,
            });
        }
        let ledger = assembly.state().ledger();
        let policy = history.policy.clone();
        let model = Model::found(ledger, assembly.now(), policy, founders);
        let rest = Rest {
            model,
            keys,
            past: Vec::new(),
            reached,
        };
        Self { played, rest }
    }

    pub fn take(&mut self, step: &Step, mischiefs: &[Mischief]) {
        let rest = &mut self.rest;
        self.played.take_by(step, |assembly, command| {
            let number = rest.past.len().checked_rem(mischiefs.len());
            if let Some(mischief) = number.and_then(|number| mischiefs.get(number))
                && let Some(garbled) = mischief.apply(&command, &rest.past, assembly)
            {
                rest.submit(&garbled, assembly);
                if mischief.is_instead() {
                    // Votes that follow are on the proposal as it was changed.
                    rest.past.push(garbled);
                    return;
                }
            }
            rest.submit(&command, assembly);
            rest.past.push(command);
        });
    }

    pub fn compare_everything(&mut self) {
        let state = self.played.assembly.state();
        for proposal in state.proposals().iter() {
            self.rest.compare_proposal(proposal);
            note(&mut self.rest.reached.statuses, proposal.status().name());
            if proposal.is_tainted() {
                note(&mut self.rest.reached.sometimes, "tainted");
            }
        }
    }
}

impl Rest<'_> {
    fn submit(&mut self, command: &Command, assembly: &mut Assembly) {
        let told = self.told(command);
        let now = assembly.now();
        let expected = self.model.submit(command, &told, now);
        let found = assembly.submit(command);
        assert_eq!(answer(&found), expected, "{command:#?}");
        match found {
            Ok(recorded) => {
                for entry in &recorded {
                    self.note_event(entry);
                }
                if recorded.is_empty() {
                    note(&mut self.reached.sometimes, "nothing recorded");
                } else {
                    self.compare(assembly);
                }
            }
            Err(refusal) => note(&mut self.reached.refusals, refusal.code()),
        }
    }

    fn note_event(&mut self, entry: &Recorded) {
        if let Event::ProposalCreated(created) = &entry.event {
            let proposal = created.statement.content().proposal_id;
            self.model.learn_hash(proposal, entry.hash);
        }
        let name = match &entry.event {
            Event::ProposalSuperseded(it) => format!("superseded: {}", text(&it.reason)),
            Event::ProposalFailed(it) => format!("failed: {}", text(&it.reason)),
            Event::ConsensusReached(it) => {
                format!(
                    "{}: {}, {}",
                    text(&it.decision),
                    text(&it.reason),
                    text(&it.timing)
                )
            }
            event => event.operation().to_owned(),
        };
        note(&mut self.reached.sometimes, &name);
    }

    /// What the model can't find out by itself.
    fn told(&mut self, command: &Command) -> Told {
        let mut told = Told::default();
        match command {
            Command::Propose(signed) => {
                told.signed_by = self.signer(signed);
                told.new_key = match &signed.content().action {
                    Action::AddNode(new) => {
                        Some(self.told_key(&new.key, new.name.as_str(), &new.possession))
                    }
                    Action::ReinstateNode(new) | Action::ReplaceKey(new) => {
                        Some(self.told_key(&new.key, new.key_name.as_str(), &new.possession))
                    }
                    _ => None,
                };
            }
            Command::Vote(signed) => told.signed_by = self.signer(signed),
            Command::Withdraw(signed) => told.signed_by = self.signer(signed),
            Command::RotateKey(signed) => {
                told.signed_by = self.signer(signed);
                let new = &signed.content().new_key;
                told.new_key =
                    Some(self.told_key(&new.key, new.key_name.as_str(), &new.possession));
            }
            Command::SubmitEvidence(evidence) => {
                told.signed_by = self.signer(&evidence.first);
                told.second_signed_by = self.signer(&evidence.second);
            }
            Command::SubmitContradictingHeads(heads) => {
                let by = |signed: &SignedHead| {
                    let alone = ContradictingHeads {
                        first: signed.clone(),
                        second: signed.clone(),
                        ..heads.as_ref().clone()
                    };
                    let verifier = Signatures::StandIn.verifier();
                    let mut keys = self.keys.iter();
                    keys.position(|key| alone.is_signed_by(&[key], verifier))
                };
                told.signed_by = by(&heads.first);
                told.second_signed_by = by(&heads.second);
            }
            _ => {}
        }
        told
    }

    fn signer<T: StatementContent>(&self, signed: &Signed<T>) -> Option<usize> {
        let verifier = Signatures::StandIn.verifier();
        self.keys
            .iter()
            .position(|key| signed.is_signed_by(key, verifier))
    }

    fn told_key(&mut self, key: &PublicKey, name: &str, possession: &Signature) -> ToldKey {
        let known = self.keys.iter().position(|it| it == key);
        let number = known.unwrap_or_else(|| {
            self.keys.push(key.clone());
            self.keys.len() - 1
        });
        let statement = KeyPossession::new(key.clone(), name).expect("a name");
        let statement = Statement::new(statement).expect("a statement");
        let signed = statement.with_signature(possession.clone());
        ToldKey {
            key: number,
            gives: NodeId::of_first_key(key),
            possession: signed.is_signed_by(key, Signatures::StandIn.verifier()),
        }
    }

    /// Compares all of the state but the counts of proposals that have ended.
    fn compare(&self, assembly: &Assembly) {
        let (model, state) = (&self.model, assembly.state());
        assert_eq!(state.entries(), model.entries());
        assert_eq!(state.epoch(), model.epoch());
        assert_eq!(state.policy(), model.policy_in_force());
        let nodes: Vec<_> = (state.registry().iter())
            .map(|(id, node)| (id, node.status().name(), node.weight().get()))
            .collect();
        assert_eq!(nodes, model.nodes());
        for (id, node) in state.registry().iter() {
            let key = self.keys.iter().position(|key| key == node.key());
            assert_eq!(key, model.key_of(id));
        }
        let ids: Vec<_> = state.proposals().iter().map(ProposalState::id).collect();
        assert_eq!(ids, model.proposal_ids());
        for proposal in state.proposals().iter() {
            let status = Some(proposal.status().name());
            assert_eq!(status, model.status_of(proposal.id()), "{proposal:#?}");
            if !proposal.status().is_final() {
                self.compare_proposal(proposal);
            }
        }
        self.compare_grants(assembly);
        self.compare_predictions(assembly);
    }

    fn compare_proposal(&self, proposal: &ProposalState) {
        let (id, tally) = (proposal.id(), proposal.tally());
        let known = tally.participation() + tally.byzantine() + tally.uncast();
        let count = Count {
            approve: tally.approve(),
            reject: tally.reject(),
            abstain: tally.abstain(),
            byzantine: tally.byzantine(),
            uncast: tally.uncast(),
            barred: tally.total() - known,
        };
        assert_eq!(Some(count), self.model.count_of(id), "{proposal:#?}");
        assert_eq!(proposal.is_tainted(), self.model.is_tainted(id));
    }

    fn compare_grants(&self, assembly: &Assembly) {
        let (now, authorizations) = (assembly.now(), assembly.state().authorizations());
        let statuses: Vec<_> = authorizations
            .iter()
            .filter_map(|(id, _)| Some((id, authorizations.status(id, now)?.name())))
            .collect();
        assert_eq!(statuses, self.model.grant_statuses(now));
        let frozen: Vec<FreezeTarget> = (authorizations.freezes().on(now))
            .map(|(_, freeze)| freeze.target().clone())
            .collect();
        assert_eq!(frozen, self.model.frozen_targets(now));
        let mut prod = CheckContext::default();
        prod.set("environment", "prod").expect("a key and a value");
        for (kind, subject) in questions() {
            for context in [CheckContext::default(), prod.clone()] {
                let found = authorizations.check(kind, &subject, &context, now);
                let found = (found.reason.name(), found.grants, found.obligations);
                let expected = self.model.check(kind, &subject, &context, now);
                assert_eq!(found, expected, "{kind} {subject}");
            }
        }
    }

    fn compare_predictions(&self, assembly: &Assembly) {
        let predictions = assembly.state().predictions();
        let others = predictions.others();
        let mut counts = BTreeMap::from([(None, (others.authorized, others.unauthorized))]);
        for (model, count) in predictions.models() {
            let count = (count.authorized, count.unauthorized);
            counts.insert(Some(model.clone()), count);
        }
        assert_eq!(counts, self.model.prediction_counts());
    }
}

/// Whom the checks are about.
fn questions() -> Vec<(AuthorizationKind, Subject)> {
    let numbers = ["0", "1", "2"].into_iter();
    numbers
        .flat_map(|number| {
            [
                (AuthorizationKind::Model, actions::model(number)),
                (AuthorizationKind::Agent, actions::agent(number)),
                (AuthorizationKind::Delegation, actions::agent(number)),
            ]
        })
        .collect()
}

fn answer(found: &Result<Vec<Recorded>, Rejection>) -> Answer {
    match found {
        Err(refusal) => Answer::Refused(refusal.code()),
        Ok(recorded) if recorded.is_empty() => Answer::Nothing,
        Ok(recorded) => Answer::Accepted(recorded.iter().map(|it| outcome(&it.event)).collect()),
    }
}

/// The stable string of a value.
fn text(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("a string");
    value.as_str().expect("a string").to_owned()
}

/// As [`text`], for as long as the tests run.
fn code(value: &impl Serialize) -> &'static str {
    let text = text(value);
    let known = KNOWN.iter().find(|known| **known == text);
    known.unwrap_or_else(|| panic!("unknown to the tests: {text}"))
}

const KNOWN: &[&str] = &[
    "passed",
    "rejected",
    "expired",
    "conditions-met",
    "quorum",
    "no-approval",
    "approval",
    "absolute",
    "epoch-changed",
    "revocation",
    "evidence",
    "no-active-node",
    "weight-overflow",
    "too-many-nodes",
    "already-registered",
    "not-registered",
    "too-many-grants",
    "policy",
    "freeze-over",
    "freeze-too-soon",
    "not-frozen",
    "parent",
    "not-suspended",
    "not-active",
];

fn outcome(event: &Event) -> Outcome {
    match event {
        Event::ProposalCreated(it) => {
            Outcome::Opened(it.statement.content().proposal_id, it.deadline)
        }
        Event::VoteCast(it) => Outcome::Voted(it.content().proposal_id, it.content().voter),
        Event::ProposalWithdrawn(it) => Outcome::Withdrawn(it.content().proposal_id),
        Event::ConsensusReached(it) => Outcome::Decided {
            proposal: it.proposal_id,
            verdict: code(&it.decision),
            reason: code(&it.reason),
            early: it.timing == Timing::Early,
            weights: [
                it.approve_weight.get(),
                it.reject_weight.get(),
                it.abstain_weight.get(),
                it.byzantine_weight.get(),
            ],
            votes: it.votes.clone(),
        },
        Event::DecisionOverturned(it) => Outcome::Overturned(it.proposal_id),
        Event::ProposalSuperseded(it) => Outcome::Superseded(it.proposal_id, code(&it.reason)),
        Event::ProposalFailed(it) => Outcome::Failed(it.proposal_id, code(&it.reason)),
        Event::ProposalLapsed(it) => Outcome::Lapsed(it.proposal_id),
        Event::AuthorizationGranted(it) => Outcome::Granted(it.grant_id),
        Event::AuthorizationRevoked(it) => Outcome::Revoked(it.grant_ids.clone()),
        Event::PolicyUpdated(_) => Outcome::PolicyChanged,
        Event::NodeAdded(it) => Outcome::Joined(it.node),
        Event::NodeRemoved(it) => Outcome::Removed(it.node),
        Event::KeyRotated(it) => Outcome::Rotated(it.content().new_key.node),
        Event::KeyReplaced(it) => Outcome::KeyReplaced(it.node),
        Event::NodeReinstated(it) => Outcome::Reinstated(it.node),
        Event::FreezeImposed(it) => Outcome::Frozen(it.proposal_id),
        Event::FreezeLifted(it) => Outcome::Lifted(it.freezes.clone()),
        Event::ByzantineDetected(it) => Outcome::Convicted {
            node: it.node,
            proposal: it.proposal_id,
            suspended: it.suspended,
        },
        Event::PredictionRecorded(it) => Outcome::Predicted(match it.verdict {
            PredictionVerdict::Granted(grant) => Some(grant),
            PredictionVerdict::Unauthorized => None,
        }),
        Event::CheckpointsContradicted(it) => Outcome::Forked(it.node, it.suspended),
        Event::RecoveryRecorded(_) => Outcome::Recovered,
        Event::CheckpointRecorded(it) => Outcome::Checkpointed(it.live_grants),
        Event::LedgerCreated(_) => unreachable!("a ledger is founded once"),
    }
}
