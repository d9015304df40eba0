"""Secrets at rest: sealed with AES-256-GCM under named keys, and looked up by keyed hash.

A sealed value is `key id` ‖ 0x00 ‖ nonce(12) ‖ ciphertext ‖ tag(16). The key id says which key opens the value, so that
keys can be rotated: the first key of `PUSHHUB_ENCRYPTION_KEYS` seals, every key opens. `purpose` is bound as associated
data: a value that was copied into another column does not open.

Sealed values are stored in a `SealedField`, which declares their purpose. `manage.py encryption_rotate` finds every
column of this kind and seals its values again (tenants/sealed.py).
"""

import base64
import binascii
import hmac
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pushhub.kernel.env import EnvironmentInvalid, env_list, env_str
from pushhub.kernel.purposes import Purpose

KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")


class SealBroken(Exception):
    """A sealed value does not open: its key is missing in PUSHHUB_ENCRYPTION_KEYS, or the bytes were changed."""


class Keyring:
    """Keys by id; the first one seals. Built from `k2:<base64 of 32 bytes>,k1:<base64>`. Raises EnvironmentInvalid."""

    def __init__(self, entries: list[str]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys_read(entries).items()}
        self.current = next(iter(self._ciphers))

    @property
    def key_ids(self) -> list[str]:
        return [key_id.decode() for key_id in self._ciphers]

    def seal(self, plaintext: bytes, *, purpose: Purpose) -> bytes:
        return self.seal_many([plaintext], purpose=purpose)[0]

    def seal_many(self, plaintexts: Sequence[bytes], *, purpose: Purpose) -> list[bytes]:
        """Seals each value with its own nonce."""
        nonces, purpose_bytes = os.urandom(12 * len(plaintexts)), purpose.encode()
        encrypt, prefix = self._ciphers[self.current].encrypt, self.current + b"\0"
        return [
            prefix + nonce + encrypt(nonce, plaintext, purpose_bytes)
            for plaintext, nonce in (
                (plaintext, nonces[12 * index : 12 * index + 12]) for index, plaintext in enumerate(plaintexts)
            )
        ]

    def open(self, sealed: bytes, *, purpose: Purpose) -> bytes:
        """Raises SealBroken."""
        key_id, _, rest = bytes(sealed).partition(b"\0")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealBroken(f"PUSHHUB_ENCRYPTION_KEYS has no key {key_id.decode('ascii', 'replace')[:16]!r}")
        try:
            return cipher.decrypt(rest[:12], rest[12:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a sealed value was changed, or belongs to another purpose") from error


def keys_read(entries: Iterable[str]) -> dict[bytes, bytes]:
    """The keys by id, in their order. Raises EnvironmentInvalid."""
    keys: dict[bytes, bytes] = {}
    for entry in entries:
        name, _, encoded = entry.partition(":")
        key_id = _key_id(name)
        if key_id in keys:
            raise EnvironmentInvalid(f"PUSHHUB_ENCRYPTION_KEYS names {name} twice: give each key its own id.")
        keys[key_id] = _key_bytes(encoded)
    if not keys:
        raise EnvironmentInvalid("PUSHHUB_ENCRYPTION_KEYS is empty. Write k1:<base64 of 32 random bytes>.")
    return keys


def _key_id(text: str) -> bytes:
    if not KEY_ID.fullmatch(text):
        raise EnvironmentInvalid("PUSHHUB_ENCRYPTION_KEYS: a key id is 1 to 16 letters, digits, '-' or '_'.")
    return text.encode()


def _key_bytes(encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise EnvironmentInvalid("A key must be the base64 of exactly 32 bytes: openssl rand -base64 32")
    return key


@lru_cache(maxsize=1)
def keyring() -> Keyring:
    return Keyring(env_list("PUSHHUB_ENCRYPTION_KEYS"))


@lru_cache(maxsize=1)
def hash_key() -> bytes:
    return _key_bytes(env_str("PUSHHUB_HASH_KEY"))


def seal(plaintext: bytes, *, purpose: Purpose) -> bytes:
    return keyring().seal(plaintext, purpose=purpose)


def seal_many(plaintexts: Sequence[bytes], *, purpose: Purpose) -> list[bytes]:
    """Reads the random bytes for all values with one system call. A system call for each value would let other threads
    take the interpreter lock each time."""
    return keyring().seal_many(plaintexts, purpose=purpose)


def unseal(sealed: bytes, *, purpose: Purpose) -> bytes:
    """Raises SealBroken."""
    return keyring().open(sealed, purpose=purpose)


def keyed_hash(value: bytes, *, purpose: Purpose) -> bytes:
    """HMAC-SHA256, 32 bytes. Equal secrets have equal hashes. Without the hash key, which is not in the database, a
    hash cannot be checked against guessed secrets."""
    return hmac.digest(hash_key(), purpose.encode() + b"\0" + value, "sha256")
