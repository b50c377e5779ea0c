//! Receipts of a group that changed: each change since the founding is carried, proven, and missed.

use althing::chain::line::Line;
use althing::chain::receipt::Receipt;
use althing::governance::command::Command;
use althing::governance::event::Event;
use althing::governance::id::GrantId;
use althing::governance::policy::Policy;
use althing::governance::proposal::Action;
use althing::governance::time::Seconds;
use althing::replay::receipt::{Basis, Liveness};
use althing::testing::{Assembly, StandInVerifier, actions};

use super::{origin, recorded, select};

/// A change of the group by its founders 0 to 3, and the operation that makes it.
struct Change {
    name: &'static str,
    make: fn(&mut Assembly),
    operation: &'static str,
    /// The code where all that led to it is left out: it came before the grant, or behind it.
    missed: (&'static str, &'static str),
    /// The weight of the active nodes then.
    active: u64,
}

/// Makes node 3 contradict itself on a proposal of no importance, which suspends it.
fn suspend(assembly: &mut Assembly) {
    let open = assembly.propose(0, actions::authorize_model("open"));
    assembly.vote(3, open, althing::governance::ballot::Decision::Reject);
    assembly.accuse(3, open);
}

const UNPROVEN: &str = "receipt.registry-unproven";

/// What follows names the epoch, or is signed by a new key: where that is not what the rules give, it
/// is refused before the registry hash is looked at.
const CHANGES: &[Change] = &[
    Change {
        name: "removal",
        make: |assembly| {
            let node = assembly.id(3);
            assembly.pass(0..3, actions::remove_node(node));
        },
        operation: "node_removed",
        missed: ("replay.divergence", UNPROVEN),
        active: 3,
    },
    Change {
        name: "replacement of a key",
        make: |assembly| {
            let (_, new) = assembly.new_key(assembly.id(1));
            assembly.pass([0, 2, 3], Action::ReplaceKey(new));
        },
        operation: "key_replaced",
        missed: ("replay.divergence", UNPROVEN),
        active: 4,
    },
    Change {
        name: "rotation",
        make: |assembly| {
            let (_, new) = assembly.new_key(assembly.id(1));
            let rotation = assembly.sign(1, assembly.rotation(new));
            assembly.accept(&Command::RotateKey(rotation));
        },
        operation: "key_rotated",
        missed: ("replay.divergence", UNPROVEN),
        active: 4,
    },
    Change {
        name: "suspension",
        make: suspend,
        operation: "byzantine_detected",
        missed: ("replay.divergence", UNPROVEN),
        active: 3,
    },
    Change {
        name: "reinstatement",
        make: |assembly| {
            suspend(assembly);
            let (_, new) = assembly.new_key(assembly.id(3));
            assembly.pass(0..3, Action::ReinstateNode(new));
        },
        operation: "node_reinstated",
        missed: ("replay.divergence", UNPROVEN),
        active: 4,
    },
    Change {
        name: "addition",
        make: |assembly| {
            let newcomer = assembly.newcomer(1);
            assembly.pass(0..3, Action::AddNode(newcomer));
        },
        operation: "node_added",
        missed: ("replay.divergence", UNPROVEN),
        active: 5,
    },
    Change {
        name: "policy",
        make: |assembly| {
            let mut policy = Policy::default();
            policy.default.voting_seconds = Seconds::HOUR;
            assembly.pass(0..3, actions::update_policy(policy));
        },
        operation: "policy_updated",
        missed: ("replay.divergence", UNPROVEN),
        active: 4,
    },
];

fn decoded(line: &str) -> (u64, Event) {
    let line = Line::decode(line.as_bytes()).unwrap();
    (line.seq, Event::decode(line.operation, line.data).unwrap())
}

/// The receipt of a grant by the founders, the change before it or behind it, and the entries between
/// which the change was made.
fn changed(change: &Change, before: bool) -> (Assembly, Receipt, std::ops::RangeInclusive<u64>) {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let mut grant = None;
    let pass = |assembly: &mut Assembly, grant: &mut Option<GrantId>| {
        *grant = Some(assembly.pass(0..4, actions::authorize_model("triage")));
    };
    if !before {
        pass(&mut assembly, &mut grant);
    }
    let first = assembly.state().entries() + 1;
    (change.make)(&mut assembly);
    let last = assembly.state().entries();
    if before {
        pass(&mut assembly, &mut grant);
    }
    let checkpoint = recorded(&mut assembly);
    let receipt = select(&assembly, grant.unwrap(), checkpoint);
    (assembly, receipt, first..=last)
}

fn refused(receipt: &Receipt, assembly: &Assembly) -> Option<&'static str> {
    let verdict = receipt.verify(&origin(assembly), &StandInVerifier);
    verdict.err().map(|error| error.code())
}

#[test]
fn every_change_of_the_group_is_carried_and_proven() {
    for change in CHANGES {
        for before in [true, false] {
            let name = format!("{}, before: {before}", change.name);
            let (assembly, receipt, made) = changed(change, before);
            let found = receipt.entries.iter().map(|entry| decoded(&entry.line));
            let count = found
                .filter(|(seq, event)| made.contains(seq) && event.operation() == change.operation)
                .count();
            assert_eq!(count, 1, "{name}");
            let verdict = receipt
                .verify(&origin(&assembly), &StandInVerifier)
                .unwrap();
            assert_eq!(
                verdict.state.registry_projection(),
                assembly.state().registry_projection(),
                "{name}"
            );
            assert!(verdict.registry_proven, "{name}");
            let active = change.active;
            let basis = Basis::Registry {
                signed: active,
                total: active,
            };
            let founders = Basis::Founders {
                signed: 4,
                total: 4,
            };
            assert!(
                [basis, founders].contains(&verdict.basis.unwrap()),
                "{name}"
            );
            assert_eq!(verdict.endorsement.active_weight.get(), active, "{name}");
            assert_eq!(
                verdict.liveness,
                Liveness::AuthorizedAsOf(assembly.now()),
                "{name}"
            );
        }
    }
}

#[test]
fn a_change_of_the_group_that_is_left_out_is_missed() {
    for change in CHANGES {
        for before in [true, false] {
            let (assembly, receipt, made) = changed(change, before);
            let mut fewer = receipt.clone();
            fewer
                .entries
                .retain(|entry| !made.contains(&decoded(&entry.line).0));
            assert!(fewer.entries.len() < receipt.entries.len());
            let expected = if before {
                change.missed.0
            } else {
                change.missed.1
            };
            let name = format!("{}, before: {before}", change.name);
            assert_eq!(refused(&fewer, &assembly), Some(expected), "{name}");
            // Nor can the change alone be left out, with all that led to it still there.
            let is_change = |(seq, event): (u64, Event)| {
                made.contains(&seq) && event.operation() == change.operation
            };
            let mut fewer = receipt.clone();
            (fewer.entries).retain(|entry| !is_change(decoded(&entry.line)));
            assert_eq!(fewer.entries.len() + 1, receipt.entries.len(), "{name}");
            assert_ne!(refused(&fewer, &assembly), None, "{name}");
        }
    }
}
