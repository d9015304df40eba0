"""`Idempotency-Key` for POSTs that create objects (draft-ietf-httpapi-idempotency-key-header): a repeated request gets
the response to the first one.

The response and the work commit in one transaction, so a crash leaves neither. Only committed responses are stored: a
request that was refused is processed again, and may succeed when the cause is fixed. A key is valid for one tenant,
caller and route, for 24 hours.
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

StatusAndBody = tuple[int, Any]  # the body can be encoded as JSON

LIFETIME = timedelta(hours=24)
RETRY_AFTER_SECONDS = 1
PRUNE_BATCH = 5000
# An sf-string (RFC 8941 §3.3.3), or the text without quotes that most clients send. Without quotes a comma is refused:
# HTTP joins two headers of the same name with a comma.
QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')
BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class RequestKey:
    """An Idempotency-Key with its scope."""

    tenant: Tenant
    caller: str
    route: str
    key: str

    @property
    def lock_name(self) -> str:
        return "\x1f".join(("idempotency", str(self.tenant.pk), self.caller, self.route, self.key))


def idempotent(
    request: Request, work: Callable[[], StatusAndBody], *, body_hash: bytes | None = None, atomic: bool = False
) -> Response:
    """Runs `work` in a transaction, stores its (status, body) and responds with them. A repeat of the request gets the
    stored response.

    Without the header nothing is stored. `atomic`: `work` needs no transaction around it in that case.
    `body_hash` is the SHA-256 of a body that was read as a stream.
    Raises ApiError IDEMPOTENCY_KEY_INVALID (400), IDEMPOTENCY_IN_PROGRESS (409), IDEMPOTENCY_MISMATCH (422), and the
    errors of `work`. After an error nothing is stored.
    """
    key = key_parse(request.headers.get("Idempotency-Key"))
    if key is None:
        with nullcontext() if atomic else transaction.atomic():
            status, body = work()
        return Response(body, status=status)
    caller = caller_of(request)
    with transaction.atomic():
        request_key = RequestKey(caller.tenant, caller.label, _route(request), key)
        return _respond(request_key, _body_hash(request, body_hash), work)


def idempotency_prune() -> int:
    """Deletes expired responses in batches, and returns their number. Upkeep calls it."""
    expired = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - LIFETIME)
    total = 0
    while batch := list(expired.order_by("created_at").values_list("pk", flat=True)[:PRUNE_BATCH]):
        total += IdempotencyRecord.objects.filter(pk__in=batch).delete()[0]
    return total


def key_parse(header: str | None) -> str | None:
    """The key in a header's value, with or without quotes; None without the header. Raises ApiError
    IDEMPOTENCY_KEY_INVALID."""
    if header is None:
        return None
    if match := QUOTED.fullmatch(header.strip()):
        return re.sub(r"\\(.)", r"\1", match[1])
    if BARE.fullmatch(header.strip()):
        return header.strip()
    raise ApiError(ErrorCode.IDEMPOTENCY_KEY_INVALID)


def _respond(request_key: RequestKey, body_hash: bytes, work: Callable[[], StatusAndBody]) -> Response:
    locked = _try_lock(request_key)
    # A separate statement after the lock: its snapshot contains the commit of the last transaction that had the lock.
    record = _record(request_key)
    if record is not None and record.created_at > timezone.now() - LIFETIME:
        return _replay(record, body_hash)
    if not locked:
        raise ApiError(ErrorCode.IDEMPOTENCY_IN_PROGRESS, retry_after=RETRY_AFTER_SECONDS)
    if record is not None:
        record.delete()
    status, body = work()
    _store(request_key, body_hash, status, body)
    return Response(body, status=status)


def _try_lock(request_key: RequestKey) -> bool:
    """An advisory lock until the end of the transaction. It never waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [request_key.lock_name])
        return bool(cursor.fetchone()[0])


def _record(request_key: RequestKey) -> IdempotencyRecord | None:
    return IdempotencyRecord.objects.filter(
        tenant=request_key.tenant, caller=request_key.caller, route=request_key.route, key=request_key.key
    ).first()


def _replay(record: IdempotencyRecord, body_hash: bytes) -> Response:
    if bytes(record.body_hash) != body_hash:
        raise ApiError(ErrorCode.IDEMPOTENCY_MISMATCH)
    body = json.loads(unseal(bytes(record.response_sealed), purpose=Purpose.IDEMPOTENT_RESPONSE))
    return Response(body, status=record.status, headers={"Idempotency-Replayed": "true"})


def _store(request_key: RequestKey, body_hash: bytes, status: int, body: Any) -> None:
    response = json.dumps(body, cls=JSONEncoder, separators=(",", ":")).encode()
    IdempotencyRecord.objects.create(
        tenant=request_key.tenant,
        caller=request_key.caller,
        route=request_key.route,
        key=request_key.key,
        body_hash=body_hash,
        status=status,
        response_sealed=seal(response, purpose=Purpose.IDEMPOTENT_RESPONSE),
    )


def _route(request: Request) -> str:
    """The pattern, not the path. The path is part of the body hash, so that another path is a mismatch (422)."""
    match = request.resolver_match
    return f"{request.method} {match.route if match else request.path}"[:200]


def _body_hash(request: Request, streamed: bytes | None) -> bytes:
    """SHA-256 over the path and the parsed body in a canonical form, in which whitespace and the order of members do
    not matter. In a streamed body every byte matters."""
    body = request.data if streamed is None else streamed.hex()
    canonical = json.dumps([request.get_full_path(), body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()
