//! Nodes join and leave by decision of the others, and open votes keep their own electorate.
//!
//! Run with `cargo run --example membership_change`.

mod shared;

use althing::governance::ballot::Decision;
use althing::governance::id::Subject;
use althing::governance::policy::Policy;
use althing::governance::proposal::{Action, GrantTerms, NewNode};
use althing::governance::weight::Weight;
use althing::identity::PublicKeyExport;
use shared::{Group, Member, Outcome};

fn main() -> Outcome {
    let founders = [("Alice", 2), ("Bob", 2), ("Carol", 2), ("Dave", 1)];
    let mut group = Group::found(&founders, Policy::default())?;
    print_registry(&group);

    println!("A vote is open before anybody joins:");
    let subject: Subject = "urn:model:early".parse()?;
    let early = group.propose(
        "Alice",
        "A model",
        Action::AuthorizeModel(GrantTerms::unrestricted(subject)),
    )?;

    println!("Erin hands out its public key with a proof that it holds the secret:");
    let erin = Member::new("Erin")?;
    let export = PublicKeyExport::new(&erin.key, "Erin")?;
    println!(
        "  {} bytes for {}",
        export.to_line().len(),
        export.node_id().short()
    );
    group.members.push(erin);
    let addition = Action::AddNode(new_node(export)?);
    let add = group.propose("Alice", "Erin joins", addition.clone())?;
    println!("Two more proposals depend on who is a member:");
    let again = group.propose("Bob", "Erin joins (a second time)", addition)?;
    let dave = group.member("Dave").id();
    let remove = group.propose("Bob", "Dave leaves", Action::RemoveNode { node: dave })?;
    for member in ["Alice", "Bob", "Carol"] {
        group.vote(member, add, Decision::Approve)?;
    }
    print_registry(&group);

    println!("Erin votes on later proposals only:");
    group.vote("Erin", early, Decision::Approve)?;

    println!("What was proposed for another membership has to be proposed again:");
    for member in ["Alice", "Bob", "Carol"] {
        group.vote(member, again, Decision::Approve)?;
    }
    for member in ["Alice", "Bob", "Carol"] {
        group.vote(member, remove, Decision::Approve)?;
    }
    println!("  {}, {}", group.status(again), group.status(remove));
    let remove = group.propose("Bob", "Dave leaves", Action::RemoveNode { node: dave })?;
    for member in ["Alice", "Bob", "Carol"] {
        group.vote(member, remove, Decision::Approve)?;
    }
    print_registry(&group);

    println!("The open vote still counts against the weight it was opened with:");
    group.vote("Dave", early, Decision::Approve)?;
    let proposal = group.state().proposals().get(early).ok_or("no proposal")?;
    println!(
        "  total {}, {:?}",
        proposal.tally().total(),
        proposal.tally()
    );
    Ok(())
}

/// What an add-node proposal carries of an export. The node's name is part of what it signed.
fn new_node(export: PublicKeyExport) -> Outcome<NewNode> {
    Ok(NewNode {
        key: export.public_key().clone(),
        name: export.name().parse()?,
        node: export.node_id(),
        weight: Weight::ONE,
        possession: export.into_signed().signature,
    })
}

fn print_registry(group: &Group) {
    println!(
        "The registry, epoch {}, active weight {}:",
        group.state().epoch(),
        group.state().registry().active_weight()
    );
    for (id, node) in group.state().registry().iter() {
        println!(
            "  {} {:<6} weight {} {}",
            id.short(),
            node.name(),
            node.weight(),
            node.status().name()
        );
    }
}
