//! What a height decides: a batch of commands, the head that it extends, and the time at which it
//! was proposed.
//!
//! A value is text: a header, then one command a line. Its name is the hash of that text behind a
//! domain tag. There is one text for one value; everything else is refused when it is read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::{self, CommandError};
use super::engine::{Height, ValueId};
use crate::chain::line::Head;
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::time::Timestamp;

/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 2 << 20;

/// The most commands in one value.
pub const MAX_COMMANDS: usize = 1000;

const DOMAIN: &[u8] = b"althing/value/v1\n";

/// A value as it was read or made: its bytes are its one form, its commands are not judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    header: Header,
    commands: Vec<Command>,
    bytes: Arc<[u8]>,
}

/// What stands before the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// How many commands follow.
    pub commands: usize,
    /// The hash of the entry that it extends.
    pub head: Digest,
    /// The height.
    pub height: u64,
    /// The ledger.
    pub ledger: LedgerId,
    /// The number of the entry that it extends.
    pub seq: u64,
    /// When it was proposed, by the proposer's clock: the time of all its entries.
    pub time: Timestamp,
}

impl Header {
    /// The entry that it extends.
    #[must_use]
    pub const fn extends(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.head,
        }
    }
}

/// Bytes are no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// They are too many.
    #[error("expected a value of at most {MAX_VALUE_BYTES} bytes, found {0}")]
    TooLong(usize),
    /// They hold too many commands.
    #[error("expected at most {MAX_COMMANDS} commands, found {0}")]
    TooManyCommands(usize),
    /// They are something else.
    #[error("expected a value: {0}")]
    Malformed(String),
    /// A command is none.
    #[error("command {index}: {error}")]
    Command {
        /// Which, from 0.
        index: usize,
        /// Why not.
        error: CommandError,
    },
    /// They are another writing of a value.
    #[error("expected the one form of the value")]
    NotCanonical,
}

impl ValueError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "cluster.value-too-long",
            Self::TooManyCommands(_) => "cluster.value-too-many-commands",
            Self::Malformed(_) => "cluster.value-malformed",
            Self::Command { error, .. } => error.code(),
            Self::NotCanonical => "cluster.value-not-canonical",
        }
    }
}

impl Value {
    /// Writes a value.
    ///
    /// # Errors
    /// [`ValueError`] where it is too long or holds what a cluster does not order.
    pub fn new(
        ledger: LedgerId,
        height: Height,
        extends: Head,
        time: Timestamp,
        commands: Vec<Command>,
    ) -> Result<Self, ValueError> {
        let header = Header {
            commands: commands.len(),
            head: extends.hash,
            height: height.0,
            ledger,
            seq: extends.seq,
            time,
        };
        let bytes = write(&header, &commands)?;
        Ok(Self {
            header,
            commands,
            bytes: bytes.into_bytes().into(),
        })
    }

    /// Reads a value from its one form.
    ///
    /// # Errors
    /// [`ValueError`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        if bytes.len() > MAX_VALUE_BYTES {
            return Err(ValueError::TooLong(bytes.len()));
        }
        let malformed = |message: &str| ValueError::Malformed(message.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let text = (text.strip_suffix('\n')).ok_or_else(|| malformed("no line feed at the end"))?;
        let mut lines = text.split('\n');
        let first = lines.next().unwrap_or_default();
        let header: Header = serde_json::from_str(first)
            .map_err(|error| ValueError::Malformed(format!("header: {error}")))?;
        let count = lines.clone().count();
        if count > MAX_COMMANDS {
            return Err(ValueError::TooManyCommands(count));
        }
        if count != header.commands {
            return Err(malformed("another number of commands than the header says"));
        }
        let commands = lines.enumerate().map(|(index, line)| {
            command::decode(line).map_err(|error| ValueError::Command { index, error })
        });
        let commands: Vec<Command> = commands.collect::<Result<_, _>>()?;
        if write(&header, &commands)?.as_bytes() != bytes {
            return Err(ValueError::NotCanonical);
        }
        Ok(Self {
            header,
            commands,
            bytes: bytes.into(),
        })
    }

    /// What votes call it.
    #[must_use]
    pub fn id(&self) -> ValueId {
        id_of(&self.bytes)
    }

    /// What stands before the commands.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The commands, in the order in which they are decided.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Its one form.
    #[must_use]
    pub const fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

/// The name of a value's bytes.
#[must_use]
pub fn id_of(bytes: &[u8]) -> ValueId {
    ValueId(Digest::of(&[DOMAIN, bytes].concat()))
}

fn write(header: &Header, commands: &[Command]) -> Result<String, ValueError> {
    if commands.len() > MAX_COMMANDS {
        return Err(ValueError::TooManyCommands(commands.len()));
    }
    let mut text =
        serde_json::to_string(header).map_err(|error| ValueError::Malformed(error.to_string()))?;
    text.push('\n');
    for (index, command) in commands.iter().enumerate() {
        let line =
            command::encode(command).map_err(|error| ValueError::Command { index, error })?;
        text.push_str(&line);
        text.push('\n');
    }
    if text.len() > MAX_VALUE_BYTES {
        return Err(ValueError::TooLong(text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::governance::ballot::Decision::Approve;
    use crate::testing::{Assembly, actions};

    fn value() -> Value {
        let mut assembly = Assembly::of(&[1, 1, 1]);
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        let votes = (0..3).map(|it| Command::Vote(assembly.signed_ballot(it, proposal, Approve)));
        let votes = votes.collect();
        let (ledger, head) = (assembly.state().ledger(), *assembly.node().head());
        Value::new(ledger, Height(7), head, assembly.now(), votes).unwrap()
    }

    #[test]
    fn a_value_has_one_form() {
        let value = value();
        let read = Value::decode(value.bytes()).unwrap();
        assert_eq!(read, value);
        assert_eq!((read.id(), read.commands().len()), (value.id(), 3));
        let text = std::str::from_utf8(value.bytes()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let twice = format!("{text}{}\n", lines[1]);
        let spaced = text.replacen("{\"commands\"", "{ \"commands\"", 1);
        let swapped = text
            .replacen("\"type\":\"althing/ballot/v1\"}", "}", 1)
            .replacen(
                "{\"signature\"",
                "{\"type\":\"althing/ballot/v1\",\"signature\"",
                1,
            );
        for (bytes, code) in [
            (String::new(), "cluster.value-malformed"),
            ("\n".to_owned(), "cluster.value-malformed"),
            (text.trim_end().to_owned(), "cluster.value-malformed"),
            (twice, "cluster.value-malformed"),
            (format!("{text}\n"), "cluster.value-malformed"),
            (spaced, "cluster.value-not-canonical"),
            (
                swapped.replacen(",}", "}", 1),
                "cluster.value-not-canonical",
            ),
            (
                text.replacen("ballot/v1", "ballot/v2", 1),
                "cluster.command-malformed",
            ),
            (" ".repeat(MAX_VALUE_BYTES + 1), "cluster.value-too-long"),
        ] {
            let error = Value::decode(bytes.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code, "{bytes:.200}");
        }
        assert!(Value::decode(&[0xff, b'\n']).is_err());
    }

    #[test]
    fn a_value_has_its_limits() {
        let value = value();
        let (header, command) = (value.header(), &value.commands()[0]);
        let many = vec![command.clone(); MAX_COMMANDS + 1];
        let made = |commands: Vec<Command>| {
            let height = Height(header.height);
            Value::new(
                header.ledger,
                height,
                header.extends(),
                header.time,
                commands,
            )
        };
        let error = made(many).unwrap_err();
        assert_eq!(error.code(), "cluster.value-too-many-commands");
        let mut assembly = Assembly::of(&[1, 1, 1]);
        let mut draft = assembly.draft(0, actions::authorize_model("triage"));
        draft.description = "x".repeat(16_000).parse().unwrap();
        let long = Command::Propose(assembly.sign(0, draft));
        let line = command::encode(&long).unwrap();
        let most = MAX_VALUE_BYTES / line.len() + 1;
        assert!(most < MAX_COMMANDS);
        let error = made(vec![long; most]).unwrap_err();
        assert_eq!(error.code(), "cluster.value-too-long");
    }

    proptest! {
        #[test]
        fn another_byte_is_another_value_or_none(place in 0..10_000_usize, flip in 1..=255_u8) {
            let value = value();
            let mut bytes = value.bytes().to_vec();
            let place = place % bytes.len();
            bytes[place] ^= flip;
            if let Ok(other) = Value::decode(&bytes) {
                prop_assert_ne!(other.id(), value.id());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = Value::decode(&bytes);
        }
    }
}
