//! What is expected of a scenario.

use super::{Outcome, Stage};
use crate::governance::state::proposal::Status;

/// What must have come of a move, or must hold by now.
pub struct Expected(Kind);

type Predicate = Box<dyn Fn(&Stage) -> bool>;

enum Kind {
    Events(Vec<String>),
    Refused(String),
    Status(String, Status),
    Tainted(String, bool),
    Holds(String, Predicate),
}

/// Exactly these events, in this order.
///
/// An event is expected by words: its operation, and whatever else matters of its
/// [outline](Stage::outline). The words must all be there, in this order; others may stand between
/// them.
#[must_use]
pub fn events<'a>(outlines: impl IntoIterator<Item = &'a str>) -> Expected {
    Expected(Kind::Events(
        outlines.into_iter().map(str::to_owned).collect(),
    ))
}

/// It is accepted, and nothing is recorded: it is on record already.
#[must_use]
pub fn nothing() -> Expected {
    events([])
}

/// It is refused with this stable code.
#[must_use]
pub fn refused(code: &str) -> Expected {
    Expected(Kind::Refused(code.to_owned()))
}

/// A proposal is here in its life.
#[must_use]
pub fn status(label: &str, status: Status) -> Expected {
    Expected(Kind::Status(label.to_owned(), status))
}

/// Whether a proposal was carried out although a voter contradicted itself.
#[must_use]
pub fn tainted(label: &str, tainted: bool) -> Expected {
    Expected(Kind::Tainted(label.to_owned(), tainted))
}

/// Anything else about the state; `what` says it in words.
#[must_use]
pub fn holds(what: &str, predicate: impl Fn(&Stage) -> bool + 'static) -> Expected {
    Expected(Kind::Holds(what.to_owned(), Box::new(predicate)))
}

impl Expected {
    pub(super) fn what(&self) -> String {
        match &self.0 {
            Kind::Events(outlines) if outlines.is_empty() => "nothing is recorded".to_owned(),
            Kind::Events(_) => "these events are recorded".to_owned(),
            Kind::Refused(code) => format!("it is refused with {code}"),
            Kind::Status(label, status) => format!("{label:?} is {}", status.name()),
            Kind::Tainted(label, true) => format!("{label:?} is tainted"),
            Kind::Tainted(label, false) => format!("{label:?} is not tainted"),
            Kind::Holds(what, _) => what.clone(),
        }
    }

    /// What is different, ready to be shown.
    pub(super) fn check(&self, stage: &Stage, outcome: Option<&Outcome>) -> Result<(), String> {
        match &self.0 {
            Kind::Events(outlines) => match after_a_move(outcome)? {
                Ok(found) => {
                    let found: Vec<String> = found.iter().map(|it| stage.outline(it)).collect();
                    same_events(outlines, &found)
                }
                Err(refusal) => same("events", &format!("{}: {refusal}", refusal.code())),
            },
            Kind::Refused(code) => match after_a_move(outcome)? {
                Ok(found) => {
                    let found: Vec<String> = found.iter().map(|it| stage.outline(it)).collect();
                    same(code, &format!("accepted: {found:?}"))
                }
                Err(refusal) => same(code, refusal.code()),
            },
            Kind::Status(label, expected) => {
                let found = stage.assembly.status(stage.proposal(label));
                same(expected.name(), found.name())
            }
            Kind::Tainted(label, expected) => {
                let found = stage.assembly.proposal(stage.proposal(label)).is_tainted();
                same(&expected.to_string(), &found.to_string())
            }
            Kind::Holds(_, predicate) => same("true", &predicate(stage).to_string()),
        }
    }
}

fn after_a_move(outcome: Option<&Outcome>) -> Result<&Outcome, String> {
    outcome.ok_or_else(|| "    nothing was told of with `when` before".to_owned())
}

fn same(expected: &str, found: &str) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("    expected  {expected}\n    found     {found}"))
}

/// Whether all words stand in the outline, in this order.
fn fits(words: &str, outline: &str) -> bool {
    let mut found = outline.split_whitespace();
    words
        .split_whitespace()
        .all(|word| found.any(|other| other == word))
}

/// Sets both lists side by side, one line an event, and marks where they differ.
fn same_events(expected: &[String], found: &[String]) -> Result<(), String> {
    const NOTHING: &str = "(nothing)";
    let count = expected.len().max(found.len());
    let width = expected.iter().map(String::len).max().unwrap_or_default();
    let width = width.max(NOTHING.len());
    let mut differs = false;
    let mut lines = vec![format!("        {:width$}  found", "expected")];
    for place in 0..count {
        let (one, other) = (expected.get(place), found.get(place));
        let fit = matches!((one, other), (Some(one), Some(other)) if fits(one, other));
        differs |= !fit;
        let text = |side: Option<&String>| side.map_or(NOTHING, String::as_str).to_owned();
        let mark = if fit { ' ' } else { '≠' };
        let (one, other) = (text(one), text(other));
        lines.push(format!("  {mark} {:>2}  {one:width$}  {other}", place + 1));
    }
    if differs {
        Err(lines.join("\n"))
    } else {
        Ok(())
    }
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expected").field(&self.what()).finish()
    }
}
