"""Voluntary application server identification (RFC 8292): the keys, and the Authorization header they sign."""

import re
import time
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from urllib.parse import urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from py_vapid import Vapid02

from providers.keys import KeyInvalid
from providers.webpush.agreement import public_point
from providers.webpush.base64url import b64url, b64url_decode
from providers.webpush.types import WebPushCredentials

LIFETIME = 12 * 3600  # §2 allows 24 h; half of it tolerates any usual clock skew (Apple refuses exactly 24 h)
CACHED_TOKENS = 4096

_CURVE = ec.SECP256R1()
_MAILTO = re.compile(r"mailto:[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?P<domain>[A-Za-z0-9.-]{1,253})")
_DOMAIN = re.compile(r"(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z0-9-]{2,63}(?<!-)")
# RFC 2606 and 6761: no mail or page exists under these names; Apple answers 403 to them.
_RESERVED = ("localhost", "invalid", "test", "example", "local", "internal")


@dataclass(frozen=True, slots=True)
class VapidKeyPair:
    """`private_key`: 32-byte scalar; `public_key`: 65-byte point. Clients subscribe with its base64url."""

    private_key: bytes = field(repr=False)
    public_key: bytes


def vapid_key_generate() -> VapidKeyPair:
    made = Vapid02()
    made.generate_keys()
    return _vapid_key(made.private_key)


def vapid_key_import(text: str) -> VapidKeyPair:
    """A private key as PEM (PKCS #8 or SEC 1), or base64url of DER or of the bare scalar. Raises KeyInvalid."""
    try:
        if "-----BEGIN" in text:
            key = load_pem_private_key(text.encode("ascii"), password=None)
        else:
            raw = b64url_decode("".join(text.split()))  # py_vapid itself ignores what is not base64url
            key = Vapid02.from_string(b64url(raw)).private_key
    except UnsupportedAlgorithm:
        raise KeyInvalid("the key is not on the curve P-256") from None
    except (ValueError, TypeError, Base64Error, UnicodeError):
        raise KeyInvalid("not a private key: PEM, or base64url of DER or of 32 bytes, is expected") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyInvalid("the key is not on the curve P-256")
    return _vapid_key(key)


def vapid_sub_check(sub: str) -> str:
    """A contact the push services accept: `mailto:` or `https:` at a real domain (§2.1). Raises KeyInvalid."""
    match = _MAILTO.fullmatch(sub)
    try:
        parts = urlsplit(sub)
    except ValueError:
        raise KeyInvalid("the contact is neither mailto: nor https:") from None
    if match is None and (parts.scheme != "https" or "@" in parts.netloc or not sub.isascii() or not sub.isprintable()):
        raise KeyInvalid("the contact must be mailto:someone@your-domain or https://your-domain/…")
    domain = (match["domain"] if match else parts.hostname or "").lower()
    if not _DOMAIN.fullmatch(domain) or domain.rpartition(".")[2] in _RESERVED or domain[-1].isdigit():
        raise KeyInvalid("the contact's domain must be a real one: Apple refuses reserved and local names")
    return sub


@lru_cache(maxsize=1024)
def private_key_load(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError for a scalar outside the curve's order."""
    return ec.derive_private_key(int.from_bytes(scalar, "big"), _CURVE)


def token_sign(credentials: WebPushCredentials, *, audience: str, expires: int) -> str:
    claims = {"aud": audience, "exp": expires, "sub": credentials.sub}
    return jwt.encode(claims, private_key_load(credentials.private_key), algorithm="ES256")


class Authorizations:
    """Authorization headers by key and origin, each signed once per half lifetime: services cache verified tokens (§5).

    The least recently used is dropped first, so a tenant with many origins costs others a signature, not memory.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        size: int = CACHED_TOKENS,
        token_sign: Callable[..., str] = token_sign,
    ) -> None:
        self._clock = clock
        self._token_sign = token_sign
        self._size = size
        self._lock = Lock()
        self._headers: OrderedDict[tuple[bytes, str, str], tuple[float, str]] = OrderedDict()

    def header(self, credentials: WebPushCredentials, audience: str) -> str:
        """`vapid t=…, k=…`. Raises ValueError for an unusable key."""
        key = (credentials.private_key, credentials.sub, audience)
        now = self._clock()
        with self._lock:
            known = self._headers.get(key)
            if known is not None and now < known[0]:
                self._headers.move_to_end(key)
                return known[1]
        token = self._token_sign(credentials, audience=audience, expires=int(now) + LIFETIME)
        header = f"vapid t={token}, k={b64url(credentials.public_key)}"
        with self._lock:
            self._headers[key] = (now + LIFETIME / 2, header)
            while len(self._headers) > self._size:
                self._headers.popitem(last=False)
        return header


def _vapid_key(key: ec.EllipticCurvePrivateKey) -> VapidKeyPair:
    return VapidKeyPair(key.private_numbers().private_value.to_bytes(32, "big"), public_point(key))
