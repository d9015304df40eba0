"""The push service: `POST /push/{capability}` (RFC 8030, 8291, 8292): every MUST, and the rules of strict vendors."""

import re
import secrets
from dataclasses import dataclass

from aiohttp import web

from sandbox import ece
from sandbox.behaviour import OK, Step, reset, stall
from sandbox.journal import Journal
from sandbox.ledger import LOST, Ledger
from sandbox.outage import Outage
from sandbox.subscriptions import Subscription, Subscriptions
from sandbox.vapid import VapidFault, VapidVerifier
from sandbox.vendors import FAULT_BY_STEP, Fault, refusal

MAX_TTL = 28 * 24 * 3600
URGENCIES = frozenset({"very-low", "low", "normal", "high"})
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_DIGITS = re.compile(r"[0-9]{1,18}\Z")


class Refused(Exception):
    """A rule was broken. `fault` selects the vendor's response; `code` names the rule in the violations."""

    def __init__(self, fault: Fault, code: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Headers:
    ttl: int
    urgency: str
    topic: str


class Freshness:
    """Remembers at least the last `generation` ephemeral keys and salts (RFC 8291 §3.1: new for each message)."""

    def __init__(self, generation: int = 500_000) -> None:
        self._generation = generation
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()

    def use(self, value: bytes) -> bool:
        """True at the first use."""
        if value in self._new or value in self._old:
            return False
        if len(self._new) >= self._generation:
            self._old, self._new = self._new, set()
        self._new.add(value)
        return True

    def forget(self, value: bytes) -> None:
        self._new.discard(value)
        self._old.discard(value)


class PushService:
    def __init__(
        self, *, origin: str, journal: Journal, outage: Outage, decrypt: bool = True, ledger: Ledger | None = None
    ) -> None:
        self.subscriptions = Subscriptions(origin, ledger)
        self._journal = journal
        self._outage = outage
        self._origin = origin
        self._decrypt = decrypt
        self._ledger = ledger
        self._vapid = VapidVerifier(origin)
        self._freshness = Freshness()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/push/{capability}", self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        self._journal.counters["webpush.requests"] += 1
        down = await self._outage.play(request, "push")
        if down is not None:
            return down
        subscription = self.subscriptions.get(request.match_info["capability"])
        if subscription is None:
            self._journal.counters["webpush.not_found"] += 1
            return refusal("plain", Fault.NOT_FOUND)
        step = subscription.behaviour.next()
        if step is not OK and await stall(request, step):
            return web.Response()
        response = await self._process(request, subscription, step)
        if self._ledger is not None:
            word = LOST if step.name == LOST and response.status == 200 else str(response.status)
            self._ledger.record(request.match_info["capability"], word)
        return response

    async def _process(self, request: web.Request, subscription: Subscription, step: Step) -> web.Response:
        try:
            headers = check_headers(request)
            key = self._check_vapid(request, subscription)
            if step.name in FAULT_BY_STEP:
                fault = FAULT_BY_STEP[step.name]
                self._journal.counters[f"webpush.{fault}"] += 1
                return refusal(subscription.style, fault, retry_after=step.seconds)
            sealed = check_body(await _body(request), key)
            plaintext = self._open(sealed, subscription)
        except Refused as refused:
            self._journal.violation(
                provider="webpush", code=refused.code, detail=refused.detail, target=subscription.url
            )
            return refusal(subscription.style, refused.fault, detail=refused.detail)
        message_id = self._catch(request, subscription, headers, plaintext)
        if step.name == "lost":
            # The client's transport may resend the same bytes. That is a duplicate to be counted, not a reused key.
            self._freshness.forget(sealed.sender_key)
            self._freshness.forget(sealed.salt)
            return reset(request)
        location = f"{self._origin}/message/{message_id}"
        return web.Response(status=201, headers={"Location": location, "TTL": str(headers.ttl)})

    def _check_vapid(self, request: web.Request, subscription: Subscription) -> bytes:
        try:
            key = self._vapid.verify(request.headers.get("Authorization"))
        except VapidFault as fault:
            kind = Fault.AUTH_MISSING if fault.missing else Fault.AUTH_INVALID
            raise Refused(kind, fault.code, fault.detail) from None
        if subscription.application_server_key not in (None, key):
            raise Refused(
                Fault.KEY_MISMATCH, "vapid_key_mismatch", "k is not the subscription's application server key"
            )
        return key

    def _open(self, sealed: ece.Sealed, subscription: Subscription) -> bytes | None:
        if not (self._freshness.use(sealed.sender_key) and self._freshness.use(sealed.salt)):
            raise Refused(Fault.BAD_MESSAGE, "key_reused", "ephemeral key or salt was used before (RFC 8291 §3.1)")
        if not self._decrypt or subscription.private_key is None:
            return None
        try:
            return ece.decrypt(sealed, subscription.private_key, subscription.public_key, subscription.auth)
        except ece.MessageFault as fault:
            raise Refused(Fault.BAD_MESSAGE, fault.code, fault.detail) from None

    def _catch(
        self, request: web.Request, subscription: Subscription, headers: Headers, plaintext: bytes | None
    ) -> str:
        message_id = secrets.token_urlsafe(16)
        shown = {"TTL": request.headers["TTL"], "Urgency": headers.urgency, "Topic": headers.topic}
        shown["vapid_k"] = request.headers["Authorization"].partition("k=")[2].partition(",")[0].strip('" ')
        self._journal.catch(
            provider="webpush",
            target=subscription.url,
            device=subscription.url.rpartition("/")[2],
            user=subscription.user,
            message_id=message_id,
            headers=shown,
            plaintext=plaintext,
        )
        return message_id


def check_headers(request: web.Request) -> Headers:
    """TTL, Topic, Urgency and Content-Encoding. Raises Refused."""
    ttl = _single(request, "TTL", Fault.BAD_TTL)
    if ttl is None or not _DIGITS.match(ttl):
        raise Refused(Fault.BAD_TTL, "ttl", "TTL is required: a non-negative number of seconds (RFC 8030 §5.2)")
    topic = _single(request, "Topic", Fault.BAD_TOPIC)
    if topic is not None and not _TOPIC.match(topic):
        raise Refused(Fault.BAD_TOPIC, "topic", "Topic is 1 to 32 characters of URL-safe base64 (RFC 8030 §5.4)")
    if topic is not None and len(topic) % 4 == 1:
        raise Refused(Fault.BAD_TOPIC, "topic_length", "Topic cannot be decoded: Apple answers BadWebPushTopic")
    urgency = _single(request, "Urgency", Fault.BAD_URGENCY)
    if urgency is not None and urgency not in URGENCIES:
        raise Refused(Fault.BAD_URGENCY, "urgency", "Urgency is one of very-low, low, normal, high (RFC 8030 §5.3)")
    if request.headers.getall("Content-Encoding", []) != ["aes128gcm"]:
        raise Refused(Fault.BAD_MESSAGE, "content_encoding", "Content-Encoding must be aes128gcm (RFC 8291 §4)")
    return Headers(min(int(ttl), MAX_TTL), urgency or "normal", topic or "")


def check_body(body: bytes, vapid_key: bytes) -> ece.Sealed:
    """Size, header block and keys. Raises Refused."""
    if len(body) > ece.MAX_BODY:
        raise Refused(Fault.TOO_LARGE, "body_too_large", f"{len(body)} bytes, at most {ece.MAX_BODY} are accepted")
    try:
        sealed = ece.parse(body)
    except ece.MessageFault as fault:
        raise Refused(Fault.BAD_MESSAGE, fault.code, fault.detail) from None
    if sealed.sender_key == vapid_key:
        raise Refused(Fault.BAD_MESSAGE, "vapid_key_reused", "the VAPID key must not be the ECDH key (RFC 8292 §3.2)")
    return sealed


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(Fault.TOO_LARGE, "body_too_large", f"at most {ece.MAX_BODY} bytes are accepted") from None


def _single(request: web.Request, name: str, fault: Fault) -> str | None:
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise Refused(fault, f"{name.lower()}_repeated", f"{name} appears more than once")
    return values[0] if values else None
