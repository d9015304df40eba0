"""Signature Version 4. The signature is computed again with the secret of the key, and compared."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from aiohttp import web

from sandbox.sns.wire import AwsError

MAX_SKEW_SECONDS = 15 * 60
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/([0-9]{8})/([a-z0-9-]+)/([a-z]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    account: str
    principal: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    expires: float = float("inf")


@dataclass(frozen=True, slots=True)
class Identity:
    """The signer of a request, and the region it was signed for."""

    account: str
    principal: str
    region: str


class Keyring:
    def __init__(self) -> None:
        self._by_id: dict[str, Credentials] = {}

    def issue(self, *, account: str, principal: str, seconds: float | None = None) -> Credentials:
        """Long-lived keys, or with `seconds` temporary keys that need their session token."""
        temporary = seconds is not None
        credentials = Credentials(
            account=account,
            principal=principal,
            access_key_id=("ASIA" if temporary else "AKIA") + secrets.token_hex(8).upper(),
            secret_access_key=secrets.token_urlsafe(30),
            session_token=secrets.token_urlsafe(60) if temporary else "",
            expires=time.time() + seconds if seconds is not None else float("inf"),
        )
        self._by_id[credentials.access_key_id] = credentials
        return credentials

    def revoke(self, access_key_id: str) -> None:
        self._by_id.pop(access_key_id, None)

    def verify(self, request: web.Request, body: bytes, service: str) -> Identity:
        """Raises AwsError with the code that AWS uses."""
        header = request.headers.get("Authorization")
        if header is None:
            message = "Request is missing Authentication Token"
            raise AwsError("MissingAuthenticationToken", message, status=403, violation=True)
        match = _AUTHORIZATION.match(header)
        if match is None or match[4] != service:
            message = f"Authorization must be AWS4-HMAC-SHA256 with the scope of {service}"
            raise AwsError("IncompleteSignature", message, violation=True)
        credentials = self._credentials(match[1], request)
        stamp = _fresh_date(request, match[2])
        scope = f"{match[2]}/{match[3]}/{service}/aws4_request"
        canonical = _canonical_request(request, body, match[5].split(";"))
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
        key = _signing_key(credentials.secret_access_key, match[2], match[3], service)
        if not hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), match[6]):
            message = "The request signature we calculated does not match the signature you provided."
            raise AwsError("SignatureDoesNotMatch", message, status=403)
        return Identity(credentials.account, credentials.principal, match[3])

    def _credentials(self, access_key_id: str, request: web.Request) -> Credentials:
        credentials = self._by_id.get(access_key_id)
        if credentials is None or request.headers.get("X-Amz-Security-Token", "") != credentials.session_token:
            message = "The security token included in the request is invalid."
            raise AwsError("InvalidClientTokenId", message, status=403)
        if credentials.expires <= time.time():
            raise AwsError("ExpiredToken", "The security token included in the request is expired", status=403)
        return credentials


def _fresh_date(request: web.Request, day: str) -> str:
    stamp = request.headers.get("X-Amz-Date", "")
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise AwsError("IncompleteSignature", "X-Amz-Date is missing or malformed", violation=True) from None
    if not stamp.startswith(day) or abs(time.time() - signed_at) > MAX_SKEW_SECONDS:
        raise AwsError("RequestExpired", "Request has expired: the date is more than 15 minutes off", violation=True)
    return stamp


def _canonical_request(request: web.Request, body: bytes, signed: list[str]) -> bytes:
    must = {"host", *(name.lower() for name in request.headers if name.lower().startswith("x-amz-"))}
    if signed != sorted(set(signed)) or not must <= set(signed):
        message = "Host and every x-amz- header must be signed, names sorted"
        raise AwsError("SignatureDoesNotMatch", message, status=403, violation=True)
    headers = "".join(f"{name}:{_value(request.headers.getall(name, []))}\n" for name in signed)
    query = "&".join(sorted(request.rel_url.raw_query_string.split("&")))
    path = quote(request.rel_url.raw_path, safe="/~-._")
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join((request.method, path, query, headers, ";".join(signed), digest)).encode()


def _value(values: Iterable[str]) -> str:
    return ",".join(" ".join(value.split()) for value in values)


@lru_cache(maxsize=4_096)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
