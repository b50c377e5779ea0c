//! Why a value is decided: the signatures of more than two thirds of the weight.

use std::collections::BTreeSet;

use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, CommitSignature, ExtendedCommitCertificate, NilOrVal, Round, VoteExtensions,
    VoteType,
};
use serde::{Deserialize, Serialize};

use super::engine::{Address, Althing, Height, ValidatorSet, ValueId, Verifying, Vote};
use crate::governance::digest::Digest;
use crate::governance::id::{LedgerId, NodeId};
use crate::governance::key::Signature;

/// The precommits for a value. Nothing of it is checked until [`verify`](Self::verify).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The height.
    pub height: u64,
    /// The round in which it was decided.
    pub round: u32,
    /// Who signed.
    pub signatures: Vec<Precommit>,
    /// The hash of the value.
    pub value: Digest,
}

/// One node's signature under a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precommit {
    /// Whose it claims to be.
    pub node: NodeId,
    /// The signature.
    pub signature: Signature,
}

/// A certificate does not show that its value was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Somebody signed twice.
    #[error("{0} signed twice")]
    Twice(NodeId),
    /// Somebody signed who does not take part.
    #[error("{0} does not take part")]
    Stranger(NodeId),
    /// A signature is not the node's.
    #[error("the signature is not that of {0}")]
    Signature(NodeId),
    /// Too few signed.
    #[error("expected signatures of more than two thirds of the weight {total}, found {signed}")]
    NoQuorum {
        /// The weight of those who signed.
        signed: u64,
        /// The weight of all.
        total: u64,
    },
}

impl CertificateError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Twice(_) => "certificate.signed-twice",
            Self::Stranger(_) => "certificate.stranger",
            Self::Signature(_) => "certificate.signature",
            Self::NoQuorum { .. } => "certificate.no-quorum",
        }
    }
}

impl Certificate {
    /// Checks every signature against the keys of those who decided that height, and that more than
    /// two thirds of their weight signed.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(
        &self,
        ledger: LedgerId,
        deciders: &ValidatorSet,
    ) -> Result<(), CertificateError> {
        let verifying = Verifying(ledger);
        let mut seen = BTreeSet::new();
        let mut signed: u64 = 0;
        for Precommit { node, signature } in &self.signatures {
            if !seen.insert(*node) {
                return Err(CertificateError::Twice(*node));
            }
            let voter = Address(*node);
            let key = (deciders.key_of(&voter)).ok_or(CertificateError::Stranger(*node))?;
            let vote = Vote {
                height: Height(self.height),
                round: Round::new(self.round),
                value: NilOrVal::Val(ValueId(self.value)),
                kind: VoteType::Precommit,
                voter,
            };
            if !verifying.is_vote_of(&vote, signature, key) {
                return Err(CertificateError::Signature(*node));
            }
            signed = signed.saturating_add(deciders.weight_of(&voter));
        }
        let total = deciders.total();
        if u128::from(signed) * 3 > u128::from(total) * 2 {
            Ok(())
        } else {
            Err(CertificateError::NoQuorum { signed, total })
        }
    }
}

impl From<CommitCertificate<Althing>> for Certificate {
    fn from(certificate: CommitCertificate<Althing>) -> Self {
        let signatures = certificate.commit_signatures.into_iter();
        let mut signatures: Vec<Precommit> = signatures
            .map(|it| Precommit {
                node: it.address.0,
                signature: it.signature,
            })
            .collect();
        signatures.sort_by_key(|it| it.node);
        Self {
            height: certificate.height.0,
            // A decision is always one of a round.
            round: certificate.round.as_u32().unwrap_or(u32::MAX),
            signatures,
            value: certificate.value_id.0,
        }
    }
}

impl From<Certificate> for ExtendedCommitCertificate<Althing> {
    fn from(certificate: Certificate) -> Self {
        let signatures = certificate.signatures.into_iter();
        let plain = CommitCertificate {
            height: Height(certificate.height),
            round: Round::new(certificate.round),
            value_id: ValueId(certificate.value),
            commit_signatures: signatures
                .map(|it| CommitSignature::new(Address(it.node), it.signature))
                .collect(),
        };
        Self::from_commit_certificate_and_extensions(plain, VoteExtensions::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::engine::message;
    use crate::governance::key::Algorithm;
    use crate::governance::policy::Policy;
    use crate::testing::{Assembly, Signatures};

    fn certificate(assembly: &Assembly, signers: &[usize]) -> Certificate {
        let value = Digest::of(b"value");
        let signatures = signers.iter().map(|index| {
            let node = assembly.id(*index);
            let vote = Vote {
                height: Height(3),
                round: Round::new(1),
                value: NilOrVal::Val(ValueId(value)),
                kind: VoteType::Precommit,
                voter: Address(node),
            };
            let message = message::of_vote(assembly.state().ledger(), &vote);
            let signature = assembly.signer(*index).sign_message(&message);
            Precommit { node, signature }
        });
        Certificate {
            height: 3,
            round: 1,
            signatures: signatures.collect(),
            value,
        }
    }

    #[test]
    fn more_than_two_thirds_of_the_weight_decide() {
        let assembly = Assembly::signing(
            Signatures::MlDsa(Algorithm::MlDsa65),
            Policy::default(),
            &[1, 1, 1, 3],
        );
        let deciders = ValidatorSet::of(assembly.state());
        let ledger = assembly.state().ledger();
        for (signers, code) in [
            (&[0, 1, 3][..], ""),
            (&[0, 1, 2, 3], ""),
            // Two thirds are not more than two thirds.
            (&[0, 3], "certificate.no-quorum"),
            (&[0, 1, 2], "certificate.no-quorum"),
            (&[], "certificate.no-quorum"),
            (&[3, 3], "certificate.signed-twice"),
        ] {
            let verified = certificate(&assembly, signers).verify(ledger, &deciders);
            let found = verified.map_or_else(|error| error.code(), |()| "");
            assert_eq!(found, code, "{signers:?}");
        }
    }

    #[test]
    fn every_part_of_a_certificate_counts() {
        let assembly = Assembly::signing(
            Signatures::MlDsa(Algorithm::MlDsa65),
            Policy::default(),
            &[1, 1, 1, 1],
        );
        let deciders = ValidatorSet::of(assembly.state());
        let ledger = assembly.state().ledger();
        let good = certificate(&assembly, &[0, 1, 2]);
        assert_eq!(good.verify(ledger, &deciders), Ok(()));
        let other = LedgerId::from_digest(Digest::of(b"other"));
        assert_eq!(
            good.verify(other, &deciders).unwrap_err().code(),
            "certificate.signature"
        );
        type Change = fn(&mut Certificate);
        let changes: [(&str, Change); 5] = [
            ("certificate.signature", |it| it.height = 4),
            ("certificate.signature", |it| it.round = 0),
            ("certificate.signature", |it| {
                it.value = Digest::of(b"other")
            }),
            ("certificate.signature", |it| {
                it.signatures[0].signature = it.signatures[1].signature.clone();
            }),
            ("certificate.stranger", |it| {
                it.signatures[0].node = NodeId::from_digest(Digest::of(b"stranger"));
            }),
        ];
        for (code, change) in changes {
            let mut changed = good.clone();
            change(&mut changed);
            assert_eq!(changed.verify(ledger, &deciders).unwrap_err().code(), code);
        }
    }
}
