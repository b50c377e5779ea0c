//! Signed checkpoints that honest nodes have got, and whether those that contradict each other ended
//! in evidence.

use super::book::heads::{BeganText, HeadText, diverges};
use super::{Checker, Fault, Invariant};
use crate::simulation::heads::ToldHead;

/// A signed head that somebody honest has got, and what its signer said that its tree began with.
pub(super) struct SeenHead {
    head: HeadText,
    from: Option<(u64, BeganText)>,
}

impl Checker {
    /// Notes a signed head that an honest node has got.
    pub(in crate::simulation) fn saw_head(&mut self, told: &ToldHead) {
        let head = HeadText {
            posix_seconds: told.head.posix_seconds,
            root: told.head.root,
            signature: told.head.signature.clone(),
            size: told.head.size,
        };
        let from = told.from.as_ref().map(|(size, began)| {
            let (path, root) = (began.path.clone(), began.root);
            (*size, BeganText { path, root })
        });
        let seen = self.heads.entry(told.node).or_default();
        let known = |one: &SeenHead| {
            let (one, other) = (&one.head, &head);
            (one.size, one.root, &one.signature) == (other.size, other.root, &other.signature)
        };
        if !seen.iter().any(known) {
            seen.push(SeenHead { head, from });
        }
    }

    /// Whether two heads can't both be true, and honest nodes have what shows it: nothing more than
    /// the two, the ledger, or what the signer said itself.
    fn contradict(&self, one: &SeenHead, other: &SeenHead) -> bool {
        let (small, large) = (&one.head, &other.head);
        if small.size == large.size {
            return small.root != large.root;
        }
        if small.size > large.size {
            return false;
        }
        let said = other.from.as_ref().filter(|(size, _)| *size == small.size);
        said.is_some_and(|(_, began)| diverges(small, large, began))
            || (self
                .book
                .root(small.size)
                .is_some_and(|root| root != small.root)
                && self.book.root(large.size) == Some(large.root))
    }

    pub(super) fn all_lies_about_checkpoints_are_evidence(&mut self) -> Result<(), Fault> {
        let mut checked = 0;
        for (node, seen) in &self.heads {
            let name = node.to_string();
            let own: Vec<&SeenHead> = seen
                .iter()
                .filter(|one| self.book.answers_for(&name, &one.head))
                .collect();
            let lies = |one: &&SeenHead| own.iter().any(|other| self.contradict(one, other));
            if !own.iter().any(lies) {
                continue;
            }
            checked += 1;
            if !self.byzantine.contains(node) || !self.book.has_head_evidence(&name) {
                let message = format!("{name} signed contradicting checkpoints without evidence");
                return Err(Fault::new(Invariant::Accountability, message));
            }
        }
        *self.exercised.entry(Invariant::Accountability).or_default() += checked;
        Ok(())
    }
}
