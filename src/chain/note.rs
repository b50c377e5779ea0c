//! Signed notes: text with signature lines below it, as C2SP signed-note has it.
//!
//! Only the form is read here; whose the signatures are is for the reader of the text to say. A
//! note is one byte string for one content: what parses is written again as the same bytes.
//!
//! Our own code: the crates that read notes bind them to Ed25519 or to a log's own types, and what
//! is left without that is this page.

use std::fmt;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The longest note that is read, in bytes: 10,000 of the longest signatures.
pub const MAX_NOTE_BYTES: usize = 64 << 20;

/// The longest text of a note, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

/// The most signature lines of a note.
pub const MAX_SIGNATURES: usize = 10_000;

/// The longest name of a key, in bytes: as long as the signed message can hold.
pub const MAX_NAME_BYTES: usize = 255;

/// The longest signature, in bytes; an ML-DSA-87 signature with its time has 4635.
pub const MAX_SIGNATURE_BYTES: usize = 16 << 10;

/// A text and the signatures below it, none of them checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// A signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// What the key is called; not empty, without spaces and plus signs.
    pub name: String,
    /// The four bytes that tell keys of one name apart.
    pub key_id: [u8; 4],
    /// What the kind of key calls a signature; not empty.
    pub signature: Vec<u8>,
}

/// Why bytes are no note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than any note.
    #[error("expected at most {max} bytes, found {found}")]
    TooLong {
        /// The cap, in bytes.
        max: usize,
        /// The length found, in bytes.
        found: usize,
    },
    /// No UTF-8.
    #[error("expected UTF-8; byte {offset} is none")]
    NotUtf8 {
        /// The first byte that is none.
        offset: usize,
    },
    /// A carriage return, a tab, a NUL.
    #[error("expected no control character but line feeds, found one at byte {offset}")]
    ControlCharacter {
        /// Where it stands.
        offset: usize,
    },
    /// No blank line between text and signatures.
    #[error("expected a text, a blank line and signature lines, each with its line feed")]
    Form,
    /// A line below the blank line that is no signature line.
    #[error("signature line {line}: expected {expected}")]
    SignatureLine {
        /// Its number below the blank line, from 1.
        line: usize,
        /// What it should have had.
        expected: &'static str,
    },
    /// Two signatures of one key.
    #[error("signature line {line}: the key {name} has signed above already")]
    Duplicate {
        /// Its number below the blank line, from 1.
        line: usize,
        /// The key's name.
        name: String,
    },
    /// More signatures than any note has.
    #[error("expected at most {MAX_SIGNATURES} signatures")]
    TooManySignatures,
}

impl SignedNote {
    /// A note that nobody has signed yet.
    ///
    /// # Errors
    /// [`NoteError`] where `text` is too long, has control characters or does not end its last line.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(&text)?;
        Ok(Self {
            text,
            signatures: Vec::new(),
        })
    }

    /// Reads a note. One without any signature is read too: it waits for them.
    ///
    /// # Errors
    /// [`NoteError`] for everything that is not in the one form.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        check_length(bytes.len(), MAX_NOTE_BYTES)?;
        let note = std::str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8 {
            offset: error.valid_up_to(),
        })?;
        check_characters(note)?;
        let (head, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let mut read = Self::new([head, "\n"].concat())?;
        if !lines.is_empty() && !lines.ends_with('\n') {
            return Err(NoteError::Form);
        }
        for (index, line) in lines.lines().enumerate() {
            let signature = NoteSignature::parse(line).map_err(|expected| {
                let line = index + 1;
                NoteError::SignatureLine { line, expected }
            })?;
            read.add_line(signature)?;
        }
        read.check_distinct()?;
        Ok(read)
    }

    /// The text, which ends with a line feed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in the order of their lines.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line below the others.
    ///
    /// # Errors
    /// [`NoteError`] where the line would not be read again, or the key has signed already.
    pub fn sign(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        let line = self.signatures.len() + 1;
        signature
            .check()
            .map_err(|expected| NoteError::SignatureLine { line, expected })?;
        if self
            .signatures
            .iter()
            .any(|known| known.key() == signature.key())
        {
            let name = signature.name;
            return Err(NoteError::Duplicate { line, name });
        }
        self.add_line(signature)
    }

    fn add_line(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(())
    }

    fn check_distinct(&self) -> Result<(), NoteError> {
        let mut seen = std::collections::BTreeSet::new();
        let mut signatures = self.signatures.iter().enumerate();
        match signatures.find(|(_, signature)| !seen.insert(signature.key())) {
            None => Ok(()),
            Some((index, signature)) => Err(NoteError::Duplicate {
                line: index + 1,
                name: signature.name.clone(),
            }),
        }
    }
}

/// The bytes of the note.
impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl NoteSignature {
    const PREFIX: &'static str = "— ";

    /// Reads a signature line, given without its line feed.
    fn parse(line: &str) -> Result<Self, &'static str> {
        let line = line
            .strip_prefix(Self::PREFIX)
            .ok_or("an em dash and a space")?;
        let (name, text) = line.split_once(' ').ok_or("a name, a space and base64")?;
        // Base64 takes four characters for three bytes.
        if text.len() / 4 * 3 > MAX_SIGNATURE_BYTES + 8 {
            return Err("a signature of at most 16384 bytes");
        }
        let bytes = BASE64.decode(text).map_err(|_| "base64 with padding")?;
        let (key_id, signature) = bytes.split_first_chunk().ok_or("a key id of 4 bytes")?;
        let read = Self {
            name: name.to_owned(),
            key_id: *key_id,
            signature: signature.to_vec(),
        };
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), &'static str> {
        let odd = |char: char| char.is_whitespace() || char.is_control() || char == '+';
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || self.name.contains(odd) {
            return Err("a name of 1 to 255 bytes without spaces and plus signs");
        }
        if self.signature.is_empty() || self.signature.len() > MAX_SIGNATURE_BYTES {
            return Err("a signature of 1 to 16384 bytes");
        }
        Ok(())
    }

    /// What names the key: nothing else may stand for it.
    fn key(&self) -> (&str, [u8; 4]) {
        (&self.name, self.key_id)
    }
}

/// The line, without its line feed.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key_id.as_slice(), &self.signature].concat();
        let base64 = Base64Display::new(&bytes, &BASE64);
        write!(f, "{}{} {base64}", Self::PREFIX, self.name)
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    check_length(text.len(), MAX_TEXT_BYTES)?;
    check_characters(text)?;
    // A blank last line could not be told from the one above the signatures.
    if !text.ends_with('\n') || text.ends_with("\n\n") || text == "\n" {
        return Err(NoteError::Form);
    }
    Ok(())
}

const fn check_length(found: usize, max: usize) -> Result<(), NoteError> {
    if found > max {
        return Err(NoteError::TooLong { max, found });
    }
    Ok(())
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    let control = |byte: &u8| *byte < 0x20 && *byte != b'\n';
    match text.as_bytes().iter().position(control) {
        Some(offset) => Err(NoteError::ControlCharacter { offset }),
        None => Ok(()),
    }
}
