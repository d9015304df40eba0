"""SNS endpoints brought in line with the devices: claim → call → settle, the calls outside any transaction.

One call at a time for a device (its lease); a token that changes meanwhile wins and goes round again; what is claimed
and not settled is due again when its lease has run out. An endpoint that AWS names is written down as the device's
before it is touched: so it is nobody else's then, and none is forgotten.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import connection, transaction

from devices.credentials import credentials_open
from devices.models import EndpointState
from devices.provisioning.quota import quota_take
from devices.provisioning.sql import (
    LEASE,
    PAUSED_AGAIN,
    Claimed,
    Settled,
    Settlement,
    provision_claim,
    provision_own,
    provision_settle,
)
from devices.sealing import endpoint_unseal
from devices.services.apps import app_misconfigured
from events.models import Event
from events.services import events_append
from events.types import EventType
from providers.errors import AddressRejected, AppUnavailable, CredentialsPending, VendorMisconfigured, VendorRetry
from providers.registry import provider_get
from providers.types import Credentials
from pushhub.kernel.backoff import Backoff, spread
from pushhub.kernel.metrics import Metric, count
from pushhub.workers.leased_work import LeasedWork

logger = logging.getLogger(__name__)

THREADS = 8
BATCH = 2 * THREADS  # two rounds of CALLS calls of at most 15 s each: within the lease, even with AWS hanging
CALLS = 3  # what one endpoint may take, as a rule: create, look, set
ROUNDS = 3  # create, be told of another, be told it has just gone: then let the schedule try again
START_SECONDS = LEASE.total_seconds() - 75.0  # a round's calls, and those for the credentials, end within the lease
BACKOFF = Backoff(base=2.0, cap=900.0)
SOON = (0.2, 1.2)  # seconds; longer than a worker trusts what it has read of a device
NOW = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """A device's next calls. Its `endpoint_arn` is its own, or was named by AWS in the round before."""

    device: Claimed
    credentials: Credentials
    start_by: float  # time.monotonic()
    left: int = ROUNDS

    def named(self, endpoint_arn: str) -> "_Round":
        return replace(self, device=replace(self.device, endpoint_arn=endpoint_arn), left=self.left - 1)


def provision_step() -> int:
    """One batch. How many devices were claimed: 0 = nothing is due."""
    return PROVISIONING.step()


def _claim() -> list[Claimed]:
    with connection.cursor() as cursor:
        return provision_claim(cursor, limit=BATCH)


def _calls(claimed: Sequence[Claimed]) -> Iterator[tuple[Claimed, Settlement]]:
    start_by = time.monotonic() + START_SECONDS
    granted, postponed = _within_quota(claimed)
    yield from ((device, _soon(device)) for device in postponed)
    for settlement in _called(granted, start_by=start_by):
        device = settlement.claimed
        yield device, settlement
        # After the settle: an app that works again makes its devices due, which a later settle would undo.
        if settlement.misconfigured:
            app_misconfigured(app_id=device.app_id, reason=settlement.misconfigured, version=device.app_version)


def _within_quota(claimed: Sequence[Claimed]) -> tuple[list[Claimed], list[Claimed]]:
    by_account: dict[tuple[str, str, str], list[Claimed]] = defaultdict(list)
    for device in claimed:
        by_account[device.provider, device.account_id, device.region].append(device)
    granted: list[Claimed] = []
    postponed: list[Claimed] = []
    for (provider, account_id, region), devices in by_account.items():
        rate = provider_get(provider).provisioner.call_rate(region)
        fit = quota_take(account_id=account_id, region=region, rate=rate, calls=CALLS * len(devices)) // CALLS
        granted += devices[:fit]
        postponed += devices[fit:]
    return granted, postponed


def _called(devices: list[Claimed], *, start_by: float) -> Iterator[Settlement]:
    """Settlements as the calls return. The threads touch no database: credentials are opened, and ARNs written down,
    here."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="provision") as pool:
        running: set[Future[Settlement | _Round]] = set()
        for device in devices:
            credentials = _credentials(device)
            if isinstance(credentials, Settlement):
                yield credentials
            else:
                running.add(pool.submit(_call, _Round(device=device, credentials=credentials, start_by=start_by)))
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                following = _owned(result) if isinstance(result, _Round) else result
                if isinstance(following, _Round):
                    running.add(pool.submit(_call, following))
                else:
                    yield following


def _credentials(device: Claimed) -> Credentials | Settlement:
    """Opened; else what the device's turn came to. Total: one app's trouble is no other's."""
    try:
        return credentials_open(app_id=device.app_id, version=device.app_version, vapid_key_id=None)
    except AppUnavailable as error:
        return _misconfigured(device, str(error))
    except CredentialsPending:
        return _retry(device)
    except Exception as fault:
        return _failed(device, fault)


def _owned(this: _Round) -> Settlement | _Round:
    """The round, once the endpoint it is about is the device's; else what the device's turn came to."""
    device = this.device
    with transaction.atomic(), connection.cursor() as cursor:
        owned = provision_own(cursor, claimed=device, endpoint_arn=device.endpoint_arn)
    if owned:
        return replace(this, device=owned)
    return Settlement(claimed=device) if device.deleted else _soon(device)


def _call(this: _Round) -> Settlement | _Round:
    """The vendor's part: what it came to, or the next round. Total: every failure is a settlement."""
    device = this.device
    try:
        if not this.left or time.monotonic() > this.start_by:
            raise VendorRetry("EndpointUnstable")
        return _delete(this) if device.deleted else _ensure(this)
    except AddressRejected as error:
        if device.deleted:
            return Settlement(claimed=device)  # the token leads to no endpoint of ours: nothing to delete
        return Settlement(claimed=device, state=EndpointState.DISABLED, reason=error.code)
    except VendorMisconfigured as error:
        return _misconfigured(device, error.code)
    except VendorRetry as error:
        return _retry(device, retry_after=error.after)
    except Exception as fault:
        return _failed(device, fault)


def _ensure(this: _Round) -> Settlement | _Round:
    device = this.device
    endpoint = provider_get(device.provider).provisioner.ensure(
        credentials=this.credentials,
        app=device.app,
        address=endpoint_unseal(device.endpoint_sealed or b"", provider=device.provider),
        known=device.endpoint_arn,
    )
    if not endpoint.ready:
        return this.named(endpoint.endpoint_arn)
    return Settlement(claimed=device, state=EndpointState.ACTIVE, verified=True)


def _delete(this: _Round) -> Settlement | _Round:
    """A tombstone without an ARN may still have an endpoint, of a call whose answer was lost: its token finds it."""
    device = this.device
    if not device.endpoint_arn and device.endpoint_sealed:
        return _ensure(this)
    if device.endpoint_arn:
        provisioner = provider_get(device.provider).provisioner
        provisioner.delete(credentials=this.credentials, endpoint_arn=device.endpoint_arn)
    return Settlement(claimed=device)


def _soon(device: Claimed) -> Settlement:
    """Nothing has failed, but another call or another worker goes first."""
    return Settlement(claimed=device, after=timedelta(seconds=spread(*SOON)), attempts=device.attempts)


def _failed(device: Claimed, fault: Exception) -> Settlement:
    """An internal error: the vendor refused nothing."""
    logger.error("provisioning failed", exc_info=fault, extra={"device": device.id})
    return _retry(device, extra_doublings=2)


def _misconfigured(device: Claimed, reason: str) -> Settlement:
    return Settlement(claimed=device, after=PAUSED_AGAIN, attempts=device.attempts, misconfigured=reason)


def _retry(device: Claimed, *, retry_after: float | None = None, extra_doublings: int = 0) -> Settlement:
    """Try again later. `retry_after`: the seconds that AWS asked for, never undercut."""
    seconds = BACKOFF.full_jitter(device.attempts + extra_doublings, retry_after=retry_after)
    return Settlement(claimed=device, after=timedelta(seconds=seconds), attempts=device.attempts + 1)


def _settle(device: Claimed, settlement: Settlement) -> bool:
    with connection.cursor() as cursor:
        settled = provision_settle(cursor, settlement)
    if settled is Settled.DECIDED and settlement.state == EndpointState.DISABLED:
        events_append(events=[_disabled(device, settlement.reason)])
    deleted = device.deleted and settlement.after is None
    count(Metric.PROVISIONS, outcome="deleted" if deleted else settlement.state or "undecided")
    return settled is not Settled.LEASE_LOST


def _disabled(device: Claimed, reason: str) -> Event:
    subject = str(device.device_id)
    return Event(tenant_id=device.tenant_id, type=EventType.DEVICE_DISABLED, subject=subject, data={"reason": reason})


PROVISIONING = LeasedWork(name="provisioning", claim=_claim, calls=_calls, settle=_settle)
