//! What takes too many records to be tested with records.

use super::*;
use crate::governance::key::{Algorithm, PublicKey};
use crate::governance::state::registry::NodeStatus;
use crate::testing::Assembly;

/// A removed node that is the `number`th.
fn node(number: usize) -> (NodeId, Node) {
    let algorithm = Algorithm::MlDsa44;
    let mut raw = number.to_be_bytes().to_vec();
    raw.resize(algorithm.public_key_bytes(), 0);
    let key = PublicKey::new(algorithm, &raw).unwrap();
    let node = Node {
        name: "node".parse().unwrap(),
        weight: Weight::ONE,
        keys: Vec::new(),
        status: NodeStatus::Removed,
        added_at: 1,
        votes: BTreeSet::new(),
        key: key.clone(),
    };
    (NodeId::of_first_key(&key), node)
}

#[test]
fn ten_thousand_nodes_are_read_and_not_one_more() {
    let mut records = Vec::new();
    let founded = Assembly::of(&[1, 1]);
    founded.state().write_records(&mut records).unwrap();
    let records: Vec<&[u8]> = records.split(|byte| *byte == b'\n').collect();
    let mut reader = StateReader::new();
    reader.record(records[0]).unwrap();
    for number in 1..Registry::MAX_NODES {
        let (id, node) = node(number);
        reader.registry.restore(id, node).unwrap();
    }
    assert_eq!(reader.record(records[1]), Ok(()));
    let one_more = Err(BadRecord::Contradiction("a node too many"));
    assert_eq!(reader.record(records[2]), one_more);
}
