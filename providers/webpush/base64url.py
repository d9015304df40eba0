"""base64url without padding, as every web push document writes binary values (RFC 7515 §2)."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*={0,2}")


def b64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Padding is optional, the alphabet is not. Raises ValueError."""
    if not _ALPHABET.fullmatch(text):
        raise ValueError("not base64url")
    bare = text.rstrip("=")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
