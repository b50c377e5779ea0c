//! Signs checkpoints that contradict each other, and gives them to different honest nodes.

use std::sync::Arc;

use super::{Acting, Occasion, What};
use crate::governance::digest::Digest;
use crate::governance::evidence::{Divergence, SignedHead};
use crate::governance::merkle::TreeRoot;
use crate::governance::tree_head::TreeHead;
use crate::simulation::Broken;
use crate::simulation::heads::{ToldHead, entry_hashes, origin_of, proof_from, root_over};

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    let Occasion::Checkpoint = occasion else {
        return Ok(());
    };
    let hashes = entry_hashes(acting.bytes);
    let size = hashes.len() as u64;
    let mut made_up = hashes.clone();
    if let Some(first) = made_up.first_mut() {
        *first = Digest::of(b"another history");
    }
    if size < 2 {
        return Ok(());
    }
    let Some([one, other]) = acting.two_honest() else {
        return Ok(());
    };
    let (smaller, larger) = if acting.random.percent(50) {
        // Of one size, with two roots.
        (head(acting, &hashes, size)?, head(acting, &made_up, size)?)
    } else {
        // The larger tree began otherwise, as the liar says itself to whoever asks for a proof.
        let from = 1 + acting.random.below(size - 1);
        let smaller = head(acting, &hashes, from)?;
        let mut larger = head(acting, &made_up, size)?;
        let root = root_over(&made_up, from);
        let path = proof_from(&made_up, from, size);
        let began = root.zip(path).map(|(root, path)| Divergence { path, root });
        larger.from = began.map(|began| (from, began));
        (smaller, larger)
    };
    for (told, to) in [(smaller, one), (larger, other)] {
        acting.soon_or_late(What::Tell(to, Arc::new(told)));
    }
    Ok(())
}

/// Its signature under a tree of these entries.
fn head(acting: &Acting<'_>, hashes: &[Digest], size: u64) -> Result<ToldHead, Broken> {
    let root = root_over(hashes, size).unwrap_or(Digest::ZERO);
    let head = TreeHead {
        origin: origin_of(acting.state),
        tree: TreeRoot { size, root },
    };
    let node = acting.signer.node();
    let posix_seconds = acting.now.as_micros() / 1_000_000;
    let signature = acting
        .signer
        .sign_message(&head.message(node, posix_seconds))?;
    Ok(ToldHead {
        node,
        head: SignedHead {
            posix_seconds,
            root,
            signature,
            size,
        },
        from: None,
    })
}
