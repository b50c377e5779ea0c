//! A node and a ledger that does not always acknowledge.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use althing::chain::line::{EncodedBatch, Head};
use althing::governance::ballot::Decision::Approve;
use althing::governance::command::Command;
use althing::governance::id::ProposalId;
use althing::governance::policy::Policy;
use althing::governance::state::proposal::Status;
use althing::ledger::{AppendError, Ledger, MemoryLedger};
use althing::node::NodeError;
use althing::testing::actions::authorize_model;
use althing::testing::{Assembly, Signatures, prediction};

/// A ledger in memory that fails when it is told to.
#[derive(Clone, Default)]
struct Faults {
    append: Rc<Cell<bool>>,
    read: Rc<Cell<bool>>,
}

#[derive(Default)]
struct Flaky {
    inner: MemoryLedger,
    faults: Faults,
}

impl Ledger for Flaky {
    fn head(&self) -> &Head {
        self.inner.head()
    }

    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        if self.faults.append.get() {
            let error = io::Error::other("the disk is gone");
            return Err(AppendError::DurabilityUnknown(error));
        }
        self.inner.append(expected, batch)
    }

    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        if self.faults.read.get() {
            return Err(io::Error::other("the disk is gone"));
        }
        self.inner.reader()
    }
}

/// Three nodes with a proposal that one more ballot decides.
fn almost_decided() -> (Assembly<Flaky>, Faults, ProposalId) {
    let ledger = Flaky::default();
    let faults = ledger.faults.clone();
    let mut assembly = Assembly::found(ledger, Policy::default(), &[1, 1, 1], Signatures::StandIn);
    let proposal = assembly.propose(0, authorize_model("triage"));
    assembly.vote(0, proposal, Approve);
    (assembly, faults, proposal)
}

#[test]
fn what_was_not_acknowledged_did_not_happen() {
    let (mut assembly, faults, proposal) = almost_decided();
    let decisive = Command::Vote(assembly.signed_ballot(1, proposal, Approve));
    let now = assembly.now();
    let (before, head, root) = (
        assembly.state().hash(),
        *assembly.node().head(),
        assembly.node().merkle().root(),
    );
    let three = || Command::RecordPrediction(prediction("triage"));
    for commands in [
        vec![decisive.clone()],
        vec![three(), decisive.clone(), three()],
    ] {
        faults.append.set(true);
        let failed = assembly.node_mut().submit_all(&commands, now);
        let code = failed.map(drop).map_err(|error| error.code());
        assert_eq!(code, Err("ledger.durability-unknown"));
        assert_eq!(assembly.state().hash(), before);
        assert_eq!(assembly.status(proposal), Status::Voting);
        assert_eq!(*assembly.node().head(), head);
        assert_eq!(assembly.node().merkle().root(), root);
        faults.append.set(false);
    }
    assembly.accept(&decisive);
    assert_eq!(assembly.status(proposal), Status::Executed);
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

#[test]
fn a_refusal_among_several_takes_the_ones_before_it_back() {
    let (mut assembly, _, proposal) = almost_decided();
    let before = assembly.state().hash();
    let entries = assembly.state().entries();
    let now = assembly.now();
    let commands = [
        Command::Vote(assembly.signed_ballot(1, proposal, Approve)),
        Command::Close(proposal),
    ];
    let refused = assembly.node_mut().submit_all(&commands, now);
    assert!(matches!(refused, Err(NodeError::Refused(_))), "{refused:?}");
    assert_eq!(assembly.state().hash(), before);
    assert_eq!(assembly.node().head().seq, entries);
}

#[test]
fn a_node_that_can_not_read_its_ledger_back_takes_no_more_commands() {
    let (mut assembly, faults, proposal) = almost_decided();
    let decisive = Command::Vote(assembly.signed_ballot(1, proposal, Approve));
    let now = assembly.now();
    faults.append.set(true);
    faults.read.set(true);
    let failed = assembly.node_mut().submit(&decisive, now);
    assert_eq!(
        failed.map_err(|error| error.code()).map(drop),
        Err("ledger.io")
    );
    faults.append.set(false);
    faults.read.set(false);
    let refused = assembly.node_mut().submit(&decisive, now);
    let code = refused.map(drop).map_err(|error| error.code());
    assert_eq!(code, Err("node.out-of-step"));
}
