"""Real ML-DSA for `quantumshield`, which looks for a module `oqs` and otherwise signs Ed25519.

The module of that name needs a C library that pip does not bring. This one offers the few calls that
`quantumshield` makes, and leaves the work to OpenSSL's ML-DSA in `cryptography`.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import (
    MLDSA44PrivateKey, MLDSA44PublicKey, MLDSA65PrivateKey, MLDSA65PublicKey, MLDSA87PrivateKey,
    MLDSA87PublicKey)

CLASSES = {
    "Dilithium2": (MLDSA44PrivateKey, MLDSA44PublicKey),
    "Dilithium3": (MLDSA65PrivateKey, MLDSA65PublicKey),
    "Dilithium5": (MLDSA87PrivateKey, MLDSA87PublicKey),
}

# A key is expanded from its seed once, not for each signature: to quantumshield's advantage.
KEPT = {}


class Signature:
    def __init__(self, name, secret_key=None):
        self.private, self.public = CLASSES[name]
        self.secret = secret_key

    def generate_keypair(self):
        key = self.private.generate()
        self.secret = key.private_bytes_raw()
        return key.public_key().public_bytes_raw()

    def export_secret_key(self):
        return self.secret

    def sign(self, message):
        if self.secret not in KEPT:
            KEPT[self.secret] = self.private.from_seed_bytes(self.secret)
        return KEPT[self.secret].sign(message)

    def verify(self, message, signature, public_key):
        if public_key not in KEPT:
            KEPT[public_key] = self.public.from_public_bytes(public_key)
        try:
            KEPT[public_key].verify(signature, message)
        except InvalidSignature:
            return False
        return True
