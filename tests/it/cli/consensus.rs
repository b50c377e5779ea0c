//! Two messages of consensus of one node that contradict each other, as a file that anybody submits.

use althing::governance::consensus::{
    ConsensusChoice, ConsensusEquivocation, ConsensusPlace, ConsensusStep, SignedChoice,
};
use althing::governance::digest::Digest;
use althing::identity::KeyStore;
use serde_json::json;

use super::harness::{FOUNDED, World};

/// A file that shows a node's votes for nothing and for a value, signed past its journal.
pub fn equivocation(world: &World, name: &str) -> String {
    let store = KeyStore::new(world.keys().to_owned());
    let key = store.load(name, || Ok(None)).unwrap();
    let replayed = world.run("replay --json").ok().json();
    let place = ConsensusPlace {
        height: 3,
        ledger: serde_json::from_value(replayed["ledger"].clone()).unwrap(),
        node: key.node_id(),
        round: 1,
        step: ConsensusStep::Prevote,
    };
    let sign = |value: Option<Digest>| {
        let choice = ConsensusChoice {
            earlier_round: None,
            value,
        };
        SignedChoice {
            earlier_round: None,
            signature: key.sign_message(&place.message(&choice)).unwrap(),
            value,
        }
    };
    let value = Some(Digest::of(b"a value"));
    let found = ConsensusEquivocation::new(place, sign(None), sign(value));
    let file = json!({"type": "althing/consensus-equivocation/v1", "consensus": found});
    world.file(&format!("equivocation-{name}.json"), file.to_string())
}

#[test]
fn contradicting_messages_of_consensus_are_evidence_that_anybody_submits() {
    let world = World::founded();
    let file = equivocation(&world, "dan");
    let line = format!("submit {file} --json --now {FOUNDED}");
    let submitted = world.run(&line).ok().json();
    assert_eq!(submitted["results"][0]["recorded"], true);
    let shown = world.run("node show dan --json").ok().json();
    assert_eq!(shown["status"], "suspended");
    let entry = shown["contradicting_consensus"][0].as_u64().unwrap();
    let list = world.run("evidence list --json").ok().json();
    assert_eq!(list["evidence"][0]["kind"], "consensus");
    assert_eq!(list["evidence"][0]["seq"], entry);
    let text = world.run("evidence show dan").ok().stdout;
    assert!(text.contains("prevote") && text.contains("none"), "{text}");
    let copy = world.path("copy.json");
    world.run(&format!("evidence show dan --out {copy}")).ok();
    let again = world.run(&format!("submit {copy} --json --now {FOUNDED}"));
    assert_eq!(again.ok().json()["results"][0]["recorded"], false);
    let text = world.run("node show dan").ok().stdout;
    let said = format!("contradicting messages of consensus, entry {entry}");
    assert!(text.contains(&said), "{text}");
    let text = world.run("evidence list").ok().stdout;
    assert!(text.contains("(consensus)"), "{text}");
    let text = world.run("log").ok().stdout;
    assert!(
        text.contains("contradicted itself in consensus, height 3"),
        "{text}"
    );
    world.verify();
}
