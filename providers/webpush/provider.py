"""Web push by RFC 8030, 8291 and 8292: encrypt, sign, POST. 201 means accepted, not delivered."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import ClassVar

from typing_extensions import override

from outgoing.network import origin
from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.addresses import AddressType
from providers.apps import AppType
from providers.base import MisconfiguredScope, Provider, Reference
from providers.errors import Codes, PayloadTooLarge, Unsendable, retry_after_seconds, transport_result
from providers.keys import KeyScheme
from providers.template import fill
from providers.types import Message, Outcome, Push, SendResult
from providers.webpush.address import WebPushAddress
from providers.webpush.agreement import agree_each
from providers.webpush.app import WebPushApp
from providers.webpush.base64url import b64url
from providers.webpush.encryption import MAX_PLAINTEXT, encrypt
from providers.webpush.errors import CODES, KEY_INVALID, SUBSCRIPTION_INVALID, classify
from providers.webpush.keys import VapidKeys
from providers.webpush.payload import payload_build
from providers.webpush.types import WebPushCredentials, WebPushEndpoint
from providers.webpush.vapid import Authorizations, token_sign

MAX_TTL = 28 * 24 * 3600  # FCM refuses more; Mozilla clamps at 30 days
_SAMPLE = (
    WebPushEndpoint(url="https://push.invalid/", p256dh=b"", auth=b""),
    WebPushCredentials(key_id="", private_key=b"", public_key=b"", sub=""),
)
# The message resource (RFC 8030 §5) is not stored: pushhub never asks a push service for it later, and 160 random
# characters in row and index cost a delivery more than the rest of its settling.
_ACCEPTED = SendResult(outcome=Outcome.ACCEPTED)


class WebPushProvider(Provider):
    name = "webpush"
    title: ClassVar[str] = "Web Push"
    vendor: ClassVar[str] = "the push service"
    codes: ClassVar[Codes] = CODES
    platforms: ClassVar[Mapping[str, tuple[str, ...]]] = {"web": ("",)}
    payload_limit: ClassVar[int] = MAX_PLAINTEXT
    app: ClassVar[AppType] = WebPushApp()
    address: ClassVar[AddressType] = WebPushAddress()
    default_app: ClassVar[str] = "web"
    misconfigured_scope: ClassVar[MisconfiguredScope] = MisconfiguredScope.ORIGIN
    keys: ClassVar[KeyScheme | None] = VapidKeys()
    reference: ClassVar[Reference | None] = Reference("pywebpush", setting="PUSHHUB_WEBPUSH_ENCODER")

    def __init__(self, *, reference: bool = False) -> None:
        self._by_reference = reference
        self._encrypt: Callable[..., bytes] = encrypt
        sign = token_sign
        if reference:
            from providers.webpush import reference as pywebpush

            self._encrypt, sign = pywebpush.encrypt, pywebpush.token_sign
        self._authorizations = Authorizations(token_sign=sign)

    @override
    def sample(self, platform: str) -> tuple[WebPushEndpoint, WebPushCredentials]:
        return _SAMPLE

    @override
    def payload(self, push: Push) -> bytes:
        payload = fill(push, name=self.name, make=payload_build)
        if len(payload) > MAX_PLAINTEXT:
            raise PayloadTooLarge(len(payload), MAX_PLAINTEXT)
        return payload

    @override
    def prepare(self, pushes: Sequence[Push]) -> int:
        """Agree on the keys (providers.webpush.agreement)."""
        if self._by_reference:
            return 0
        for push, agreement in zip(pushes, agree_each([_p256dh(push) for push in pushes]), strict=True):
            push.prepared = agreement
        return sum(push.prepared is not None for push in pushes)

    @override
    def request(self, push: Push) -> HttpRequest:
        endpoint, credentials, message = push.endpoint, push.credentials, push.message
        if not isinstance(endpoint, WebPushEndpoint) or not isinstance(credentials, WebPushCredentials):
            raise TypeError("a web push needs a subscription and VAPID credentials")
        authorization = self._authorization(credentials, endpoint)
        headers = _headers(authorization, push.ttl, message.urgency.value, message.collapse_key)
        return HttpRequest(endpoint.url, headers, self._encrypted(push, endpoint))

    @override
    def result(self, push: Push, reply: HttpResponse | TransportFailure) -> SendResult:
        if isinstance(reply, TransportFailure):
            return transport_result(reply)
        if reply.status in (200, 201, 202):
            return _ACCEPTED
        rule, word = classify(reply)
        wait = retry_after_seconds(reply.headers.get("retry-after")) if rule.outcome is Outcome.RETRY else None
        return SendResult(outcome=rule.outcome, error_code=word, retry_after=wait)

    @override
    def payload_size(self, message: Message, platform: str) -> int:
        endpoint, credentials = _SAMPLE
        return len(payload_build(Push.longest(message, endpoint=endpoint, credentials=credentials)))

    def _authorization(self, credentials: WebPushCredentials, endpoint: WebPushEndpoint) -> str:
        try:
            return self._authorizations.header(credentials, origin(endpoint.url))
        except ValueError:
            raise Unsendable(SendResult(outcome=Outcome.MISCONFIGURED, error_code=KEY_INVALID)) from None

    def _encrypted(self, push: Push, endpoint: WebPushEndpoint) -> bytes:
        payload = self.payload(push)
        agreement, push.prepared = push.prepared, None
        try:
            return self._encrypt(payload, p256dh=endpoint.p256dh, auth=endpoint.auth, agreement=agreement)
        except ValueError:
            raise Unsendable(SendResult(outcome=Outcome.ENDPOINT_GONE, error_code=SUBSCRIPTION_INVALID)) from None


def _p256dh(push: Push) -> bytes:
    return push.endpoint.p256dh if isinstance(push.endpoint, WebPushEndpoint) else b""


@lru_cache(maxsize=1024)
def _headers(authorization: str, ttl: int, urgency: str, collapse_key: str) -> Mapping[str, str]:
    """Built once for all messages of a broadcast that go to one origin in one second."""
    headers = {
        "TTL": str(min(ttl, MAX_TTL)),
        "Urgency": urgency,
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "Authorization": authorization,
    }
    if collapse_key:
        # Only where the tenant asks for it: FCM keeps few collapsible messages per device, and drops the others.
        headers["Topic"] = topic(collapse_key)
    return MappingProxyType(headers)


@lru_cache(maxsize=1024)
def topic(collapse_key: str) -> str:
    """32 characters of base64url (RFC 8030 §5.4 allows no more), a length Apple can decode (not 1 mod 4)."""
    return b64url(sha256(collapse_key.encode("utf-8", "replace")).digest()[:24])
