//! What happens in a scenario.

use super::Stage;
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::proposal::Action;
use crate::governance::state::proposal::Status;
use crate::testing::{actions, prediction};

type Step = Box<dyn FnOnce(&mut Stage) -> Option<Command>>;

/// Something that happens: commands, made one by one when their turn comes, or time that passes.
pub struct Move {
    pub(super) what: String,
    pub(super) steps: Vec<Step>,
}

impl Move {
    fn one(what: String, step: impl FnOnce(&mut Stage) -> Option<Command> + 'static) -> Self {
        Self {
            what,
            steps: vec![Box::new(step)],
        }
    }
}

impl std::fmt::Debug for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Move").field(&self.what).finish()
    }
}

/// What is proposed: an action, or a function that makes it of what is recorded when its turn
/// comes.
pub trait IntoAction: 'static {
    /// The action.
    fn into_action(self, stage: &mut Stage) -> Action;
}

impl IntoAction for Action {
    fn into_action(self, _: &mut Stage) -> Action {
        self
    }
}

impl<F: FnOnce(&mut Stage) -> Action + 'static> IntoAction for F {
    fn into_action(self, stage: &mut Stage) -> Action {
        self(stage)
    }
}

fn propose(stage: &mut Stage, by: usize, label: &str, action: impl IntoAction) -> Command {
    let action = action.into_action(stage);
    let draft = stage.assembly.draft(by, action);
    // A proposal that is refused keeps its label: what else is tried with it is refused, too.
    stage.label(label, draft.proposal_id);
    Command::Propose(stage.assembly.sign(by, draft))
}

/// A node proposes something, which is told of under `label` from now on.
#[must_use]
pub fn proposes(by: usize, label: &str, action: impl IntoAction) -> Move {
    let label = label.to_owned();
    Move::one(format!("node {by} proposes {label:?}"), move |stage| {
        Some(propose(stage, by, &label, action))
    })
}

/// A node proposes to let `urn:model:LABEL` run, without restriction.
#[must_use]
pub fn authorizes(by: usize, label: &str) -> Move {
    proposes(by, label, actions::authorize_model(label))
}

/// The first of some nodes proposes something, and they approve one after the other until it is
/// decided.
///
/// # Panics
/// Where there is no node.
#[must_use]
pub fn passes(by: impl IntoIterator<Item = usize>, label: &str, action: impl IntoAction) -> Move {
    let by: Vec<usize> = by.into_iter().collect();
    let first = *by.first().expect("at least one node approves");
    let mut all = proposes(first, label, action);
    for voter in &by {
        let (voter, label) = (*voter, label.to_owned());
        all.steps.push(Box::new(move |stage| {
            let proposal = stage.proposal(&label);
            let open = stage.assembly.status(proposal) == Status::Voting;
            open.then(|| ballot(stage, voter, &label, Decision::Approve))
        }));
    }
    all.what = format!("nodes {by:?} propose and approve {label:?}");
    all
}

fn ballot(stage: &mut Stage, by: usize, label: &str, decision: Decision) -> Command {
    let proposal = stage.proposal(label);
    Command::Vote(stage.assembly.signed_ballot(by, proposal, decision))
}

/// A node casts a ballot.
#[must_use]
pub fn votes(by: usize, label: &str, decision: Decision) -> Move {
    vote_each([by], label, decision)
}

/// Nodes cast the same ballot, one after the other.
#[must_use]
pub fn vote_each(by: impl IntoIterator<Item = usize>, label: &str, decision: Decision) -> Move {
    let by: Vec<usize> = by.into_iter().collect();
    let name = decision.name();
    let what = match by.as_slice() {
        [one] => format!("node {one} votes {name} on {label:?}"),
        _ => format!("nodes {by:?} vote {name} on {label:?}"),
    };
    let step = |voter: usize| -> Step {
        let label = label.to_owned();
        Box::new(move |stage| Some(ballot(stage, voter, &label, decision)))
    };
    Move {
        what,
        steps: by.into_iter().map(step).collect(),
    }
}

fn about(
    what: String,
    label: &str,
    command: impl FnOnce(&mut Stage, crate::governance::id::ProposalId) -> Command + 'static,
) -> Move {
    let label = label.to_owned();
    Move::one(what, move |stage| {
        let proposal = stage.proposal(&label);
        Some(command(stage, proposal))
    })
}

/// The proposer withdraws.
#[must_use]
pub fn withdraws(label: &str) -> Move {
    about(
        format!("{label:?} is withdrawn"),
        label,
        |stage, proposal| {
            let withdrawal = stage.assembly.withdrawal(proposal);
            let signer = stage.assembly.signer_of(withdrawal.proposer);
            Command::Withdraw(signer.sign(withdrawal))
        },
    )
}

/// Somebody closes a proposal.
#[must_use]
pub fn closes(label: &str) -> Move {
    about(format!("{label:?} is closed"), label, |_, proposal| {
        Command::Close(proposal)
    })
}

/// Somebody executes a decision.
#[must_use]
pub fn executes(label: &str) -> Move {
    about(format!("{label:?} is executed"), label, |_, proposal| {
        Command::Execute(proposal)
    })
}

/// Somebody shows two contradictory ballots of a node.
#[must_use]
pub fn accuses(node: usize, label: &str) -> Move {
    let what = format!("node {node} is shown to contradict itself on {label:?}");
    about(what, label, move |stage, proposal| {
        Command::SubmitEvidence(stage.assembly.equivocation(node, proposal))
    })
}

/// A node changes its own key.
#[must_use]
pub fn rotates(by: usize) -> Move {
    Move::one(format!("node {by} rotates its key"), move |stage| {
        let assembly = &mut stage.assembly;
        let (_, new_key) = assembly.new_key(assembly.id(by));
        let rotation = assembly.rotation(new_key);
        Some(Command::RotateKey(assembly.sign(by, rotation)))
    })
}

/// The model `urn:model:NAME` predicts something.
#[must_use]
pub fn predicts(model: &str) -> Move {
    let report = prediction(model);
    Move::one(format!("{} predicts", report.model), |_| {
        Some(Command::RecordPrediction(report))
    })
}

/// Anything else: `what` tells of it, `command` makes it of what is recorded when its turn comes.
#[must_use]
pub fn submits(what: &str, command: impl FnOnce(&mut Stage) -> Command + 'static) -> Move {
    Move::one(what.to_owned(), |stage| Some(command(stage)))
}

/// Seconds pass.
#[must_use]
pub fn waits(seconds: u64) -> Move {
    Move::one(format!("{seconds} seconds pass"), move |stage| {
        stage.assembly.wait(seconds);
        None
    })
}

/// Time passes until a proposal's deadline, at which no ballot is taken any more.
#[must_use]
pub fn waits_for_deadline(label: &str) -> Move {
    let label = label.to_owned();
    Move::one(format!("the deadline of {label:?} comes"), move |stage| {
        let deadline = stage.assembly.proposal(stage.proposal(&label)).deadline();
        stage.assembly.wait_until(deadline);
        None
    })
}
