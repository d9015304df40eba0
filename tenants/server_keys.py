"""Server keys: `phk_<prefix>_<secret>`. The row is found by the prefix, and the SHA-256 of the secret is compared.

A plain SHA-256 is enough. A slow hash protects secrets that can be guessed, but this secret has 256 random bits.
"""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from typing import Self

PATTERN = re.compile(r"phk_(?P<prefix>[a-z0-9]{12})_(?P<secret>[A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class ServerKey:
    prefix: str
    secret: str = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        alphabet = string.ascii_lowercase + string.digits
        return cls("".join(secrets.choice(alphabet) for _ in range(12)), secrets.token_urlsafe(32))

    @property
    def text(self) -> str:
        return f"phk_{self.prefix}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()

    def matches(self, secret_hash: bytes) -> bool:
        return hmac.compare_digest(self.secret_hash, secret_hash)


def server_key_parse(text: str) -> ServerKey | None:
    match = PATTERN.fullmatch(text)
    return ServerKey(match["prefix"], match["secret"]) if match else None
