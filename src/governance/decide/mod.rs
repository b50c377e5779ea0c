//! `decide`: whether a command may happen, and everything that follows from it.
//!
//! The text of each rule stands here once. A writer calls [`decide`] before it appends, and strict
//! replay calls the same code for every entry that it reads.

mod checkpoint;
mod evidence;
mod keys;
mod lifecycle;
mod predict;
mod propose;
mod vote;

use super::command::Command;
use super::consequence::next_consequence;
use super::digest::Digest;
use super::event::Event;
use super::id::Subject;
use super::key::SignatureVerifier;
use super::prediction::PredictionVerdict;
use super::rejection::Rejection;
use super::scope::CheckContext;
use super::state::State;
use super::time::Timestamp;

pub(crate) use predict::verdict as prediction_verdict;

/// What a decision depends on besides the state and the command.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The time of the entries to be written.
    pub at: Timestamp,
    /// Who checks signatures.
    pub verifier: &'a dyn SignatureVerifier,
}

/// The events that `command` leads to: its cause, then every consequence, all of one instant.
///
/// Empty where the command asks for what is recorded already (the same ballot again).
///
/// # Errors
/// [`Rejection`] with the first rule that says no; nothing happens then.
pub fn decide(
    state: &State,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let Some(cause) = admit(state, command, context)? else {
        return Ok(Vec::new());
    };
    if !may_have_consequences(&cause) {
        return Ok(vec![cause]);
    }
    Ok(follow_up(&mut state.clone(), cause, context.at))
}

/// As [`decide`], and brings `state` to where it will be once the events are recorded.
///
/// Their entries have no hash yet. Only a proposal keeps its entry's hash: until
/// [`settle`](State::settle) is told, no ballot can name it.
///
/// # Errors
/// As [`decide`]; the state is untouched then.
pub fn decide_in_place(
    state: &mut State,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cause = admit(state, command, context)?;
    Ok(cause.map_or_else(Vec::new, |cause| follow_up(state, cause, context.at)))
}

/// As [`decide_in_place`] for a prediction of `model` in `context`, and returns what the rules add to it.
/// No event is made, and nothing ever follows from one. That it can be written is its caller's to know.
///
/// # Errors
/// As [`decide`]; the state is untouched then.
pub(crate) fn record_in_place(
    state: &mut State,
    model: &Subject,
    context: &CheckContext,
    at: Timestamp,
) -> Result<PredictionVerdict, Rejection> {
    require_no_earlier_than_the_head(state, at)?;
    let verdict = predict::verdict(state, model, context, at)?;
    state.apply_prediction(state.entries + 1, at, model, &verdict);
    Ok(verdict)
}

/// Applies a cause and everything that follows from it, and returns all of it.
fn follow_up(state: &mut State, cause: Event, at: Timestamp) -> Vec<Event> {
    let consequential = may_have_consequences(&cause);
    state.apply(state.entries + 1, at, Digest::ZERO, &cause);
    let mut events = vec![cause];
    while let Some(consequence) = consequential.then(|| next_consequence(state, at)).flatten() {
        state.apply(state.entries + 1, at, Digest::ZERO, &consequence);
        events.push(consequence);
    }
    events
}

/// The one event that `command` itself is; `None` where it is recorded already.
///
/// # Errors
/// [`Rejection`] with the first rule that says no.
pub fn admit(
    state: &State,
    command: &Command,
    context: &Context<'_>,
) -> Result<Option<Event>, Rejection> {
    require_no_earlier_than_the_head(state, context.at)?;
    match command {
        Command::Propose(proposal) => propose::propose(state, proposal, context).map(Some),
        Command::Vote(ballot) => vote::vote(state, ballot, context),
        Command::Withdraw(withdrawal) => lifecycle::withdraw(state, withdrawal, context).map(Some),
        Command::RotateKey(rotation) => keys::rotate(state, rotation, context).map(Some),
        Command::Close(proposal) => lifecycle::close(state, *proposal, context.at).map(Some),
        Command::Execute(proposal) => lifecycle::execute(state, *proposal, context.at).map(Some),
        Command::SubmitEvidence(evidence) => vote::submit_evidence(state, evidence, context),
        Command::SubmitContradictingHeads(heads) => {
            evidence::contradicting_heads(state, heads, context)
        }
        Command::SubmitConsensusEquivocation(found) => {
            evidence::consensus_equivocation(state, found, context)
        }
        Command::RecordPrediction(prediction) => {
            predict::record(state, prediction, context.at).map(Some)
        }
        Command::RecordCheckpoint(claimed) => {
            checkpoint::record(state, claimed.as_ref(), context).map(Some)
        }
        Command::RecordRecovery(recovery) => Ok(Some(Event::RecoveryRecorded(recovery.clone()))),
    }
}

fn require_no_earlier_than_the_head(state: &State, at: Timestamp) -> Result<(), Rejection> {
    if at < state.clock {
        return Err(Rejection::ClockBehindHead {
            head: state.clock,
            found: at,
        });
    }
    Ok(())
}

/// Whether anything can follow from `cause`. These five change no count, no membership and no
/// grant, and a replay of many predictions needs no look at the open proposals.
#[must_use]
pub const fn may_have_consequences(cause: &Event) -> bool {
    !matches!(
        cause,
        Event::PredictionRecorded(_)
            | Event::RecoveryRecorded(_)
            | Event::CheckpointRecorded(_)
            | Event::ProposalCreated(_)
            | Event::ProposalWithdrawn(_)
    )
}

#[cfg(test)]
mod tests;
