//! Reading a scenario file: what is wrong with it, and in which line.

use std::str::FromStr;

use toml::de::{DeTable, DeValue};

use super::Scenario;

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScenarioError {
    /// A stable identifier: `scenario.syntax` for what is no TOML or no member of a scenario,
    /// `scenario.limit`, `scenario.node`, `scenario.proposal`, `scenario.adversary`,
    /// `scenario.network`, `scenario.policy` for what does not fit together.
    pub code: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// What was expected and what was found.
    pub message: String,
}

/// A problem with a place in the file: the names of tables and the numbers of their elements.
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) path: Vec<Step>,
    pub(super) message: String,
}

/// One step of the way to a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Key(&'static str),
    Index(usize),
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    /// Reads and checks a scenario.
    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioError {
            code: "scenario.syntax",
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().trim().to_owned(),
        })?;
        scenario.check().map_err(|problem| ScenarioError {
            code: problem.code,
            line: line_of(text, offset_of(text, &problem.path)),
            message: problem.message,
        })?;
        Ok(scenario)
    }
}

impl Scenario {
    /// The scenario as a file that reads as the same.
    ///
    /// # Errors
    /// A message where it can't be written, which a scenario that was read never is.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// Checks what the types can't.
    ///
    /// # Errors
    /// [`ScenarioError`]; its line is 1, since there is no file.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        self.check().map_err(|problem| ScenarioError {
            code: problem.code,
            line: 1,
            message: problem.message,
        })
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Where the value at the end of a path starts, or the last one on the way that there is.
fn offset_of(text: &str, path: &[Step]) -> usize {
    let Ok(table) = DeTable::parse(text) else {
        return 0;
    };
    let mut offset = 0;
    let table = table.into_inner();
    let mut steps = path.iter();
    let Some(Step::Key(first)) = steps.next() else {
        return 0;
    };
    let Some(mut value) = table.get(*first) else {
        return 0;
    };
    offset = offset.max(value.span().start);
    for step in steps {
        let next = match (step, value.get_ref()) {
            (Step::Key(key), DeValue::Table(table)) => table.get(*key),
            (Step::Index(index), DeValue::Array(array)) => array.get(*index),
            _ => None,
        };
        let Some(found) = next else {
            break;
        };
        offset = found.span().start;
        value = found;
    }
    offset
}
