"""SNS endpoints brought in line with the devices: claim → call → settle, the calls outside any transaction.

One call at a time for a device (its lease); a token that changes meanwhile wins and goes round again; what is claimed
and not settled is due again when its lease has run out.
"""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import timedelta
from typing import cast

from django.db import connection, transaction

from devices.models import EndpointState
from devices.quota import quota_take
from devices.sealing import endpoint_unseal
from devices.sending import AppUnavailable, CredentialsPending, credentials_open
from devices.services.apps import app_misconfigured
from devices.sql_provision import PAUSED_AGAIN, Claimed, Settlement, provision_claim, provision_settle
from events.models import Event
from providers.sns.access import SnsMisconfigured, SnsRetry, SnsTokenInvalid
from providers.sns.endpoints import endpoint_delete, endpoint_ensure
from providers.types import SnsCredentials
from pushhub.metrics import Metric, count

logger = logging.getLogger(__name__)

THREADS = 8
BATCH = 2 * THREADS  # two rounds of CALLS calls of at most 15 s each: within the lease, even with AWS hanging
CALLS = 3  # what one endpoint may take, as a rule: create, look, set
RETRY_BASE_SECONDS = 2.0
RETRY_CAP_SECONDS = 900.0
NOW = timedelta()


def provision_step() -> int:
    """Claim and settle one batch. How many devices were claimed: 0 = nothing is due."""
    with transaction.atomic(), connection.cursor() as cursor:
        claimed = provision_claim(cursor, limit=BATCH)
    if claimed:
        granted, postponed = _within_quota(claimed)
        for device in postponed:
            _settle(_again(device, after=timedelta(seconds=random.uniform(0.2, 1.2))))  # noqa: S311
        for settlement in _called(granted):
            _settle(settlement)
    return len(claimed)


def provision_until(*, deadline: float) -> bool:
    """Batches until `deadline` (time.monotonic()). True if more may be due."""
    while time.monotonic() < deadline:
        if not provision_step():
            return False
    return True


def retry_after(attempts: int, *, rand: Callable[[], float] = random.random) -> timedelta:
    """Full jitter: anywhere up to base · 2^attempts, capped."""
    return timedelta(seconds=rand() * min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2 ** min(attempts, 20)))


def _within_quota(claimed: list[Claimed]) -> tuple[list[Claimed], list[Claimed]]:
    by_place: dict[tuple[str, str], list[Claimed]] = defaultdict(list)
    for device in claimed:
        by_place[device.account_id, device.region].append(device)
    granted: list[Claimed] = []
    postponed: list[Claimed] = []
    for (account_id, region), devices in by_place.items():
        fit = quota_take(account_id=account_id, region=region, calls=CALLS * len(devices)) // CALLS
        granted += devices[:fit]
        postponed += devices[fit:]
    return granted, postponed


def _called(devices: list[Claimed]) -> Iterator[Settlement]:
    """Settlements as the calls return. The threads touch no database: credentials are opened here."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="sns") as pool:
        futures: list[Future[Settlement]] = []
        for device in devices:
            try:
                credentials = cast(
                    SnsCredentials,
                    credentials_open(app_id=device.app_id, version=device.app_version, vapid_key_id=None),
                )
            except AppUnavailable as error:
                yield _misconfigured(device, str(error))
                continue
            except CredentialsPending:
                yield _again(device, after=retry_after(device.attempts), attempts=device.attempts + 1)
                continue
            futures.append(pool.submit(_call, device, credentials))
        for future in as_completed(futures):
            yield future.result()


def _call(device: Claimed, credentials: SnsCredentials) -> Settlement:
    """The vendor's part. Total: every failure is a settlement."""
    try:
        return _delete(device, credentials) if device.deleted else _ensure(device, credentials)
    except SnsTokenInvalid as error:
        if device.deleted:
            return Settlement(claimed=device)  # the token leads to no endpoint of ours: nothing to delete
        return Settlement(claimed=device, state=EndpointState.DISABLED, reason=error.code)
    except SnsMisconfigured as error:
        return _misconfigured(device, error.code)
    except SnsRetry as error:
        wait = max(retry_after(device.attempts), timedelta(seconds=error.after or 0))
        return _again(device, after=wait, attempts=device.attempts + 1)
    except Exception:
        logger.exception("provisioning failed", extra={"device": device.id})
        return _again(device, after=retry_after(device.attempts + 2), attempts=device.attempts + 1)


def _ensure(device: Claimed, credentials: SnsCredentials) -> Settlement:
    endpoint = endpoint_ensure(
        credentials=credentials,
        platform_application_arn=device.platform_application_arn,
        platform=device.sns_platform,
        token=endpoint_unseal(device.endpoint_sealed or b"")["token"],
        known_arn=device.endpoint_arn or None,
    )
    return Settlement(claimed=device, endpoint_arn=endpoint.endpoint_arn, state=EndpointState.ACTIVE, verified=True)


def _delete(device: Claimed, credentials: SnsCredentials) -> Settlement:
    """A tombstone without an ARN may still have an endpoint, of a call whose answer was lost: its token finds it."""
    arn = device.endpoint_arn
    if not arn and device.endpoint_sealed:
        arn = _ensure(device, credentials).endpoint_arn
    if arn:
        endpoint_delete(credentials=credentials, endpoint_arn=arn)
    return Settlement(claimed=device)


def _misconfigured(device: Claimed, reason: str) -> Settlement:
    return Settlement(claimed=device, after=PAUSED_AGAIN, attempts=device.attempts, misconfigured=reason)


def _again(device: Claimed, *, after: timedelta, attempts: int | None = None) -> Settlement:
    return Settlement(claimed=device, after=after, attempts=device.attempts if attempts is None else attempts)


def _settle(settlement: Settlement) -> None:
    device = settlement.claimed
    with transaction.atomic():
        with connection.cursor() as cursor:
            decided = provision_settle(cursor, settlement)
        if decided and settlement.state == EndpointState.DISABLED:
            Event.objects.create(
                tenant_id=device.tenant_id,
                type="device.disabled",
                subject=str(device.device_id),
                data={"reason": settlement.reason},
            )
    deleted = device.deleted and settlement.after is None
    count(Metric.PROVISIONS, outcome="deleted" if deleted else settlement.state or "undecided")
    if settlement.misconfigured:
        app_misconfigured(app_id=device.app_id, reason=settlement.misconfigured, version=device.app_version)
