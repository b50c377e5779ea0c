//! How the story is told: acts, sentences, and a bar that fills.

use crate::cli::error::Failure;
use crate::cli::output::Output;
use crate::cli::style::{bad, bold, dim, good};
use crate::governance::tally::Tally;

/// Where the story is told, unless JSON is wanted.
pub struct Stage<'a> {
    output: &'a Output,
}

impl<'a> Stage<'a> {
    /// A stage on this output.
    pub const fn new(output: &'a Output) -> Self {
        Self { output }
    }

    fn print(&self, text: &str) -> Result<(), Failure> {
        if self.output.is_json() {
            return Ok(());
        }
        self.output.text(&format!("{text}\n"))
    }

    /// The title of the whole story.
    pub fn title(&self, text: &str) -> Result<(), Failure> {
        self.print(&bold(text))
    }

    /// Begins an act.
    pub fn act(&self, number: u32, title: &str) -> Result<(), Failure> {
        self.print(&format!("\n{}  {}", bold(&number.to_string()), bold(title)))
    }

    /// Says something.
    pub fn say(&self, text: &str) -> Result<(), Failure> {
        self.print(&format!("   {text}"))
    }

    /// Adds something that may be skipped.
    pub fn aside(&self, text: &str) -> Result<(), Failure> {
        self.say(&dim(text))
    }

    /// Something happened as it should.
    pub fn done(&self, text: &str) -> Result<(), Failure> {
        self.print(&format!("   {} {text}", good("✔")))
    }

    /// Something was refused or found out.
    pub fn refused(&self, text: &str, code: &str) -> Result<(), Failure> {
        self.print(&format!(
            "   {} {text} {}",
            bad("✘"),
            dim(&format!("[{code}]"))
        ))
    }

    /// A ballot, with the count that it leads to.
    pub fn ballot(&self, text: &str, tally: &Tally) -> Result<(), Failure> {
        let total = tally.total();
        let cells: String = [
            ("█", tally.approve()),
            ("▒", tally.reject()),
            ("x", tally.byzantine()),
            ("·", tally.abstain()),
        ]
        .iter()
        .flat_map(|(cell, weight)| std::iter::repeat_n(*cell, small(*weight)))
        .collect();
        let width = small(total);
        self.done(&format!(
            "{text:<38} {cells:░<width$}  {} of {total} approve",
            tally.approve()
        ))
    }

    /// A block of lines, such as a table.
    pub fn block(&self, text: &str) -> Result<(), Failure> {
        text.lines().try_for_each(|line| self.say(line))
    }
}

fn small(weight: u64) -> usize {
    usize::try_from(weight).unwrap_or(usize::MAX).min(60)
}
