//! Receipts: a grant's decision, taken again without the ledger.

mod histories;
mod limits;
mod mutations;
mod registries;
mod trust;

use althing::chain::checkpoint::Checkpoint;
use althing::chain::receipt::Receipt;
use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::command::Command;
use althing::governance::id::{GrantId, NodeId};
use althing::governance::proposal::{Action, DelegationTerms, GrantTerms};
use althing::governance::scope::Scope;
use althing::governance::tree_head::{Cosignature, Origin, TreeHead};
use althing::replay::Unchecked;
use althing::replay::receipt::{Selection, Trust};
use althing::testing::{Assembly, actions};

/// The head of everything that was recorded.
fn head(assembly: &Assembly) -> TreeHead {
    TreeHead {
        origin: Origin {
            ledger: assembly.state().ledger(),
            genesis: assembly.state().identity().origin,
        },
        tree: assembly.replay().merkle.tree_root(),
    }
}

/// A checkpoint signed by these nodes, with the keys that they have now.
fn signed_by(
    assembly: &Assembly,
    head: TreeHead,
    by: impl IntoIterator<Item = NodeId>,
) -> Checkpoint {
    let mut checkpoint = Checkpoint::unsigned(head).unwrap();
    for id in by {
        let signature = assembly.signer_of(id).sign_message(&head.message(id, 7));
        let cosignature = Cosignature {
            signer: id,
            posix_seconds: 7,
            signature,
        };
        let key = assembly.state().registry().get(id).unwrap().key();
        checkpoint.sign(&cosignature, key).unwrap();
    }
    checkpoint
}

/// A checkpoint of everything, which all active nodes signed behind a record of the state.
fn recorded(assembly: &mut Assembly) -> Checkpoint {
    assembly.accept(&Command::RecordCheckpoint(None));
    let active = assembly.state().registry().active().map(|(id, _)| id);
    signed_by(assembly, head(assembly), active)
}

fn select(assembly: &Assembly, grant: GrantId, checkpoint: Checkpoint) -> Receipt {
    Selection::read(assembly.bytes(), grant, &checkpoint, &Unchecked)
        .unwrap()
        .receipt(assembly.bytes(), checkpoint)
        .unwrap()
}

fn origin(assembly: &Assembly) -> Trust {
    Trust::Origin(assembly.state().identity().origin)
}

/// A delegation, with everything around it that a receipt has to deal with: a rotation before it; an
/// open proposal and a model of no importance; a newcomer, evidence and a suspension behind it.
fn eventful() -> (Assembly, GrantId) {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let (_, new) = assembly.new_key(assembly.id(1));
    let rotation = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(rotation));
    assembly.predict("other");
    assembly.pass(0..3, actions::authorize_model("other"));
    let parent = assembly.pass(0..3, actions::authorize_agent("a"));
    assembly.wait(60);
    let terms = GrantTerms {
        scope: Scope::unrestricted(),
        ..GrantTerms::unrestricted(actions::agent("b"))
    };
    let delegation = Action::Delegation(DelegationTerms { parent, terms });
    let grant = assembly.propose(0, delegation);
    assembly.vote(3, grant, Reject);
    for by in 0..3 {
        assembly.vote(by, grant, Approve);
    }
    let open = assembly.propose(2, actions::authorize_model("open"));
    assembly.vote(3, open, Reject);
    let newcomer = assembly.newcomer(1);
    assembly.pass(0..3, Action::AddNode(newcomer));
    assembly.accuse(3, open);
    assembly.wait(60);
    (assembly, grant)
}

/// The receipt of [`eventful`], signed by three of the four who are active in the end. Two of them
/// are founders with their founding keys, which is too few.
pub(crate) fn eventful_receipt() -> (Assembly, Receipt) {
    let (mut assembly, grant) = eventful();
    assembly.accept(&Command::RecordCheckpoint(None));
    let signers = [0, 1, 2].map(|node| assembly.id(node));
    let checkpoint = signed_by(&assembly, head(&assembly), signers);
    let receipt = select(&assembly, grant, checkpoint);
    (assembly, receipt)
}
