//! Receipts: a grant's decision, taken again without the ledger.

mod histories;
mod mutations;
mod trust;

use althing::chain::checkpoint::Checkpoint;
use althing::chain::receipt::Receipt;
use althing::governance::command::Command;
use althing::governance::id::{GrantId, NodeId};
use althing::governance::tree_head::{Cosignature, Origin, TreeHead};
use althing::replay::Unchecked;
use althing::replay::receipt::{Selection, Trust};
use althing::testing::Assembly;

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
