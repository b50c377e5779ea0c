//! What a node signs when it signs a checkpoint: the head of the ledger's Merkle tree.
//!
//! The signed message is the `cosigned_message` of C2SP tlog-cosignature, for every ML-DSA parameter
//! set. It is no statement like a ballot: other programs than this one check it. Its first bytes
//! begin no statement's domain tag, so that neither is ever taken for the other. Specification,
//! "Checkpoints".

use std::fmt;
use std::str::FromStr;

use super::MAX_INTEGER;
use super::digest::Digest;
use super::id::{LedgerId, NodeId};
use super::key::{Algorithm, PublicKey, Signature, SignatureVerifier};
use super::merkle::TreeRoot;
use super::text::serde_as_text;

/// Which ledger a tree head is of: its id, and the hash of its last genesis entry. Written
/// `althing/v1/<ledger id>/<genesis hash>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The ledger's id.
    pub ledger: LedgerId,
    /// The hash of the last genesis entry.
    pub genesis: Digest,
}

impl Origin {
    const PREFIX: &'static str = "althing/v1/";
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}", Self::PREFIX, self.ledger, self.genesis)
    }
}

/// The text is no origin of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected althing/v1/, a ledger id, a slash and the hash of the last genesis entry")]
pub struct ParseOriginError;

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ids = text.strip_prefix(Self::PREFIX).ok_or(ParseOriginError)?;
        let (ledger, genesis) = ids.split_once('/').ok_or(ParseOriginError)?;
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| ParseOriginError);
        Ok(Self {
            ledger: LedgerId::from_digest(digest(ledger)?),
            genesis: digest(genesis)?,
        })
    }
}

serde_as_text!(Origin, "the origin of a ledger");

/// How far a ledger's Merkle tree had grown, and its root then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Which ledger.
    pub origin: Origin,
    /// The number of entries and the root over their hashes.
    pub tree: TreeRoot,
}

/// A node's signature under a [`TreeHead`], which nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Whose it claims to be.
    pub signer: NodeId,
    /// When it was made, in seconds since 1970; at most 2^53 − 1.
    pub posix_seconds: u64,
    /// The signature.
    pub signature: Signature,
}

impl TreeHead {
    /// The bytes that `signer` signs at `posix_seconds`: `cosigned_message` of C2SP
    /// tlog-cosignature for a whole tree.
    #[must_use]
    pub fn message(&self, signer: NodeId, posix_seconds: u64) -> Vec<u8> {
        let mut message = b"subtree/v1\n\0".to_vec();
        push_short(&mut message, &signer.to_string());
        message.extend(posix_seconds.to_be_bytes());
        push_short(&mut message, &self.origin.to_string());
        message.extend(0_u64.to_be_bytes());
        message.extend(self.tree.size.to_be_bytes());
        message.extend(self.tree.root.as_bytes());
        message
    }

    /// Whether `cosignature` is `key`'s under this tree head.
    #[must_use]
    pub fn is_signed_by(
        &self,
        cosignature: &Cosignature,
        key: &PublicKey,
        verifier: &dyn SignatureVerifier,
    ) -> bool {
        let Cosignature {
            signer,
            posix_seconds,
            signature,
        } = cosignature;
        let message = self.message(*signer, *posix_seconds);
        *posix_seconds <= MAX_INTEGER && verifier.verify(key, &message, signature)
    }
}

/// Appends a string behind its length in one byte. Node ids and origins have 74 and 140 bytes.
fn push_short(message: &mut Vec<u8>, text: &str) {
    message.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    message.extend(text.as_bytes());
}

/// The four bytes by which a signature line of a note names a key of `node`, beside the node's id:
/// the first of the SHA-256 of name, line feed, signature type and raw key (C2SP signed-note).
#[must_use]
pub fn key_id(node: NodeId, key: &PublicKey) -> [u8; 4] {
    let name = node.to_string();
    let kind = signature_type(key.algorithm());
    let digest = Digest::of(&[name.as_bytes(), b"\n", kind, key.as_bytes()].concat());
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

/// The signature type of C2SP signed-note. ML-DSA-44 has one assigned; the others get the private
/// type 0xff, followed by a name that nobody else takes.
const fn signature_type(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::MlDsa44 => b"\x06",
        Algorithm::MlDsa65 => b"\xffalthing/ml-dsa-65/subtree/v1",
        Algorithm::MlDsa87 => b"\xffalthing/ml-dsa-87/subtree/v1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> TreeHead {
        TreeHead {
            origin: Origin {
                ledger: LedgerId::of_founding("{}"),
                genesis: Digest::of(b"genesis"),
            },
            tree: TreeRoot {
                size: 0x0102,
                root: Digest::of(b"root"),
            },
        }
    }

    fn node() -> NodeId {
        format!("did:pqaid:{}", "ab".repeat(32)).parse().unwrap()
    }

    #[test]
    fn an_origin_has_one_text() {
        let text = head().origin.to_string();
        assert_eq!(text.len(), 140);
        assert_eq!(text.parse(), Ok(head().origin));
        for bad in [
            text.to_uppercase(),
            text.replace("v1", "v2"),
            text.replace('/', " "),
            format!("{text}/"),
            text[..139].to_owned(),
            String::new(),
        ] {
            assert_eq!(bad.parse::<Origin>(), Err(ParseOriginError), "{bad}");
        }
    }

    /// The structure of C2SP tlog-cosignature, put together a second time.
    #[test]
    fn the_message_is_a_cosigned_message() {
        let (name, origin, root) = (
            node().to_string(),
            head().origin.to_string(),
            Digest::of(b"root"),
        );
        let expected = [
            b"subtree/v1\n\0".as_slice(),
            &[74],
            name.as_bytes(),
            &[0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb],
            &[140],
            origin.as_bytes(),
            &[0; 8],
            &[0, 0, 0, 0, 0, 0, 1, 2],
            root.as_bytes(),
        ];
        assert_eq!(head().message(node(), 0x6418_50cb), expected.concat());
    }

    #[test]
    fn a_key_id_names_key_type_and_name() {
        let mut ids = std::collections::BTreeSet::new();
        let other = format!("did:pqaid:{}", "cd".repeat(32)).parse().unwrap();
        for algorithm in Algorithm::ALL {
            for byte in [0, 1] {
                let raw = vec![byte; algorithm.public_key_bytes()];
                let key = PublicKey::new(algorithm, &raw).unwrap();
                ids.extend([key_id(node(), &key), key_id(other, &key)]);
            }
        }
        assert_eq!(ids.len(), 12);
        let key = PublicKey::new(Algorithm::MlDsa44, &[7; 1312]).unwrap();
        let hashed = [node().to_string().as_bytes(), b"\n\x06", &[7; 1312]].concat();
        assert_eq!(key_id(node(), &key), Digest::of(&hashed).as_bytes()[..4]);
    }
}
