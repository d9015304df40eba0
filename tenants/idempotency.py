"""`Idempotency-Key` on creating POSTs (draft-ietf-httpapi-idempotency-key-header): the first answer is replayed.

Answer and work commit in one transaction, so a crash leaves neither. Only committed outcomes are stored: a refused
validation is computed again, and may succeed once the cause is mended. Scope: tenant, caller, route; life: 24 hours.
"""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from pushhub.kernel.crypto import seal, unseal
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.purposes import Purpose
from tenants.callers import caller_of
from tenants.models import IdempotencyRecord, Tenant

Answer = tuple[int, Any]  # status, JSON-able body

LIFETIME = timedelta(hours=24)
RETRY_AFTER_SECONDS = 1
PRUNE_BATCH = 5000
# An sf-string (RFC 8941 §3.3.3), or the bare token most clients send. A comma would be two header lines folded to one.
QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')
BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Slot:
    """Whose key, for which route."""

    tenant: Tenant
    caller: str
    route: str
    key: str

    @property
    def lock_name(self) -> str:
        return "\x1f".join(("idempotency", str(self.tenant.pk), self.caller, self.route, self.key))


def idempotent(
    request: Request, work: Callable[[], Answer], *, body_hash: bytes | None = None, atomic: bool = False
) -> Response:
    """Run `work` in a transaction and answer with its (status, body), or replay what it answered before.

    Without the header it is a transaction and no more, and not even that if `work` is `atomic` by itself.
    `body_hash`: SHA-256 of a body that was read as a stream.
    Raises ApiError IDEMPOTENCY_KEY_INVALID (400), IDEMPOTENCY_IN_PROGRESS (409), IDEMPOTENCY_MISMATCH (422), and
    whatever `work` raises: then nothing is stored.
    """
    key = key_parse(request.headers.get("Idempotency-Key"))
    if key is None:
        with nullcontext() if atomic else transaction.atomic():
            status, body = work()
        return Response(body, status=status)
    caller = caller_of(request)
    with transaction.atomic():
        return _answer(Slot(caller.tenant, caller.label, _route(request), key), _body_hash(request, body_hash), work)


def idempotency_prune() -> int:
    """Delete expired answers, a batch at a time; returns how many. Upkeep calls it."""
    expired = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - LIFETIME)
    total = 0
    while batch := list(expired.order_by("created_at").values_list("pk", flat=True)[:PRUNE_BATCH]):
        total += IdempotencyRecord.objects.filter(pk__in=batch).delete()[0]
    return total


def key_parse(header: str | None) -> str | None:
    """The key in a header value, quoted or bare; None without the header. Raises ApiError IDEMPOTENCY_KEY_INVALID."""
    if header is None:
        return None
    if match := QUOTED.fullmatch(header.strip()):
        return re.sub(r"\\(.)", r"\1", match[1])
    if BARE.fullmatch(header.strip()):
        return header.strip()
    raise ApiError(ErrorCode.IDEMPOTENCY_KEY_INVALID)


def _answer(slot: Slot, body_hash: bytes, work: Callable[[], Answer]) -> Response:
    locked = _try_lock(slot)
    # A statement of its own after the lock: its snapshot sees what the lock's last holder committed.
    record = _record(slot)
    if record is not None and record.created_at > timezone.now() - LIFETIME:
        return _replay(record, body_hash)
    if not locked:
        raise ApiError(ErrorCode.IDEMPOTENCY_IN_PROGRESS, retry_after=RETRY_AFTER_SECONDS)
    if record is not None:
        record.delete()
    status, body = work()
    _store(slot, body_hash, status, body)
    return Response(body, status=status)


def _try_lock(slot: Slot) -> bool:
    """Held until the transaction ends, however it ends; nobody waits for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [slot.lock_name])
        return bool(cursor.fetchone()[0])


def _record(slot: Slot) -> IdempotencyRecord | None:
    return IdempotencyRecord.objects.filter(
        tenant=slot.tenant, caller=slot.caller, route=slot.route, key=slot.key
    ).first()


def _replay(record: IdempotencyRecord, body_hash: bytes) -> Response:
    if bytes(record.body_hash) != body_hash:
        raise ApiError(ErrorCode.IDEMPOTENCY_MISMATCH)
    body = json.loads(unseal(bytes(record.answer_sealed), purpose=Purpose.IDEMPOTENT_RESPONSE))
    return Response(body, status=record.status, headers={"Idempotency-Replayed": "true"})


def _store(slot: Slot, body_hash: bytes, status: int, body: Any) -> None:
    answer = json.dumps(body, cls=JSONEncoder, separators=(",", ":")).encode()
    IdempotencyRecord.objects.create(
        tenant=slot.tenant,
        caller=slot.caller,
        route=slot.route,
        key=slot.key,
        body_hash=body_hash,
        status=status,
        answer_sealed=seal(answer, purpose=Purpose.IDEMPOTENT_RESPONSE),
    )


def _route(request: Request) -> str:
    """The pattern, not the path: what the path names is in the body hash, where a difference is a mismatch (422)."""
    match = request.resolver_match
    return f"{request.method} {match.route if match else request.path}"[:200]


def _body_hash(request: Request, streamed: bytes | None) -> bytes:
    """SHA-256 over path and parsed body in one canonical form: whitespace and the order of keys do not matter. Of a
    streamed body every byte counts."""
    body = request.data if streamed is None else streamed.hex()
    canonical = json.dumps([request.get_full_path(), body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()
