//! Identifiers. Each is a type of its own, so that none can be mistaken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Sha3_256};
use uuid::Uuid;

use super::digest::Digest;
use super::key::PublicKey;
use super::text::serde_as_text;

/// A governance node: `did:pqaid:` and the hexadecimal SHA3-256 of its *first* raw public key.
///
/// The id stays when the key is rotated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Digest);

impl NodeId {
    const PREFIX: &'static str = "did:pqaid:";

    /// The id of the node whose first key is `key`.
    #[must_use]
    pub fn of_first_key(key: &PublicKey) -> Self {
        Self(Digest::from_bytes(Sha3_256::digest(key.as_bytes()).into()))
    }

    /// The id of a hash.
    #[must_use]
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The hash of the node's first key.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    /// The first eight digits of the hash, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

/// The text is no node id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected did:pqaid: and 64 lowercase hexadecimal digits")]
pub struct ParseNodeIdError;

impl FromStr for NodeId {
    type Err = ParseNodeIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hash = text.strip_prefix(Self::PREFIX).ok_or(ParseNodeIdError)?;
        hash.parse().map(Self).map_err(|_| ParseNodeIdError)
    }
}

serde_as_text!(NodeId, "did:pqaid: and 64 lowercase hexadecimal digits");

/// What is governed: a model, an agent or a policy, named by any DID or URN.
///
/// At most 256 bytes of printable ASCII without spaces, so that a subject looks the same to
/// everyone who reads it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Box<str>);

impl Subject {
    /// The longest subject, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// The text of the DID or URN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.0)
    }
}

impl From<NodeId> for Subject {
    fn from(node: NodeId) -> Self {
        Self(node.to_string().into())
    }
}

/// The text is no subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a DID or URN such as did:example:triage or urn:model:triage, at most 256 bytes of \
     printable ASCII without spaces"
)]
pub struct ParseSubjectError;

impl FromStr for Subject {
    type Err = ParseSubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() > Self::MAX_BYTES || !printable {
            return Err(ParseSubjectError);
        }
        let (scheme, rest) = text.split_once(':').ok_or(ParseSubjectError)?;
        let (namespace, name) = rest.split_once(':').ok_or(ParseSubjectError)?;
        if !matches!(scheme, "did" | "urn") || namespace.is_empty() || name.is_empty() {
            return Err(ParseSubjectError);
        }
        Ok(Self(text.into()))
    }
}

serde_as_text!(Subject, "a DID or URN");

/// Defines an identifier that is a UUID in its lowercase, hyphenated form.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }

            /// The first eight digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                self.to_string()[..8].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseUuidError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let uuid = Uuid::try_parse(text).map_err(|_| ParseUuidError)?;
                let mut canonical = Uuid::encode_buffer();
                if uuid.hyphenated().encode_lower(&mut canonical) != text {
                    return Err(ParseUuidError);
                }
                Ok(Self(uuid))
            }
        }

        serde_as_text!($name, "a lowercase hyphenated UUID");
    };
}

/// The text is no UUID in its one accepted form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a lowercase hyphenated UUID")]
pub struct ParseUuidError;

uuid_id! {
    /// A proposal, and the grant or other effect that it leads to. Never accepted twice.
    ProposalId
}

uuid_id! {
    /// A ballot, unique for its voter.
    VoteId
}

/// A grant has the id of the proposal that gave it.
pub type GrantId = ProposalId;

/// A ledger: SHA-256 of the bytes of its founding statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LedgerId(Digest);

impl LedgerId {
    /// The id of the ledger that is founded by these statement bytes.
    #[must_use]
    pub fn of_founding(statement: &str) -> Self {
        Self(Digest::of(statement.as_bytes()))
    }

    /// Wraps a digest that is already a ledger's id.
    #[must_use]
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The id as a digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Algorithm;
    use super::*;

    #[test]
    fn a_node_id_is_sha3_of_the_first_key() {
        let key = PublicKey::new(Algorithm::MlDsa44, &[0; 1312]).unwrap();
        let node = NodeId::of_first_key(&key);
        // python3 -c 'import hashlib; print(hashlib.sha3_256(bytes(1312)).hexdigest())'
        assert_eq!(
            node.to_string(),
            "did:pqaid:bf80174179038d98eb5f2d31029dc67a9f94cd5b1b5bc3b596234089d87efcf7"
        );
        assert_eq!(node.to_string().parse(), Ok(node));
        assert!(node.to_string().to_uppercase().parse::<NodeId>().is_err());
    }

    #[test]
    fn subjects_are_plain_dids_and_urns() {
        for good in [
            "did:example:triage",
            "urn:model:triage:1.2",
            "did:web:a.org%3A8",
        ] {
            assert_eq!(good.parse::<Subject>().unwrap().as_str(), good);
        }
        let long = format!("did:example:{}", "x".repeat(245));
        for bad in [
            "",
            "*",
            "model",
            "http://x",
            "did:",
            "did::x",
            "did:x:",
            "urn:x",
            "did:a:b c",
            "did:a:é",
            "did:a:b\n",
            "DID:a:b",
            &long,
        ] {
            assert_eq!(bad.parse::<Subject>(), Err(ParseSubjectError), "{bad}");
        }
    }

    #[test]
    fn a_uuid_has_one_text() {
        let text = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        assert_eq!(text.parse::<ProposalId>().unwrap().to_string(), text);
        for bad in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
        ] {
            assert_eq!(bad.parse::<VoteId>(), Err(ParseUuidError), "{bad}");
        }
    }

    #[test]
    fn a_subject_has_at_most_256_bytes() {
        let of_length = |length: usize| format!("did:a:{}", "b".repeat(length - 6));
        assert!(of_length(256).parse::<Subject>().is_ok());
        assert!(of_length(257).parse::<Subject>().is_err());
    }

    #[test]
    fn people_see_identifiers() {
        let key = PublicKey::new(Algorithm::MlDsa44, &[0; 1312]).unwrap();
        let node = NodeId::of_first_key(&key);
        assert!(node.short().ends_with("bf801741"), "{}", node.short());
        assert!(format!("{node:?}").contains("bf801741"), "{node:?}");
        let subject: Subject = "did:a:b".parse().unwrap();
        assert!(format!("{subject:?}").contains("did:a:b"), "{subject:?}");
    }
}
