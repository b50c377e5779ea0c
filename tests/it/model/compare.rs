//! The engine's state against the model's, part by part.

use std::collections::{BTreeMap, BTreeSet};

use althing::governance::kind::AuthorizationKind;
use althing::governance::proposal::FreezeTarget;
use althing::governance::scope::CheckContext;
use althing::governance::state::Contradiction;
use althing::governance::state::proposal::ProposalState;
use althing::testing::model::{Accusation, Count, Model};

use super::drafting::subject;
use super::engine::{Engine, agree, proposals};
use super::orders::signer;
use super::steps::Whom;
use super::world::World;

/// How many models and agents sessions are about.
pub const SUBJECTS: usize = 3;

/// All of the state but the counts of proposals that have ended.
pub fn all(engine: &mut Engine, world: &World) {
    let (model, state) = (&world.model, engine.node.state());
    agree("the entries", &state.entries(), &model.entries());
    agree("the clock", &state.clock(), &model.clock());
    agree("the epoch", &state.epoch(), &model.epoch());
    agree("the policy", state.policy(), model.policy_in_force());
    nodes(engine, model);
    let statuses: Vec<_> = proposals(engine)
        .map(|it| (it.id(), it.status().name()))
        .collect();
    agree("the proposals", &statuses, &model.statuses());
    for it in proposals(engine).filter(|it| !it.status().is_final()) {
        proposal(it, model);
    }
    let ballots = (state.evidence()).map(|(node, on, _)| (node, Accusation::Ballots(on)));
    let others = state.contradictions().map(|(kind, node, ..)| match kind {
        Contradiction::Checkpoints => (node, Accusation::Checkpoints),
        Contradiction::Consensus => (node, Accusation::Consensus),
    });
    let evidence: BTreeSet<_> = ballots.chain(others).collect();
    let convictions: BTreeSet<_> = model.convictions().into_iter().collect();
    agree("the evidence", &evidence, &convictions);
    predictions(engine, model);
    for met in checks(engine, world) {
        engine.note_also(met);
    }
}

fn nodes(engine: &Engine, model: &Model) {
    let registry = engine.node.state().registry();
    let nodes: Vec<_> = registry
        .iter()
        .map(|(id, node)| (id, node.status().name(), node.weight().get()))
        .collect();
    agree("the nodes", &nodes, &model.nodes());
    for (id, node) in registry.iter() {
        let key = model.key_of(id).map(|key| signer(key).key().clone());
        agree("a node's key", &Some(node.key().clone()), &key);
    }
}

/// The count of one proposal.
pub fn proposal(proposal: &ProposalState, model: &Model) {
    let (id, tally) = (proposal.id(), proposal.tally());
    let label = super::world::label_of(id);
    let known = tally.participation() + tally.byzantine() + tally.uncast();
    let count = Count {
        approve: tally.approve(),
        reject: tally.reject(),
        abstain: tally.abstain(),
        byzantine: tally.byzantine(),
        uncast: tally.uncast(),
        barred: tally.total() - known,
    };
    let what = format!("the count of #{label}");
    agree(&what, &Some(count), &model.count_of(id));
    let deadline = Some(proposal.deadline());
    let what = format!("the deadline of #{label}");
    agree(&what, &deadline, &model.deadline_of(id));
    let what = format!("whether #{label} is tainted");
    agree(&what, &proposal.is_tainted(), &model.is_tainted(id));
}

/// What changes as time passes, although nothing is recorded.
pub fn standing(engine: &Engine, world: &World) {
    let (now, model) = (world.now, &world.model);
    let authorizations = engine.node.state().authorizations();
    let statuses: Vec<_> = authorizations
        .iter()
        .filter_map(|(id, _)| Some((id, authorizations.status(id, now)?.name())))
        .collect();
    agree("the grants", &statuses, &model.grant_statuses(now));
    let frozen: Vec<FreezeTarget> = (authorizations.freezes().on(now))
        .map(|(_, freeze)| freeze.target().clone())
        .collect();
    agree("what is frozen", &frozen, &model.frozen_targets(now));
}

/// What checks answer, by name.
fn checks(engine: &Engine, world: &World) -> Vec<String> {
    let (now, model) = (world.now, &world.model);
    let authorizations = engine.node.state().authorizations();
    let mut met: Vec<String> = authorizations
        .iter()
        .filter_map(|(id, _)| authorizations.status(id, now))
        .map(|status| format!("a grant that is {}", status.name()))
        .collect();
    let mut prod = CheckContext::default();
    prod.set("environment", "prod").expect("a key and a value");
    for (kind, whom) in questions() {
        let subject = subject(whom);
        for context in [CheckContext::default(), prod.clone()] {
            let found = authorizations.check(kind, &subject, &context, now);
            met.push(format!("a check answers {}", found.reason.name()));
            if !found.obligations.is_empty() {
                met.push("a limit that comes with an authorization".to_owned());
            }
            let found = (found.reason.name(), found.grants, found.obligations);
            let expected = model.check(kind, &subject, &context, now);
            agree(&format!("the check of {kind} {whom}"), &found, &expected);
        }
    }
    met
}

/// Whom the checks are about.
fn questions() -> Vec<(AuthorizationKind, Whom)> {
    (0..SUBJECTS)
        .flat_map(|number| {
            [
                (AuthorizationKind::Model, Whom::Model(number)),
                (AuthorizationKind::Agent, Whom::Agent(number)),
                (AuthorizationKind::Delegation, Whom::Agent(number)),
            ]
        })
        .collect()
}

fn predictions(engine: &Engine, model: &Model) {
    let predictions = engine.node.state().predictions();
    let others = predictions.others();
    let mut counts = BTreeMap::from([(None, (others.authorized, others.unauthorized))]);
    for (model, count) in predictions.models() {
        let count = (count.authorized, count.unauthorized);
        counts.insert(Some(model.clone()), count);
    }
    agree("the predictions", &counts, &model.prediction_counts());
}
