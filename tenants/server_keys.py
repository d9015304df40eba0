"""Server keys: `phk_<prefix>_<secret>`. The prefix finds the row, the secret's SHA-256 is compared.

A plain SHA-256 is enough: the secret has 256 random bits, so there is nothing to guess that a slow hash would protect.
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
    def make(cls) -> Self:
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
