//! Freezes: the brake, which any third can pull and which ends by itself.
//!
//! Specification, "Authorization".

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::governance::id::{ProposalId, Subject};
use crate::governance::proposal::FreezeTarget;
use crate::governance::time::Timestamp;

/// All freezes that ever were, in the order in which they were imposed.
///
/// A question about one subject and time is answered by the freezes that can cover them, not by all
/// that ever were.
#[derive(Debug, Clone, Default)]
pub struct Freezes {
    all: IndexMap<ProposalId, Freeze>,
    of_everything: Vec<Reach>,
    of_subjects: BTreeMap<Subject, Vec<Reach>>,
}

/// Where a freeze stands, and how far it and those before it with the same target reach.
#[derive(Debug, Clone, Copy)]
struct Reach {
    index: usize,
    /// None of them is on from here.
    until: Timestamp,
}

/// The rest follows from the freezes.
impl PartialEq for Freezes {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for Freezes {}

/// One freeze. It holds from its start to its end, the end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    pub(in crate::governance) target: FreezeTarget,
    pub(in crate::governance) from: Timestamp,
    pub(in crate::governance) until: Timestamp,
    pub(in crate::governance) lifted_at: Option<Timestamp>,
}

impl Freeze {
    /// What is frozen.
    #[must_use]
    pub const fn target(&self) -> &FreezeTarget {
        &self.target
    }

    /// When it began.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// When it ends, or ended: at its time, or when it was lifted.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.lifted_at
            .map_or(self.until, |lifted| lifted.min(self.until))
    }

    /// Whether it holds at `at`.
    #[must_use]
    pub fn is_on(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.end()
    }

    /// Until when a new freeze on an overlapping scope needs more than two thirds: for as long
    /// again as this one lasted.
    fn cooled_down_at(&self) -> Timestamp {
        let lasted = self.end().as_micros().saturating_sub(self.from.as_micros());
        let micros = self.end().as_micros().saturating_add(lasted);
        Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
    }
}

impl Freezes {
    /// All freezes in the order in which they were imposed.
    pub fn iter(&self) -> impl Iterator<Item = (ProposalId, &Freeze)> {
        self.all.iter().map(|(id, freeze)| (*id, freeze))
    }

    /// The freezes that hold at `at`.
    pub fn on(&self, at: Timestamp) -> impl Iterator<Item = (ProposalId, &Freeze)> {
        self.iter().filter(move |(_, freeze)| freeze.is_on(at))
    }

    /// Whether `subject` is frozen at `at`.
    #[must_use]
    pub fn is_frozen(&self, subject: &Subject, at: Timestamp) -> bool {
        let of_subject = self.of_subjects.get(subject).map_or(&[][..], Vec::as_slice);
        let is_on = |reach: &Reach| {
            let freeze = self.all.get_index(reach.index);
            freeze.is_some_and(|(_, freeze)| freeze.is_on(at) && freeze.target.covers(subject))
        };
        let is_any_on = |reaches: &[Reach]| {
            let mut late = reaches.iter().rev().take_while(|reach| at < reach.until);
            late.any(is_on)
        };
        is_any_on(&self.of_everything) || is_any_on(of_subject)
    }

    /// Whether a new freeze of `target` needs more than two thirds of all weight at `at`, because
    /// another one on an overlapping scope is on or has ended too recently.
    #[must_use]
    pub fn needs_two_thirds(&self, target: &FreezeTarget, at: Timestamp) -> bool {
        self.iter()
            .any(|(_, freeze)| freeze.target.overlaps(target) && at < freeze.cooled_down_at())
    }

    /// How long one of `subjects` was frozen within [`from`, `to`), in microseconds.
    #[must_use]
    pub fn frozen_micros(&self, subjects: &[&Subject], from: Timestamp, to: Timestamp) -> u64 {
        let covers = |freeze: &Freeze| subjects.iter().any(|subject| freeze.target.covers(subject));
        let mut periods: Vec<(Timestamp, Timestamp)> = self
            .iter()
            .filter(|(_, freeze)| covers(freeze))
            .map(|(_, freeze)| (freeze.from.max(from), freeze.end().min(to)))
            .filter(|(start, end)| start < end)
            .collect();
        periods.sort_unstable();
        let mut counted_to = from;
        let mut total: u64 = 0;
        for (start, end) in periods {
            let start = start.max(counted_to);
            if start < end {
                let length = end.as_micros().saturating_sub(start.as_micros());
                total = total.saturating_add(length);
                counted_to = end;
            }
        }
        total
    }

    pub(in crate::governance) fn impose(&mut self, id: ProposalId, freeze: Freeze) {
        let reaches = match &freeze.target {
            FreezeTarget::Everything => &mut self.of_everything,
            FreezeTarget::Subject(subject) => self.of_subjects.entry(subject.clone()).or_default(),
        };
        let before = reaches.last().map_or(freeze.until, |reach| reach.until);
        let until = freeze.until.max(before);
        let (index, _) = self.all.insert_full(id, freeze);
        reaches.push(Reach { index, until });
    }

    pub(in crate::governance) fn lift(&mut self, id: ProposalId, at: Timestamp) {
        if let Some(freeze) = self.all.get_mut(&id) {
            freeze.lifted_at.get_or_insert(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000).unwrap()
    }

    fn freezes(periods: &[(&str, u64, u64, Option<u64>)]) -> Freezes {
        let mut freezes = Freezes::default();
        for (index, (target, from, until, lifted)) in periods.iter().enumerate() {
            let id = ProposalId::from_uuid(uuid::Uuid::from_u128(index as u128));
            let target = (*target).to_owned().try_into().unwrap();
            let (from, until) = (at(*from), at(*until));
            let lifted_at = lifted.map(at);
            freezes.impose(
                id,
                Freeze {
                    target,
                    from,
                    until,
                    lifted_at,
                },
            );
        }
        freezes
    }

    #[test]
    fn a_freeze_holds_from_its_start_to_its_end() {
        let subject: Subject = "did:a:b".parse().unwrap();
        let other: Subject = "did:a:c".parse().unwrap();
        let freezes = freezes(&[("did:a:b", 10, 20, None), ("*", 30, 40, Some(35))]);
        for (second, frozen, other_frozen) in [
            (9, false, false),
            (10, true, false),
            (19, true, false),
            (20, false, false),
            (30, true, true),
            (34, true, true),
            (35, false, false),
        ] {
            assert_eq!(freezes.is_frozen(&subject, at(second)), frozen, "{second}");
            assert_eq!(
                freezes.is_frozen(&other, at(second)),
                other_frozen,
                "{second}"
            );
        }
    }

    proptest! {
        #![proptest_config(crate::test_support::config(256))]

        /// Whatever order they come in, and whichever are lifted.
        #[test]
        fn the_answer_is_that_of_all_freezes(
            periods in vec((select(vec!["*", "did:a:b", "did:a:c"]), 0..40_u64, 0..12_u64,
                            of(0..50_u64)), 0..8),
            second in 0..60_u64,
        ) {
            let periods: Vec<_> = (periods.into_iter())
                .map(|(target, from, lasts, lifted)| (target, from, from + lasts, lifted))
                .collect();
            let freezes = freezes(&periods);
            for subject in ["did:a:b", "did:a:c", "did:a:d"] {
                let subject: Subject = subject.parse().unwrap();
                let covers = |(_, freeze): (ProposalId, &Freeze)| freeze.target.covers(&subject);
                let walked = freezes.on(at(second)).any(covers);
                prop_assert_eq!(freezes.is_frozen(&subject, at(second)), walked);
            }
        }
    }

    #[test]
    fn no_third_can_freeze_for_ever() {
        let freezes = freezes(&[("did:a:b", 10, 20, None)]);
        for (target, second, needs) in [
            ("did:a:b", 15, true),
            ("did:a:b", 29, true),
            ("did:a:b", 30, false),
            ("*", 29, true),
            ("did:a:c", 15, false),
        ] {
            let target = target.to_owned().try_into().unwrap();
            assert_eq!(
                freezes.needs_two_thirds(&target, at(second)),
                needs,
                "{second}"
            );
        }
    }

    #[test]
    fn overlapping_freezes_are_counted_once() {
        let subject: Subject = "did:a:b".parse().unwrap();
        let freezes = freezes(&[
            ("*", 10, 20, None),
            ("did:a:b", 15, 30, None),
            ("did:a:c", 0, 100, None),
            ("did:a:b", 40, 60, Some(45)),
        ]);
        for (from, to, seconds) in [(0, 100, 25), (12, 18, 6), (25, 42, 7), (50, 100, 0)] {
            let micros = freezes.frozen_micros(&[&subject], at(from), at(to));
            assert_eq!(micros, seconds * 1_000_000, "{from}..{to}");
        }
    }
}
