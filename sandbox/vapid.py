"""Verifies `Authorization: vapid t=…, k=…` as a push service does (RFC 8292)."""

import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from sandbox.encoding import b64url_decode

MAX_LIFETIME = 24 * 3600
_CACHE_SIZE = 10_000
_PARAMETER = re.compile(r"\s*([a-z]+)\s*=\s*\"?([A-Za-z0-9._-]+)\"?\s*\Z")
_UNREAL_DOMAINS = ("localhost", "invalid")


class VapidFault(Exception):
    """The credentials are refused. `code` names the rule; `missing` selects 401 instead of 403."""

    def __init__(self, code: str, detail: str, *, missing: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.missing = missing


class VapidVerifier:
    """One per origin. A header value is verified once and cached, as real services do (RFC 8292 §5)."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._verified: dict[str, tuple[bytes, float]] = {}

    def verify(self, header: str | None) -> bytes:
        """The 65-byte public key `k`. Raises VapidFault."""
        if header is None:
            raise VapidFault("authorization_missing", "no Authorization header", missing=True)
        known = self._verified.get(header)
        if known is None:
            known = self._verify(header)
            if len(self._verified) >= _CACHE_SIZE:
                self._verified.clear()
            self._verified[header] = known
        if known[1] <= time.time():
            raise VapidFault("jwt_expired", "exp has passed")
        return known[0]

    def _verify(self, header: str) -> tuple[bytes, float]:
        token, key = _parameters(header)
        public_key = _public_key(key)
        claims = _signed_claims(token, public_key)
        if claims.get("aud") != self._origin:
            raise VapidFault("jwt_aud", f"aud must be the origin of the push URL, {self._origin}")
        _check_subject(claims.get("sub"))
        return b64url_decode(key), _expiry(claims.get("exp"))


def _parameters(header: str) -> tuple[str, str]:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "vapid":
        raise VapidFault("authorization_scheme", "the scheme must be vapid (RFC 8292 §3)", missing=True)
    found: dict[str, str] = {}
    for part in rest.split(","):
        match = _PARAMETER.match(part)
        if match is None or match[1] in found:
            raise VapidFault("authorization_malformed", "t= and k= must each appear once")
        found[match[1]] = match[2]
    if not {"t", "k"} <= found.keys():
        raise VapidFault("authorization_malformed", "t= and k= are both required")
    return found["t"], found["k"]


def _public_key(text: str) -> ec.EllipticCurvePublicKey:
    try:
        raw = b64url_decode(text)
        if len(raw) != 65:
            raise ValueError
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise VapidFault("vapid_key", "k must be an uncompressed P-256 point in base64url") from None


def _signed_claims(token: str, public_key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    try:
        head, body, signature = token.split(".")
        header, claims, raw = json.loads(b64url_decode(head)), json.loads(b64url_decode(body)), b64url_decode(signature)
    except ValueError:
        raise VapidFault("jwt_malformed", "t is not a compact JWS of three base64url parts") from None
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") != "ES256":
        raise VapidFault("jwt_alg", "alg must be ES256 (RFC 8292 §2)")
    if len(raw) != 64:
        raise VapidFault("jwt_signature", "the signature must be raw R‖S, 64 bytes")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        public_key.verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise VapidFault("jwt_signature", "the signature does not verify with k") from None
    return claims


def _expiry(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise VapidFault("jwt_exp", "exp must be a number")
    now = time.time()
    if value <= now:
        raise VapidFault("jwt_expired", "exp has passed")
    if value > now + MAX_LIFETIME:
        raise VapidFault("jwt_exp_too_long", "exp must not be more than 24 hours ahead (RFC 8292 §2)")
    return float(value)


def _check_subject(value: object) -> None:
    """RFC 8292 §2.1 only says SHOULD. Apple refuses a missing sub and impossible domains, so this does, too."""
    if not isinstance(value, str):
        raise VapidFault("jwt_sub", "sub must be present")
    parts = urlsplit(value)
    domain = parts.path.rpartition("@")[2] if parts.scheme == "mailto" and "@" in parts.path else parts.hostname
    if parts.scheme not in ("mailto", "https") or not domain:
        raise VapidFault("jwt_sub", "sub must be a mailto: or https: URI")
    if domain.lower().rpartition(".")[2] in _UNREAL_DOMAINS or "." not in domain:
        raise VapidFault("jwt_sub", "sub must name a domain that can be reached")
