//! A node contradicts itself: what is recorded, what it costs, and how a third party checks it.
//!
//! Run with `cargo run --example byzantine_detection`.

mod shared;

use althing::governance::ballot::Decision;
use althing::governance::evidence::Equivocation;
use althing::governance::id::{NodeId, Subject};
use althing::governance::policy::Policy;
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::time::Seconds;
use althing::governance::{Command, Event, State};
use althing::identity::MlDsaVerifier;
use shared::{Group, Outcome};

const FOUNDERS: [(&str, u64); 5] = [
    ("Alice", 1),
    ("Bob", 1),
    ("Carol", 1),
    ("Dave", 1),
    ("Mallory", 1),
];

fn main() -> Outcome {
    during_the_vote()?;
    after_the_decision()
}

fn authorize(model: &str) -> Outcome<Action> {
    let subject: Subject = model.parse()?;
    Ok(Action::AuthorizeModel(GrantTerms::unrestricted(subject)))
}

/// Mallory votes both ways on one proposal, and loses its voice on the other one as well.
fn during_the_vote() -> Outcome {
    println!("While the vote is open:");
    let mut group = Group::found(&FOUNDERS, Policy::default())?;
    let first = group.propose("Alice", "Model A", authorize("urn:model:a")?)?;
    let second = group.propose("Bob", "Model B", authorize("urn:model:b")?)?;
    group.vote("Mallory", second, Decision::Approve)?;
    group.vote("Mallory", first, Decision::Approve)?;
    group.vote("Mallory", first, Decision::Reject)?;
    for proposal in [first, second] {
        let proposal = group
            .state()
            .proposals()
            .get(proposal)
            .ok_or("no proposal")?;
        println!("  {}: {:?}", proposal.content().title, proposal.tally());
    }
    println!("  A third ballot changes nothing:");
    group.vote("Mallory", first, Decision::Abstain)?;

    println!("  Anyone can check the evidence with the ballots and the registered key alone:");
    check_evidence(&mut group)
}

/// Submits evidence that was recorded already, then checks it as a stranger would.
fn check_evidence(group: &mut Group) -> Outcome {
    let mut lines = althing::chain::lines::LineReader::new(group.node.ledger().bytes());
    let mut found = None;
    while let Some(line) = lines.next_line()? {
        let line = althing::chain::line::Line::decode(line.bytes)?;
        if let Event::ByzantineDetected(detected) = Event::decode(line.operation, line.data)? {
            found = Some((line.seq, detected));
        }
    }
    let (seq, detected) = found.ok_or("no evidence in the ledger")?;
    println!(
        "    entry {seq}: {} and {}",
        detected.first.content().decision,
        detected.second.content().decision
    );
    let evidence = Equivocation {
        first: detected.first,
        second: detected.second,
    };
    let convicts = is_convincing(group.state(), detected.node, &evidence);
    println!("    both signatures verify and the decisions differ: {convicts}");
    assert!(convicts);
    group.submit(&Command::SubmitEvidence(evidence))?;
    Ok(())
}

fn is_convincing(state: &State, node: NodeId, evidence: &Equivocation) -> bool {
    let Some(registered) = state.registry().get(node) else {
        return false;
    };
    evidence.is_contradiction()
        && [&evidence.first, &evidence.second]
            .into_iter()
            .all(|ballot| ballot.is_signed_by(registered.key(), &MlDsaVerifier))
}

/// The contradiction comes to light when the decision has been carried out, or while it waits.
fn after_the_decision() -> Outcome {
    println!("After the decision:");
    let mut policy = Policy::default();
    let mut group = Group::found(&FOUNDERS, policy.clone())?;
    let executed = group.propose("Alice", "Model A", authorize("urn:model:a")?)?;
    for member in ["Alice", "Bob", "Carol"] {
        group.vote(member, executed, Decision::Approve)?;
    }
    group.vote("Mallory", executed, Decision::Approve)?;
    println!("  status: {}", group.status(executed));
    group.wait(Seconds::days(7));
    println!("  A week later Mallory's other ballot turns up:");
    group.vote("Mallory", executed, Decision::Reject)?;
    let proposal = group
        .state()
        .proposals()
        .get(executed)
        .ok_or("no proposal")?;
    println!(
        "  status: {}, tainted: {}",
        proposal.status().name(),
        proposal.is_tainted()
    );

    println!("While a decision waits for its timelock:");
    policy.default.timelock_seconds = Seconds::DAY;
    let mut group = Group::found(&FOUNDERS, policy)?;
    let queued = group.propose("Alice", "Model B", authorize("urn:model:b")?)?;
    for member in ["Alice", "Bob", "Carol", "Mallory"] {
        group.vote(member, queued, Decision::Approve)?;
    }
    println!("  status: {}", group.status(queued));
    println!("  Mallory's other ballot takes its majority away:");
    group.vote("Mallory", queued, Decision::Reject)?;
    println!("  status: {}", group.status(queued));
    group.wait(Seconds::DAY);
    println!("  Executing it is refused:");
    let _ = group.submit(&Command::Execute(queued));
    Ok(())
}
