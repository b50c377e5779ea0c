//! What `benches/run.py` measures inside of one process, one subcommand for each: prints one line of
//! JSON.
//!
//! Contestants take turns in rounds, so that a ratio compares what ran at the same time.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark has a clock, threads and files"
)]

mod appends;
mod ballots;
#[path = "../../examples/shared/mod.rs"]
mod shared;

use std::path::Path;
use std::time::Instant;

use althing::governance::Command;
use althing::governance::ballot::Decision;
use althing::governance::digest::Digest;
use althing::governance::id::{ProposalId, Subject};
use althing::governance::policy::Policy;
use althing::governance::prediction::{Figures, OutputSummary, Prediction};
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::scope::CheckContext;
use althing::governance::time::Timestamp;
use althing::ledger::{FileLedger, Ledger};
use althing::node::Node;
use shared::{Group, Member, Outcome, genesis};

const USAGE: &str = "appends DIR ONE ROUNDS | ballots DIR COUNT | \
                     verify DIR ROUNDS | rounds COUNT";

fn main() -> Outcome {
    // `cargo bench` hands over options of its own; there is nothing to do without a subcommand.
    let words: Vec<String> = (std::env::args().skip(1))
        .filter(|word| !word.starts_with("--"))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.is_empty() {
        println!("run by benches/run.py; alone: {USAGE}");
        return Ok(());
    }
    let report = match words.as_slice() {
        ["appends", dir, one, rounds] => {
            appends::compare(Path::new(dir), one.parse()?, rounds.parse()?)?
        }
        ["ballots", dir, count] => ballots::write(Path::new(dir), count.parse()?)?,
        ["verify", dir, rounds] => ballots::verify_raw(Path::new(dir), rounds.parse()?)?,
        ["rounds", count] => ballots::rounds(count.parse()?)?,
        _ => return Err(USAGE.into()),
    };
    println!("{report}");
    Ok(())
}

/// The model that all predictions are of, and that the group authorized.
fn model() -> Outcome<Subject> {
    Ok("did:example:triage".parse()?)
}

/// The same prediction as a line of `benches/events.py`: about 570 bytes in a ledger.
fn prediction(number: usize) -> Outcome<Prediction> {
    let figures = [("mean_confidence", "0.9312")];
    let figures = figures.map(|(name, figure)| Ok((name.parse()?, serde_json::from_str(figure)?)));
    Ok(Prediction {
        context: CheckContext::default(),
        duration_ms: Some(12),
        input_digest: Digest::of(&number.to_le_bytes()),
        model: model()?,
        model_version: "2026-05".parse()?,
        output_summary: OutputSummary::new(Figures(
            figures.into_iter().collect::<Outcome<Vec<_>>>()?,
        ))?,
        recorder: Some("worker-3".parse()?),
        request_id: Some(format!("request-{number:08}").parse()?),
        user_id: None,
    })
}

/// A group of nodes of weight 1 in which nothing is decided before the deadline.
fn group<L: Ledger>(ledger: L, nodes: usize) -> Outcome<Group<L>> {
    let now: Timestamp = "2026-05-04T09:30:00.000000Z".parse()?;
    let members = (0..nodes)
        .map(|index| Member::new(&format!("node-{index}")))
        .collect::<Outcome<Vec<_>>>()?;
    let policy = Policy {
        early_decision: false,
        ..Policy::uniform()
    };
    let genesis = genesis(&members, &vec![1; nodes], policy, now)?;
    let node = Node::found(ledger, &genesis, now)?;
    Ok(Group { node, members, now })
}

/// A group of one that has authorized the model.
fn with_grant(dir: &Path) -> Outcome<Group<FileLedger>> {
    let mut group = group(FileLedger::create(dir)?, 1)?;
    round(&mut group, 0, model()?)?;
    Ok(group)
}

/// A proposal to authorize a model, the approval of all nodes, the deadline, the decision.
fn round<L: Ledger>(group: &mut Group<L>, by: usize, model: Subject) -> Outcome {
    let proposal = propose(group, by, model)?;
    vote(group, proposal)?;
    close(group, proposal)
}

fn propose<L: Ledger>(group: &mut Group<L>, by: usize, model: Subject) -> Outcome<ProposalId> {
    let action = Action::AuthorizeModel(GrantTerms::unrestricted(model));
    let signed = group.proposal(&format!("node-{by}"), "Triage", action)?;
    let id = signed.content().proposal_id;
    group.node.submit(&Command::Propose(signed), group.now)?;
    Ok(id)
}

fn vote<L: Ledger>(group: &mut Group<L>, proposal: ProposalId) -> Outcome {
    let ballots = (0..group.members.len())
        .map(|index| group.ballot(&format!("node-{index}"), proposal, Decision::Approve))
        .map(|ballot| Ok(Command::Vote(ballot?)))
        .collect::<Outcome<Vec<_>>>()?;
    group.node.submit_all(&ballots, group.now)?;
    Ok(())
}

fn close<L: Ledger>(group: &mut Group<L>, proposal: ProposalId) -> Outcome {
    let opened = group.state().proposals().get(proposal);
    group.now = opened.ok_or("no such proposal")?.deadline();
    group.node.submit(&Command::Close(proposal), group.now)?;
    Ok(())
}

/// How long `work` takes, in seconds.
fn timed(work: impl FnOnce() -> Outcome) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}
