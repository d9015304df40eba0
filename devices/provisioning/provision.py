"""Vendors' endpoints (SNS) are created, updated and deleted as the devices need: claim → call → settle.

A device's lease allows one call at a time. If the token changes during a call, the device is called again with the new
token. A device that is claimed and not settled is due again when its lease has run out. An endpoint that the vendor
names is recorded as the device's own before it is changed: so no other device uses it then, and none is forgotten.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import connection

from devices.models import EndpointState
from devices.provisioning.quota import quota_take
from devices.provisioning.rounds import (
    CALLS,
    ProvisionRound,
    endpoint_own,
    round_begin,
    round_call,
    settle_soon,
)
from devices.provisioning.sql import ClaimedDevice, ProvisionSettlement, Settled, provision_claim, provision_settle
from devices.services.apps import app_misconfigured
from events.models import Event
from events.services import events_append
from events.types import EventType
from providers.registry import provider_get
from pushhub.kernel.metrics import Metric, count
from pushhub.workers.leased_work import LeasedWork

THREADS = 8
BATCH = 2 * THREADS  # two rounds of CALLS calls of at most 15 s each end within the lease, even if the vendor hangs


def settlement_write(device: ClaimedDevice, settlement: ProvisionSettlement) -> bool:
    """False when the lease is lost. In a transaction."""
    with connection.cursor() as cursor:
        settled = provision_settle(cursor, settlement)
    if settled is Settled.DECIDED and settlement.state == EndpointState.DISABLED:
        events_append(events=[_disabled(device, settlement.reason)])
    deleted = device.deleted and settlement.after is None
    count(Metric.PROVISIONS, outcome="deleted" if deleted else settlement.state or "undecided")
    return settled is not Settled.LEASE_LOST


def _claim() -> list[ClaimedDevice]:
    with connection.cursor() as cursor:
        return provision_claim(cursor, limit=BATCH)


def _calls(claimed: Sequence[ClaimedDevice]) -> Iterator[tuple[ClaimedDevice, ProvisionSettlement]]:
    granted, postponed = _within_quota(claimed)
    yield from ((device, settle_soon(device)) for device in postponed)
    for settlement in _rounds_run(granted):
        device = settlement.claimed
        yield device, settlement
        # After the settle: an app that works again makes its devices due, which a later settle would undo.
        if settlement.misconfigured:
            app_misconfigured(app_id=device.app_id, reason=settlement.misconfigured, version=device.app_version)


def _within_quota(claimed: Sequence[ClaimedDevice]) -> tuple[list[ClaimedDevice], list[ClaimedDevice]]:
    """Those whose calls the vendor's quotas allow now, and the others."""
    by_account: dict[tuple[str, str, str], list[ClaimedDevice]] = defaultdict(list)
    for device in claimed:
        by_account[device.provider, device.account_id, device.region].append(device)
    granted: list[ClaimedDevice] = []
    postponed: list[ClaimedDevice] = []
    for (name, account_id, region), devices in by_account.items():
        provider = provider_get(name)
        if not provider.requires_provisioning:  # a removed provider: its credentials cannot be opened, so no call
            granted += devices
            continue
        rate = provider.provisioner.call_rate(region)
        fit = quota_take(account_id=account_id, region=region, rate=rate, calls=CALLS * len(devices)) // CALLS
        granted += devices[:fit]
        postponed += devices[fit:]
    return granted, postponed


def _rounds_run(devices: Sequence[ClaimedDevice]) -> Iterator[ProvisionSettlement]:
    """Settlements as the calls complete."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="provision") as pool:
        running: set[Future[ProvisionSettlement | ProvisionRound]] = set()
        for device in devices:
            first = round_begin(device)
            if isinstance(first, ProvisionRound):
                running.add(pool.submit(round_call, first))
            else:
                yield first
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                following = endpoint_own(result) if isinstance(result, ProvisionRound) else result
                if isinstance(following, ProvisionRound):
                    running.add(pool.submit(round_call, following))
                else:
                    yield following


def _disabled(device: ClaimedDevice, reason: str) -> Event:
    subject = str(device.device_id)
    return Event(tenant_id=device.tenant_id, type=EventType.DEVICE_DISABLED, subject=subject, data={"reason": reason})


PROVISIONING = LeasedWork(
    name="provisioning", item_id=lambda device: device.id, claim=_claim, calls=_calls, settle=settlement_write
)
