//! Where in a journal what was signed stands.

use std::collections::BTreeMap;

use super::Slot;
use super::entry::Entry;

/// What the journal holds and where, without the statements and signatures themselves.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: BTreeMap<String, Vec<Place>>,
    /// How far the file has been read, in bytes: to the end of a line.
    pub(super) end: u64,
    /// How many lines that were.
    pub(super) lines: u64,
}

/// Where a signature is recorded.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) intent: String,
    pub(super) kind: String,
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) length: usize,
}

impl Index {
    /// Takes in the next line.
    pub(super) fn add(&mut self, line: &[u8]) -> Result<(), String> {
        let entry = Entry::parse(line)?;
        let place = Place {
            intent: entry.intent,
            kind: entry.kind,
            line: self.lines + 1,
            offset: self.end,
            length: line.len(),
        };
        self.places.entry(entry.slot).or_default().push(place);
        self.lines += 1;
        self.end += line.len() as u64;
        Ok(())
    }

    /// Where the same thing was signed before. Another version of a statement is not the same.
    pub(super) fn same(&self, slot: &Slot, kind: &str) -> Option<&Place> {
        let places = self.places.get(&slot.scope)?;
        places
            .iter()
            .find(|place| place.intent == slot.intent && place.kind == kind)
    }

    /// Where something else was signed in the scope of `slot`.
    pub(super) fn other(&self, slot: &Slot) -> Option<&Place> {
        let places = self.places.get(&slot.scope)?;
        places.iter().find(|place| place.intent != slot.intent)
    }

    /// The last thing that was signed in a scope.
    pub(super) fn last(&self, scope: &str) -> Option<&Place> {
        self.places.get(scope)?.last()
    }

    /// The first thing that was signed in a scope.
    pub(super) fn first(&self, scope: &str) -> Option<&Place> {
        self.places.get(scope)?.first()
    }
}
