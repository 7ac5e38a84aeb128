"""Letters between owners that whoever carries them cannot read: X25519 for a key of each two, AES-256-GCM for them.

Rounds go through a coordinator, and with all shares in its hands it would have the secrets. It passes on the public
keys too: one that hands out keys of its own could read everything, and against it keys must be compared another way.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import UserError

NONCE = 12  # bytes


def private_key() -> bytes:
    """A fresh one, of the operating system: no seed is ever in it."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_key(private: bytes) -> bytes:
    """The one that others may know."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal(letter: bytes, private: bytes, public: bytes, about: str) -> bytes:
    """`letter` for the holder of the other key. about: is not hidden, and what it opens under: sender, round."""
    nonce = os.urandom(NONCE)
    return nonce + _cipher(private, public).encrypt(nonce, letter, about.encode())


def unseal(sealed: bytes, private: bytes, public: bytes, about: str) -> bytes:
    """The letter. Raises UserError when it was changed, or is not what it says."""
    try:
        return _cipher(private, public).decrypt(sealed[:NONCE], sealed[NONCE:], about.encode())
    except InvalidTag:
        raise UserError(f"trust: what was sent as {about!r} was changed on its way, or is of another sender") from None


def _cipher(private: bytes, public: bytes) -> AESGCM:
    secret = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    return AESGCM(HKDF(SHA256(), 32, None, b"trendlab private_training shares").derive(secret))
