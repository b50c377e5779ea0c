//! Signed statements in files: how they travel between machines.
//!
//! Each is one JSON object with a `type` and the signed bytes as they are. A file holds one, or
//! several one after the other (JSON Lines).

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::Failure;
use super::exit::Exit;
use super::output::Output;
use super::style::escaped;
use crate::governance::command::Command;
use crate::governance::consensus::ConsensusEquivocation;
use crate::governance::evidence::{ContradictingHeads, Equivocation};
use crate::governance::key::Signature;
use crate::governance::statement::{Signed, Statement, StatementContent};

/// The `type` of evidence, which consists of two signed statements.
const EQUIVOCATION: &str = "althing/equivocation/v1";

/// The `type` of evidence that consists of two checkpoints.
const CONTRADICTING_CHECKPOINTS: &str = "althing/contradicting-checkpoints/v1";

/// The `type` of evidence that consists of two messages of consensus.
const CONSENSUS_EQUIVOCATION: &str = "althing/consensus-equivocation/v1";

/// The most bytes that are read from outside at once.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// One signed statement in a file.
#[derive(Serialize)]
struct Envelope<'a, T: StatementContent> {
    signature: &'a Signature,
    statement: &'a Statement<T>,
    r#type: &'static str,
}

/// A statement of any type, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyEnvelope<'a> {
    r#type: String,
    #[serde(borrow, default)]
    signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    statement: Option<&'a RawValue>,
    #[serde(borrow, default)]
    checkpoints: Option<&'a RawValue>,
    #[serde(borrow, default)]
    consensus: Option<&'a RawValue>,
    #[serde(borrow, default)]
    first: Option<&'a RawValue>,
    #[serde(borrow, default)]
    second: Option<&'a RawValue>,
}

/// A signed statement as one line of a file.
pub fn to_line<T: StatementContent>(signed: &Signed<T>) -> Result<String, Failure> {
    line(&Envelope {
        signature: &signed.signature,
        statement: &signed.statement,
        r#type: T::DOMAIN,
    })
}

/// Evidence as one line of a file.
pub fn evidence_to_line(evidence: &Equivocation) -> Result<String, Failure> {
    // Flattening would copy the statements and lose their bytes.
    let text = line(evidence)?;
    let members = text.trim_start_matches('{');
    Ok(format!("{{\"type\":\"{EQUIVOCATION}\",{members}"))
}

/// Evidence of contradicting checkpoints as one line of a file.
pub fn checkpoints_to_line(heads: &ContradictingHeads) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct File<'a> {
        checkpoints: &'a ContradictingHeads,
        r#type: &'static str,
    }
    line(&File {
        checkpoints: heads,
        r#type: CONTRADICTING_CHECKPOINTS,
    })
}

/// Evidence of contradicting messages of consensus as one line of a file.
pub fn consensus_to_line(found: &ConsensusEquivocation) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct File<'a> {
        consensus: &'a ConsensusEquivocation,
        r#type: &'static str,
    }
    line(&File {
        consensus: found,
        r#type: CONSENSUS_EQUIVOCATION,
    })
}

fn line(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map(|text| text + "\n")
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
pub fn read(path: &Path) -> Result<Vec<(String, Command)>, Failure> {
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

fn parse(text: &str) -> Result<(String, Command), String> {
    let envelope: AnyEnvelope<'_> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let command = match envelope.r#type.as_str() {
        "althing/proposal/v1" => Command::Propose(signed(&envelope)?),
        "althing/ballot/v1" => Command::Vote(signed(&envelope)?),
        "althing/withdrawal/v1" => Command::Withdraw(signed(&envelope)?),
        "althing/rotation/v1" => Command::RotateKey(signed(&envelope)?),
        EQUIVOCATION => Command::SubmitEvidence(Equivocation {
            first: member(envelope.first, "first")?,
            second: member(envelope.second, "second")?,
        }),
        CONTRADICTING_CHECKPOINTS => Command::SubmitContradictingHeads(Box::new(member(
            envelope.checkpoints,
            "checkpoints",
        )?)),
        CONSENSUS_EQUIVOCATION => {
            Command::SubmitConsensusEquivocation(Box::new(member(envelope.consensus, "consensus")?))
        }
        other => {
            return Err(format!(
                "expected a type of althing/proposal/v1, althing/ballot/v1, \
                 althing/withdrawal/v1, althing/rotation/v1, {EQUIVOCATION}, \
                 {CONTRADICTING_CHECKPOINTS} or {CONSENSUS_EQUIVOCATION}, found {other:?}"
            ));
        }
    };
    Ok((envelope.r#type, command))
}

fn signed<T: StatementContent>(envelope: &AnyEnvelope<'_>) -> Result<Signed<T>, String> {
    Ok(Signed {
        signature: member(envelope.signature, "signature")?,
        statement: member(envelope.statement, "statement")?,
    })
}

fn member<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, name: &str) -> Result<T, String> {
    let raw = raw.ok_or_else(|| format!("expected a member {name:?}"))?;
    serde_json::from_str(raw.get()).map_err(|error| format!("{name}: {error}"))
}
