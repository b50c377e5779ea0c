//! Private keys as PEM: PKCS#8, plain or encrypted under a passphrase.

use aws_lc_rs::rand;
use pkcs8::der::pem::PemLabel as _;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf, Salt, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::{SigningKey, SigningKeyError};

/// scrypt's cost N: with blocks of 8 the most memory (16 MiB) that OpenSSL spends unasked.
const SCRYPT_COST: u64 = 1 << 14;
/// scrypt's block size r.
const SCRYPT_BLOCK_SIZE: u16 = 8;
/// scrypt's parallelization p, which makes up for the modest N (OWASP's minimum for this N).
const SCRYPT_PARALLELIZATION: u16 = 5;
/// The length of a salt and of an initialization vector, in bytes.
const SALT_BYTES: usize = 16;

/// Why a private key can't be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemError {
    #[error("expected PEM with a PRIVATE KEY or an ENCRYPTED PRIVATE KEY")]
    Pem,
    #[error("expected PBES2 encryption with AES-256-CBC and scrypt (N = 16384, r = 8, p = 5)")]
    Scheme,
    #[error("the system gives no randomness")]
    Random,
    #[error("the private key could not be encrypted")]
    Encrypt,
    #[error("the passphrase is wrong, or the file is damaged")]
    Passphrase,
    #[error(transparent)]
    Key(#[from] SigningKeyError),
}

/// Writes a key as PEM, encrypted where there is a passphrase.
pub(super) fn encode(
    key: &SigningKey,
    passphrase: Option<&str>,
) -> Result<Zeroizing<String>, PemError> {
    let der = key.to_pkcs8_der()?;
    let (label, document) = match passphrase {
        Some(passphrase) => (
            EncryptedPrivateKeyInfoRef::PEM_LABEL,
            encrypt(&der, passphrase)?,
        ),
        None => (
            PrivateKeyInfoRef::PEM_LABEL,
            SecretDocument::try_from(der.as_slice()).map_err(|_| SigningKeyError::Encode)?,
        ),
    };
    document
        .to_pem(label, LineEnding::LF)
        .map_err(|_| SigningKeyError::Encode.into())
}

fn encrypt(der: &[u8], passphrase: &str) -> Result<SecretDocument, PemError> {
    let salt = Salt::new(random()?).map_err(|_| PemError::Encrypt)?;
    let parameters = pbes2::Parameters {
        kdf: Kdf::Scrypt(scrypt_parameters(salt)),
        encryption: pbes2::EncryptionScheme::Aes256Cbc { iv: random()? },
    };
    PrivateKeyInfoRef::try_from(der)
        .and_then(|info| info.encrypt_with_params(parameters, passphrase))
        .map_err(|_| PemError::Encrypt)
}

fn random() -> Result<[u8; SALT_BYTES], PemError> {
    let mut bytes = [0; SALT_BYTES];
    rand::fill(&mut bytes).map_err(|_| PemError::Random)?;
    Ok(bytes)
}

const fn scrypt_parameters(salt: Salt) -> ScryptParams {
    ScryptParams {
        salt,
        cost_parameter: SCRYPT_COST,
        block_size: SCRYPT_BLOCK_SIZE,
        parallelization: SCRYPT_PARALLELIZATION,
        key_length: None,
    }
}

/// Whether PEM text starts like an encrypted key; `None` where it starts like no key.
pub(super) fn is_encrypted(start: &[u8]) -> Option<bool> {
    [
        (PrivateKeyInfoRef::PEM_LABEL, false),
        (EncryptedPrivateKeyInfoRef::PEM_LABEL, true),
    ]
    .into_iter()
    .find(|(label, _)| start.starts_with(format!("-----BEGIN {label}-----").as_bytes()))
    .map(|(_, encrypted)| encrypted)
}

/// A private key file's content, possibly still encrypted.
pub(super) struct PrivateKeyPem {
    der: SecretDocument,
    encrypted: bool,
}

impl PrivateKeyPem {
    /// Reads PEM text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, PemError> {
        let text = std::str::from_utf8(text).map_err(|_| PemError::Pem)?;
        let (label, der) = SecretDocument::from_pem(text).map_err(|_| PemError::Pem)?;
        let encrypted = label == EncryptedPrivateKeyInfoRef::PEM_LABEL;
        if !encrypted && label != PrivateKeyInfoRef::PEM_LABEL {
            return Err(PemError::Pem);
        }
        Ok(Self { der, encrypted })
    }

    /// Whether the key needs a passphrase.
    pub(super) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The key of a plain file.
    pub(super) fn into_key(self) -> Result<SigningKey, PemError> {
        Ok(SigningKey::from_pkcs8_der(self.der.as_bytes())?)
    }

    /// The key of an encrypted file.
    pub(super) fn decrypt(self, passphrase: &str) -> Result<SigningKey, PemError> {
        let info =
            EncryptedPrivateKeyInfoRef::try_from(self.der.as_bytes()).map_err(|_| PemError::Pem)?;
        check_scheme(&info.encryption_algorithm)?;
        let der = info.decrypt(passphrase).map_err(|_| PemError::Passphrase)?;
        Ok(SigningKey::from_pkcs8_der(der.as_bytes())?)
    }
}

/// Only the parameters that we write: a file must not choose how much memory and time it costs.
fn check_scheme(scheme: &EncryptionScheme) -> Result<(), PemError> {
    match scheme {
        EncryptionScheme::Pbes2(pbes2::Parameters {
            kdf: Kdf::Scrypt(scrypt),
            encryption: pbes2::EncryptionScheme::Aes256Cbc { .. },
        }) if *scrypt == scrypt_parameters(scrypt.salt) => Ok(()),
        _ => Err(PemError::Scheme),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::key::Algorithm;

    fn key() -> SigningKey {
        SigningKey::from_seed(Algorithm::MlDsa65, &[7; 32]).unwrap()
    }

    #[test]
    fn plain_and_encrypted_keys_read_back() {
        let plain = encode(&key(), None).unwrap();
        assert_eq!(is_encrypted(plain.as_bytes()), Some(false));
        let pem = PrivateKeyPem::parse(plain.as_bytes()).unwrap();
        assert!(!pem.is_encrypted());
        assert_eq!(pem.into_key().unwrap().public_key(), key().public_key());

        let encrypted = encode(&key(), Some("open sesame")).unwrap();
        assert_eq!(is_encrypted(encrypted.as_bytes()), Some(true));
        let pem = || PrivateKeyPem::parse(encrypted.as_bytes()).unwrap();
        assert!(pem().is_encrypted());
        let read = pem().decrypt("open sesame").unwrap();
        assert_eq!(read.public_key(), key().public_key());
        assert_eq!(
            pem().decrypt("open barley").err(),
            Some(PemError::Passphrase)
        );
        // Salt and initialization vector are new each time.
        assert_ne!(encrypted, encode(&key(), Some("open sesame")).unwrap());
    }

    #[test]
    fn other_files_are_no_keys() {
        let pem = encode(&key(), None).unwrap();
        for text in [
            String::new(),
            pem.replace("PRIVATE KEY", "EC PRIVATE KEY"),
            pem.replace("PRIVATE KEY", "PUBLIC KEY"),
            pem.replace("-----END", ""),
            pem.replace('M', "!"),
        ] {
            assert_eq!(
                PrivateKeyPem::parse(text.as_bytes()).err(),
                Some(PemError::Pem),
                "{text}"
            );
        }
        assert_eq!(is_encrypted(b"-----BEGIN PUBLIC KEY-----"), None);
    }

    #[test]
    fn a_file_does_not_choose_its_cost() {
        let der = key().to_pkcs8_der().unwrap();
        let info = PrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
        let salt = Salt::new([1; SALT_BYTES]).unwrap();
        let aes_256 = pbes2::EncryptionScheme::Aes256Cbc { iv: [2; 16] };
        let aes_128 = pbes2::EncryptionScheme::Aes128Cbc { iv: [2; 16] };
        let ours = scrypt_parameters(salt);
        for (kdf, encryption, result) in [
            (ours, aes_256, Ok(())),
            (ours, aes_128, Err(PemError::Scheme)),
            (
                ScryptParams {
                    cost_parameter: 2,
                    ..ours
                },
                aes_256,
                Err(PemError::Scheme),
            ),
            (
                ScryptParams {
                    parallelization: 1,
                    ..ours
                },
                aes_256,
                Err(PemError::Scheme),
            ),
        ] {
            let kdf = Kdf::Scrypt(kdf);
            let der = info
                .encrypt_with_params(pbes2::Parameters { kdf, encryption }, "p")
                .unwrap();
            let pem = PrivateKeyPem {
                der,
                encrypted: true,
            };
            assert_eq!(pem.decrypt("p").map(drop), result);
        }
        // The library computes the logarithm of N: zero must not reach it.
        let zero = ScryptParams {
            cost_parameter: 0,
            ..ours
        };
        let scheme = EncryptionScheme::Pbes2(pbes2::Parameters {
            kdf: Kdf::Scrypt(zero),
            encryption: aes_256,
        });
        assert_eq!(check_scheme(&scheme), Err(PemError::Scheme));
    }
}
