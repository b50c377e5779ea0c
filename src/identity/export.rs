//! Public key exports: what a node hands to others so that they can add it.

use std::fmt;
use std::io::{self, Read};

use crate::governance::id::NodeId;
use crate::governance::key::{Algorithm, PublicKey};
use crate::governance::possession::{KeyPossession, PossessionContentError, PossessionError};
use crate::governance::statement::{Signed, Statement, StatementError};

use super::{MlDsaVerifier, SigningKey, SigningKeyError};

/// A public key with its holder's [proof of possession](KeyPossession), checked.
///
/// Its text is one line of JSON, `{"signature":…,"statement":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyExport(Signed<KeyPossession>);

/// A public key can't be exported, or a text is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The name does not fit for a node.
    #[error(transparent)]
    Content(#[from] PossessionContentError),
    /// The statement has no canonical form.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// Longer than [`PublicKeyExport::MAX_BYTES`].
    #[error(
        "expected a public key export of at most {} bytes",
        PublicKeyExport::MAX_BYTES
    )]
    TooLong,
    /// Not the JSON of an export.
    #[error("expected a public key export: {0}")]
    Malformed(String),
    /// The statement does not prove that its author holds the key.
    #[error("the public key export proves nothing: {0}")]
    Possession(#[from] PossessionError),
    /// The text could not be read.
    #[error("could not read the public key export: {0}")]
    Io(#[from] io::Error),
}

impl ExportError {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Content(_) | Self::Statement(_) => "export.content",
            Self::Key(_) => "export.key",
            Self::TooLong => "export.too-long",
            Self::Malformed(_) => "export.malformed",
            Self::Possession(_) => "export.possession",
            Self::Io(_) => "export.io",
        }
    }
}

impl PublicKeyExport {
    /// The longest accepted text, in bytes.
    pub const MAX_BYTES: usize = 32 * 1024;

    /// Exports the public half of `key` under a name for people.
    ///
    /// # Errors
    /// [`ExportError::Content`] where `name` fits no node, [`ExportError::Key`] where the key does
    /// not sign.
    pub fn new(key: &SigningKey, name: &str) -> Result<Self, ExportError> {
        let possession = KeyPossession::new(key.public_key().clone(), name)?;
        Ok(Self(key.sign(Statement::new(possession)?)?))
    }

    /// Reads and checks an export.
    ///
    /// # Errors
    /// [`ExportError`] where the text is too long, no export, or proves nothing.
    pub fn parse(text: &str) -> Result<Self, ExportError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ExportError::TooLong);
        }
        let signed = serde_json::from_str(text)
            .map_err(|error| ExportError::Malformed(error.to_string()))?;
        KeyPossession::check(&signed, &MlDsaVerifier)?;
        Ok(Self(signed))
    }

    /// Reads and checks an export from a file or stream, never more than it needs.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and [`ExportError::Io`] where reading fails.
    pub fn read(source: impl Read) -> Result<Self, ExportError> {
        let mut bytes = Vec::new();
        source
            .take(Self::MAX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() > Self::MAX_BYTES {
            return Err(ExportError::TooLong);
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| ExportError::Malformed(error.to_string()))?;
        Self::parse(text)
    }

    /// The text with a line feed, as it stands in a file.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("{self}\n")
    }

    /// The holder's name for the key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.content().name()
    }

    /// The id of the node that has this as its first key.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.0.content().did()
    }

    /// The key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        self.0.content().key()
    }

    /// The key's algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.public_key().algorithm()
    }

    /// The signed statement, as a proposal to add the node carries it.
    #[must_use]
    pub fn into_signed(self) -> Signed<KeyPossession> {
        self.0
    }
}

impl fmt::Display for PublicKeyExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signed {
            signature,
            statement,
        } = &self.0;
        // The statement's bytes are canonical and stay as they were signed.
        let statement = statement.as_str();
        write!(
            f,
            r#"{{"signature":"{signature}","statement":{statement}}}"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fill: u8) -> SigningKey {
        SigningKey::from_seed(Algorithm::MlDsa44, &[fill; 32]).unwrap()
    }

    #[test]
    fn an_export_survives_the_way_through_a_file() {
        let export = PublicKeyExport::new(&key(1), "Alice").unwrap();
        let line = export.to_line();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(
            PublicKeyExport::read(line.as_bytes()).unwrap().to_line(),
            line
        );
        assert_eq!(export.name(), "Alice");
        assert_eq!(export.node_id(), key(1).node_id());
        assert_eq!(export.public_key(), key(1).public_key());
        assert_eq!(export.into_signed().content().key(), key(1).public_key());
    }

    #[test]
    fn anything_else_is_refused() {
        let line = PublicKeyExport::new(&key(1), "Alice").unwrap().to_line();
        let other = PublicKeyExport::new(&key(2), "Alice").unwrap().to_line();
        let (own_signature, statement) = line.split_at(line.find(",\"statement\"").unwrap());
        let foreign_signature = &other[..own_signature.len()];
        let at_cap = format!(
            "{line}{}",
            " ".repeat(PublicKeyExport::MAX_BYTES - line.len())
        );
        for (text, code) in [
            (line.clone(), None),
            (at_cap.clone(), None),
            (at_cap + " ", Some("export.too-long")),
            (
                format!("{foreign_signature}{statement}"),
                Some("export.possession"),
            ),
            (line.replace("Alice", "Alica"), Some("export.possession")),
            (
                line.replace(&key(1).node_id().to_string(), &key(2).node_id().to_string()),
                Some("export.possession"),
            ),
            (
                line.replace("Alice", "Al\u{202e}ice"),
                Some("export.malformed"),
            ),
            (
                line.replace("\"name\":", "\"name\": "),
                Some("export.malformed"),
            ),
            (line.replace("}}", "},\"x\":1}"), Some("export.malformed")),
            (format!("{line}{line}"), Some("export.malformed")),
            (String::new(), Some("export.malformed")),
        ] {
            let result = PublicKeyExport::read(text.as_bytes());
            assert_eq!(result.err().map(|error| error.code()), code, "{text}");
        }
        let unnamed = PublicKeyExport::new(&key(1), "");
        assert_eq!(
            unnamed.err().map(|error| error.code()),
            Some("export.content")
        );
        let binary = PublicKeyExport::read([0xff].as_slice());
        assert_eq!(
            binary.err().map(|error| error.code()),
            Some("export.malformed")
        );
    }
}
