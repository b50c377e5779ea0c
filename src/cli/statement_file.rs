//! Signed statements in files: how they travel between machines.
//!
//! Each is one JSON object with a `type` and the signed bytes as they are. A file holds one, or
//! several one after the other (JSON Lines).

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::value::RawValue;

use super::error::Failure;
use super::exit::Exit;
use super::output::Output;
use super::style::escaped;
use crate::governance::command::Command;
use crate::governance::command_text::{self, CommandTextError};
use crate::governance::consensus::ConsensusEquivocation;
use crate::governance::evidence::{ContradictingHeads, Equivocation};
use crate::governance::statement::{Signed, StatementContent};

/// The most bytes that are read from outside at once.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A signed statement as one line of a file.
pub fn to_line<T: StatementContent>(signed: &Signed<T>) -> Result<String, Failure> {
    line(command_text::encode_statement(signed))
}

/// Evidence as one line of a file.
pub fn evidence_to_line(evidence: &Equivocation) -> Result<String, Failure> {
    line(command_text::encode(&Command::SubmitEvidence(
        evidence.clone(),
    )))
}

/// Evidence of contradicting checkpoints as one line of a file.
pub fn checkpoints_to_line(heads: &ContradictingHeads) -> Result<String, Failure> {
    let command = Command::SubmitContradictingHeads(Box::new(heads.clone()));
    line(command_text::encode(&command))
}

/// Evidence of contradicting messages of consensus as one line of a file.
pub fn consensus_to_line(found: &ConsensusEquivocation) -> Result<String, Failure> {
    let command = Command::SubmitConsensusEquivocation(Box::new(found.clone()));
    line(command_text::encode(&command))
}

fn line(text: Result<String, CommandTextError>) -> Result<String, Failure> {
    text.map(|text| text + "\n")
        .map_err(|error| Failure::new(Exit::Failure, "statement.unwritable", error.to_string()))
}

/// Writes a signed statement to a file, or to standard output for `-`.
pub fn write<T: StatementContent>(
    path: &Path,
    signed: &Signed<T>,
    output: &Output,
) -> Result<(), Failure> {
    write_text(path, &to_line(signed)?, output)
}

/// Writes text to a file, or to standard output for `-`.
pub fn write_text(path: &Path, text: &str, output: &Output) -> Result<(), Failure> {
    if path == Path::new("-") {
        return output.text(text);
    }
    fs::write(path, text).map_err(|error| Failure::file(path, &error))?;
    output.note(&format!("wrote {}", escaped(&path.to_string_lossy())));
    Ok(())
}

/// Reads a whole text file, or standard input for `-`.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::file(path, &error))?;
    Ok(text)
}

/// Reads every statement of a file, or of standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<(&'static str, Command)>, Failure> {
    let text = read_text(path)?;
    let mut commands = Vec::new();
    for (index, envelope) in serde_json::Deserializer::from_str(&text)
        .into_iter::<&RawValue>()
        .enumerate()
    {
        let malformed = |message: String| {
            Failure::usage(
                "statement.malformed",
                format!("{}, statement {}: {message}", path.display(), index + 1),
            )
            .hint("write statements with --out, and pass them on unchanged")
        };
        let raw = envelope.map_err(|error| malformed(error.to_string()))?;
        commands.push(parse(raw.get()).map_err(malformed)?);
    }
    if commands.is_empty() {
        return Err(Failure::usage(
            "statement.missing",
            format!(
                "{}: expected at least one statement, found none",
                path.display()
            ),
        ));
    }
    Ok(commands)
}

/// Statements and evidence: what only says that something is due has a command of its own.
fn parse(text: &str) -> Result<(&'static str, Command), String> {
    let command = command_text::decode(text).map_err(|error| error.to_string())?;
    match (&command, command_text::type_of(&command)) {
        (Command::Close(_) | Command::Execute(_), _) | (_, None) => {
            Err("expected a signed statement, or evidence".to_owned())
        }
        (_, Some(kind)) => Ok((kind, command)),
    }
}
